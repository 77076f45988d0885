import { TaskGroupError, sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";
import { Effect } from "effect";

// #region effect
const squares = Effect.all(
  [1, 2, 3].map((n) => Effect.delay(Effect.succeed(n * n), 5)),
  { concurrency: 2 },
);
console.log("effect:", await Effect.runPromise(squares));

const failing = Effect.all(
  [
    Effect.never.pipe(Effect.onInterrupt(() => Effect.sync(() => console.log("effect: interrupted")))),
    Effect.fail("no route").pipe(Effect.delay(5)),
  ],
  { concurrency: "unbounded" },
);
console.log("effect:", await Effect.runPromise(Effect.flip(failing)));
// #endregion

// #region here
console.log("here:", await TaskGroup.map([1, 2, 3], (n) => sleep(5).then(() => n * n), { concurrency: 2 }));

await TaskGroup.run((group) => {
  group.spawn((token) => sleep(Infinity, token).finally(() => console.log("here: cancelled")));
  group.spawn(() => sleep(5).then(() => Promise.reject(new Error("no route"))));
}).catch((error: unknown) => {
  if (error instanceof TaskGroupError) console.log("here:", String(error.errors[0]));
});
// #endregion

// Output:
// effect: [ 1, 4, 9 ]
// effect: interrupted
// effect: no route
// here: [ 1, 4, 9 ]
// here: cancelled
// here: Error: no route
