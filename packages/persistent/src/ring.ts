/**
 * Lists whose members can leave from the middle.
 *
 * A list is a ring of entries with a head that stands for no task: the first member is after it, the last one before it. An entry
 * is in one ring at most, and its own neighbour in none. Entering and leaving are O(1) (L7), and need no table: what a `Map` leaves
 * behind, when many come and go, costs the garbage collector more than everything else here together.
 */
import type { CancellationToken, Task } from "@scope/core";

/** A task of a group, from its start until it is acknowledged; an iteration that waits; or the head of a ring. */
export class Entry {
  before: Entry = this;
  after: Entry = this;
  declare token: CancellationToken | undefined;
  /** Missing while its function is in its synchronous part. */
  declare task: Task<unknown> | undefined;
  /** An iteration has handed it out, and holds it. */
  held = false;
  /** Of an iteration that waits: takes the next task that has ended; `undefined`: nothing runs any more. */
  declare wake: ((ended?: Entry) => void) | undefined;
}

export function isLinked(entry: Entry): boolean {
  return entry.after !== entry;
}

/** Enters a ring, given by its head, at the end; leaves where it was. */
export function enter(entry: Entry, head: Entry): void {
  leave(entry);
  entry.after = head;
  entry.before = head.before;
  head.before = head.before.after = entry;
}

export function leave(entry: Entry): void {
  entry.before.after = entry.after;
  entry.after.before = entry.before;
  entry.before = entry.after = entry;
}

export function members(head: Entry): Entry[] {
  const found: Entry[] = [];
  for (let entry = head.after; entry !== head; entry = entry.after) found.push(entry);
  return found;
}

export function tasksOf(entries: readonly Entry[]): Task<unknown>[] {
  return entries.flatMap(({ task }) => task ?? []);
}
