import { TaskScope, cancelAndWait, sleep } from "@scope/core";

await TaskScope.run(async (scope) => {
  // #region cancel-and-wait
  const task = scope.spawn(async (token) => {
    await sleep(60_000, token).finally(() => sleep(10)); // cleans up for 10 ms
  });
  await cancelAndWait(task, { reason: "replaced", token: scope.token });
  console.log(task.status, task.done); // nothing of it runs any more
  // #endregion
});

// Output:
// cancelled true
