/**
 * What has ended and nobody has acknowledged.
 *
 * ```text
 *   ended ──▶ waiting ──take──▶ held ──acknowledge, takeAll──▶ gone
 *                ▲                │
 *                └────putBack─────┘
 * ```
 *
 * Invariants
 * - G1. A task is waiting, held by one iteration, or gone; `acknowledge` and `takeAll` work on both of the others. So no two
 *   iterations get the same task, and no failure is told twice (L2).
 * - G2. Waiting tasks stand in the order of their ends; one that is put back is the first again.
 * - G3. Every step is O(1), but `takeAll`, which goes over what it takes.
 */
import type { Task } from "@scope/core";

/** A task that has ended, in the line of those that wait, or in none. */
export interface Entry {
  readonly task: Task<unknown>;
  before: Entry;
  after: Entry;
}

export class Ledger {
  readonly #entries = new Map<Task<unknown>, Entry>();
  /** After the last and before the first of those that wait. */
  readonly #ends = entryOf(undefined as never);

  /** Everything that is not acknowledged, held or not, in the order of its end. */
  get tasks(): Iterable<Task<unknown>> {
    return this.#entries.keys();
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Notes a task that has ended; somebody holds it now. */
  add(task: Task<unknown>): Entry {
    const entry = entryOf(task);
    this.#entries.set(task, entry);
    return entry;
  }

  /** The first one that waits, to be held. */
  take(): Entry | undefined {
    const { after } = this.#ends;
    if (after === this.#ends) return undefined;
    leave(after);
    return after;
  }

  /** Into the line, unless it is gone: as one that has just ended, at its tail; put back, at its head. */
  keep(entry: Entry, ended: boolean): void {
    if (!this.#entries.has(entry.task)) return;
    const next = ended ? this.#ends : this.#ends.after;
    entry.after = next;
    entry.before = next.before;
    next.before = next.before.after = entry;
  }

  acknowledge(task: Task<unknown>): boolean {
    const entry = this.#entries.get(task);
    if (entry !== undefined) leave(entry);
    return this.#entries.delete(task);
  }

  /** Acknowledges everything, and gives what did not succeed. */
  takeAll(): Task<unknown>[] {
    const tasks = [...this.#entries.keys()];
    for (const task of tasks) this.acknowledge(task);
    return tasks.filter(({ status }) => status !== "succeeded");
  }
}

function entryOf(task: Task<unknown>): Entry {
  const entry = { task } as Entry;
  entry.before = entry.after = entry;
  return entry;
}

function leave(entry: Entry): void {
  entry.before.after = entry.after;
  entry.after.before = entry.before;
  entry.before = entry.after = entry;
}
