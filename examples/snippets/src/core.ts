import { TaskScope, sleep } from "@scope/core";

const lines = await TaskScope.run(
  async (scope) => {
    scope.spawn(async (token) => {
      await sleep(60_000, token).finally(() => console.log("heartbeat: stopped"));
    });
    scope.spawn(() => Promise.reject(new Error("no route")), { name: "metrics" });
    const log = scope.spawn(() => sleep(10).then(() => ["first line", "last line"]));
    const lines = await log;
    scope.cancel("done");
    return lines;
  },
  { onError: ({ task, error }) => console.log(`${task?.name}: ${String(error)}`) },
);
console.log(lines);

// Output:
// metrics: Error: no route
// heartbeat: stopped
// [ 'first line', 'last line' ]
