import { sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

// #region order
const run = TaskGroup.run(async (group) => {
  group.spawn(async (token) => {
    try {
      await sleep(60_000, token);
    } finally {
      await sleep(100); // clean-up takes its time
      console.log("upload: cleaned up");
    }
  });
  group.spawn(async () => {
    await sleep(100);
    console.log("download: fails");
    throw new Error("connection reset");
  });
  await sleep(60_000, group.token).finally(() => console.log("body: interrupted"));
});
await run.catch(() => console.log("run: rejects"));
// #endregion

// Output:
// download: fails
// body: interrupted
// upload: cleaned up
// run: rejects
