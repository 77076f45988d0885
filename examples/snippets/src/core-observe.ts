import { TaskScope, observe, sleep } from "@scope/core";

// #region observe
const unobserve = observe((event) => {
  if (event.type === "scope-opened") console.log(event.scope.name, "below", event.parent?.name);
  if (event.type === "task-done") console.log(event.task.name, event.task.status);
});
await TaskScope.run(
  (scope) => {
    scope.spawn((token) => TaskScope.run(() => sleep(1), { token, name: "inner" }), { name: "task" });
  },
  { name: "outer" },
);
unobserve();
// #endregion

// Output:
// outer below undefined
// inner below task
// task succeeded
