import { EventEmitter } from "node:events";
import { setTaskErrorHandler, sleep } from "@scope/core";
import { backgroundTasks, spawn, stopBackgroundTasks } from "@scope/guarded";

setTaskErrorHandler(({ message, error }) => console.log(`${message}:`, String(error)));

async function index(file: string): Promise<void> {
  await sleep(5);
  if (file === "broken.md") throw new Error("no title");
}

// #region callback
const watcher = new EventEmitter();
watcher.on("change", (file: string) => {
  // `index(file)` alone: a floating promise, whose failure is an unhandledRejection that ends the process.
  // `void index(file)`: the same, and the linter is silent.
  spawn(() => index(file), { name: `index ${file}` });
});

watcher.emit("change", "good.md");
watcher.emit("change", "broken.md");
console.log(backgroundTasks().size, "are running");
await stopBackgroundTasks();
console.log(backgroundTasks().size, "are running");
// #endregion

// Output:
// 2 are running
// Error in task "index broken.md" of TaskScope "background": Error: no title
// 0 are running
