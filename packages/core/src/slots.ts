/**
 * The slots of a concurrency limit, and the line in front of them.
 *
 * Invariants
 * - S1. At most `limit` tasks have a slot. A freed one goes straight to the first in line, so a newcomer never overtakes.
 * - S2. A task in line can leave it in O(1), and does so when its token is cancelled: its place is a node of a linked list.
 * - S3. Leaving the line and beginning are two steps. The second runs in a microtask, in the async context of the code
 *   that called `spawn` (L10): a promise reaction registered there carries it, with no help of the runtime.
 * - S4. Who is cancelled by the time it begins is never called; a slot it had goes to the next in line.
 */
import { Token, unregister } from "./cancellation-token.ts";
import { type Task, finish, start } from "./task.ts";
import { noop } from "./timer.ts";
import type { TaskFunction } from "./types.ts";

/** A place in line; `before` and `after` make the list. */
interface Place {
  before: Place | undefined;
  after: Place | undefined;
  state: "waiting" | "granted" | "withdrawn";
  go: () => void;
}

export class Slots {
  /** How many are in line. */
  waiting = 0;
  #free: number;
  #first: Place | undefined;
  #last: Place | undefined;

  constructor(limit: number) {
    this.#free = limit;
  }

  /** Starts a task, or puts it in line. */
  enter(task: Task<unknown>, fn: TaskFunction<unknown>): void {
    if (this.#free > 0) {
      this.#free--;
      start(task, fn);
      return;
    }
    const place: Place = { before: this.#last, after: undefined, state: "waiting", go: noop };
    if (this.#last === undefined) this.#first = place;
    else this.#last.after = place;
    this.#last = place;
    this.waiting++;
    const owner = task._state;
    task._state = "pending";
    const leaf = new Token(task.token);
    leaf._bridge = () => {
      if (place.state === "waiting") this.#depart(place, "withdrawn");
    };
    task._end = new Promise<void>((resolve) => {
      place.go = resolve;
    }).then(() => {
      unregister(leaf);
      task._state = owner;
      const { _error: error } = task.token;
      if (error === undefined) {
        start(task, fn);
        return;
      }
      // Its end gives a slot back: let that be one it never had.
      if (place.state === "withdrawn") this.#free--;
      finish(task, "cancelled", error);
    });
  }

  /** A task has ended and gives its slot back. */
  leave(): void {
    this.#free++;
    if (this.#free > 0 && this.#first !== undefined) {
      this.#free--;
      this.#depart(this.#first, "granted");
    }
  }

  #depart(place: Place, state: "granted" | "withdrawn"): void {
    const { before, after } = place;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    place.state = state;
    this.waiting--;
    place.go();
  }
}
