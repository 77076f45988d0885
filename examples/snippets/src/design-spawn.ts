import { TaskGroup } from "@scope/taskgroup";

// #region spawn
const run = TaskGroup.run((group) => {
  const task = group.spawn(() => {
    console.log("1. runs inside spawn");
    throw new Error("at once");
  });
  console.log("2.", task.status, group.cancelRequested);
  group.spawn(() => console.log("3. its siblings still start"));
});
await run.catch(() => console.log("4. told later"));
// #endregion

// Output:
// 1. runs inside spawn
// 2. running false
// 3. its siblings still start
// 4. told later
