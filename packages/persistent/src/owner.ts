import type { StopOptions, Task, TaskFunction, TaskSpawner } from "@scope/core";
import type { Roster } from "./roster.ts";
import type { PersistentSpawnOptions } from "./types.ts";

/** What groups and services have in common. */
export abstract class Owner implements TaskSpawner, AsyncDisposable {
  readonly #roster: Roster;
  /** Whether `main` is the owner's as well, or its tasks alone. */
  readonly #whole: boolean;

  /** @internal */
  constructor(roster: Roster, whole: boolean) {
    this.#roster = roster;
    this.#whole = whole;
  }

  /** Names it in messages, and its tasks. */
  get uniqueId(): string {
    return this.#roster.uniqueId;
  }

  /**
   * Starts a task: its function is called at once, up to its first `await`. Its name is "<ClassName>:<uniqueId>:<name>". What is
   * spawned while somebody is in {@link stop} ends cancelled, and its function is never called.
   *
   * @throws TypeError if `fn` is not a function.
   * @throws InvalidStateError if the outer token is cancelled ("is shutting down"), or all has ended for good ("is closed"); `fn`
   * is then never called.
   */
  spawn<T>(fn: TaskFunction<T>, options?: PersistentSpawnOptions): Task<T> {
    return this.#roster.spawn(fn, options);
  }

  /** Asks all to end, before it returns. Idempotent, never throws, waits for nobody; it stays open. */
  cancel(reason?: unknown): void {
    this.#roster.cancel(reason, this.#whole);
  }

  /**
   * Waits until nothing runs, what is spawned meanwhile included. Then it acknowledges everything, and rejects, by rank, with a
   * fatal error; with one `TaskGroupError` of what had failed or was cancelled; with the outer cancellation, if nothing failed.
   * Of several who wait at once the first to settle tells, and the others resolve.
   */
  join(): Promise<void> {
    return this.#roster.join(this.#whole);
  }

  /**
   * Cancels and waits. Rejects as {@link join} does, but never with a cancellation.
   *
   * @throws TimeoutError (as a rejection) when `timeout` milliseconds have passed; it names what still runs. That has been asked;
   * what fails is then for the next `join`.
   */
  stop(options?: StopOptions): Promise<void> {
    return this.#roster.stop(this.#whole, options);
  }

  /**
   * The same as `stop()`, for good: from then on `spawn` is refused. It cancels, since a disposer is not told whether its block
   * ended well.
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#roster.stop(this.#whole, {}, true);
  }

  toString(): string {
    return this.#roster.describe(this.#whole);
  }
}
