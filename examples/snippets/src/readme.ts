import { sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

try {
  await TaskGroup.run(
    (group) => {
      group.spawn(async (token) => {
        await sleep(60_000, token).finally(() => console.log("upload: cleaned up"));
      });
      group.spawn(() => Promise.reject(new Error("no such file")), { name: "read" });
    },
    { name: "mirror" },
  );
} catch (error) {
  console.log(String(error));
}

// Output:
// upload: cleaned up
// TaskGroupError: unhandled errors in TaskGroup "mirror" (1 sub-error)
// no such file
