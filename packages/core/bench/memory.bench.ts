/** What a waiting task keeps in memory, and proof that no abort signal is made unread. */
import { CancellationSource, TaskScope, sleep } from "@scope/core";
import { goal, table } from "../../test-utils/src/bench.ts";
import { heapUsed } from "../../test-utils/src/heap.ts";

const COUNT = 100_000;

/** What would end the waiting functions: the one thing that keeps them alive. */
const resolvers: (() => void)[] = [];
const wait = async (): Promise<void> => {
  await new Promise<void>((resolve) => void resolvers.push(resolve));
};

/** The bytes that one of many takes. */
async function bytes(make: () => unknown): Promise<number> {
  // Not counted: what the first ones alone need, and the array itself.
  const kept: unknown[] = Array.from({ length: COUNT }, (_, index) => (index < 1_000 ? make() : undefined));
  kept.fill(undefined);
  resolvers.length = 0;
  const before = await heapUsed();
  for (let index = 0; index < COUNT; index++) kept[index] = make();
  const after = await heapUsed();
  kept.length = 0;
  return (after - before) / COUNT;
}

const scope = new TaskScope();
const plain = await bytes(wait);
const rows = [
  ["async function", plain],
  ["async function that is awaited", await bytes(() => wait().then(() => {}))],
  ["task", await bytes(() => scope.spawn(wait)), 400],
  ["task that is awaited", await bytes(() => scope.spawn(wait).then(() => {}))],
  ["task whose .signal was read", await bytes(() => scope.spawn((token) => (void token.signal, wait())))],
  [
    "async function with an AbortController",
    await bytes(() => {
      const controller = new AbortController();
      void controller.signal;
      return [controller, wait()];
    }),
  ],
] as const;
table(
  `Memory of a waiting task, bytes each of ${COUNT.toLocaleString("en")}`,
  ["", "bytes", "above the function", "goal", ""],
  rows.map(([what, size, limit]) => [what, size.toFixed(0), ...goal(size - plain, limit, 0)]),
);

// No signal unread.

let made = 0;
const Original = globalThis.AbortController;
globalThis.AbortController = class extends Original {
  constructor() {
    super();
    made++;
  }
};

async function madeBy(open: (scope: TaskScope) => void): Promise<number> {
  const before = made;
  await TaskScope.run((scope) => {
    open(scope);
    scope.cancel();
  });
  return made - before;
}

const outer = new Original();
const situations: [what: string, expected: number, open: (scope: TaskScope) => void][] = [
  ["tasks that ended", 0, (scope) => void scope.spawn(async () => {})],
  ["cancelled in sleep()", 0, (scope) => void scope.spawn((token) => sleep(Infinity, token))],
  ["cancelled in race()", 0, (scope) => void scope.spawn((token) => token.race(new Promise(() => {})))],
  ["with onCancel()", 0, (scope) => void scope.spawn(async (token) => token.onCancel(() => {}))],
  ["with a child source", 0, (scope) => void scope.spawn(async (token) => token.child({ timeout: 1_000 }))],
  [
    "with a scope under a signal",
    0,
    (scope) =>
      void scope.spawn(async (token) => {
        using source = new CancellationSource({ parent: [token, outer.signal] });
        await TaskScope.run(async () => {}, { token: source.token });
      }),
  ],
  ["reading .signal", 1, (scope) => void scope.spawn(async (token) => [token.signal, token.signal])],
];
const TASKS = 1_000;
const counts: string[][] = [];
for (const [what, expected, open] of situations) {
  const count = await madeBy((scope) => {
    for (let task = 0; task < TASKS; task++) open(scope);
  });
  if (count !== expected * TASKS) throw new Error(`Tasks ${what} made ${count} abort controllers`);
  counts.push([what, String(count), String(expected * TASKS)]);
}
globalThis.AbortController = Original;
table(`Abort controllers made by ${TASKS.toLocaleString("en")} tasks`, ["", "made", "goal"], counts);
