/** What the parent asks of a child process, and what it gets. */
import type { Time } from "../../packages/test-utils/src/bench.ts";
import type { Letter } from "./peer.ts";

export interface Job {
  /** The file of the peer, and its name. */
  file: string;
  peer: string;
  letter: Letter;
  count: number;
  effort: Effort;
}

export interface Effort {
  /** Measurements with the garbage as it comes, and after a full collection each. */
  rounds: number;
  roundsAfterGc: number;
  /** Milliseconds of the processor that the work gets before it is timed. */
  warmUp: number;
  /** Milliseconds that one measurement takes, about. */
  target: number;
  /** Milliseconds for all measurements of a job: who is slow is measured less often, but once. */
  budget: number;
}

/** Of one round: this peer's, and that of the reference in the same process. */
export interface Round {
  own: Time;
  reference: Time;
}

export interface Answer {
  /** Nanoseconds for one task (or child). */
  rounds: Round[];
  roundsAfterGc: Round[];
  /** What it was measured with: fewer than asked if that would have taken too long. */
  count: number;
  /** Bytes, of (h) and (i). */
  bytes?: Record<string, number>;
}
