/** What the comparison asks of whoever takes part, and the few functions that all of them run. */
import { macrotask } from "../../packages/test-utils/src/waiting.ts";

export type Fn<T = unknown> = () => Promise<T>;

/** The works, by letter; `j` and `i` are measured in ways of their own. */
export type Letter = "a" | "b" | "c" | "d" | "e" | "f" | "g" | "h" | "i" | "j";

/** How many functions have begun, and how many have ended. */
export interface Tally {
  begun: number;
  /** `undefined` while it is timed: a `finally` in each would cost as much as the rest. */
  ended: number | undefined;
}

/** Tasks that wait. */
export interface Waiting {
  /** Asks all of them to end. */
  cancel(): void;
  /** Settles when all have; called after `cancel`. */
  ended(): Promise<unknown>;
}

/** A long-lived owner. */
export interface Owner {
  /** Runs so many of them together, and waits for those. */
  pass(fn: Fn, count: number): Promise<unknown>;
  close(): unknown;
}

/** A long-lived token or signal. */
export interface Parent {
  /** Makes a child with a callback, which stays. */
  keep(callback: () => void): void;
  /** Makes a child, registers a callback on it, and takes both back. */
  pass(callback: () => void): void;
  cancel(): void;
}

/** Keeps many tasks alive in one owner. */
export interface Keeper {
  /** Starts a task and returns what its user would keep of it; `signal` for one that reads its abort signal. */
  start(fn: Fn, signal: boolean): unknown;
  close(): unknown;
}

/** One way to do the works. What it leaves out, it does not offer: `lacks` says why. */
export interface Peer {
  readonly name: string;
  /** `floor`: no peer, but what cannot be undercut. */
  readonly kind: "ours" | "floor" | "platform" | "library";
  /** What is missing, or where its promise is weaker than the work asks. */
  readonly lacks?: Partial<Record<Letter, string>>;
  /** Works that it does, but without a guarantee that the others give. */
  readonly weaker?: Partial<Record<Letter, string>>;
  /** Works whose waiting tasks are its own kind, not the async functions of the others. */
  readonly ownKind?: Partial<Record<Letter, string>>;
  /** More live siblings than this take it minutes (j). */
  readonly mostSiblings?: number;
  /** (a), (b): runs them all together, and waits for all. */
  join?(fns: readonly Fn[]): Promise<unknown>;
  /** (c): tasks of `waiting` or the like. */
  wait?(count: number, tally: Tally): Waiting;
  /** (d) */
  limited?(fns: readonly Fn[], limit: number): Promise<unknown>;
  /** (e): the others wait, the one fails; the error that came out, when all have ended. */
  failFast?(count: number, failing: number, error: Error, tally: Tally): Promise<unknown>;
  /** (f): the others wait, the one wins; its value, when all have ended. */
  race?(count: number, winner: number, tally: Tally): Promise<unknown>;
  /** (g): their values in the order in which they ended, taken one by one. */
  completed?(fns: readonly Fn<number>[]): Promise<number[]>;
  /** (h) */
  open?(): Owner;
  /** (i) */
  keeper?(): Keeper;
  /** (j) */
  parent?(): Parent;
}

export const WON = 42;

/** A task that waits for its cancellation, whichever way that comes. */
export function waits(tally: Tally, cancelled: Promise<unknown>): Promise<void> {
  tally.begun++;
  return tally.ended === undefined ? waitsFor(cancelled) : endsWith(cancelled, tally);
}

async function waitsFor(cancelled: Promise<unknown>): Promise<void> {
  await cancelled;
}

async function endsWith(cancelled: Promise<unknown>, tally: Tally): Promise<void> {
  try {
    await cancelled;
  } finally {
    noteEnd(tally);
  }
}

export function noteEnd(tally: Tally): void {
  if (tally.ended !== undefined) tally.ended++;
}

/** The task that fails, after a turn of the microtask queue. */
export async function fails(tally: Tally, error: Error): Promise<never> {
  tally.begun++;
  await Promise.resolve();
  noteEnd(tally);
  throw error;
}

/** The task that wins, after a turn of the microtask queue. */
export async function wins(tally: Tally): Promise<number> {
  tally.begun++;
  await Promise.resolve();
  noteEnd(tally);
  return WON;
}

/** Rejects when the signal is aborted. Polyfills know no reason. */
export function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener(
      "abort",
      () => {
        reject((signal.reason ?? ABORTED) as Error);
      },
      { once: true },
    );
  });
}

const ABORTED = new Error("aborted");

/** Tasks that a controller ends. */
export function endedBy(start: (controller: AbortController) => Promise<unknown>): Waiting {
  const controller = new AbortController();
  const ended = start(controller);
  return {
    cancel: () => {
      controller.abort();
    },
    ended: () => ended,
  };
}

/** What a promise rejects with. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it was to reject");
}

/** Waits until so many have begun. */
export async function allBegun(tally: Tally, count: number): Promise<void> {
  while (tally.begun < count) await macrotask();
}

export function range<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}
