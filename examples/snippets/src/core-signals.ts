import { setTimeout as delay } from "node:timers/promises";
import { CancellationToken, TaskScope } from "@scope/core";

const controller = new AbortController();

// #region out
// Out: whatever takes a signal takes `token.signal`.
await TaskScope.run(async (scope) => {
  const task = scope.spawn((token) => delay(60_000, "late", { signal: token.signal }));
  task.cancel("changed my mind");
  await task.catch(() => undefined);
  console.log(task.status);
});
// #endregion

// #region in
// In: whatever takes a token takes an AbortSignal.
const run = TaskScope.run((scope) => delay(60_000, "late", { signal: scope.token.signal }), {
  token: controller.signal,
});
controller.abort(new Error("client went away"));
await run.catch((error: unknown) => console.log(String(error)));

console.log(CancellationToken.from(controller.signal).signal === controller.signal);
// #endregion

// Output:
// cancelled
// AbortError: client went away
// true
