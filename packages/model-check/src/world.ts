/**
 * One run of a program: the things in it, the events that may happen, and what has been seen.
 *
 * A program talks to the packages through the world as far as laws are to be checked: `spawn`, `cancel`, `run`, `wait`. The
 * functions of tasks are `Work`s, which end when an event says so, or when they are asked.
 */
import { getEventListeners } from "node:events";
import {
  CancellationSource,
  CancellationToken,
  CancelledError,
  FatalError,
  InvalidStateError,
  type SpawnOptions,
  type StopOptions,
  type Task,
  type TaskErrorContext,
  type TaskFunction,
  TaskGroupError,
  TimeoutError,
  type TokenLike,
} from "@scope/core";
import type { Recorder } from "./chooser.ts";
import type { Clock } from "@scope/test-utils/clock";

/** How a function ends by itself: each is an event of its own, of which one comes to pass. */
export type End = "returns" | "fails" | "fails fatally" | "throws a cancellation";

/** What it does when its token is cancelled: ends at once, when an event says so, or does not care. */
export type Asked = "obeys" | "cleans up" | "ignores" | "fails";

export interface WorkSpec {
  /** @default ["returns"] */
  readonly ends?: readonly End[];
  /** @default "obeys" */
  readonly asked?: Asked;
  /** What the function does first. */
  readonly first?: (token: CancellationToken) => void;
  /** The function itself, in place of all that. */
  readonly fn?: TaskFunction<unknown>;
  /** What it returns. @default its name */
  readonly value?: unknown;
}

/** Every owner of the packages. */
export interface Owner {
  readonly token: CancellationToken;
  readonly state: "open" | "closing" | "closed";
  readonly size: number;
  readonly tasks: ReadonlySet<Task<unknown>>;
  spawn<T>(fn: TaskFunction<T>, options?: SpawnOptions): Task<T>;
  cancel(reason?: unknown): void;
  join(): Promise<void>;
  stop(options?: StopOptions): Promise<void>;
}

/** A class of owners; `moveOnAfter` and its like are easily made one. */
export interface Runner<O extends Owner, P> {
  run(body: (owner: O) => unknown, options: P): Promise<unknown>;
}

/** What an owner was opened with, as far as the laws look at it. */
export interface OwnerOptions {
  readonly token?: TokenLike;
  readonly shield?: boolean;
  readonly timeout?: number;
}

/** One call of a function. Numbers are moments: every happening has a later one. */
export interface Work {
  readonly name: string;
  readonly record: OwnerRecord | undefined;
  token: CancellationToken | undefined;
  task: Task<unknown> | undefined;
  begun: number | undefined;
  asked: number | undefined;
  askedWith: CancelledError | undefined;
  ended: number | undefined;
  threw: boolean;
  error: unknown;
  /** The world settles its promise, and knows the moment exactly. */
  readonly exact: boolean;
  refused: boolean;
  /** How often its `onDone` callback was called. */
  told: number;
}

export interface OwnerRecord {
  readonly name: string;
  readonly kind: string;
  readonly owner: Owner;
  readonly options: OwnerOptions;
  readonly works: Work[];
  readonly waits: Wait[];
  body: Work | undefined;
  cancelled: number | undefined;
}

/** A promise of the packages that somebody waits for. */
export interface Wait {
  readonly what: string;
  readonly how: "run" | "join" | "stop" | "call";
  /** Only its own reporter counts: what a nested one throws goes on to the task that it is in. */
  readonly nested: boolean;
  /** It began when the owner had closed. */
  readonly late: boolean;
  record: OwnerRecord | undefined;
  settled: number | undefined;
  rejected: boolean;
  outcome: unknown;
}

export interface Outer {
  readonly token: TokenLike;
  /** When it was cancelled. */
  at: number | undefined;
  cancel(): void;
  readonly error: CancelledError | undefined;
}

interface Event {
  readonly name: string;
  readonly act: () => unknown;
  readonly when: () => boolean;
  happened: boolean;
}

