import { sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

const [user, orders] = await TaskGroup.run(async (group) => {
  const user = group.spawn(() => sleep(10).then(() => "Ada"));
  const orders = group.spawn(() => sleep(5).then(() => [17, 23]));
  return [await user, await orders] as const;
});
console.log(user, orders);

const pages = await TaskGroup.map(["/", "/about"], (path, token) => sleep(5, token).then(() => path.length), {
  concurrency: 8,
});
console.log(pages);

// Output:
// Ada [ 17, 23 ]
// [ 1, 6 ]
