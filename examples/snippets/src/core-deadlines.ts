import { TimeoutError, failAfter, moveOnAfter, sleep } from "@scope/core";

// #region deadlines
const answer = await moveOnAfter(10, (scope) => sleep(60_000, scope.token).then(() => "fresh"));
console.log(answer ?? "stale");

// The time has run out: a value that comes all the same is waited for, but not used.
const late = await moveOnAfter(10, () => sleep(30).then(() => "late"));
console.log(late);

try {
  await failAfter(10, (scope) => sleep(60_000, scope.token), { name: "query" });
} catch (error) {
  console.log(error instanceof TimeoutError, String(error));
}
// #endregion

// Output:
// stale
// undefined
// true TimeoutError: TaskScope "query" timed out after 10 ms
