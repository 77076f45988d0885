/**
 * One iteration over what ends in a group.
 *
 * It holds what it has handed out until the loop comes back, which acknowledges it; a loop that is left puts it back. It ends
 * when nothing runs and nothing waits, when its time limit passes, or when it is left.
 */
import { CancellationSource, type Task } from "@scope/core";
import type { Roster } from "./roster.ts";
import type { CompletedTasks } from "./types.ts";

type Step = IteratorResult<Task<unknown>, undefined>;

/** A hand-written iterator: an async generator would await the tasks that it yields. */
export class Completions implements CompletedTasks {
  readonly #roster: Roster;
  readonly #timeout: number;
  #held: Task<unknown> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  /** Ends the wait that goes on. */
  #wake: (() => void) | undefined;
  #over = false;

  constructor(roster: Roster, timeout: number) {
    this.#roster = roster;
    this.#timeout = timeout;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Step> {
    // One step after another, should somebody not wait for the one before.
    const step = this.#last.then(() => this.#advance());
    this.#last = step;
    return step;
  }

  async return(): Promise<Step> {
    this.#over = true;
    if (this.#held === undefined) this.#wake?.();
    else if (this.#roster.ledger.has(this.#held)) this.#roster.offer(this.#held, true);
    this.#held = undefined;
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async #advance(): Promise<Step> {
    const { ledger } = this.#roster;
    if (this.#held !== undefined) ledger.acknowledge(this.#held);
    this.#held = undefined;
    if (!this.#over) {
      this.#held = ledger.take();
      if (this.#held === undefined) await this.#wait();
    }
    const value = this.#held;
    this.#over = value === undefined;
    return value === undefined ? { done: true, value } : { done: false, value };
  }

  /** For the next end, the end of everything, the time limit, or the end of the loop. */
  #wait(): Promise<void> | undefined {
    const { waiters, running } = this.#roster;
    if (this.#timeout === 0 || running.size === 0) return undefined;
    return new Promise((resolve) => {
      const limit = new CancellationSource({ timeout: this.#timeout });
      const wake = (task?: Task<unknown>): void => {
        waiters.delete(wake);
        limit[Symbol.dispose]();
        this.#held = task;
        resolve();
      };
      this.#wake = wake;
      limit.token.onCancel(() => {
        wake();
      });
      waiters.add(wake);
    });
  }
}
