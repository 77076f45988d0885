import { type TaskSpawner, TimeoutError, failAfter, sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

const fetchPrices = (): Promise<number[]> => sleep(5).then(() => [3, 4]);
const fetchAdverts = (): Promise<string[]> => Promise.reject(new Error("no adverts today"));

// #region optional
const page = await TaskGroup.run(async (group) => {
  const prices = group.spawn(fetchPrices); // without them there is no page
  const adverts = group.spawn(() => fetchAdverts().catch(() => [])); // these may be missing
  return { prices: await prices, adverts: await adverts };
});
console.log(page);
// #endregion

// #region deadline
const answer = await TaskGroup.run(
  async (group) => {
    const fresh = group.spawn((token) =>
      failAfter(10, (scope) => sleep(60_000, scope.token).then(() => "fresh"), { token }).catch(
        (error: unknown) => {
          if (error instanceof TimeoutError) return "from the cache"; // this part was too slow
          throw error;
        },
      ),
    );
    return await fresh;
  },
  { timeout: 1_000 }, // and this is for everything
);
console.log(answer);
// #endregion

// #region spawner
/** Starts tasks, and leaves it to the caller who owns them. */
function warmUp(tasks: TaskSpawner, names: readonly string[]): void {
  for (const name of names) tasks.spawn(() => sleep(5).then(() => console.log("warm:", name)), { name });
}

await TaskGroup.run((group) => warmUp(group, ["users", "prices"]));
console.log("all warm");
// #endregion

// Output:
// { prices: [ 3, 4 ], adverts: [] }
// from the cache
// warm: users
// warm: prices
// all warm
