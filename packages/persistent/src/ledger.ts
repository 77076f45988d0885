/**
 * What has ended and nobody has acknowledged.
 *
 * ```text
 *   ended ──▶ waiting ──take──▶ held ──acknowledge──▶ gone
 *                ▲                │
 *                └────add, first──┘
 * ```
 *
 * Invariants
 * - G1. A task is waiting, held by one iteration, or gone; `acknowledge` works on both of the others. So no two iterations get the
 *   same task, and no failure is told twice (L2).
 * - G2. Waiting tasks stand in the order of their ends; one that is put back is the first again.
 * - G3. Every step is O(1).
 */
import type { Task } from "@scope/core";

/** A task's place in the line of those that wait; its own neighbour, if it is in none. */
interface Place {
  readonly task: Task<unknown> | undefined;
  before: Place;
  after: Place;
}

export interface Ledger {
  /** Everything that is not acknowledged, held or not, in the order of its end. */
  readonly all: ReadonlyMap<Task<unknown>, unknown>;
  /** Has a task wait: the last in the line, or, to put it back, the `first`. */
  add(task: Task<unknown>, first: boolean): void;
  /** The first one that waits, to be held. */
  take(): Task<unknown> | undefined;
  acknowledge(task: Task<unknown>): boolean;
}

export function openLedger(): Ledger {
  const all = new Map<Task<unknown>, Place>();
  /** After the last and before the first of those that wait. */
  const ends = place();
  return {
    all,
    add(task, first) {
      const added = place(task);
      const after = first ? ends.after : ends;
      added.after = after;
      added.before = after.before;
      after.before = after.before.after = added;
      all.set(task, added);
    },
    take() {
      const { after } = ends;
      leave(after);
      return after.task;
    },
    acknowledge(task) {
      const found = all.get(task);
      if (found) leave(found);
      return all.delete(task);
    },
  };
}

function place(task?: Task<unknown>): Place {
  const made = { task } as Place;
  made.before = made.after = made;
  return made;
}

function leave(left: Place): void {
  left.before.after = left.after;
  left.after.before = left.before;
  left.before = left.after = left;
}
