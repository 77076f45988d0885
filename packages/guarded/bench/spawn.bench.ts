/** Background tasks with and without a token, and guarded ones, against core's `backgroundSpawner`. `--short`: fewer. */
import { CancellationSource, backgroundSpawner } from "@scope/core";
import { spawn, spawnGuarded } from "@scope/guarded";
import { checkEqual, full, goal, table, time } from "../../test-utils/src/bench.ts";
import { heapUsed } from "../../test-utils/src/heap.ts";

const short = process.argv.includes("--short");

type Fn = () => Promise<void>;

const noop: Fn = async () => {};
const { token } = new CancellationSource();

/** So many tasks are alive at once. */
const BATCH = 1_000;
const COUNT = short ? 5_000 : 100_000;

const ways: { name: string; limit?: number; start: (fn: Fn) => PromiseLike<void> }[] = [
  { name: "backgroundSpawner.spawn", start: (fn) => backgroundSpawner.spawn(fn) },
  { name: "spawn", limit: 1.25, start: (fn) => spawn(fn) },
  { name: "spawn with a token", limit: 1.5, start: (fn) => spawn(fn, { token }) },
  { name: "spawnGuarded", limit: 5, start: (fn) => spawnGuarded(fn) },
];

async function batches(start: (fn: Fn) => PromiseLike<void>, fn: Fn, count: number): Promise<void> {
  for (let done = 0; done < count; done += BATCH) {
    for (let n = 1; n < BATCH; n++) void start(fn);
    await start(fn);
  }
}

await checkEqual(ways, async ({ start }) => {
  let calls = 0;
  const count = async (): Promise<void> => {
    await Promise.resolve();
    calls++;
  };
  await batches(start, count, 2 * BATCH);
  return calls;
});

const times = await time(
  ways.map(({ name, start }) => ({ name, run: () => batches(start, noop, COUNT) })),
  { rounds: short ? 3 : 9, samples: full ? 3 : 1 },
);
table(
  `Spawning ${COUNT.toLocaleString("en")} no-op functions, processor time of each`,
  ["", "ns", "ratio", "goal", ""],
  ways.map(({ name, limit }, index) => [
    name,
    (times[index]!.cpu / COUNT).toFixed(0),
    ...goal(times[index]!.cpu / times[0]!.cpu, limit),
  ]),
);

/** One at a time: each with a token finds its scope closed, and opens another. */
const single = await time(
  ways.map(({ name, start }) => ({
    name,
    run: async () => {
      for (let n = 0; n < COUNT / 10; n++) await start(noop);
    },
  })),
  { rounds: short ? 3 : 9 },
);
table(
  "One after another",
  ["", "ns", "ratio", "goal", ""],
  ways.map(({ name }, index) => [
    name,
    (single[index]!.cpu / (COUNT / 10)).toFixed(0),
    ...goal(single[index]!.cpu / single[0]!.cpu),
  ]),
);

const LIVE = 10_000;
const bytes: string[][] = [];
for (const { name, start } of ways) {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const before = await heapUsed();
  for (let n = 0; n < LIVE; n++) void start(() => opened);
  const after = await heapUsed();
  bytes.push([name, ((after - before) / LIVE).toFixed(0)]);
  open();
}
table("Memory of a live task", ["", "bytes"], bytes);
