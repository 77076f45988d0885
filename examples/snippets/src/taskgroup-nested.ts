import { TaskGroupError } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

// #region nested
const outer = TaskGroup.run(
  (group) => {
    group.spawn((token) =>
      TaskGroup.run(
        (inner) => {
          inner.spawn(() => Promise.reject(new Error("disk full")));
        },
        { name: "inner", token }, // the tie between the two
      ),
    );
  },
  { name: "outer" },
);
await outer.catch((error: unknown) => {
  if (!(error instanceof TaskGroupError)) throw error;
  console.log(error.message);
  console.log(error.leaves().map(String));
});
// #endregion

// Output:
// unhandled errors in TaskGroup "outer" (1 sub-error)
// unhandled errors in TaskGroup "inner" (1 sub-error)
// [ 'Error: disk full' ]
