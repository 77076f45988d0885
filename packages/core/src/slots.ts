/**
 * The slots of a concurrency limit, and the line in front of them.
 *
 * Invariants
 * - S1. At most `limit` tasks have a slot. A freed one goes straight to the first in line, so a newcomer never overtakes.
 * - S2. A task in line can leave it in O(1), and does so when its token is cancelled: its place is a node of a linked list,
 *   and the task's state.
 * - S3. Leaving the line and beginning are two steps. The second runs in a microtask, in the async context of the code
 *   that called `spawn` (L10): a promise reaction registered there carries it, with no help of the runtime.
 * - S4. Who is cancelled by the time it begins is never called; a slot it had goes to the next in line.
 */
import { type Task, type TaskOwner, finish, start } from "./task.ts";
import { noop } from "./timer.ts";
import type { TaskFunction } from "./types.ts";

/**
 * A place in line. A class, and functions that are bound to it, in place of closures over what it knows: 0.55x of the cost of a
 * task that has to wait.
 */
export class Place {
  /** @internal */ declare readonly _slots: Slots;
  /** @internal */ declare readonly _task: Task<unknown>;
  /** @internal */ declare readonly _fn: TaskFunction<unknown>;
  /** @internal */ declare readonly _owner: TaskOwner;
  /** @internal */ declare _before: Place | undefined;
  /** @internal */ _after: Place | undefined = undefined;
  /** @internal */ _state: "waiting" | "granted" | "withdrawn" = "waiting";
  /** @internal Lets the task begin. */ _go = noop;

  constructor(slots: Slots, task: Task<unknown>, fn: TaskFunction<unknown>, before: Place | undefined) {
    this._slots = slots;
    this._task = task;
    this._fn = fn;
    this._owner = task._state as TaskOwner;
    this._before = before;
  }

  /** @internal Its task is cancelled (S2). */
  _withdraw(): void {
    if (this._state === "waiting") this._slots._depart(this, "withdrawn");
  }
}

export class Slots {
  /** How many are in line. */
  waiting = 0;
  /** @internal */ declare _free: number;
  #first: Place | undefined;
  #last: Place | undefined;

  constructor(limit: number) {
    this._free = limit;
  }

  /** Starts a task, or puts it in line. */
  enter(task: Task<unknown>, fn: TaskFunction<unknown>): void {
    if (this._free > 0) {
      this._free--;
      start(task, fn);
      return;
    }
    const place = new Place(this, task, fn, this.#last);
    if (!this.#last) this.#first = place;
    else this.#last._after = place;
    this.#last = place;
    this.waiting++;
    task._state = place;
    task._end = new Promise<void>(keep).then(begin.bind(place));
    place._go = kept;
  }

  /** A task has ended and gives its slot back. */
  leave(): void {
    this._free++;
    if (this._free > 0 && this.#first) {
      this._free--;
      this._depart(this.#first, "granted");
    }
  }

  /** @internal */
  _depart(place: Place, state: "granted" | "withdrawn"): void {
    const { _before: before, _after: after } = place;
    if (!before) this.#first = after;
    else before._after = after;
    if (!after) this.#last = before;
    else after._before = before;
    place._state = state;
    this.waiting--;
    place._go();
  }
}

/** What resolves the promise that was made last: one executor for all of them, no closure for each. */
let kept = noop;

function keep(resolve: () => void): void {
  kept = resolve;
}

function begin(this: Place): void {
  const { _task: task } = this;
  task._state = this._owner;
  const { _error: error } = task.token;
  if (!error) {
    start(task, this._fn);
    return;
  }
  // Its end gives a slot back: let that be one it never had.
  if (this._state === "withdrawn") this._slots._free--;
  finish(task, "cancelled", error);
}
