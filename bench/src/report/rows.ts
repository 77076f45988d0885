/** Tables of the results, for whichever paper they are written on. */
import type { Verdict } from "../goals.ts";
import type { Letter } from "../peer.ts";
import type { Figures, Results, Spread } from "../results.ts";
import { kinds } from "../works.ts";

export interface Table {
  title: string;
  headings: string[];
  rows: string[][];
  notes: string[];
}

export function titleOf(letter: Letter): string {
  return kinds.find((kind) => kind.letter === letter)?.title ?? "memory of a task";
}

function count(number: number): string {
  return number.toLocaleString("en");
}

/** Three digits that count. */
function digits(value: number): string {
  const size = Math.abs(value);
  return size >= 100 ? count(Math.round(value)) : value.toFixed(size >= 10 ? 1 : 2);
}

function nanoseconds(value: number): string {
  if (value < 1e3) return `${digits(value)} ns`;
  return value < 1e6 ? `${digits(value / 1e3)} us` : `${digits(value / 1e6)} ms`;
}

/** `0.31 (0.29 to 0.33)` */
function between({ low, median, high }: Spread): string {
  return `${digits(median)} (${digits(low)} to ${digits(high)})`;
}

function shown(figures: Figures | undefined, brief: boolean): string {
  if (figures === undefined) return "";
  return brief ? digits(figures.ratio.median) : between(figures.ratio);
}

/** Everybody at one work, on one runtime; a column pair for each size. */
export function workTable(
  results: Results,
  runtime: string,
  letter: Letter,
  brief: boolean,
): Table | undefined {
  const cells = results.cells.filter((cell) => cell.runtime === runtime && cell.letter === letter);
  if (cells.length === 0) return undefined;
  const sizes = [...new Set(cells.map(({ asked }) => asked))];
  const unit = letter === "j" ? "siblings" : "N";
  const notes: string[] = [];
  const mark = (text: string): string => {
    if (!notes.includes(text)) notes.push(text);
    return ` [${notes.indexOf(text) + 1}]`;
  };
  const rows: string[][] = [];
  for (const { name, lacks, weaker, ownKind } of results.peers) {
    const own = cells.filter(({ peer }) => peer === name);
    if (own.length === 0) {
      const lack = lacks?.[letter];
      if (lack === undefined) continue;
      rows.push([name, `not offered${mark(lack)}`, ...new Array<string>(sizes.length * 3 - 1).fill("")]);
      continue;
    }
    const weak = weaker?.[letter] ?? ownKind?.[letter];
    rows.push([
      weak === undefined ? name : `${name}${mark(weak)}`,
      ...sizes.flatMap((size) => {
        const cell = own.find(({ asked }) => asked === size);
        if (cell === undefined) return ["not measured", "", ""];
        if (cell.failure !== undefined) return [cell.failure, "", ""];
        const fewer =
          cell.count < cell.asked
            ? mark(`measured with ${count(cell.count)}: ${count(cell.asked)} take too long`)
            : "";
        return [
          `${nanoseconds((cell.warm ?? cell.afterGc)!.own.median)}${fewer}`,
          shown(cell.warm, brief),
          shown(cell.afterGc, brief),
        ];
      }),
    ]);
  }
  return {
    title: `(${letter}) ${titleOf(letter)}`,
    headings: ["", ...sizes.flatMap((size) => [`${unit} = ${count(size)}`, "ratio", "after GC"])],
    rows,
    notes,
  };
}

export function memoryTable(results: Results, runtime: string): Table | undefined {
  const cells = results.cells.filter((cell) => cell.runtime === runtime && cell.letter === "i");
  if (cells.length === 0) return undefined;
  const notes: string[] = [];
  const rows = results.peers.flatMap(({ name, lacks }): string[][] => {
    const cell = cells.find(({ peer }) => peer === name);
    if (cell === undefined) {
      const lack = lacks?.i;
      if (lack === undefined) return [];
      if (!notes.includes(lack)) notes.push(lack);
      return [[name, `not offered [${notes.indexOf(lack) + 1}]`, "", "", ""]];
    }
    const { bytes } = cell;
    if (bytes === undefined) return [[name, cell.failure ?? "", "", "", ""]];
    const of = (what: string): number => bytes[what]!.median;
    return [
      [
        name,
        digits(of("waiting")),
        digits(of("waiting") - of("plain")),
        digits(of("signal")),
        digits(of("finished")),
      ],
    ];
  });
  return {
    title: `(i) bytes of a task, each of ${count(cells[0]!.asked)}`,
    headings: ["", "waiting", "above the bare promise", "waiting, signal read", "finished and kept"],
    rows,
    notes,
  };
}

export function importTable({ imports }: Results, runtime: string): Table | undefined {
  const own = imports.filter((one) => one.runtime === runtime);
  if (own.length === 0) return undefined;
  return {
    title: "(k) import in a fresh process, above an empty module",
    headings: ["", "milliseconds"],
    rows: own.map(({ name, time, failure }) => [name, time === undefined ? failure! : between(time)]),
    notes: [],
  };
}

export function sizeTable({ sizes }: Results): Table | undefined {
  if (sizes.length === 0) return undefined;
  return {
    title: "(k) size of a bundle, minified and gzipped",
    headings: ["", "bytes"],
    rows: sizes.map(({ name, bytes }) => [name, count(bytes)]),
    notes: [],
  };
}

export function goalTable(verdicts: readonly Verdict[]): Table {
  return {
    title: "Goals",
    headings: ["", "", "measured", "goal", "", "after GC", "the least code"],
    rows: verdicts.map(({ work, what, value, goal, met, afterGc, floor }) => [
      `(${work})`,
      what,
      value,
      goal,
      met ? "met" : "MISSED",
      afterGc,
      floor,
    ]),
    notes: [],
  };
}

/** Everything about one runtime, but for the goals. */
export function tablesOf(results: Results, runtime: string, brief: boolean): Table[] {
  return [
    ...kinds.map(({ letter }) => workTable(results, runtime, letter, brief)),
    memoryTable(results, runtime),
    importTable(results, runtime),
  ].filter((table) => table !== undefined);
}
