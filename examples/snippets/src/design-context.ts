import { AsyncLocalStorage } from "node:async_hooks";
import { TaskScope, sleep } from "@scope/core";

// #region context
const request = new AsyncLocalStorage<string>();

await TaskScope.run(
  (scope) => {
    for (const id of ["a", "b", "c"]) {
      request.run(id, () => {
        scope.spawn(() => sleep(1).then(() => console.log(request.getStore())));
      });
    }
  },
  { concurrency: 1 }, // two of them start long after `request.run` has returned
);
// #endregion

// Output:
// a
// b
// c
