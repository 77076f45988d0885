// Work that nobody waits for (guarded)
import { setTaskErrorHandler, sleep } from "@scope/core";
import { backgroundTasks, spawn, stopBackgroundTasks } from "@scope/guarded";

setTaskErrorHandler(({ message, error }) => console.log(`${message}:`, String(error)));

spawn((own) => sleep(60_000, own).finally(() => console.log("metrics: flushed")), { name: "metrics" });
spawn(() => sleep(200).then(() => Promise.reject(new Error("no space"))), { name: "save draft" });

await sleep(600);
console.log(backgroundTasks().size, "task is left");
await stopBackgroundTasks({ reason: "closing" });

// Output:
// Error in task "save draft" of TaskScope "background": Error: no space
// 1 task is left
// metrics: flushed
