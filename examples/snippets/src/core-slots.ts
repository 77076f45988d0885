import { TaskScope } from "@scope/core";

// #region slots
await TaskScope.run(
  (scope) => {
    scope.spawn(async (token) => {
      const part = scope.spawn(() => "part"); // pending: the only slot is taken
      await token.race(part); // … by the task that waits here
    });
  },
  { name: "one slot", concurrency: 1, timeout: 50 },
).catch((error: unknown) => console.log(String(error)));
// #endregion

// Output:
// TimeoutError: TaskScope "one slot" timed out after 50 ms
