import { sleep } from "@scope/core";
import { runMain, spawn } from "@scope/guarded";

const options = {
  logger: { error: (text: string) => console.log(text) },
  exit: (code: number) => console.log("exit", code),
};

// #region signal
const pressCtrlC = () => process.kill(process.pid, "SIGINT");

await runMain(async (token) => {
  spawn((own) => sleep(60_000, own).finally(() => console.log("heartbeat: stopped")));
  setTimeout(pressCtrlC, 10);
  await sleep(Infinity, token).catch(() => console.log("main:", token.error?.message)); // and returns
}, options);
// #endregion

// #region grace
await runMain(
  async () => {
    spawn(() => new Promise(() => undefined), { name: "deaf" }); // ignores its token
    await sleep(10);
  },
  { ...options, graceMs: 50 },
);
// #endregion

// Output:
// main: SIGINT
// heartbeat: stopped
// exit 130
// Forced exit: Timed out after 50 ms; still running: "deaf"
// exit 1
