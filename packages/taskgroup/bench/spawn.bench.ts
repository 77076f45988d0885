/** Spawning no-op async functions in a group and waiting for them, against `Promise.allSettled` of the same functions. */
import { TaskGroup } from "@scope/taskgroup";
import { checkEqual, full, goal, table, time, type Settings } from "../../test-utils/src/bench.ts";

type Functions = readonly (() => Promise<void>)[];

const ways = [
  {
    name: "TaskGroup.run",
    run: (fns: Functions): Promise<unknown> =>
      TaskGroup.run((group) => {
        for (const fn of fns) group.spawn(fn);
      }),
  },
  {
    name: "Promise.allSettled",
    run: (fns: Functions): Promise<unknown> => Promise.allSettled(fns.map((fn) => fn())),
  },
] as const;

await checkEqual(ways, async ({ run }) => {
  const events: string[] = [];
  const fns = Array.from({ length: 1_000 }, (_, index) => async () => {
    events.push(`${index} begins`);
    for (let turn = 0; turn < index % 5; turn++) await Promise.resolve();
    events.push(`${index} ends`);
  });
  await run(fns);
  return events;
});

/** How many tasks a run has at least, in groups of `count`. */
const TASKS = 20_000;

async function row(count: number, limit: number, settings: Settings): Promise<string[]> {
  const fns = Array.from({ length: count }, () => async () => {});
  const groups = Math.max(1, TASKS / count);
  const [ours, theirs] = await time(
    ways.map(({ name, run }) => ({
      name,
      run: async () => {
        for (let group = 0; group < groups; group++) await run(fns);
      },
    })),
    settings,
  );
  const each = (span: number): string => (span / groups / count).toFixed(0);
  return [
    count.toLocaleString("en"),
    each(ours!.cpu),
    each(theirs!.cpu),
    ...goal(ours!.cpu / theirs!.cpu, limit),
    (ours!.wall / theirs!.wall).toFixed(2),
  ];
}

const headings = [
  "tasks in a group",
  "TaskGroup, ns",
  "allSettled, ns",
  "ratio",
  "goal",
  "",
  "of wall times",
];
const sizes = [
  [1, 1.25, { rounds: 15, samples: 3 }],
  [100, 0.5, { rounds: 15, samples: 3 }],
  [10_000, 0.5, { rounds: 15, samples: 3 }],
  [1_000_000, 1.2, { rounds: full ? 2 : 3, samples: 1 }],
] as const;

const warm: string[][] = [];
const cold: string[][] = [];
for (const [count, limit, settings] of sizes) {
  warm.push(await row(count, limit, settings));
  if (count <= TASKS) cold.push(await row(count, limit, { rounds: 15, afterGc: true }));
}
table("Spawn and join, processor time per task", headings, warm);
table(`The same, the first ${TASKS.toLocaleString("en")} tasks after a full collection`, headings, cold);
