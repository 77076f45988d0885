/**
 * What an inspector keeps while it observes. Per scope a record; per task as good as nothing: live tasks are found through
 * their scopes when somebody looks, and dated by their numbers.
 *
 * Invariants
 * - I1. `#scopes` has every scope that was opened, or seen, while observed, and has neither closed nor been dropped.
 * - I2. Of tasks something is kept only while they live, and only if they have slept or waited for another; what has stayed behind is dropped when the table has doubled.
 * - I3. Nothing here refers to a task, its result or its error.
 * - I4. A supervisor's two scopes have one record each, and one number; its keeper is told to nobody.
 */
import {
  type CancelledError,
  type ScopeObserver,
  type Task,
  TaskScope,
  type TokenOwner,
  observe,
} from "@scope/core";
import { Birthdays } from "./birthdays.ts";
import { Clock } from "./clock.ts";
import { type Current, current } from "./current.ts";
import { FOREIGN, numberOf } from "./ids.ts";
import { ScopeTable } from "./scope-table.ts";
import { callSite } from "./sites.ts";
import { Starts } from "./starts.ts";
import { describeValue, stackOf } from "./text.ts";
import {
  CANCEL_REQUESTED,
  type Details,
  NOBODY,
  SCOPE_CLOSED,
  TASK_DONE,
  TASK_SPAWNED,
  TASK_STARTED,
  Timeline,
  ofScope,
  ofTask,
  statusNumber,
} from "./timeline.ts";

/** The name of the task that keeps a supervisor open. */
const KEEPER = "\0";

/** Stacks of failed tasks that are read, each second at most: to read one takes longer than to run a task. */
const STACKS = 50;

type SpawnedOptions = Parameters<Required<ScopeObserver>["taskSpawned"]>[2];

export interface ScopeRecord {
  readonly number: number;
  readonly kind: string;
  readonly name: string;
  /** As the timeline has it; {@link NOBODY} for none. */
  readonly parent: number;
  readonly openedAt: number;
  readonly site: string | undefined;
  /** Of a supervisor: the scope of its attempts. Its record has the same number. */
  inner: TaskScope | undefined;
  /** When a `sleep` with the scope's own token ends. */
  sleepsUntil: number | undefined;
}

/** What a task has begun to wait for. */
export interface Waits {
  /** As the timeline has them. */
  owners: Set<number>;
  sleepsUntil: number | undefined;
  /** All of one burst are waited for together; what comes in a later one shows that the task has gone on. */
  burst: number;
}

export interface RecorderOptions {
  readonly events: number;
  readonly waits: boolean;
  readonly sites: boolean;
}

export class Recorder {
  readonly timeline: Timeline;
  readonly restarts = new WeakMap<Task<unknown>, number>();
  readonly sites = new WeakMap<Task<unknown>, string>();
  /** When each cancellation was first seen. */
  readonly asked = new WeakMap<CancelledError, number>();
  readonly waits = new Map<number, Waits>();

  readonly #startedAt = Date.now();
  readonly #clock = new Clock();
  readonly #starts = new Starts();
  readonly #births = new Birthdays(this.#clock);
  readonly #foreignBirths = new Birthdays(this.#clock);
  readonly #sites: boolean;
  readonly #current: Current | undefined;
  readonly #unobserve: () => void;

  readonly #scopes = new ScopeTable<ScopeRecord>();
  /** The one that was asked for last. */
  #seen: TaskScope | undefined;
  #seenRecord: ScopeRecord | undefined;
  #lastScope = 0;
  #opened: ScopeRecord | undefined;
  #openedScope: TaskScope | undefined;
  /** Keepers that live. */
  readonly #hidden = new Set<number>();
  /** Whether anything is kept of any task. */
  #marked = false;

  /** The task that was spawned last, until one starts or ends: one that starts after that has waited for its slot. */
  #latest = -1;
  #mostWaits = 1024;
  #burst = 0;
  #bursting = false;
  readonly #reasons = new WeakMap<CancelledError, { reason: string; source: CancelledError["source"] }>();
  #stacksSince = 0;
  #stacks = 0;