export class World {
  readonly violations: string[] = [];
  readonly log: string[] = [];
  readonly works: Work[] = [];
  readonly records: OwnerRecord[] = [];
  readonly waits: Wait[] = [];
  readonly outers: Outer[] = [];
  /** Every error that was thrown here, and by whom. */
  readonly thrown = new Map<unknown, string>();
  /** Errors whose owner was told to ignore them. */
  readonly ignored = new Set<unknown>();
  /** Whether something that is told to the last reporter, and was not thrown here, is as it should be. */
  expectedReports: (error: unknown) => boolean = () => false;
  /** What the process-wide handler and the `onError`s of owners were told. */
  readonly reports: unknown[] = [];
  /** Failures that came to the caller in some result. */
  readonly delivered: unknown[] = [];
  readonly clock: Clock;
  /** The call that is going on: no callback that is not part of it may run meanwhile (L6). */
  #calling: string | undefined;
  #over = false;
  readonly #chooser: Recorder;
  readonly #events: Event[] = [];
  readonly #last: Event[] = [];
  readonly #signals: AbortSignal[] = [];
  #moment = 0;
  /** When the event began that is happening: whatever is cancelled inside it is cancelled by it. */
  #acting: number | undefined;

  constructor(chooser: Recorder, clock: Clock) {
    this.#chooser = chooser;
    this.clock = clock;
  }

  // What programs are made of.

