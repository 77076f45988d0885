/**
 * One iteration over what ends in a group.
 *
 * It holds what it has handed out until the loop comes back, which acknowledges it; a loop that is left puts it back. It ends
 * when nothing runs and nothing waits, when its time limit passes, or when it is left.
 */
import { CancellationSource, type Task } from "@scope/core";
import type { Entry } from "./ledger.ts";
import type { Roster } from "./roster.ts";
import type { CompletedTasks } from "./types.ts";

type Step = IteratorResult<Task<unknown>, undefined>;

/** A hand-written iterator: an async generator would await the tasks that it yields. */
export class Completions implements CompletedTasks {
  readonly #roster: Roster;
  readonly #timeout: number;
  #held: Entry | undefined;
  #last: Promise<unknown> = Promise.resolve();
  /** Ends the wait that goes on. */
  #wake: ((entry?: Entry) => void) | undefined;
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

  return(): Promise<Step> {
    this.#over = true;
    this.#wake?.();
    this.#putBack();
    return Promise.resolve({ done: true, value: undefined });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async #advance(): Promise<Step> {
    const { ledger, running } = this.#roster;
    if (this.#held !== undefined) ledger.acknowledge(this.#held.task);
    this.#held = undefined;
    if (!this.#over) {
      this.#held = ledger.take();
      if (this.#held === undefined && running.size > 0 && this.#timeout > 0) this.#held = await this.#wait();
    }
    // It may have been left meanwhile.
    if (this.#over) this.#putBack();
    this.#over = this.#held === undefined;
    return this.#held === undefined
      ? { done: true, value: undefined }
      : { done: false, value: this.#held.task };
  }

  #putBack(): void {
    if (this.#held !== undefined) this.#roster.offer(this.#held);
    this.#held = undefined;
  }

  /** For the next end, the end of everything, the time limit, or the end of the loop. */
  #wait(): Promise<Entry | undefined> {
    const { waiters } = this.#roster;
    return new Promise((resolve) => {
      const limit = new CancellationSource({ timeout: this.#timeout });
      const wake = (entry?: Entry): void => {
        waiters.delete(wake);
        limit[Symbol.dispose]();
        resolve(entry);
      };
      limit.token.onCancel(() => {
        wake();
      });
      this.#wake = wake;
      waiters.add(wake);
    });
  }
}
