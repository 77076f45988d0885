import { TimeoutError, moveOnAfter } from "@scope/core";

/** Waits, but no longer than `ms` milliseconds (0: a turn): resolves with `undefined` if that was not enough. */
export function within(ms: number, wait: () => Promise<unknown>): Promise<true | undefined> {
  return moveOnAfter(ms || 1, ({ token }) => token.race(wait().then(() => true as const)));
}

/** "Stopping a, b took longer than 100 ms". */
export function overdue(ms: number, what: string, names: readonly string[]): TimeoutError {
  return new TimeoutError(ms, `${what} ${names.join(", ")} took longer than ${ms} ms`);
}
