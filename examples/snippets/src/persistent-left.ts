import { TaskGroupError } from "@scope/core";
import { PersistentTaskGroup } from "@scope/persistent";

// #region left
const group = new PersistentTaskGroup({ uniqueId: "jobs", retain: "failures" });
for (const name of ["a", "b", "c"]) {
  group.spawn(() => Promise.reject(new Error(`${name} broke`)), { name, logError: false });
}
for await (const task of group.asCompleted()) {
  if (task.name.endsWith(":b")) break; // a is acknowledged, b is not
}
for (const task of group.tasks) if (task.name.endsWith(":c")) group.acknowledge(task);
await group.stop({ timeout: 1_000 }).catch((error: unknown) => {
  if (error instanceof TaskGroupError) console.log(error.message);
});
// #endregion

// Output:
// Error while stopping PersistentTaskGroup:jobs (1 sub-error)
// b broke
