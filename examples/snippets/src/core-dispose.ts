import { TaskScope, sleep } from "@scope/core";

// #region dispose
{
  await using scope = new TaskScope();
  scope.spawn((token) => sleep(20, token)).onDone(({ status }) => console.log("first:", status));
} // disposal cancels

{
  await using scope = new TaskScope();
  scope.spawn((token) => sleep(20, token)).onDone(({ status }) => console.log("second:", status));
  await scope.join(); // waits
}
// #endregion

// Output:
// first: cancelled
// second: succeeded
