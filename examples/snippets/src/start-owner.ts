import { sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

// #region owner
const summary = await TaskGroup.run(async (group) => {
  const user = group.spawn(() => sleep(10).then(() => "Ada"));
  const orders = group.spawn(() => sleep(20).then(() => [17, 23]));
  return `${await user} has ${(await orders).length} orders`;
});
console.log(summary);
// #endregion

// Output:
// Ada has 2 orders
