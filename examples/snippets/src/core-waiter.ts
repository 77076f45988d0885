import { CancellationSource, TaskScope, cancelAndWait, sleep } from "@scope/core";

await TaskScope.run(async (scope) => {
  // #region waiter
  const task = scope.spawn(async (token) => {
    await sleep(60_000, token).finally(() => sleep(20).then(() => console.log("task: cleaned up")));
  });
  const waiter = new CancellationSource({ timeout: 5 }); // has no more time than this
  await cancelAndWait(task, { token: waiter.token }).catch((error: unknown) => console.log(String(error)));
  // #endregion
});

// Output:
// AbortError: Timed out after 5 ms
// task: cleaned up
