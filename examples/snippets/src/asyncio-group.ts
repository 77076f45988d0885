import { TaskGroupError, TimeoutError, sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

const fetchUser = (): Promise<string> => sleep(5).then(() => "Ada");
const fetchOrders = (): Promise<number> => Promise.reject(new TimeoutError(100));

// #region group
try {
  await TaskGroup.run(async (group) => {
    const user = group.spawn(() => fetchUser());
    const orders = group.spawn(() => fetchOrders());
    console.log(await user, await orders);
  });
} catch (error) {
  if (!(error instanceof TaskGroupError)) throw error;
  const [timeouts, others] = error.split(TimeoutError);
  if (timeouts !== undefined) console.log("timed out:", timeouts.leaves().length);
  if (others !== undefined) throw others;
}
// #endregion

// Output:
// timed out: 1
