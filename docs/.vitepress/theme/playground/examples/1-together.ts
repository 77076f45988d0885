// One fails, the others are cancelled (TaskGroup)
import { sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

try {
  await TaskGroup.run(
    async (group) => {
      for (const name of ["news", "weather", "sport"]) {
        group.spawn(
          async (own) => {
            await sleep(5_000, own).finally(() => console.log(name, "cleaned up"));
          },
          { name },
        );
      }
      await sleep(800, group.token);
      group.spawn(() => Promise.reject(new Error("disk full")), { name: "store" });
    },
    { name: "download", token }, // press Cancel, and it ends before
  );
} catch (error) {
  console.log(String(error));
}

// Output:
// sport cleaned up
// weather cleaned up
// news cleaned up
// TaskGroupError: unhandled errors in TaskGroup "download" (1 sub-error)
// disk full
