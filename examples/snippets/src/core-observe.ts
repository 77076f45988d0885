import { TaskScope, observe, sleep } from "@scope/core";

// #region observe
const unobserve = observe({
  scopeOpened: (scope, parent) => console.log(scope.name, "below", parent?.name),
  taskDone: (task) => console.log(task.name, task.status),
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
