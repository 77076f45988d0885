// #region tree
import { TaskScope, sleep } from "@scope/core";
import { formatTree, inspect } from "@scope/inspect";
import { TaskGroup } from "@scope/taskgroup";

const inspected = inspect();
const group = new TaskGroup({ name: "ingest", concurrency: 2 });
group.spawn((token) => sleep(60_000, token), { name: "poll" });
group.spawn(
  (token) =>
    TaskScope.run(
      async (scope) => {
        await scope.spawn((token) => sleep(30_000, token), { name: "backup" });
      },
      { name: "archive", token },
    ),
  { name: "store" },
);
group.spawn((token) => sleep(1, token), { name: "report" });
await sleep(1_500);
show(formatTree(await inspected.snapshot()));

await group.stop();
await inspected[Symbol.asyncDispose]();
// #endregion

/** What differs from run to run, as it was once. */
function show(text: string): void {
  const lines = text
    .replace(/ 1\.\d s/g, " 1.5 s")
    .replace(/5\d\.\d s/, "58.5 s")
    .replace(/2\d\.\d s/, "28.5 s")
    .split("\n");
  console.log(["/srv/app.js (pid 4711), 2026-11-20T12:00:00.000Z", ...lines.slice(1)].join("\n"));
}

// Output:
// /srv/app.js (pid 4711), 2026-11-20T12:00:00.000Z
// TaskGroup "ingest" open 1.5 s, 3 tasks
// ├─ "poll" running 1.5 s; sleeps 58.5 s more
// ├─ "store" running 1.5 s
// │  └─ TaskScope "archive" open 1.5 s, 1 task
// │     └─ "backup" running 1.5 s; sleeps 28.5 s more
// └─ "report" pending 1.5 s; waits for a slot, next in line
