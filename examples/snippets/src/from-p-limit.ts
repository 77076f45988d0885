import { type CancellationToken, sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";
import pLimit from "p-limit";

let running = 0;

async function job(n: number, token?: CancellationToken): Promise<number> {
  running++;
  try {
    if (n === 2) throw new Error("no 2");
    await sleep(30, token);
    return n;
  } finally {
    running--;
  }
}
const numbers = [1, 2, 3, 4, 5];

// #region p-limit
const limit = pLimit(2);
await Promise.all(numbers.map((n) => limit(() => job(n)))).catch((error: unknown) => {
  console.log("p-limit:", String(error), "- still running:", running);
});
// #endregion
await sleep(100);

// #region here
await TaskGroup.map(numbers, job, { concurrency: 2, name: "jobs" }).catch((error: unknown) => {
  console.log("here:", String(error), "- still running:", running);
});
// #endregion

// Output:
// p-limit: Error: no 2 - still running: 2
// here: TaskGroupError: unhandled errors in TaskGroup "jobs" (1 sub-error)
// no 2 - still running: 0
