/**
 * The slots of a concurrency limit, and the line in front of them.
 *
 * Invariants
 * - S1. At most `limit` tasks have a slot. A freed one goes straight to the first in line, so a newcomer never overtakes.
 * - S2. A task in line can leave it in O(1): its place is a node of a linked list.
 * - S3. Leaving the line and beginning are two steps. The second runs in a microtask, in the async context of the code
 *   that called `spawn` (L10): a promise reaction registered there carries it, with no help of the runtime.
 * - S4. Who is cancelled by the time it begins is never called; a slot it had goes to the next in line.
 */
import { CancellationToken } from "./cancellation-token.ts";
import { type Place, type Task, finish, start } from "./task.ts";
import type { TaskFunction } from "./types.ts";

export class Slots {
  free: number;
  /** How many are in line. */
  waiting = 0;
  first: QueuedPlace | undefined = undefined;
  last: QueuedPlace | undefined = undefined;

  /** `token`: the scope's; once it is cancelled, everybody in line leaves it. */
  constructor(limit: number, token: CancellationToken) {
    this.free = limit;
    new CancellationToken(token)._bridge = () => {
      while (this.first !== undefined) this.first.withdraw();
    };
  }

  /** Starts a task, or puts it in line. */
  enter(task: Task<unknown>, fn: TaskFunction<unknown>): void {
    if (this.free > 0) {
      this.free--;
      start(task, fn);
    } else task._outcome = new QueuedPlace(this, task, fn);
  }

  /** A task has ended and gives its slot back. */
  leave(): void {
    this.free++;
    if (this.free > 0 && this.first !== undefined) {
      this.free--;
      this.first.advance();
    }
  }
}

class QueuedPlace implements Place {
  readonly #slots: Slots;
  #before: QueuedPlace | undefined;
  #after: QueuedPlace | undefined = undefined;
  #state: "waiting" | "withdrawn" | "granted" = "waiting";
  readonly #go: () => void;

  constructor(slots: Slots, task: Task<unknown>, fn: TaskFunction<unknown>) {
    this.#slots = slots;
    slots.waiting++;
    this.#before = slots.last;
    if (slots.last === undefined) slots.first = this;
    else slots.last.#after = this;
    slots.last = this;
    let go!: () => void;
    void new Promise<void>((resolve) => {
      go = resolve;
    }).then(() => {
      this.#begin(task, fn);
    });
    this.#go = go;
  }

  /** Out of the line with a slot. */
  advance(): void {
    this.#leaveLine("granted");
  }

  /** Out of the line without one; a no-op for who has left it already. */
  withdraw(): void {
    if (this.#state === "waiting") this.#leaveLine("withdrawn");
  }

  #leaveLine(state: "withdrawn" | "granted"): void {
    this.#state = state;
    this.#slots.waiting--;
    const before = this.#before;
    const after = this.#after;
    if (before === undefined) this.#slots.first = after;
    else before.#after = after;
    if (after === undefined) this.#slots.last = before;
    else after.#before = before;
    this.#before = this.#after = undefined;
    this.#go();
  }

  #begin(task: Task<unknown>, fn: TaskFunction<unknown>): void {
    const error = task.token._error;
    if (error === undefined) start(task, fn);
    else {
      // Its end gives back a slot: let that be one it never had.
      if (this.#state === "withdrawn") this.#slots.free--;
      finish(task, "cancelled", error);
    }
  }
}
