import { sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

// #region cancel
const first = await TaskGroup.run(async (group) => {
  const fast = group.spawn((token) => sleep(5, token).then(() => "fast"));
  group.spawn((token) => sleep(60_000, token));
  const winner = await fast;
  group.cancel("have one"); // no error: the others are asked, and waited for
  return winner;
});
console.log(first);
// #endregion

// Output:
// fast
