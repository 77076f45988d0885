import { TaskScope, sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

const load = (part: string): Promise<string> => sleep(5).then(() => part.toUpperCase());

// #region scopes
// coroutineScope { val a = async { load("a") }; val b = async { load("b") }; a.await() + b.await() }
const both = await TaskGroup.run(async (scope) => {
  const a = scope.spawn(() => load("a"));
  const b = scope.spawn(() => load("b"));
  return (await a) + (await b);
});
console.log(both);

// supervisorScope { launch { error("no route") }; launch { delay(10); println("still there") } }
await TaskScope.run(
  (scope) => {
    scope.spawn(() => Promise.reject(new Error("no route")));
    scope.spawn((token) => sleep(10, token).then(() => console.log("still there")));
  },
  { onError: ({ error }) => console.log(String(error)) }, // a CoroutineExceptionHandler
);
// #endregion

// Output:
// AB
// Error: no route
// still there
