/** What is measured: the short form on the running Node, and the full one. */
import type { Effort } from "./job.ts";
import type { Letter } from "./peer.ts";

export interface Plan {
  /** Sizes by work. */
  counts: Record<Letter, readonly number[]>;
  effort: Effort;
  /** Processes for each peer, work and size; the peers take turns. */
  processes: number;
  /** Milliseconds after which a process is ended: its peer is too slow for this size. A million get five times as many. */
  patience: number;
  /** Fresh processes for each import. */
  imports: number;
  /** Sizes of (a) at which TaskGroup and the least code alone are measured. */
  alone: readonly number[];
}

export const MILLION = 1_000_000;

export const short: Plan = {
  counts: {
    a: [1, 100, 10_000, MILLION],
    b: [],
    c: [10_000],
    d: [1_000],
    e: [1_000],
    f: [1_000],
    g: [1_000],
    h: [100_000],
    i: [5_000],
    j: [0, 100_000],
  },
  effort: { rounds: 5, roundsAfterGc: 3, warmUp: 60, target: 4, budget: 200 },
  processes: 1,
  patience: 4_000,
  imports: 5,
  alone: [1, MILLION],
};

export const full: Plan = {
  counts: {
    a: [1, 100, 10_000, MILLION],
    b: [100, 10_000],
    c: [100, 10_000],
    d: [100, 10_000],
    e: [100, 10_000],
    f: [100, 10_000],
    g: [100, 10_000],
    h: [10_000_000],
    i: [100_000],
    j: [0, 1_000, 100_000],
  },
  effort: { rounds: 9, roundsAfterGc: 5, warmUp: 150, target: 10, budget: 600 },
  processes: 3,
  patience: 8_000,
  imports: 31,
  alone: [],
};

/** To see that it runs. */
export const tiny: Plan = {
  ...short,
  counts: { a: [10], b: [10], c: [10], d: [10], e: [10], f: [10], g: [10], h: [1_000], i: [100], j: [10] },
  effort: { rounds: 1, roundsAfterGc: 1, warmUp: 0, target: 0, budget: 1 },
  imports: 1,
};
