import { type CancellationToken, TaskGroupError } from "@scope/core";

/** A promise that the test settles by hand. */
export class Deferred<T = void> {
  readonly promise: Promise<T>;
  resolve!: (value: T | PromiseLike<T>) => void;
  reject!: (error: unknown) => void;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // A deferred that nobody awaits is no unhandled rejection.
    this.promise.catch(() => undefined);
  }
}

/** Lets all that is ready run, and what that makes ready, for so many turns of the microtask queue. */
export async function flushMicrotasks(turns = 50): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await Promise.resolve();
}

// Before a test's clock takes its place.
const { setImmediate: soon } = globalThis as { setImmediate?: (fn: () => void) => unknown };

/** Lets the microtask queue run empty. */
export function macrotask(): Promise<void> {
  return new Promise((resolve) => {
    // Deno may hand over a message while microtasks wait.
    if (soon !== undefined) {
      soon(resolve);
      return;
    }
    const { port1, port2 } = new MessageChannel();
    port2.onmessage = () => {
      port1.close();
      port2.close();
      resolve();
    };
    port1.postMessage(undefined);
  });
}

/** Waits until it is cancelled. */
export function waits(token: CancellationToken): Promise<never> {
  return token.race(new Promise<never>(() => undefined));
}

/** What a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  const [settled] = await Promise.allSettled([promise]);
  if (settled.status === "fulfilled") throw new Error("it was to reject");
  return settled.reason;
}

/** What a promise rejects with, which is to be the error of a group. */
export async function groupError(promise: Promise<unknown>): Promise<TaskGroupError> {
  const error = await rejection(promise);
  if (!(error instanceof TaskGroupError)) throw error;
  return error;
}

/** What a promise has come to by now. */
export function watch(promise: Promise<unknown>): { readonly settled: boolean } {
  const watched = { settled: false };
  const settle = (): void => {
    watched.settled = true;
  };
  promise.then(settle, settle);
  return watched;
}
