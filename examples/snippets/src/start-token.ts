import { type CancellationToken, sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

// #region token
async function copy(name: string, token: CancellationToken): Promise<void> {
  try {
    await sleep(60_000, token); // or: await fetch(url, { signal: token.signal })
  } finally {
    console.log(`${name}: temporary file removed`);
  }
}

try {
  await TaskGroup.run((group) => {
    group.spawn((token) => copy("first", token));
    group.spawn((token) => copy("second", token));
    group.spawn(() => Promise.reject(new Error("disk full")), { name: "third" });
  });
} catch (error) {
  console.log(String(error));
}
// #endregion

// Output:
// second: temporary file removed
// first: temporary file removed
// TaskGroupError: unhandled errors in TaskGroup "taskgroup-1" (1 sub-error)
// disk full