  /** Something that may happen, once, whenever `when` holds. */
  event(name: string, act: () => unknown, when: () => boolean = () => true): void {
    if (this.#events.some((other) => other.name === name)) throw new Error(`Two events are named "${name}"`);
    this.#events.push({ name, act, when, happened: false });
  }

  /** Something that happens, once, when nothing else can any more. */
  last(name: string, act: () => unknown): void {
    const event = { name, act, when: () => false, happened: false };
    this.#events.push(event);
    this.#last.push(event);
  }

  /** A decision of the program's own. */
  choose<T extends string>(...options: readonly T[]): T {
    return options[this.#chooser.choose(options)]!;
  }

  /**
   * An outer cancellation and its event, "outer cancel": a token, an abort signal, or one that is never aborted, unless it
   * is `needed` for the program to end. That is a decision.
   */
  outer(name = "outer cancel", { needed = false } = {}): Outer {
    const kind = needed ? this.choose("token", "signal") : this.choose("token", "signal", "idle signal");
    const outer = kind === "token" ? this.#outerToken(name) : this.#outerSignal(name);
    this.outers.push(outer);
    if (kind !== "idle signal") this.event(name, outer.cancel);
    return outer;
  }

  /** An owner that was opened with `new`. */
  adopt<O extends Owner>(owner: O, name: string, options: OwnerOptions = {}): O {
    const kind = owner.constructor.name;
    const record: OwnerRecord = {
      name,
      kind,
      owner,
      options,
      works: [],
      waits: [],
      body: undefined,
      cancelled: undefined,
    };
    this.records.push(record);
    owner.token.onCancel(() => {
      if (this.#over) this.violate(`L7: ${name} was reached by a cancellation after its end`);
      record.cancelled = this.#acting ?? ++this.#moment;
      this.note(`${name} is cancelled`);
      this.#inspect(`onCancel of ${name}`);
    });
    return owner;
  }

  record(owner: Owner): OwnerRecord {
    const found = this.records.find((record) => record.owner === owner);
    if (found === undefined) throw new Error("This owner was not adopted");
    return found;
  }

  /** `TaskScope.run` and its like, which nobody but the laws looks at. */
  run<O extends Owner, P extends object>(
    type: Runner<O, P>,
    name: string,
    options: P,
    set: (owner: O) => void,
    spec?: WorkSpec,
  ): void {
    void this.open(type, name, options, set, spec);
  }

  /**
   * `TaskScope.run` and its like, the body being a piece of work; `set` is called when it begins. What a `free` one ends in
   * is for the program to say.
   */
  open<O extends Owner, P extends object>(
    type: Runner<O, P>,
    name: string,
    options: P,
    set: (owner: O) => void,
    { nested = false, free = false, ...spec }: WorkSpec & { nested?: boolean; free?: boolean } = {},
  ): Promise<unknown> {
    const body = this.work(`${name}'s body`, spec);
    let record: OwnerRecord | undefined;
    const promise = type.run((owner) => {
      this.adopt(owner, name, options);
      record = this.record(owner);
      record.body = body.work;
      set(owner);
      return body.fn(owner.token);
    }, options);
    const wait = this.#wait(`run of ${name}`, free ? "call" : "run", promise, { nested, record });
    record?.waits.push(wait);
    return promise;
  }

  join(owner: Owner): void {
    const record = this.record(owner);
    const late = owner.state === "closed";
    record.waits.push(this.#wait(`join of ${record.name}`, "join", owner.join(), { late, record }));
  }

  stop(owner: Owner, options?: StopOptions): void {
    const record = this.record(owner);
    const late = owner.state === "closed";
    const promise = this.#during(`stop of ${record.name}`, () => owner.stop(options));
    record.waits.push(this.#wait(`stop of ${record.name}`, "stop", promise, { late, record }));
  }

  /** Anything else that somebody waits for: it has to settle, and failures that it rejects with are told. */
  wait(what: string, promise: Promise<unknown>, { nested = false } = {}): Wait {
    return this.#wait(what, "call", promise, { nested });
  }

  /** `undefined` if the owner refused. */
  spawn(owner: Owner, name: string, spec?: WorkSpec): Task<unknown> | undefined {
    const record = this.record(owner);
    const { work, fn } = this.work(name, spec, record);
    try {
      const task = this.#during(`spawn of ${name}`, () => owner.spawn(fn, { name }));
      this.watch(task, work);
      return task;
    } catch (error) {
      work.refused = true;
      const why = owner.state === "closed" || owner.token.cancelRequested;
      if (!(error instanceof InvalidStateError) || !why)
        this.violate(`${name} was refused: ${String(error)}`);
      if (work.begun !== undefined) this.violate(`${name} was refused, and called`);
      this.note(`${name} is refused`);
      return undefined;
    }
  }

  /** Has an eye on a task, whoever owns it. */
  watch(task: Task<unknown>, work: Work): void {
    work.task = task;
    work.token = task.token;
    task.onDone(() => {
      work.told++;
      this.callback(`onDone of ${work.name}`);
      if (!task.done) this.violate(`onDone of ${work.name} came before it was done`);
      const { record } = work;
      if (task.status === "failed" && record?.kind === "TaskGroup" && !record.owner.token.cancelRequested) {
        this.violate(`${work.name} has failed, and its group goes on`);
      }
    });
  }

  /** The call `cancel` of somebody. */
  cancel(what: string, cancel: () => unknown): void {
    this.note(what);
    this.#during(what, cancel);
    this.#inspect(what);
  }

  /** A piece of work, and the function that does it. */
  work(
    name: string,
    { ends = ["returns"], asked = "obeys", first, fn, value = name }: WorkSpec = {},
    record?: OwnerRecord,
  ): { work: Work; fn: TaskFunction<unknown> } {
    const work: Work = {
      name,
      record,
      token: undefined,
      task: undefined,
      begun: undefined,
      asked: undefined,
      askedWith: undefined,
      ended: undefined,
      threw: false,
      error: undefined,
      exact: fn === undefined,
      refused: false,
      told: 0,
    };
    this.works.push(work);
    record?.works.push(work);
    const running = (): boolean => work.begun !== undefined && work.ended === undefined;
    let resolve: (value: unknown) => void;
    let reject: (error: unknown) => void;
    const finish = (how: End | "obeys"): void => {
      if (!running()) return;
      if (how === "returns") {
        this.#end(work, false, undefined);
        resolve(value);
        return;
      }
      const error =
        how === "obeys"
          ? work.token!.error
          : how === "throws a cancellation"
            ? new CancelledError("somebody else's")
            : this.error(name, how === "fails fatally");
      this.#end(work, true, error);
      reject(error);
    };
    if (fn === undefined) {
      for (const end of ends) {
        this.event(
          `${name} ${end}`,
          () => {
            finish(end);
          },
          running,
        );
      }
      if (asked === "cleans up") {
        this.event(
          `${name} cleans up`,
          () => {
            finish("obeys");
          },
          () => running() && work.token!.cancelRequested,
        );
      }
    }
    const call = (token: CancellationToken): unknown => {
      if (work.begun !== undefined) this.violate(`${name} was called twice`);
      work.begun = ++this.#moment;
      work.token = token;
      this.note(`${name} begins`);
      if (token.cancelRequested) this.violate(`${name} was called with a cancelled token`);
      first?.(token);
      if (fn !== undefined) {
        const promise = Promise.resolve(fn(token));
        promise.then(
          () => {
            this.#end(work, false, undefined);
          },
          (error: unknown) => {
            this.#end(work, true, error);
          },
        );
        return promise;
      }
      token.onCancel((error) => {
        const late = this.#over || work.task?.done === true;
        if (late) this.violate(`L7: ${name} was reached by a cancellation after its end`);
        if (error !== token.error) this.violate(`L3: ${name} was told another error than its token has`);
        work.asked ??= ++this.#moment;
        work.askedWith ??= error;
        this.note(`${name} is asked`);
        this.#inspect(`onCancel of ${name}`);
        if (asked === "obeys" || asked === "fails") finish(asked);
      });
      return new Promise((fulfil, refuse) => {
        resolve = fulfil;
        reject = refuse;
      });
    };
    return { work, fn: call };
  }

  /** An error that somebody throws; the laws want to know what became of it. */
  error(by: string, fatal = false): Error {
    const error = fatal ? new FatalError(`of ${by}`) : new Error(`of ${by}`);
    this.thrown.set(error, by);
    return error;
  }

  /** The `onError` of an owner. */
  readonly onError = ({ error }: TaskErrorContext): void => {
    this.callback("onError");
    this.reports.push(error);
  };

  /** Called by every callback that must not run inside `spawn` or `cancel` (L6). */
  callback(what: string): void {
    this.note(what);
    if (this.#calling !== undefined) this.violate(`L6: ${what} ran inside ${this.#calling}`);
  }

  note(what: string): void {
    this.log.push(what);
  }

  /** What must hold. */
  check(holds: boolean, otherwise: string): void {
    if (!holds) this.violate(otherwise);
  }

  violate(what: string): void {
    this.violations.push(what);
    this.log.push(`!!! ${what}`);
  }

  // What the scheduler does.

  /** The names of what may happen now. Every platform lets the microtask queue run empty before it fires a timer. */
  enabled(drained: boolean): string[] {
    const names: string[] = [];
    for (const { happened, when, name } of this.#events) if (!happened && when()) names.push(name);
    if (drained && this.clock.armed > 0) names.push("timer");
    const last = this.#last.find(({ happened }) => !happened);
    if (drained && names.length === 0 && last !== undefined) names.push(last.name);
    return names;
  }

  /** L7, when nothing is left to do: no timer exists that nobody waits for. */
  idle(): void {
    if (this.clock.armed === 0 || this.waits.length === 0) return;
    const waiting = this.waits.some(({ settled }) => settled === undefined);
    const working = this.works.some(({ begun, ended }) => begun !== undefined && ended === undefined);
    if (!waiting && !working) this.violate(`L7: ${this.clock.armed} timers are left`);
  }

  happen(name: string): void {
    this.#acting = ++this.#moment;
    this.note(`--- ${name}`);
    if (name === "timer") this.clock.fire();
    else {
      const event = this.#events.find((other) => other.name === name)!;
      event.happened = true;
      event.act();
    }
    this.#acting = undefined;
    this.#inspect(name);
  }

  /** When everything has settled: nothing may be left on the outer tokens. */
  sweep(): void {
    for (const signal of this.#signals) {
      const count = getEventListeners(signal, "abort").length;
      if (count > 0) this.violate(`L7: ${count} listeners are left on a signal`);
    }
    this.#over = true;
    for (const outer of this.outers) outer.cancel();
  }

  #outerToken(name: string): Outer {
    const source = new CancellationSource();
    return this.#outer(source.token, name, () => {
      source.cancel(name);
    });
  }

  #outerSignal(name: string): Outer {
    const controller = new AbortController();
    this.#signals.push(controller.signal);
    return this.#outer(controller.signal, name, () => {
      controller.abort(new Error(name));
    });
  }

  #outer(like: TokenLike, name: string, cancel: () => void): Outer {
    const token = CancellationToken.from(like);
    const outer: Outer = {
      token: like,
      at: undefined,
      cancel: () => {
        outer.at ??= ++this.#moment;
        this.#during(name, cancel);
      },
      get error() {
        return token.error;
      },
    };
    return outer;
  }