  constructor({ events, waits, sites }: RecorderOptions) {
    this.timeline = new Timeline(events, this.#clock);
    this.#sites = sites;
    this.#current = waits ? current(this.#clock) : undefined;
    this.#unobserve = observe({
      scopeOpened: (scope, parent, kind) => {
        this.#open(scope, parent, kind);
      },
      scopeClosed: (scope) => {
        this.#closed(scope);
      },
      taskSpawned: (task, scope, options) => {
        this.#spawned(task, scope, options);
      },
      taskStarted: (task) => {
        this.#started(task);
      },
      taskSuspended: (task) => {
        this.#current?.leave(numberOf(task));
      },
      taskDone: (task) => {
        this.#done(task);
      },
      cancelRequested: (owner, error) => {
        this.#asked(owner, error);
      },
      awaited: (owner) => {
        const waiter = this.#current?.get();
        if (waiter !== undefined) this.#wait(waiter, this.#ownerNumber(owner));
      },
      sleeping: (owner, ms) => {
        if (owner === undefined) return;
        const until = Date.now() + ms;
        if (owner instanceof TaskScope) this.#recordOf(owner).sleepsUntil = until;
        else this.#waitsOf(numberOf(owner)).sleepsUntil = until;
      },
    });
  }

  end(): void {
    this.#unobserve();
    this.#current?.end();
  }

  /** All scopes that live. */
  scopes(): ReadonlyMap<TaskScope, ScopeRecord> {
    return this.#scopes.live();
  }

  spawnedAt(number: number): number {
    const births = number < FOREIGN ? this.#births : this.#foreignBirths;
    return births.of(number) ?? this.#startedAt;
  }

  /** When it left `pending`; `undefined` if it never was, or that is not known any more. */
  startedAt(number: number): number | undefined {
    return this.#starts.of(number);
  }

  isHidden(number: number): boolean {
    return this.#hidden.has(number);
  }

  #spawned(task: Task<unknown>, scope: TaskScope, options: SpawnedOptions): void {
    const number = numberOf(task);
    const name = number < FOREIGN ? options?.name : task.name;
    if (name === KEEPER) {
      this.#hidden.add(number);
      this.#marked = true;
      return;
    }
    this.#latest = number;
    const restarts = options?.restarts;
    let details: Details | undefined = name;
    if (restarts !== undefined) {
      this.restarts.set(task, restarts);
      details = { name: task.name, restarts };
    }
    this.timeline.add(TASK_SPAWNED, ofTask(number), ofScope(this.#recordOf(scope).number), details);
    (number < FOREIGN ? this.#births : this.#foreignBirths).note(number);
    if (this.#sites) this.#keepSite(task);
  }

  #started(task: Task<unknown>): void {
    const number = numberOf(task);
    this.#current?.enter(number);
    if (number === this.#latest) this.timeline.begun();
    else if (!this.#isHidden(number)) {
      this.timeline.add(TASK_STARTED, ofTask(number), NOBODY, undefined);
      this.#starts.note(number, this.#clock.latest);
    }
    this.#latest = -1;
  }

  #done(task: Task<unknown>): void {
    const number = numberOf(task);
    this.#latest = -1;
    if (this.#marked && this.#unmark(number)) return;
    const { status } = task;
    const failure = status === "failed" ? this.#failure(task.error) : undefined;
    this.timeline.add(TASK_DONE, ofTask(number), statusNumber(status), failure);
  }

  /** Forgets a task; returns whether it was hidden. */
  #unmark(number: number): boolean {
    this.waits.delete(number);
    const hidden = this.#hidden.delete(number);
    this.#marked = this.waits.size + this.#hidden.size > 0;
    return hidden;
  }

  #keepSite(task: Task<unknown>): void {
    const site = callSite();
    if (site !== undefined) this.sites.set(task, site);
  }

  #closed(scope: TaskScope): void {
    if (isKept(scope.name) && this.#scopes.get(scope) === undefined) return;
    const record = this.#recordOf(scope);
    this.#forget(scope);
    if (record.inner !== undefined) this.#forget(record.inner);
    record.inner = undefined;
    this.timeline.add(SCOPE_CLOSED, ofScope(record.number), NOBODY, undefined);
  }

  #asked(owner: TokenOwner, error: CancelledError): void {
    let details = this.#reasons.get(error);
    if (details === undefined) {
      details = { reason: describeReason(error), source: error.source };
      this.#reasons.set(error, details);
      this.asked.set(error, Date.now());
    }
    const number = this.#ownerNumber(owner);
    if (number % 2 === 1 && this.#isHidden((number - 1) / 2)) return;
    this.timeline.add(CANCEL_REQUESTED, number, NOBODY, details);
  }

  #open(scope: TaskScope, parent: TokenOwner | undefined, kind: string): void {
    const outer = this.#opened;
    const { name } = scope;
    if (isKept(name)) return;
    // A supervisor opens the scope of its attempts right after its own, below it and under the same name.
    if (outer !== undefined && parent === this.#openedScope && outer.name === name) {
      outer.inner = scope;
      this.#scopes.add(scope, { ...outer, inner: undefined });
      this.#opened = this.#openedScope = undefined;
      return;
    }
    const above = parent === undefined ? NOBODY : this.#ownerNumber(parent);
    const record = this.#record(scope, above, kind, name);
    const isSupervisor = kind === "Supervisor";
    this.#opened = isSupervisor ? record : undefined;
    this.#openedScope = isSupervisor ? scope : undefined;
    this.timeline.opened(ofScope(record.number), above, kind, name);
  }

  #record(scope: TaskScope, parent: number, kind: string, name: string): ScopeRecord {
    this.#clock.tick();
    const record: ScopeRecord = {
      number: ++this.#lastScope,
      kind,
      name,
      parent,
      openedAt: this.#clock.latest,
      site: this.#sites ? callSite() : undefined,
      inner: undefined,
      sleepsUntil: undefined,
    };
    this.#scopes.add(scope, record);
    return record;
  }

  /** Of one that has stood idle, or was opened before anybody observed, as well. */
  #recordOf(scope: TaskScope): ScopeRecord {
    if (scope === this.#seen && this.#seenRecord !== undefined) return this.#seenRecord;
    const record = this.#scopes.get(scope) ?? this.#record(scope, NOBODY, kindOf(scope), scope.name);
    this.#seen = scope;
    this.#seenRecord = record;
    return record;
  }

  #forget(scope: TaskScope): void {
    this.#scopes.delete(scope);
    this.#seen = this.#seenRecord = undefined;
  }

  #ownerNumber(owner: TokenOwner): number {
    return owner instanceof TaskScope ? ofScope(this.#recordOf(owner).number) : ofTask(numberOf(owner));
  }

  #isHidden(number: number): boolean {
    return this.#hidden.size > 0 && this.#hidden.has(number);
  }

  #wait(waiter: number, owner: number): void {
    const { owners } = this.#waitsOf(waiter, owner);
    owners.add(owner);
  }

  /** The waits of a task that begins to wait: without those of earlier bursts, unless it waits for the same again. */
  #waitsOf(task: number, owner?: number): Waits {
    if (!this.#bursting) {
      this.#bursting = true;
      this.#burst++;
      // `Promise.all` of tasks asks them one after another, in as many microtasks, queued before these.
      void Promise.resolve()
        .then(noop)
        .then(noop)
        .then(() => {
          this.#bursting = false;
        });
    }
    let waits = this.waits.get(task);
    if (waits === undefined) {
      if (this.waits.size >= this.#mostWaits) this.#sweepWaits();
      waits = { owners: new Set(), sleepsUntil: undefined, burst: this.#burst };
      this.waits.set(task, waits);
      this.#marked = true;
    } else if (waits.burst !== this.#burst && (owner === undefined || !waits.owners.has(owner))) {
      waits.owners = new Set();
      waits.sleepsUntil = undefined;
      waits.burst = this.#burst;
    }
    return waits;
  }

  /** I2: code that goes on after its task has ended still waits in its name. */
  #sweepWaits(): void {
    const live = new Set<number>();
    for (const scope of this.#scopes.live().keys()) for (const task of scope.tasks) live.add(numberOf(task));
    for (const task of this.waits.keys()) if (!live.has(task)) this.waits.delete(task);
    this.#mostWaits = Math.max(1024, this.waits.size * 2);
  }

  #failure(error: unknown): { error: string; stack: string | undefined } {
    const now = this.#clock.latest;
    if (now - this.#stacksSince >= 1000) {
      this.#stacksSince = now;
      this.#stacks = 0;
    }
    const stack = this.#stacks++ < STACKS ? stackOf(error) : undefined;
    return { error: describeValue(error), stack };
  }
}

/** The nameless ones are no program's, unless there are tasks in them: each class keeps one instance for the engine. */
function isKept(name: string): boolean {
  return name === "";
}

/** Of one that was opened before anybody observed: "TaskGroup", of `TaskGroup "ingest" (open, ...)`. */
function kindOf(scope: TaskScope): string {
  try {
    const text = scope.toString();
    const end = text.indexOf(' "');
    if (end > 0) return text.slice(0, end);
  } catch {
    // A subclass with a view of its own.
  }
  return "TaskScope";
}

export function describeReason(error: CancelledError): string {
  return error.reason === undefined ? error.message : describeValue(error.reason);
}

function noop(): void {
  // Only takes its turn.
}
