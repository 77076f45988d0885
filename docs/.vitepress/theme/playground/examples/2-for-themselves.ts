// Each fails for itself, two at a time (TaskScope)
import { TaskScope, sleep } from "@scope/core";

await TaskScope.run(
  (scope) => {
    for (let n = 1; n <= 5; n++) {
      scope.spawn(
        async (own) => {
          await sleep(200 + n * 60, own);
          if (n === 2) throw new Error("no answer");
          console.log("job", n, "done");
        },
        { name: `job ${n}` },
      );
    }
  },
  {
    name: "jobs",
    concurrency: 2,
    token,
    onError: ({ task, error }) => console.log(task?.name, "failed:", String(error)),
  },
);

// Output:
// job 1 done
// job 2 failed: Error: no answer
// job 3 done
// job 4 done
// job 5 done
