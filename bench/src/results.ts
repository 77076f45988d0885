/** What was measured, in figures that the reports show. */
import { quantile } from "simple-statistics";
import type { Answer, Round } from "./job.ts";
import type { Letter, Peer } from "./peer.ts";

/** A median between its quartiles. */
export interface Spread {
  low: number;
  median: number;
  high: number;
}

/** With the garbage as it comes, or after a full collection before each measurement. */
export interface Figures {
  /** Nanoseconds of the processor for one task (or child). */
  own: Spread;
  /** To `Promise.allSettled` in the same process. */
  ratio: Spread;
  wallRatio: Spread;
}

export interface Cell {
  runtime: string;
  letter: Letter;
  peer: string;
  /** Asked for. */
  asked: number;
  /** Measured with. */
  count: number;
  warm?: Figures;
  afterGc?: Figures;
  bytes?: Record<string, Spread>;
  /** Why there is no figure. */
  failure?: string;
}

/** A program's import in a fresh process, and what it weighs. */
export interface Import {
  runtime: string;
  name: string;
  /** Milliseconds above an empty module. */
  time?: Spread;
  failure?: string;
}

export interface Size {
  name: string;
  /** Bytes, minified and gzipped. */
  bytes: number;
}

/** A peer as the reports need it: without its functions. */
export type PeerNote = Pick<Peer, "name" | "kind" | "lacks" | "weaker" | "ownKind">;

export interface Results {
  date: string;
  machine: string;
  /** What else has to be said about how these figures came about: written into the file by hand, for `--from`. */
  remark?: string;
  runtimes: string[];
  peers: PeerNote[];
  /** Pinned, by package. */
  versions: Record<string, string>;
  cells: Cell[];
  imports: Import[];
  sizes: Size[];
}

export function spread(values: number[]): Spread {
  return {
    low: quantile(values, 0.25),
    median: quantile(values, 0.5),
    high: quantile(values, 0.75),
  };
}

function figures(rounds: readonly Round[]): Figures {
  return {
    own: spread(rounds.map(({ own }) => own.cpu)),
    ratio: spread(rounds.map(({ own, reference }) => own.cpu / reference.cpu)),
    wallRatio: spread(rounds.map(({ own, reference }) => own.wall / reference.wall)),
  };
}

/** The answers of several processes to one job. */
export function summarise(answers: readonly Answer[]): Pick<Cell, "count" | "warm" | "afterGc" | "bytes"> {
  const warm = answers.flatMap(({ rounds }) => rounds);
  const afterGc = answers.flatMap(({ roundsAfterGc }) => roundsAfterGc);
  const bytes = Object.keys(answers[0]!.bytes ?? {}).map((what) => [
    what,
    spread(answers.map((answer) => answer.bytes![what]!)),
  ]);
  return {
    count: Math.min(...answers.map(({ count }) => count)),
    ...(warm.length > 0 && { warm: figures(warm) }),
    ...(afterGc.length > 0 && { afterGc: figures(afterGc) }),
    ...(bytes.length > 0 && { bytes: Object.fromEntries(bytes) as Record<string, Spread> }),
  };
}
