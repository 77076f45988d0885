import { sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

// #region spawn-cancel
await TaskGroup.run((group) => {
  const task = group.spawn(async (token) => {
    group.cancel("before the first await"); // while `spawn` has not returned yet
    await sleep(60_000, token);
  });
  task.onDone(({ status }) => console.log(status));
});
// #endregion

// Output:
// cancelled
