import { sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

// #region dispose
async function mirror(): Promise<void> {
  await using group = new TaskGroup({ name: "mirror" });
  group.spawn(() => sleep(5).then(() => console.log("copied")));
  await group.join(); // without it the block ends here, and disposal cancels the copy
}
// #endregion

await mirror();

// Output:
// copied
