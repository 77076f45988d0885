/**
 * Short children through one Supervisor, against the bare TaskScope and `Promise.allSettled`; and the combinators of many
 * no-op functions, against what the platform has. `--short`: fewer, to see that it runs.
 */
import { TaskScope, type TaskSpawner } from "@scope/core";
import { Supervisor, asCompleted, gather, race } from "@scope/supervisor";
import { checkEqual, full, goal, table, time, type Work } from "../../test-utils/src/bench.ts";
import { heapUsed } from "../../test-utils/src/heap.ts";

const short = process.argv.includes("--short");

type Fn = () => Promise<void>;

/** So many children are alive at once. */
const BATCH = 1_000;

function batches(fn: Fn, spawner: TaskSpawner): (count: number) => Promise<void> {
  return async (count) => {
    for (let done = 0; done < count; done += BATCH) {
      for (let n = 0; n < BATCH; n++) spawner.spawn(fn);
      while (spawned(spawner) > 0) await Promise.resolve();
    }
  };
}

function spawned(spawner: TaskSpawner): number {
  return (spawner as TaskScope | Supervisor).size;
}

const noop: Fn = async () => {};

const owners = [
  {
    name: "Supervisor",
    run: (fn: Fn, count: number): Promise<unknown> =>
      Supervisor.run((supervisor) => batches(fn, supervisor)(count)),
  },
  {
    name: "TaskScope",
    run: (fn: Fn, count: number): Promise<unknown> => TaskScope.run((scope) => batches(fn, scope)(count)),
  },
  {
    name: "Promise.allSettled",
    run: async (fn: Fn, count: number): Promise<void> => {
      for (let done = 0; done < count; done += BATCH) {
        await Promise.allSettled(Array.from({ length: BATCH }, () => fn()));
      }
    },
  },
] as const;

await checkEqual(owners, async ({ run }) => {
  let calls = 0;
  await run(async () => {
    await Promise.resolve();
    calls++;
  }, 2 * BATCH);
  return calls;
});

const children = short ? 200_000 : full ? 10_000_000 : 200_000;
const rounds = short ? 3 : full ? 1 : 15;
const [supervisor, scope, settled] = await time(
  owners.map(({ name, run }) => ({ name, run: () => run(noop, children) })),
  { rounds },
);
const each = (span: number): string => (span / children).toFixed(0);
const ratio = (ours: number, theirs: number, limit?: number): string[] => goal(ours / theirs, limit);
table(
  `${children.toLocaleString("en")} short children through one owner, processor time per child`,
  ["against", "Supervisor, ns", "other, ns", "ratio", "goal", "", "of wall times"],
  [["TaskScope", scope!, 1.3] as const, ["Promise.allSettled in batches", settled!, undefined] as const].map(
    ([name, other, limit]) => [
      name,
      each(supervisor!.cpu),
      each(other.cpu),
      ...ratio(supervisor!.cpu, other.cpu, limit),
      (supervisor!.wall / other.wall).toFixed(2),
    ],
  ),
);

const longLived = new Supervisor();
const pass = batches(noop, longLived);
await pass(BATCH);
const before = await heapUsed();
await pass(children);
const grown = ((await heapUsed()) - before) / 2 ** 20;
await longLived.stop();
table(
  `Heap after ${children.toLocaleString("en")} children through one Supervisor that is still open`,
  ["", "grown, MB", "goal", ""],
  [["Supervisor", ...goal(grown, 1)]],
);

const COUNT = 1_000;
const RUNS = short ? 5 : 50;
const fns = Array.from({ length: COUNT }, () => noop);

const pairs: [ours: Work, theirs: Work][] = [
  [
    { name: "gather", run: () => gather(fns) },
    { name: "Promise.allSettled", run: () => Promise.allSettled(fns.map((fn) => fn())) },
  ],
  [
    { name: "race", run: () => race(fns) },
    { name: "Promise.race", run: () => Promise.race(fns.map((fn) => fn())) },
  ],
  [
    {
      name: "asCompleted",
      run: async () => {
        const tasks = asCompleted(fns);
        let count = 0;
        while ((await tasks.next()).done !== true) count++;
        if (count !== COUNT) throw new Error(`${count} of ${COUNT}`);
      },
    },
    { name: "Promise.allSettled", run: () => Promise.allSettled(fns.map((fn) => fn())) },
  ],
];

const rows: string[][] = [];
for (const [ours, theirs] of pairs) {
  const repeated = [ours, theirs].map(({ name, run }) => ({
    name,
    run: async () => {
      for (let n = 0; n < RUNS; n++) await run(undefined);
    },
  }));
  const [one, other] = await time(repeated, { rounds: short ? 3 : 15 });
  const perFunction = (span: number): string => (span / RUNS / COUNT).toFixed(0);
  rows.push([
    `${ours.name} : ${theirs.name}`,
    perFunction(one!.cpu),
    perFunction(other!.cpu),
    ...ratio(one!.cpu, other!.cpu),
    (one!.wall / other!.wall).toFixed(2),
  ]);
}
table(
  `${COUNT.toLocaleString("en")} no-op functions, processor time per function`,
  ["", "ours, ns", "theirs, ns", "ratio", "goal", "", "of wall times"],
  rows,
);
