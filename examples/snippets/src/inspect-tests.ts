import { sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

const tests: (() => Promise<void>)[] = [];
const afterEach = (hook: () => Promise<void>): void => void tests.push(hook);

// #region setup
import { expectNoTasksLeft, trackTasks } from "@scope/inspect";

trackTasks();
afterEach(expectNoTasksLeft);
// #endregion

const group = new TaskGroup({ name: "ingest" });
group.spawn((token) => sleep(60_000, token), { name: "poll" });
for (const hook of tests) {
  await hook().catch((error: unknown) => {
    console.log((error as Error).message.replace(/at .*[\\/](.*:\d+):\d+\)?$/gm, "at $1"));
  });
}
await group.stop();

// Output:
// A task was left:
//   - task "poll" of TaskGroup "ingest" (running), spawned
//       at inspect-tests.ts:15
