import { backgroundSpawner, setTaskErrorHandler, sleep } from "@scope/core";

// #region handler
setTaskErrorHandler(({ message, error }) => console.log(`${message}: ${String(error)}`));

backgroundSpawner.spawn(() => Promise.reject(new Error("disk full")), { name: "flush cache" });
// #endregion

await sleep(0);

// Output:
// Error in task "flush cache" of TaskScope "background": Error: disk full
