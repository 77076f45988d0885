import { TaskScope, setDebug } from "@scope/core";

// #region site
async function readSettings(): Promise<void> {
  await Promise.resolve();
  throw new Error("no settings");
}

function startUp(scope: TaskScope): void {
  scope.spawn(readSettings, { name: "settings" });
}

setDebug(true);
await TaskScope.run(startUp, {
  name: "server",
  onError({ error }) {
    const lines = (error as Error).stack?.split("\n") ?? [];
    const begin = lines.findIndex((line) => line.startsWith("Task"));
    console.log(lines[begin]);
    console.log(lines.slice(begin).some((line) => line.includes("at startUp")));
  },
});
// #endregion

// Output:
// Task "settings" of TaskScope "server" was spawned
// true
