import { getEventListeners } from "node:events";
import { TaskGroup } from "@scope/taskgroup";

const handle = (): Promise<void> => Promise.resolve();

// #region leak
const shutdown = new AbortController(); // lives as long as the process
const listeners = (): number => getEventListeners(shutdown.signal, "abort").length;

for (let request = 0; request < 1_000; request++) {
  await TaskGroup.run(() => handle(), { token: shutdown.signal });
}
console.log("TaskGroup:", listeners());

for (let request = 0; request < 1_000; request++) {
  const controller = new AbortController();
  shutdown.signal.addEventListener("abort", () => controller.abort(shutdown.signal.reason), { once: true });
  await handle();
}
console.log("AbortController:", listeners());
// #endregion

// Output:
// TaskGroup: 0
// AbortController: 1000
