/**
 * What it costs a program to be inspected, in a flood of tasks: each way in a process of its own, since that is how it is used and how
 * the engine gets to know it.
 */
import { execFileSync } from "node:child_process";
import { type Task, TaskScope, observe } from "@scope/core";
import { inspect } from "@scope/inspect";
import { full, goal, table } from "../../test-utils/src/bench.ts";

const TASKS = 20_000;

const noop = async (): Promise<void> => {};
const yielding = async (): Promise<void> => {
  await Promise.resolve();
};
const failing = async (): Promise<void> => {
  throw new Error("failed");
};

interface Load {
  readonly name: string;
  readonly fn: () => Promise<void>;
  /** How many in a scope. */
  readonly count: number;
  readonly concurrency?: number;
}

const loads: readonly Load[] = [
  { name: "no-op, 100 in a scope", fn: noop, count: 100 },
  { name: "no-op, 10,000 in a scope", fn: noop, count: 10_000 },
  { name: "yielding, 100 in a scope", fn: yielding, count: 100 },
  { name: "yielding, 10,000 in a scope", fn: yielding, count: 10_000 },
  { name: "yielding, 100 under a concurrency of 10", fn: yielding, count: 100, concurrency: 10 },
  { name: "failing, 100 in a scope", fn: failing, count: 100 },
  { name: "no-op, alone in a scope", fn: noop, count: 1 },
];

/** What has happened, as little as can be kept of it. */
const seen = new Float64Array(1024);
let happened = 0;

function note({ id }: Task<unknown>): void {
  seen[happened++ % seen.length] = id;
}

const ways: Readonly<Record<string, () => unknown>> = {
  "not observed": () => undefined,
  "by an observer that looks": () =>
    observe({ taskSpawned: note, taskStarted: note, taskSuspended: note, taskDone: note }),
  inspected: () => inspect({ waits: false }),
  "with waits": () => inspect({ waits: true }),
};

async function runAll({ fn, count, concurrency = Infinity }: Load): Promise<void> {
  for (let scope = 0; scope < TASKS / count; scope++) {
    await TaskScope.run(
      (scope) => {
        for (let index = 0; index < count; index++) scope.spawn(fn);
      },
      { onError: "ignore", concurrency },
    );
  }
}

/** Nanoseconds of processor time per task, for each load. */
async function measure(): Promise<number[]> {
  const times: number[] = [];
  for (const load of loads) times.push(await median(9, () => cpuTime(() => runAll(load))));
  return times;
}

async function cpuTime(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / TASKS;
}

async function median(rounds: number, sample: (round: number) => number | Promise<number>): Promise<number> {
  const samples: number[] = [];
  for (let round = 0; round < rounds; round++) samples.push(await sample(round));
  return samples.sort((one, other) => one - other)[rounds >> 1]!;
}

const chosen = process.env["INSPECT_WAY"];
if (chosen !== undefined) {
  ways[chosen]!();
  console.log(JSON.stringify(await measure()));
  if (seen === null) throw new Error("nothing was seen");
} else {
  const names = Object.keys(ways);
  const runs = new Map(names.map((name): [string, number[][]] => [name, []]));
  for (let round = 0; round < (full ? 9 : 3); round++) {
    for (const name of names) {
      const env = { ...process.env, INSPECT_WAY: name };
      const output = execFileSync(process.execPath, process.execArgv.concat(process.argv[1]!), { env });
      runs.get(name)!.push(JSON.parse(String(output)) as number[]);
    }
  }
  const [plain, ...others] = await Promise.all(
    names.map((name) =>
      Promise.all(
        loads.map((_, load) => median(runs.get(name)!.length, (round) => runs.get(name)![round]![load]!)),
      ),
    ),
  );
  table(
    `Tasks per way, processor time, on Node ${process.versions.node}`,
    ["", "ns per task", ...names.slice(1).flatMap((name) => [name, "goal", ""])],
    loads.map(({ name }, load) => {
      const ratios = others.map((times) => times[load]! / plain![load]!);
      return [name, plain![load]!.toFixed(0), ...ratios.flatMap((ratio) => goal(ratio, 2))];
    }),
  );
}
