import { TaskScope, sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

const load = (n: number): Promise<number> => sleep(5).then(() => n * n);
const fail = (): Promise<number> => Promise.reject(new Error("no"));

// #region gather
// await asyncio.gather(*(load(n) for n in range(3)))
console.log(await TaskGroup.map([0, 1, 2], load));

// await asyncio.gather(load(7), fail(), return_exceptions=True)
const settled = await TaskScope.run(
  (scope) => Promise.allSettled([scope.spawn(() => load(7)), scope.spawn(() => fail())]),
  { onError: "ignore" }, // the results tell
);
console.log(settled.map(({ status }) => status));
// #endregion

// Output:
// [ 0, 1, 4 ]
// [ 'fulfilled', 'rejected' ]
