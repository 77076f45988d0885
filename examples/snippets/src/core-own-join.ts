import { TaskScope, sleep } from "@scope/core";

// #region own-join
await TaskScope.run(async (scope) => {
  scope.spawn(async () => {
    await sleep(10);
    scope.cancel("seen enough"); // not `await scope.stop()`: that would wait for this very task
  });
  await sleep(60_000, scope.token).catch(() => console.log("body: interrupted"));
});
// #endregion

// Output:
// body: interrupted
