/**
 * The last events, as rows of numbers: bounded, and nothing in it refers to a task or a scope. What is text is made when
 * somebody reads it, but for names and for the end of what failed.
 */
import type { CancelSource, TaskStatus } from "@scope/core";
import type { Clock } from "./clock.ts";
import { scopeId, taskId } from "./ids.ts";
import type { EventBatch, TimelineEvent } from "./types.ts";

const TYPES = [
  "scope-opened",
  "scope-closed",
  "task-spawned",
  "task-started",
  "cancel-requested",
  "task-done",
  "task-spawned",
] as const;

const SCOPE_OPENED = 0;
export const SCOPE_CLOSED = 1;
export const TASK_SPAWNED = 2;
export const TASK_STARTED = 3;
export const CANCEL_REQUESTED = 4;
export const TASK_DONE = 5;
/** A task that was spawned, and started at once. */
const TASK_BEGUN = 6;

/** What of an event's details goes into it. */
const SHOWN = ["name", "restarts", "reason", "source", "error", "stack"] as const;

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** What of an event is text. */
export type Details =
  | string
  | { readonly name: string | undefined; readonly restarts: number }
  | { readonly reason: string; readonly source: CancelSource }
  | { readonly error: string; readonly stack: string | undefined };

/** Scopes and tasks in one column: even numbers are scopes. Nobody is -1. */
export const NOBODY = -1;
export const ofScope = (number: number): number => number * 2;
export const ofTask = (number: number): number => number * 2 + 1;

const STATUSES: readonly TaskStatus[] = ["pending", "running", "succeeded", "failed", "cancelled"];

/** Of one event: its type, its time, its owner; and the parent of what begins, or the status of what has ended. */
const WIDTH = 4;
/** Added to the type of an event that has details. */
const DETAILED = 8;
/** So many times the kind of an opened scope is added to its type: by number, since objects that stay cost a collection of garbage. */
const KIND = 16;
/** More than there are in any program. */
const KINDS = 1_000;

export class Timeline {
  readonly #clock: Clock;
  readonly #size: number;
  /** Side by side, since memory is what it costs to write an event. */
  readonly #records: Float64Array;
  readonly #details: (Details | undefined)[];
  /** How many there have been. */
  #count = 0;
  #slot = 0;
  #last = 0;
  readonly #kinds = ["TaskScope"];

  constructor(size: number, clock: Clock) {
    this.#clock = clock;
    this.#size = size;
    this.#records = new Float64Array(size * WIDTH);
    this.#details = new Array<undefined>(size).fill(undefined);
  }

  add(type: number, owner: number, link: number, details: Details | undefined): void {
    this.#clock.tick();
    const slot = this.#slot;
    const records = this.#records;
    const start = (this.#last = slot * WIDTH);
    if (details !== undefined || records[start]! >= DETAILED) this.#details[slot] = details;
    records[start] = details === undefined ? type : type + DETAILED;
    records[start + 1] = this.#clock.time[0]!;
    records[start + 2] = owner;
    records[start + 3] = link;
    this.#count++;
    this.#slot = slot + 1 === this.#size ? 0 : slot + 1;
  }

  opened(owner: number, parent: number, kind: string, name: string): void {
    let index = this.#kinds.indexOf(kind);
    if (index < 0) index = this.#kinds.length < KINDS ? this.#kinds.push(kind) - 1 : 0;
    this.add(SCOPE_OPENED + KIND * index, owner, parent, name);
  }

  /** The task that the last event was about has started. */
  begun(): void {
    const detailed = this.#records[this.#last]! >= DETAILED;
    this.#records[this.#last] = detailed ? TASK_BEGUN + DETAILED : TASK_BEGUN;
  }

  read(since: number, limit: number): EventBatch {
    const oldest = Math.max(0, this.#count - this.#size) + 1;
    const asked = Math.max(1, since);
    const first = Math.max(asked, oldest);
    const end = Math.min(this.#count + 1, first + limit);
    const events: TimelineEvent[] = [];
    for (let seq = first; seq < end; seq++) events.push(this.#event(seq));
    return { events, dropped: first - asked, next: Math.max(asked, end) };
  }

  #event(seq: number): TimelineEvent {
    const slot = (seq - 1) % this.#size;
    const start = slot * WIDTH;
    const [detailed = 0, at = 0, owner = 0, link = 0] = this.#records.subarray(start, start + WIDTH);
    const number = detailed % DETAILED;
    const type = TYPES[number]!;
    const details = this.#details[slot];
    const event: Mutable<TimelineEvent> = { seq, at, type, id: idOf(owner) };
    if (type === "scope-opened") {
      event.kind = this.#kinds[Math.floor(detailed / KIND)]!;
      event.name = details as string;
    }
    if (type === "task-spawned") {
      event.name = typeof details === "string" ? details : `task-${event.id.slice(1)}`;
      event.status = number === TASK_BEGUN ? "running" : "pending";
    }
    if (typeof details === "object") {
      for (const key of SHOWN) {
        const value = (details as Partial<Record<string, unknown>>)[key];
        if (value !== undefined) Object.assign(event, { [key]: value });
      }
    }
    if (type === "task-done") event.status = STATUSES[link]!;
    else if (link !== NOBODY) event.parent = idOf(link);
    return event;
  }
}

export function statusNumber(status: TaskStatus): number {
  return status === "succeeded" ? 2 : STATUSES.indexOf(status);
}

export function idOf(owner: number): string {
  return owner % 2 === 0 ? scopeId(owner / 2) : taskId((owner - 1) / 2);
}
