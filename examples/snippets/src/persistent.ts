import { type CancellationToken, setTaskErrorHandler, sleep } from "@scope/core";
import { PersistentTaskGroup } from "@scope/persistent";

setTaskErrorHandler(({ message, error }) => console.log(`${message}:`, String(error)));

let attempts = 0;
let dbIsUp = (): void => undefined;
const afterDb = new Promise<void>((resolve) => {
  dbIsUp = resolve;
});

async function probe(target: string, token: CancellationToken): Promise<string> {
  if (target === "web") await token.race(afterDb);
  else {
    await sleep(5, token);
    if (++attempts === 1) throw new Error("no route");
    dbIsUp();
  }
  return `${target} is up`;
}

const token = AbortSignal.timeout(60_000);

// #region probes
await PersistentTaskGroup.run(
  async (group) => {
    const start = (target: string) => group.spawn((token) => probe(target, token), { name: target });
    start("db");
    start("web");
    for await (const task of group.asCompleted()) {
      console.log(task.name, task.status); // the next round of the loop acknowledges it
      if (task.status === "failed") start("db");
    }
  },
  { uniqueId: "probes", token },
);
// #endregion

// Output:
// Error in task "PersistentTaskGroup:probes:db": Error: no route
// PersistentTaskGroup:probes:db failed
// PersistentTaskGroup:probes:db succeeded
// PersistentTaskGroup:probes:web succeeded
