/**
 * The last events, in columns of numbers: bounded, and nothing in it refers to a task or a scope. What is text is made when
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

export const SCOPE_OPENED = 0;
export const SCOPE_CLOSED = 1;
export const TASK_SPAWNED = 2;
export const TASK_STARTED = 3;
export const CANCEL_REQUESTED = 4;
export const TASK_DONE = 5;
/** A task that was spawned, and started at once. */
const TASK_BEGUN = 6;

/** What of an event's details goes into it. */
const SHOWN = ["kind", "name", "restarts", "reason", "source", "error", "stack"] as const;

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** What of an event is text. */
export type Details =
  | string
  | { readonly kind: string; readonly name: string }
  | { readonly name: string | undefined; readonly restarts: number }
  | { readonly reason: string; readonly source: CancelSource }
  | { readonly error: string; readonly stack: string | undefined };

/** Scopes and tasks in one column: even numbers are scopes. Nobody is -1. */
export const NOBODY = -1;
export const ofScope = (number: number): number => number * 2;
export const ofTask = (number: number): number => number * 2 + 1;

const STATUSES: readonly TaskStatus[] = ["pending", "running", "succeeded", "failed", "cancelled"];

export class Timeline {
  readonly #size: number;
  readonly #types: Uint8Array;
  readonly #times: Float64Array;
  readonly #owners: Float64Array;
  /** The parent of what begins, the status of what has ended. */
  readonly #links: Float64Array;
  readonly #details: (Details | undefined)[];
  /** How many there have been. */
  #count = 0;
  #slot = 0;
  #last = 0;

  readonly #clock: Clock;

  constructor(size: number, clock: Clock) {
    this.#clock = clock;
    this.#size = size;
    this.#types = new Uint8Array(size);
    this.#times = new Float64Array(size);
    this.#owners = new Float64Array(size);
    this.#links = new Float64Array(size);
    this.#details = new Array<undefined>(size).fill(undefined);
  }

  add(type: number, owner: number, link: number, details: Details | undefined): void {
    this.#clock.tick();
    const slot = (this.#last = this.#slot);
    this.#types[slot] = type;
    this.#times[slot] = this.#clock.time[0]!;
    this.#owners[slot] = owner;
    this.#links[slot] = link;
    this.#details[slot] = details;
    this.#count++;
    this.#slot = slot + 1 === this.#size ? 0 : slot + 1;
  }

  /** The task that the last event was about has started. */
  begun(): void {
    this.#types[this.#last] = TASK_BEGUN;
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
    const number = this.#types[slot]!;
    const type = TYPES[number]!;
    const owner = this.#owners[slot]!;
    const link = this.#links[slot]!;
    const details = this.#details[slot];
    const event: Mutable<TimelineEvent> = { seq, at: this.#times[slot]!, type, id: idOf(owner) };
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
