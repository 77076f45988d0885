import { TaskGroupError, sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

// #region failure
try {
  await TaskGroup.run(
    async (group) => {
      group.spawn((token) => sleep(60_000, token), { name: "poll" });
      group.spawn(() => Promise.reject(new Error("no route")), { name: "mirror" });
      await group.spawn((token) => sleep(60_000, token)); // interrupted, like its siblings
    },
    { name: "sync" },
  );
} catch (error) {
  if (!(error instanceof TaskGroupError)) throw error;
  console.log(error.message);
  console.log(error.errors.length, error.tasks[0]?.name); // who failed; `undefined` is the body
}
// #endregion

// Output:
// unhandled errors in TaskGroup "sync" (1 sub-error)
// no route
// 1 mirror
