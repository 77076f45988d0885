import { sleep } from "@scope/core";
import { runMain, spawn, spawnGuarded } from "@scope/guarded";

const logger = { error: (text: string) => console.log(text.split("\n", 1)[0]) }; // without its stack

await runMain(
  async (token) => {
    spawnGuarded(
      async (own) => {
        await sleep(20, own);
        throw new Error("webhook gone"); // a bug: without this task the program is of no use
      },
      { name: "relay", logger },
    );
    spawn((own) => sleep(60_000, own).finally(() => console.log("metrics: flushed")), { name: "metrics" });

    await sleep(Infinity, token); // serves, until it is asked to end
  },
  { exit: (code) => console.log("exit", code) }, // or else the process exits
);

// Output:
// Error: webhook gone
// Exception in background task (name="relay"): Error: webhook gone
// metrics: flushed
// exit 1
