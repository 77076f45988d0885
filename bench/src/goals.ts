/** What this library is to cost, and whether it does. */
import { EMPTY_PACKAGES } from "./imports.ts";
import type { Letter } from "./peer.ts";
import { MILLION } from "./plan.ts";
import type { Cell, Figures, Results } from "./results.ts";

export interface Verdict {
  /** The letter of the work. */
  work: string;
  what: string;
  /** `0.31` */
  value: string;
  /** `<= 0.35` */
  goal: string;
  /** After a full collection before each measurement. */
  afterGc: string;
  /** What `the least code` of `peers/floor.ts` has in the same place; of imports, that of two empty packages. */
  floor: string;
  met: boolean;
}

type Regime = "warm" | "afterGc";

/** Compared with another; `undefined` for what was not measured. */
type Value = (regime: Regime) => number | undefined;

const EFFECTS = ["effect: forkChild, join", "effect: FiberSet", "effect: Effect.all"];
const FLOOR = "the least code";
const SLOWER_JOINS = [...EFFECTS, "p-map", "p-limit", "p-queue", "nursery", "effection"];

/** The goals for one runtime; they were set for Node. */
export function judge(results: Results, runtime: string): Verdict[] {
  if (!runtime.startsWith("Node")) return [];
  const verdicts: Verdict[] = [];

  const cell = (letter: Letter, peer: string, asked: number): Cell | undefined =>
    results.cells.find(
      (one) => one.runtime === runtime && one.letter === letter && one.peer === peer && one.asked === asked,
    );
  const figures = (letter: Letter, peer: string, asked: number, regime: Regime): Figures | undefined =>
    cell(letter, peer, asked)?.[regime];
  const ratio =
    (letter: Letter, peer: string, asked: number): Value =>
    (regime) =>
      figures(letter, peer, asked, regime)?.ratio.median;
  /** How many times the cost of `ours` the cost of `theirs` is; both as ratios in their own processes. */
  const times =
    (ours: Value, theirs: Value): Value =>
    (regime) => {
      const [own, other] = [ours(regime), theirs(regime)];
      return own === undefined || other === undefined ? undefined : other / own;
    };
  /** The largest size that was measured. */
  const sizeOf = (letter: Letter, peer: string): number =>
    Math.max(
      0,
      ...results.cells
        .filter((one) => one.runtime === runtime && one.letter === letter && one.peer === peer)
        .map(({ asked }) => asked),
    );

  function add(
    work: string,
    what: string,
    value: Value,
    bound: "<=" | ">=",
    limit: number,
    unit = "x",
    digits = 2,
    floor?: Value,
  ): void {
    const warm = value("warm");
    if (warm === undefined) return;
    const shown = (number: number | undefined): string =>
      number === undefined ? "" : `${number.toFixed(digits)}${unit}`;
    verdicts.push({
      work,
      what,
      value: shown(warm),
      goal: `${bound} ${limit.toLocaleString("en")}${unit}`,
      afterGc: shown(value("afterGc")),
      floor: shown(floor?.("warm")),
      met: bound === "<=" ? warm <= limit : warm >= limit,
    });
  }

  /** Several peers: the fastest decides. A peer that was too slow for the size is left out: it is slower than the others. */
  function fasterThan(
    work: Letter,
    ours: string,
    size: number,
    peers: readonly string[],
    limit: number,
    title: string,
    floor = FLOOR,
  ): void {
    const measured = peers.filter((peer) => ratio(work, peer, size)("warm") !== undefined);
    const fastest = measured.sort((a, b) => ratio(work, a, size)("warm")! - ratio(work, b, size)("warm")!)[0];
    if (fastest === undefined) return;
    add(
      work,
      `${title}; the fastest is ${fastest}`,
      times(ratio(work, ours, size), ratio(work, fastest, size)),
      ">=",
      limit,
      "x",
      2,
      times(ratio(work, floor, size), ratio(work, fastest, size)),
    );
  }

  for (const size of [100, 10_000]) {
    const n = size.toLocaleString("en");
    add(
      "a",
      `TaskGroup, N = ${n}, of Promise.allSettled`,
      ratio("a", "TaskGroup", size),
      "<=",
      0.35,
      "x",
      2,
      ratio("a", FLOOR, size),
    );
  }
  for (const size of [100, 10_000]) {
    const n = size.toLocaleString("en");
    fasterThan("a", "TaskGroup", size, SLOWER_JOINS, 5, `N = ${n}, faster than each library`);
    add(
      "a",
      `N = ${n}, of abort-controller-x: all`,
      times(ratio("a", "abort-controller-x: all", size), ratio("a", "TaskGroup", size)),
      "<=",
      1.3,
      "x",
      2,
      times(ratio("a", "abort-controller-x: all", size), ratio("a", FLOOR, size)),
    );
  }
  add(
    "a",
    "TaskGroup, N = 1, of Promise.allSettled",
    ratio("a", "TaskGroup", 1),
    "<=",
    1,
    "x",
    2,
    ratio("a", FLOOR, 1),
  );
  add(
    "a",
    "TaskGroup, N = 1,000,000, of Promise.allSettled",
    ratio("a", "TaskGroup", MILLION),
    "<=",
    1,
    "x",
    2,
    ratio("a", FLOOR, MILLION),
  );

  const cancels = sizeOf("c", "TaskGroup");
  const microseconds =
    (peer: string): Value =>
    (regime) => {
      const own = figures("c", peer, cancels, regime)?.own.median;
      return own === undefined ? undefined : own / 1e3;
    };
  add(
    "c",
    "cancelling a task and waiting for it",
    microseconds("TaskGroup"),
    "<=",
    0.3,
    " us",
    2,
    microseconds(FLOOR),
  );
  fasterThan(
    "c",
    "TaskGroup",
    cancels,
    ["AbortController each, linked by listener"],
    10,
    "faster than controllers linked by listener",
  );

  // Like with like: functions that are handed over one by one, and a function for all items.
  for (const [ours, theirs, floor] of [
    ["TaskGroup", "p-limit", `${FLOOR}, in line`],
    ["TaskGroup.map", "p-map", FLOOR],
  ] as const) {
    for (const size of [100, 1_000, 10_000]) {
      fasterThan(
        "d",
        ours,
        size,
        [theirs],
        3,
        `${ours}, N = ${size.toLocaleString("en")}, faster than its like`,
        floor,
      );
    }
  }

  for (const [work, ours, title] of [
    ["e", "TaskGroup", "TaskGroup"],
    ["f", "Supervisor", "race"],
    ["g", "Supervisor", "asCompleted"],
  ] as const) {
    const same = results.peers.filter(
      ({ kind, weaker }) => kind !== "ours" && kind !== "floor" && weaker?.[work] === undefined,
    );
    const functions = same.filter(({ ownKind }) => ownKind?.[work] === undefined);
    for (const size of [100, 1_000, 10_000]) {
      const of = `${title}, N = ${size.toLocaleString("en")}, faster than`;
      const names = (peers: typeof same): string[] => peers.map(({ name }) => name);
      fasterThan(work, ours, size, names(functions), 2, `${of} any with the same guarantees`);
      if (functions.length < same.length) {
        const others = same.filter((peer) => !functions.includes(peer));
        fasterThan(work, ours, size, names(others), 2, `${of} fibers that hold no promise`);
      }
    }
  }

  const tasks = sizeOf("h", "Supervisor");
  add(
    "h",
    "Supervisor, of TaskScope",
    times(ratio("h", "TaskScope", tasks), ratio("h", "Supervisor", tasks)),
    "<=",
    1.3,
  );
  add(
    "h",
    "Supervisor, faster than Promise.allSettled in batches",
    times(ratio("h", "Supervisor", tasks), () => 1),
    ">=",
    2,
  );
  add(
    "h",
    "growth of the heap under one Supervisor, per task",
    (regime) => {
      const found = cell("h", "Supervisor", tasks);
      const grown = found?.bytes?.["grown"]?.median;
      return found === undefined || grown === undefined || regime === "afterGc"
        ? undefined
        : grown / found.count;
    },
    "<=",
    1,
    " B",
  );

  const held = cell("i", "TaskGroup", sizeOf("i", "TaskGroup"))?.bytes;
  if (held !== undefined) {
    const of = (what: string): number => held[what]!.median;
    const bytes = (title: string, value: number, limit: number): void => {
      add("i", title, (regime) => (regime === "warm" ? value : undefined), "<=", limit, " B", 0);
    };
    bytes("a waiting task, above the bare promise", of("waiting") - of("plain"), 400);
    bytes("a finished task that is kept", of("finished"), 180);
  }

  const alone = ratio("j", "TaskGroup", 0);
  add(
    "j",
    "a child token among 100,000 siblings, of one alone",
    times(alone, ratio("j", "TaskGroup", 100_000)),
    "<=",
    1.25,
  );
  fasterThan("j", "TaskGroup", 0, ["AbortSignal.any each"], 20, "alone, faster than AbortSignal.any");

  const importTime =
    (name: string): Value =>
    (regime) =>
      regime === "warm"
        ? results.imports.find((one) => one.runtime === runtime && one.name === name)?.time?.median
        : undefined;
  add(
    "k",
    "import of core and taskgroup",
    importTime("core + taskgroup"),
    "<=",
    3,
    " ms",
    2,
    importTime(EMPTY_PACKAGES),
  );
  for (const { name, bytes } of results.sizes.slice(0, 2)) {
    add("k", `size: ${name}`, (regime) => (regime === "warm" ? bytes : undefined), "<=", 6_000, " B", 0);
  }
  return verdicts;
}
