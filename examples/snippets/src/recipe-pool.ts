import { TaskGroup } from "@scope/taskgroup";
import { Piscina } from "piscina";

// #region pool
const pool = new Piscina({
  filename: new URL("recipe-pool-worker.mjs", import.meta.url).href,
  name: "countPrimes",
});

const counts = await TaskGroup.map([10, 100, 1_000], (limit, token) =>
  pool.run(limit, { signal: token.signal }),
);
console.log(counts);

const run = TaskGroup.run(
  (group) => {
    group.spawn((token) => pool.run(1_000_000_000, { signal: token.signal })); // would take years
  },
  { timeout: 100 },
);
await run.catch((error: unknown) => console.log(String(error))); // piscina has ended that worker
await pool.destroy();
// #endregion

// Output:
// [ 4, 25, 168 ]
// TimeoutError: TaskGroup "taskgroup-1" timed out after 100 ms
