import { sleep as sleepFor } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";
import { run, sleep, spawn } from "effection";

// #region effection
const answer = await run(function* () {
  void (yield* spawn(function* () {
    try {
      yield* sleep(60_000);
    } finally {
      console.log("effection: child halted");
    }
  }));
  const task = yield* spawn(function* () {
    yield* sleep(5);
    return 42;
  });
  return yield* task; // ends the child
});
console.log("effection:", answer);
// #endregion

// #region here
const same = await TaskGroup.run(async (group) => {
  group.spawn((token) => sleepFor(60_000, token).finally(() => console.log("here: child cancelled")));
  const task = group.spawn(() => sleepFor(5).then(() => 42));
  const answer = await task;
  group.cancel(); // say so: otherwise the group waits for the child
  return answer;
});
console.log("here:", same);
// #endregion

// Output:
// effection: child halted
// effection: 42
// here: child cancelled
// here: 42