  #end(work: Work, threw: boolean, error: unknown): void {
    work.ended = ++this.#moment;
    work.threw = threw;
    work.error = error;
    this.note(`${work.name} ${threw ? `throws ${String(error)}` : "returns"}`);
  }

  #during<T>(what: string, call: () => T): T {
    const before = this.#calling;
    this.#calling = what;
    try {
      return call();
    } finally {
      this.#calling = before;
    }
  }

  #wait(
    what: string,
    how: Wait["how"],
    promise: Promise<unknown>,
    more: { nested?: boolean; late?: boolean; record?: OwnerRecord | undefined },
  ): Wait {
    const { nested = false, late = false, record } = more;
    const wait: Wait = {
      what,
      how,
      nested,
      late,
      record,
      settled: undefined,
      rejected: false,
      outcome: undefined,
    };
    this.waits.push(wait);
    const settle = (rejected: boolean, outcome: unknown): void => {
      wait.settled = ++this.#moment;
      wait.rejected = rejected;
      wait.outcome = outcome;
      this.note(`${what} ${rejected ? "rejects" : "resolves"}: ${String(outcome)}`);
      this.#nothingRuns(wait);
    };
    promise.then(
      (value) => {
        settle(false, value);
      },
      (error: unknown) => {
        settle(true, error);
      },
    );
    return wait;
  }

  /** L1, at the moment when somebody hears of an end. */
  #nothingRuns({ what, how, record, outcome }: Wait): void {
    if (record === undefined) return;
    const { works, body, owner } = record;
    const left = works.filter((work) => work.begun !== undefined && work.ended === undefined);
    if (how !== "join" && how !== "stop" && body !== undefined && body.ended === undefined) left.push(body);
    if (how === "stop" && outcome instanceof TimeoutError && outcome.message.includes("did not stop")) {
      for (const { name } of left) {
        if (!outcome.message.includes(name)) this.violate(`L1: the error of ${what} does not name ${name}`);
      }
      return;
    }
    for (const { name } of left) this.violate(`L1: ${name} runs after ${what} has settled`);
    if (owner.state !== "closed") this.violate(`L1: ${owner.state} after ${what} has settled`);
    if (owner.size !== 0 || owner.tasks.size !== 0) this.violate(`L1: size ${owner.size} after ${what}`);
  }

  /** L3 and L8: whoever's parent is cancelled is cancelled, at any moment at which somebody can look. */
  #inspect(where: string): void {
    for (const { name, owner, options } of this.records) {
      if (owner.state === "closed" || options.shield === true || options.token === undefined) continue;
      if (!owner.token.cancelRequested && CancellationToken.from(options.token).cancelRequested) {
        this.violate(`L8: at ${where}, ${name} is not cancelled, its outer token is`);
      }
    }
    for (const { name, task, record } of this.works) {
      if (task === undefined || record === undefined || task.done) continue;
      if (record.owner.token.cancelRequested && !task.cancelRequested) {
        this.violate(`L8: at ${where}, ${name} is not cancelled, its owner is`);
      }
    }
  }
}

/** The failures in an error: its own, or those of its members. */
export function leavesOf(error: unknown): unknown[] {
  return error instanceof TaskGroupError ? error.leaves() : [error];
}
