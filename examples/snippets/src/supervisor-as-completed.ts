import { type CancellationToken, type Task, type TaskFunction, sleep } from "@scope/core";
import { asCompleted } from "@scope/supervisor";

// #region as-completed
const after = (ms: number) => (token: CancellationToken) => sleep(ms, token).then(() => ms);

for await (const task of asCompleted([after(60_000), after(20), after(5)], { concurrency: 8 })) {
  if (task.status === "succeeded") console.log(task.result());
  if (task.status === "succeeded" && task.result() === 20) break; // cancels the rest, and waits for it
}
// #endregion

// #region thenable
async function* passedOn<T>(fns: readonly TaskFunction<T>[]): AsyncGenerator<{ task: Task<T> }> {
  for await (const task of asCompleted(fns)) yield { task }; // `yield task` would throw what it failed with
}

for await (const { task } of passedOn([() => Promise.reject(new Error("no route"))]))
  console.log(task.status);
// #endregion

// Output:
// 5
// 20
// failed
