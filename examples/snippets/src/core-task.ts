import { TaskScope, sleep } from "@scope/core";

await TaskScope.run(
  async (scope) => {
    // #region task
    const task = scope.spawn(() => sleep(10).then(() => 42), { name: "answer" });
    console.log(String(task)); // Task "answer" (running)
    task.onDone(({ name, status }) => console.log(name, status));
    console.log((await task) === task.result());
    // #endregion
  },
  { name: "demo" },
);

// Output:
// Task "answer" (running)
// answer succeeded
// true
