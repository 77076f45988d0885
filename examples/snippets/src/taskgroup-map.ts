import { sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

// #region map
function* numbers(): Generator<number, void, undefined> {
  try {
    for (let n = 1; ; n++) yield n; // has no end
  } finally {
    console.log("source: closed");
  }
}

const work = async (n: number): Promise<void> => {
  await sleep(5);
  if (n === 3) throw new Error(`cannot do ${n}`);
  console.log("done", n);
};

await TaskGroup.map(numbers(), work, { concurrency: 2, name: "numbers" }).catch((error: unknown) =>
  console.log(String(error)),
);
// #endregion

// Output:
// done 1
// done 2
// source: closed
// done 4
// TaskGroupError: unhandled errors in TaskGroup "numbers" (1 sub-error)
// cannot do 3
