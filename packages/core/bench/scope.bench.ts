/** A scope that lives long: millions of short tasks, and what the ways of using a task add to a plain one. */
import { type CancellationToken, TaskScope, type TaskScopeOptions } from "@scope/core";
import { checkEqual, full, table, time, type Work } from "../../test-utils/src/bench.ts";
import { heapUsed } from "../../test-utils/src/heap.ts";

const BATCH = 1_000;
const noop = async (): Promise<void> => {};

// Millions of tasks through one scope.

const TASKS = 2_000_000;
const scope = new TaskScope();
const streams = [
  {
    name: "TaskScope",
    batch: async (fn: () => Promise<void>) => {
      for (let index = 0; index < BATCH; index++) scope.spawn(fn);
      while (scope.size > 0) await Promise.resolve();
    },
  },
  {
    name: "Promise.allSettled",
    batch: async (fn: () => Promise<void>) => {
      await Promise.allSettled(Array.from({ length: BATCH }, () => fn()));
    },
  },
];
await checkEqual(streams, async ({ batch }) => {
  let begun = 0;
  let ended = 0;
  await batch(async () => {
    begun++;
    await Promise.resolve();
    ended++;
  });
  return [begun, ended];
});

const works = streams.map(({ name, batch }): Work => ({
  name,
  run: async () => {
    for (let done = 0; done < TASKS; done += BATCH) await batch(noop);
  },
}));
const before = await heapUsed();
const [ours, theirs] = await time(works, { rounds: 3 });
const grown = (await heapUsed()) - before;
await scope.join();
table(
  `${TASKS.toLocaleString("en")} short tasks, ${BATCH.toLocaleString("en")} at a time`,
  ["", "ns per task", "ratio", "of wall times"],
  [
    [
      "one TaskScope",
      (ours!.cpu / TASKS).toFixed(0),
      (ours!.cpu / theirs!.cpu).toFixed(2),
      (ours!.wall / theirs!.wall).toFixed(2),
    ],
    ["Promise.allSettled", (theirs!.cpu / TASKS).toFixed(0), "1.00", "1.00"],
  ],
);
const through = TASKS * 2 * (full ? 15 : 3);
console.log(
  `  After ${through.toLocaleString("en")} tasks the heap had grown by ${(grown / 1024).toFixed(0)} KiB.`,
);

// What using a task adds.

type Fn = (token: CancellationToken) => Promise<void>;
type Use = (scope: TaskScope, fn: Fn) => unknown;

const plain: Use = (scope, fn) => scope.spawn(fn);
const uses: { name: string; use: Use; fn: Fn; options?: TaskScopeOptions }[] = [
  { name: "spawn", use: plain, fn: noop },
  { name: "under a concurrency of 16", use: plain, fn: noop, options: { concurrency: 16 } },
  { name: "with onDone()", use: (scope, fn) => scope.spawn(fn).onDone(() => {}), fn: noop },
  { name: "awaited", use: (scope, fn) => scope.spawn(fn).then(), fn: noop },
  { name: "reading .signal", use: plain, fn: async (token) => void token.signal },
];

function useAll({ use, options }: (typeof uses)[number], fn: Fn): Promise<void> {
  return TaskScope.run((scope) => {
    for (let index = 0; index < BATCH; index++) use(scope, fn);
  }, options);
}

await checkEqual(uses, async (used) => {
  let ended = 0;
  await useAll(used, async (token) => {
    await used.fn(token);
    ended++;
  });
  return ended;
});

const ROUNDS = 10;
const times = await time(
  uses.map((used) => ({
    name: used.name,
    run: async () => {
      for (let round = 0; round < ROUNDS; round++) await useAll(used, used.fn);
    },
  })),
  { rounds: 15, samples: 3 },
);
table(
  "What using a task costs, processor time",
  ["", "ns per task", "ratio", "of wall times"],
  uses.map(({ name }, index) => [
    name,
    (times[index]!.cpu / ROUNDS / BATCH).toFixed(0),
    (times[index]!.cpu / times[0]!.cpu).toFixed(1),
    (times[index]!.wall / times[0]!.wall).toFixed(1),
  ]),
);
