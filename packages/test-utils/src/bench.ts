/** What the benchmarks share: work timed in turns, and tables with the goal beside each figure. Needs `--expose-gc`. */
import { isDeepStrictEqual } from "node:util";
import { measure } from "mitata";

/** `pnpm bench:packages --full`: more rounds, steadier figures. */
export const full = process.argv.includes("--full");

/** Nanoseconds. */
export interface Time {
  /** Of the processor, in all threads of this process: what other programs do meanwhile is not in it. */
  cpu: number;
  wall: number;
}

/** Something to time; `P` is what one run uses up. */
export interface Work<P = undefined> {
  name: string;
  /** Not timed. */
  prepare?: () => P | Promise<P>;
  run(prepared: P): unknown;
}

export interface Settings {
  /** In every round each work has its turn; the medians over the rounds count. `--full` makes it five times as many. @default 9 */
  rounds?: number;
  /** Runs in one turn, after one that is not timed. @default 1 */
  samples?: number;
  /**
   * Collect all garbage before the timed run. When a full collection finds no instance of a class alive, V8 also drops
   * the optimised code that knew the class, as in a server that has been idle. @default false
   */
  afterGc?: boolean;
}

/** Times works in turns, and returns the medians in their order. */
export async function time<P = undefined>(
  works: readonly Work<P>[],
  settings: Settings = {},
): Promise<Time[]> {
  const { rounds = 9, samples = 1, afterGc = false } = settings;
  const times = works.map((): Time[] => []);
  for (let round = 0; round < rounds * (full ? 5 : 1); round++) {
    for (let turn = 0; turn < works.length; turn++) {
      const index = (round + turn) % works.length;
      times[index]!.push(await timeOnce(works[index]!, samples, afterGc));
    }
  }
  return times.map((list) => ({
    cpu: median(list.map(({ cpu }) => cpu)),
    wall: median(list.map(({ wall }) => wall)),
  }));
}

async function timeOnce<P>(work: Work<P>, samples: number, afterGc: boolean): Promise<Time> {
  // Read before and after each sample.
  const walls: number[] = [];
  const now = (): number => {
    walls.push(performance.now() * 1e6);
    const { user, system } = process.cpuUsage();
    return (user + system) * 1e3;
  };
  // mitata's own types know nothing of prepared arguments.
  const benchmark = function* () {
    yield { 0: () => work.prepare?.(), bench: (prepared: P) => work.run(prepared) };
  } as unknown as () => Generator<() => unknown, void, undefined>;
  const { p50 } = await measure(benchmark, {
    now,
    gc: afterGc && collect,
    min_samples: samples,
    max_samples: samples,
    min_cpu_time: 0,
    // One run to warm up, and no batches: a run is long enough.
    warmup_threshold: -1,
  });
  const spans = walls.flatMap((end, index) => (index % 2 === 1 ? end - walls[index - 1]! : []));
  return { cpu: p50, wall: median(spans) };
}

function collect(): void {
  void gc!();
}

function median(values: number[]): number {
  values.sort((a, b) => a - b);
  return values[values.length >> 1]!;
}

/** Before timing: `outcome` tells what a work does, and that has to be the same for all. */
export async function checkEqual<W extends { name: string }>(
  works: readonly W[],
  outcome: (work: W) => Promise<unknown>,
): Promise<void> {
  const outcomes: unknown[] = [];
  for (const work of works) outcomes.push(await outcome(work));
  const odd = outcomes.findIndex((found) => !isDeepStrictEqual(found, outcomes[0]));
  if (odd > 0) throw new Error(`"${works[odd]!.name}" does other work than "${works[0]!.name}"`);
}

/** A figure and its limit: `0.24`, `<= 0.5`, `met`. Without a limit it only informs. */
export function goal(
  value: number,
  limit?: number,
  digits = 2,
): [value: string, limit: string, verdict: string] {
  const shown = value.toFixed(digits);
  return limit === undefined ? [shown, "", ""] : [shown, `<= ${limit}`, value <= limit ? "met" : "MISSED"];
}

/** Prints rows below headings, the first column flush left. */
export function table(
  title: string,
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  const lines = [headings, ...rows];
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  console.log(`\n${title}`);
  for (const line of lines) {
    const [first, ...others] = line.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
    );
    console.log(`  ${[first, ...others].join("  ").trimEnd()}`);
  }
}
