import { TaskScope } from "@scope/core";
import { inspect } from "@scope/inspect";

// #region events
const inspected = inspect({ events: 100_000 });
await TaskScope.run(
  (scope) => {
    scope.spawn(() => Promise.reject(new Error("no route")), { name: "mirror" });
  },
  { name: "sync", onError: "ignore" },
);
const { events, dropped, next } = await inspected.events(1);
for (const { seq, type, name, status, error } of events) console.log(seq, type, name, status, error);
console.log({ dropped, next });
// #endregion
await inspected[Symbol.asyncDispose]();

// Output:
// 1 scope-opened sync undefined undefined
// 2 task-spawned mirror running undefined
// 3 task-done undefined failed Error: no route
// 4 scope-closed undefined undefined undefined
// { dropped: 0, next: 5 }
