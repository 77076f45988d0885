/**
 * Runs a program under every order of its events.
 *
 * A run begins with the program's set-up; then, again and again, some turns of the microtask queue pass, and one of the
 * events that are enabled happens, until there is none and nothing is left to do. How many turns, and which event, are
 * decisions: between "the promise has settled" and "everybody has heard of it" lie a few turns, and in them the races of
 * promise code.
 *
 * Runs are not undone or copied: the next one begins anew and takes another turn at the last decision that has one left.
 */
import { setTaskErrorHandler } from "@scope/core";
import { DepthFirst, Random, Recorder, Replay, SEPARATOR } from "./chooser.ts";
import { Clock } from "@scope/test-utils/clock";
import { checkLaws } from "./laws.ts";
import { World } from "./world.ts";

export interface Program {
  readonly name: string;
  /** Opens what is to be checked and declares events; returns what else must hold in the end. */
  set(world: World): (() => void) | undefined;
}

export interface Finding {
  readonly program: string;
  readonly path: string;
  readonly violations: readonly string[];
  readonly log: readonly string[];
}

export interface Explored {
  readonly program: string;
  /** Different paths, of those that were tried one after another; then those at random. */
  readonly inOrder: number;
  readonly sampled: number;
  /** The largest choice of turns with which all paths were tried. */
  readonly exhaustive: string | undefined;
  readonly finding: Finding | undefined;
}

/** "~": until nothing is left to do. */
const DRAINED = "~";

/** Choices of turns between two events, each wider than the one before. */
const GAPS: readonly (readonly string[])[] = [
  [DRAINED, "0"],
  [DRAINED, "0", "1", "2", "3"],
  [DRAINED, "0", "1", "2", "3", "4", "5", "6", "8", "11"],
];

const WIDEST = GAPS.at(-1)!;

/** More events than this, and the program does not end. */
const ENDLESS = 200;

const ESTIMATES = 24;

/** What stands in for the process while programs run: time, the last reporter, and who hears of unhandled rejections. */
class Laboratory implements Disposable {
  readonly clock = new Clock();
  readonly strays: unknown[] = [];
  world: World | undefined;
  readonly #undo: () => void;

  constructor() {
    const stray = (error: unknown): void => {
      this.strays.push(error);
    };
    const others = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection").on("unhandledRejection", stray);
    const previous = setTaskErrorHandler(({ error }) => {
      this.world?.reports.push(error);
      this.world?.note(`reported: ${String(error)}`);
    });
    // Thousands of errors are made whose stacks nobody reads.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    this.#undo = () => {
      Error.stackTraceLimit = stackTraceLimit;
      setTaskErrorHandler(previous);
      process.off("unhandledRejection", stray);
      for (const other of others) process.on("unhandledRejection", other);
    };
  }

  [Symbol.dispose](): void {
    this.#undo();
    this.clock[Symbol.dispose]();
  }

  /** One run. Returns what it violates; `undefined` for nothing. */
  async run(program: Program, chooser: Recorder, gaps: readonly string[]): Promise<Finding | undefined> {
    const { clock, strays } = this;
    clock.reset();
    const world = new World(chooser, clock);
    this.world = world;
    try {
      const check = program.set(world);
      await drive(world, chooser, gaps);
      check?.();
      checkLaws(world, clock);
      world.sweep();
      await drain();
    } catch (error) {
      world.violate(`It throws: ${String(error)}`);
    }
    for (const error of strays.splice(0)) world.violate(`L2: unhandled rejection: ${String(error)}`);
    const { violations, log } = world;
    if (violations.length === 0) return undefined;
    return { program: program.name, path: chooser.path.join(SEPARATOR), violations, log };
  }
}

async function drive(world: World, chooser: Recorder, gaps: readonly string[]): Promise<void> {
  for (let count = 0; ; count++) {
    const gap = gaps[chooser.choose(gaps)]!;
    if (gap === DRAINED) {
      await drain();
      world.idle();
    }
    for (let turn = 0; gap !== DRAINED && turn < Number(gap); turn++) await Promise.resolve();
    let events = world.enabled(gap === DRAINED);
    if (events.length === 0 && gap !== DRAINED) {
      // Nothing can happen before it is drained: this path is that one.
      chooser.freeze();
      await drain();
      events = world.enabled(true);
    }
    if (events.length === 0) return;
    if (count > ENDLESS) throw new Error("There is always one more event");
    const event = events[chooser.choose(events)]!;
    if (gap !== DRAINED) world.note(`    (${gap} turns)`);
    world.happen(event);
  }
}

/** Lets the microtask queue run empty. */
function drain(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Tries at most `bound` paths of each program: all of them, if there are no more, else so many at random. */
export async function explore(
  programs: readonly Program[],
  { bound, seed = 1, runs = 0 }: { bound: number; seed?: number; runs?: number },
  tell?: (explored: Explored) => void,
): Promise<Explored[]> {
  using laboratory = new Laboratory();
  const results: Explored[] = [];
  for (const program of programs) {
    const explored = await exploreOne(laboratory, program, bound, seed, runs);
    results.push(explored);
    tell?.(explored);
  }
  return results;
}

/** The path of a finding again. */
export async function replay(program: Program, path: string): Promise<Finding | undefined> {
  using laboratory = new Laboratory();
  return await laboratory.run(program, new Recorder(new Replay(path)), WIDEST);
}

async function exploreOne(
  laboratory: Laboratory,
  program: Program,
  bound: number,
  seed: number,
  runs: number,
): Promise<Explored> {
  const random = new Random(seed);
  let inOrder = 0;
  let sampled = 0;
  let exhaustive: string | undefined;
  let finding: Finding | undefined;

  const sample = async (gaps: readonly string[]): Promise<number> => {
    sampled++;
    const recorder = new Recorder(random);
    finding = await laboratory.run(program, recorder, gaps);
    return recorder.width;
  };

  for (const gaps of runs > 0 ? [] : GAPS) {
    // Knuth's estimate of the size of the tree.
    let sum = 0;
    let tried = 0;
    while (tried++ < ESTIMATES && finding === undefined) sum += await sample(gaps);
    if (finding !== undefined || sum / ESTIMATES > bound - inOrder) break;
    const order = new DepthFirst();
    let more = true;
    let found = 0;
    while (more && finding === undefined && found < bound) {
      finding = await laboratory.run(program, new Recorder(order), gaps);
      found++;
      more = order.next();
    }
    inOrder += found;
    if (more) break;
    exhaustive = gaps.join(" ");
  }
  const rest = runs > 0 ? runs : exhaustive === WIDEST.join(" ") ? 0 : bound - inOrder;
  while (sampled < rest && finding === undefined) await sample(WIDEST);
  if (finding !== undefined) finding = await shorten(laboratory, program, finding);
  return { program: program.name, inOrder, sampled, exhaustive, finding };
}

/** The same finding with fewer races in it: as many gaps as possible are drained, or none. */
async function shorten(laboratory: Laboratory, program: Program, finding: Finding): Promise<Finding> {
  let best = finding;
  for (let index = 0; index < best.path.split(SEPARATOR).length; index++) {
    const names = best.path.split(SEPARATOR);
    if (!WIDEST.includes(names[index]!) || names[index] === DRAINED) continue;
    for (const gap of [DRAINED, "0"]) {
      const path = names.map((name, at) => (at === index ? gap : name)).join(SEPARATOR);
      const again = await laboratory.run(program, new Recorder(new Replay(path)), WIDEST);
      if (again === undefined || again.violations.some((one) => one.startsWith("It throws"))) continue;
      best = again;
      break;
    }
  }
  return best;
}
