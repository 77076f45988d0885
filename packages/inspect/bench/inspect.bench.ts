/** What it costs a program to be inspected: tasks in one scope, against the same without an inspector. */
import { TaskScope, observe } from "@scope/core";
import { inspect } from "@scope/inspect";
import { checkEqual, full, goal, table, time } from "../../test-utils/src/bench.ts";

const noop = async (): Promise<void> => {};
const yielding = async (): Promise<void> => {
  await Promise.resolve();
};
const failing = async (): Promise<void> => {
  throw new Error("failed");
};

/** How many tasks a run has at least, in scopes of `count`. */
const TASKS = 20_000;

type Fn = () => Promise<void>;

async function runAll(fn: Fn, count: number): Promise<void> {
  for (let scope = 0; scope < TASKS / count; scope++) {
    await TaskScope.run(
      (scope) => {
        for (let index = 0; index < count; index++) scope.spawn(fn);
      },
      { onError: "ignore" },
    );
  }
}

interface Way {
  name: string;
  /** Begins, and returns how to end. */
  begin: () => () => unknown;
  limit?: number;
}

const inspected = (waits: boolean) => (): (() => unknown) => {
  const here = inspect({ waits });
  return () => here[Symbol.asyncDispose]();
};

const cheapContext =
  inspect()[Symbol.asyncDispose] !== undefined && Number(process.versions.node.split(".")[0]) >= 24;

const ways: Way[] = [
  { name: "not observed", begin: () => () => undefined },
  { name: "observed by an empty function", begin: () => observe(() => {}) },
  { name: "inspected, without waits", begin: inspected(false), limit: 2 },
  { name: "inspected, with waits", begin: inspected(true), ...(cheapContext && { limit: 2 }) },
];

await checkEqual(ways, async ({ begin }) => {
  const end = begin();
  let ended = 0;
  await runAll(async () => {
    await Promise.resolve();
    ended++;
  }, 100);
  await end();
  return ended;
});

for (const [what, fn, count] of [
  ["no-op tasks", noop, 100],
  ["no-op tasks", noop, 10_000],
  ["tasks that yield", yielding, 100],
  ["tasks that yield", yielding, 10_000],
  ["tasks that fail", failing, 100],
] as const) {
  const times = await time(
    ways.map(({ name, begin }) => ({
      name,
      prepare: begin,
      run: async (end: () => unknown) => {
        await runAll(fn, count);
        await end();
      },
    })),
    { rounds: full ? 5 : 7, samples: 3 },
  );
  table(
    `${what}, ${count.toLocaleString("en")} in a scope, on Node ${process.versions.node}`,
    ["", "ns per task", "ratio", "goal", ""],
    ways.map(({ name, limit }, index) => [
      name,
      (times[index]!.cpu / TASKS).toFixed(0),
      ...goal(times[index]!.cpu / times[0]!.cpu, limit),
    ]),
  );
}
