import { TaskScope } from "@scope/core";

// #region mistake
await TaskScope.run(
  (scope) => {
    scope.spawn((token) => token.race(scope.join()), { name: "self" });
  },
  { name: "mistake", timeout: 50 },
).catch((error: unknown) => console.log(String(error)));
// #endregion

// Output:
// TimeoutError: TaskScope "mistake" timed out after 50 ms
