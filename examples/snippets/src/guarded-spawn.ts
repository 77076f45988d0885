import { EventEmitter } from "node:events";
import { setTaskErrorHandler, sleep } from "@scope/core";
import { backgroundTasks, spawn, stopBackgroundTasks } from "@scope/guarded";

const editor = new EventEmitter();
setTaskErrorHandler(({ message, error }) => console.log(message, "->", String(error)));

// #region spawn
editor.on("change", (file: string) => {
  spawn((token) => save(file, token.signal), { name: `save ${file}` }); // no promise floats here
});

editor.emit("change", "a.txt");
editor.emit("change", "b.txt"); // fails, and is told at once
console.log(Array.from(backgroundTasks(), ({ name }) => name));

await sleep(20);
console.log(Array.from(backgroundTasks(), ({ name }) => name));
await stopBackgroundTasks({ reason: "closing", timeout: 1_000 });
console.log(backgroundTasks().size);
// #endregion

async function save(file: string, signal: AbortSignal): Promise<void> {
  if (file === "b.txt") throw new Error("disk full");
  await sleep(60_000, signal).finally(() => console.log(`${file}: put back`));
}

// Output:
// [ 'save a.txt', 'save b.txt' ]
// Error in task "save b.txt" of TaskScope "background" -> Error: disk full
// [ 'save a.txt' ]
// a.txt: put back
// 0
