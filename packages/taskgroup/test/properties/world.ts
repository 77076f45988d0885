/** Runs a program, writes down what happens, and checks on the way what must hold at every moment. */
import {
  CancellationSource,
  CancellationToken,
  CancelledError,
  FatalError,
  InvalidStateError,
  TaskScope,
  TimeoutError,
  failAfter,
  moveOnAfter,
  setTaskErrorHandler,
  sleep,
} from "@scope/core";
import type { Task, TaskErrorContext, TaskScopeOptions, TokenLike } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";
import { getEventListeners } from "node:events";
import type { Clock } from "./clock.ts";
import { SIGNALS, SOURCES } from "./program.ts";
import type { Failure, Happening, OwnerSpec, Program, Reaction, Step, TaskSpec } from "./program.ts";

export type Handle = TaskScope | TaskGroup;

/** How something has ended. */
export type End =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown };

export interface TaskRecord {
  readonly name: string;
  readonly owner: OwnerRecord;
  /** Its place among the spawns of its owner. */
  readonly order: number;
  readonly reasons: Set<unknown>;
  task: Task<unknown> | undefined;
  token: CancellationToken | undefined;
  /** Its function: not called, running, or settled, and whether its token was cancelled by then. */
  called: boolean;
  /** It had to wait for a slot. */
  delayed: boolean;
  settled: (End & { readonly cancelled: boolean }) | undefined;
  /** Its end as `onDone` tells it: the how-manieth event, in which turn, and whether it was cancelled by then. */
  ended: { readonly seq: number; readonly turn: number; readonly cancelled: boolean } | undefined;
}

/** Somebody who waits for an owner. */
export interface Wait {
  readonly via: "run" | "join" | "stop" | "limited-stop";
  readonly limit: number;
  readonly calledAt: number;
  readonly calledClosed: boolean;
  readonly outerAtCall: boolean;
  end: End | undefined;
  seq: number;
  turn: number;
  outerAtEnd: boolean;
  /** What its owner was cancelled with by then. */
  cancelled: CancelledError | undefined;
  /** The limit of this very `stop` ran out. */
  gaveUp: boolean;
}

export interface OwnerRecord {
  readonly name: string;
  readonly spec: OwnerSpec;
  readonly timeout: number | undefined;
  readonly openedAt: number;
  readonly outer: CancellationToken | undefined;
  readonly tasks: TaskRecord[];
  readonly ends: TaskRecord[];
  readonly waits: Wait[];
  /** Reasons given to its `cancel` and `stop`. */
  readonly reasons: Set<unknown>;
  stopped: boolean;
  /** How many owners are around it. */
  readonly depth: number;
  spawned: number;
  refused: number;
  /** Spawned while it was closing. */
  late: number;
  running: number;
  handle: Handle | undefined;
  firstError: { readonly error: CancelledError; readonly seq: number; readonly turn: number } | undefined;
  readonly onError: TaskErrorContext[];
  readonly onTaskDone: Task<unknown>[];
  outerAtLastEnd: boolean;
  body:
    | (End & {
        readonly seq: number;
        readonly turn: number;
        readonly cancelled: boolean;
        readonly outer: boolean;
        readonly closed: boolean;
      })
    | undefined;
}

/** Whose function it is that takes a step. */
interface Actor {
  readonly owner: OwnerRecord;
  readonly token: CancellationToken;
  readonly task: TaskRecord | undefined;
}

interface Registration {
  readonly token: CancellationToken;
  readonly callback: string;
  readonly unregistered: boolean;
  calls: number;
}

/** What the test is doing at this moment, synchronously. */
type Doing = "spawn" | "cancel" | "stop" | "join" | "open" | "function" | "callback";

export function isRun({ spec: { form } }: OwnerRecord): boolean {
  return form === "run" || form === "moveOnAfter" || form === "failAfter";
}

/**
 * What counts as a cancellation of somebody of `owner` whose token was cancelled with `cancelled` (L4), by the contract's
 * words: an abort, or the reason of the signal that is followed, as it is.
 */
export function isCancellationOf(
  owner: OwnerRecord,
  cancelled: CancelledError | undefined,
  error: unknown,
): boolean {
  if (cancelled === undefined) return false;
  if (error instanceof Error && error.name === "AbortError") return true;
  const causes = [cancelled, owner.outer?.error];
  return causes.some((cause) => cause?.source === "signal" && cause.reason === error);
}

// The real one: the clock of a run is the test's.
const { setImmediate: nextTurn } = globalThis;

export class World {
  readonly owners: OwnerRecord[] = [];
  readonly reports: TaskErrorContext[] = [];
  /** What callbacks threw: the process-wide handler must be told of each (L9). */
  readonly callbackErrors: unknown[] = [];
  readonly registrations: Registration[] = [];
  readonly violations: string[] = [];
  readonly log: string[] = [];
  readonly #clock: Clock;
  readonly #sources = Array.from({ length: SOURCES }, () => new CancellationSource());
  readonly controllers = Array.from({ length: SIGNALS }, () => new AbortController());
  readonly #doing: Doing[] = [];
  /** Which token is below which, and when that is over. */
  readonly #links = new Map<CancellationToken, { parents: CancellationToken[]; over: () => boolean }>();
  readonly #waiting = new Set<Wait>();
  /** The test's own listeners on signals. */
  readonly #listeners = new Map<() => void, AbortSignal>();
  #seq = 0;
  #turn = 0;
  #last = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs a program to its end. */
  async execute(program: Program): Promise<void> {
    const previous = setTaskErrorHandler((context) => {
      this.#note(`report: ${context.message}`);
      // Who joins what has nothing left closes it there and then.
      const doing = this.#doing.at(-1);
      this.check(
        context.task === undefined || doing === undefined || doing === "join" || doing === "stop",
        `L6: a task's failure is reported inside ${doing ?? ""}`,
      );
      this.reports.push(context);
    });
    const unhandled = (error: unknown): void => {
      this.check(false, `L2: unhandled rejection of ${String(error)}`);
    };
    process.on("unhandledRejection", unhandled);
    try {
      let settled = false;
      const done = (): void => {
        settled = true;
      };
      this.#open(program.root, undefined).then(done, done);
      const timers = program.happenings.map((happening) =>
        setTimeout(() => {
          if (!settled) this.#happen(happening);
        }, happening.at),
      );
      await this.#drain();
      while (!settled) {
        if (this.#clock.size === 0) {
          this.check(false, "the program hangs");
          break;
        }
        this.#clock.next();
        await this.#drain();
      }
      for (const timer of timers) clearTimeout(timer);
      await this.#drain();
      this.check(this.#waiting.size === 0, `L1: ${this.#waiting.size} joins or stops have not settled`);
      this.check(this.#clock.size === 0, `L7: ${this.#clock.size} timers are left`);
      for (const { signal } of this.controllers) {
        this.check(
          getEventListeners(signal, "abort").length === 0,
          "L7: a listener is left on an outer signal",
        );
      }
    } finally {
      process.off("unhandledRejection", unhandled);
      setTaskErrorHandler(previous);
    }
  }

  check(holds: boolean, violation: string): void {
    if (holds) return;
    this.violations.push(violation);
    this.#note(`VIOLATION ${violation}`);
  }

  #note(event: string): void {
    this.log.push(`${this.#clock.now} ms: ${event}`);
  }

  #next(what: string): string {
    return `${what} ${++this.#last}`;
  }

  /** A reason to cancel: a text, or an error. */
  #reason(what: string): unknown {
    const text = this.#next(what);
    return this.#last % 2 === 0 ? text : new Error(text);
  }

  #now<R>(doing: Doing, action: () => R): R {
    this.#doing.push(doing);
    try {
      return action();
    } finally {
      this.#doing.pop();
    }
  }

  async #drain(): Promise<void> {
    await new Promise<void>((resolve) => nextTurn(resolve));
    this.#turn++;
    this.#atRest();
  }

  // Owners

  #open(spec: OwnerSpec, opener: Actor | undefined): Promise<unknown> {
    const name = `owner-${this.owners.length}`;
    const deadlined = spec.form === "moveOnAfter" || spec.form === "failAfter";
    const timeout = spec.timeout ?? (deadlined ? 10 : undefined);
    const followed = this.#followed(spec, opener);
    const owner: OwnerRecord = {
      name,
      spec: deadlined ? { ...spec, type: "TaskScope" } : spec,
      timeout,
      openedAt: this.#clock.now,
      outer: followed === undefined ? undefined : CancellationToken.from(followed),
      tasks: [],
      ends: [],
      waits: [],
      reasons: new Set(),
      stopped: false,
      depth: opener === undefined ? 0 : opener.owner.depth + 1,
      spawned: 0,
      refused: 0,
      late: 0,
      running: 0,
      handle: undefined,
      firstError: undefined,
      onError: [],
      onTaskDone: [],
      outerAtLastEnd: false,
      body: undefined,
    };
    this.owners.push(owner);
    const { shield, concurrency } = spec;
    const common = { name, token: followed, shield, concurrency };
    const options: TaskScopeOptions = { ...common, ...this.#hooks(owner) };
    const body = (handle: Handle): Promise<unknown> => {
      this.check(owner.handle === undefined, `${name}: the body is called twice`);
      this.check(!handle.cancelRequested, `${name}: the body is called after its cancellation`);
      return this.#now("function", () => {
        this.#attach(owner, handle);
        return this.#body(owner);
      });
    };
    this.#note(`${opener?.task?.name ?? opener?.owner.name ?? "test"} opens ${name}`);
    switch (spec.form) {
      case "run":
        return this.#wait(owner, "run", () =>
          spec.type === "TaskGroup"
            ? TaskGroup.run(body, { ...common, timeout })
            : TaskScope.run(body, { ...options, timeout }),
        );
      case "moveOnAfter":
        return this.#wait(owner, "run", () => moveOnAfter(timeout!, body, options));
      case "failAfter":
        return this.#wait(owner, "run", () => failAfter(timeout!, body, options));
      case "join":
      case "stop":
      case "limited-stop":
      case "dispose": {
        const handle = this.#now("open", () =>
          spec.type === "TaskGroup"
            ? new TaskGroup({ ...common, timeout })
            : new TaskScope({ ...options, timeout }),
        );
        this.#attach(owner, handle);
        return this.#block(owner, handle);
      }
    }
  }

  #followed(spec: OwnerSpec, opener: Actor | undefined): TokenLike | undefined {
    if (typeof spec.outer === "number") return this.#shared(spec.outer);
    if (spec.outer === "none") return undefined;
    return spec.outer === "opener" ? opener?.token : opener?.token.signal;
  }

  #shared(which: number): TokenLike {
    return which < SOURCES ? this.#sources[which]!.token : this.controllers[which - SOURCES]!.signal;
  }

  /** What only scopes have. */
  #hooks(owner: OwnerRecord): TaskScopeOptions {
    const { onError } = owner.spec;
    const tell = (context: TaskErrorContext): void => {
      this.check(this.#doing.length === 0, `L6: onError of ${owner.name} runs inside a call`);
      owner.onError.push(context);
      if (onError === "throws") throw this.#callbackError("onError");
    };
    return {
      onError: onError === "function" || onError === "throws" ? tell : onError,
      onTaskDone: (task) => {
        this.check(this.#doing.length === 0, `L6: onTaskDone of ${owner.name} runs inside a call`);
        this.check(owner.handle!.state !== "closed", `onTaskDone of ${owner.name} runs after it has closed`);
        owner.onTaskDone.push(task);
      },
    };
  }

  #callbackError(what: string): Error {
    const error = new Error(this.#next(`thrown by ${what}`));
    this.callbackErrors.push(error);
    return error;
  }

  #attach(owner: OwnerRecord, handle: Handle): void {
    owner.handle = handle;
    const { token } = handle;
    if (owner.outer !== undefined && !owner.spec.shield) {
      // Who closes it from outside leaves the body, if it has one, to be cancelled.
      const over = (): boolean => handle.state === "closed" && (!isRun(owner) || owner.body !== undefined);
      this.#links.set(token, { parents: [owner.outer], over });
    }
    this.#watch(token, owner.name, (error) => {
      this.#note(`${owner.name} is cancelled: ${show(error)}`);
      owner.firstError = { error, seq: ++this.#seq, turn: this.#turn };
      this.check(
        this.#ownerCause(owner, error),
        `${owner.name} is cancelled without a cause: ${show(error)}`,
      );
    });
  }

  /** Registers two callbacks, and checks what each of them may see. */
  #watch(
    token: CancellationToken,
    name: string,
    cancelled: (error: CancelledError) => void = () => undefined,
  ): void {
    const early = !token.cancelRequested;
    const calls: string[] = [];
    const callback = (which: string) => (error: CancelledError) => {
      const doing = this.#doing.at(-1);
      this.check(
        doing === undefined || doing === "cancel" || doing === "stop",
        `L6: onCancel of ${name} runs inside ${doing ?? ""}`,
      );
      this.check(token.error === error, `L3: ${name} is cancelled with one error and called with another`);
      this.#now("callback", () => {
        this.#allMarked(`in a callback of ${name}`);
      });
      calls.push(which);
      this.check(calls.length <= 2, `${name} calls a callback twice`);
      if (early)
        this.check(
          calls.length === (which === "newer" ? 1 : 2),
          `L8: ${name} calls its older callback first`,
        );
      if (which === "newer") cancelled(error);
    };
    token.onCancel(callback("older"));
    token.onCancel(callback("newer"));
  }

  #ownerCause(owner: OwnerRecord, error: CancelledError): boolean {
    if (!owner.spec.shield && owner.outer?.error === error) return true;
    const { timeout, openedAt } = owner;
    switch (error.source) {
      case "explicit":
        return owner.reasons.has(error.reason);
      case "shutdown":
        return owner.stopped;
      case "timeout":
        return timeout !== undefined && this.#clock.now === openedAt + timeout;
      case "sibling":
        return this.#hasFailed(owner, error.reason);
      case "signal":
        return false;
    }
  }

  /** Whether an owner has had a failure that cancels everything, and that is `reason`, or says so. */
  #hasFailed(owner: OwnerRecord, reason: unknown): boolean {
    const fails = (end: End | undefined, always: boolean): boolean =>
      end?.ok === false &&
      (always || owner.spec.type === "TaskGroup" || end.error instanceof FatalError) &&
      (end.error === reason || (end.error instanceof Error && end.error.message === reason));
    return fails(owner.body, true) || owner.tasks.some(({ settled }) => fails(settled, false));
  }

  async #body(owner: OwnerRecord): Promise<unknown> {
    const handle = owner.handle!;
    const actor: Actor = { owner, token: handle.token, task: undefined };
    const settle = (end: End): void => {
      owner.body = {
        ...end,
        seq: ++this.#seq,
        turn: this.#turn,
        cancelled: !end.ok && isCancellationOf(owner, handle.token.error, end.error),
        outer: owner.outer?.cancelRequested ?? false,
        closed: handle.state === "closed",
      };
      this.#note(`body of ${owner.name} ${show(end)}`);
    };
    try {
      const value = await this.#perform(
        actor,
        owner.spec.steps,
        owner.spec.reaction,
        `body of ${owner.name}`,
      );
      settle({ ok: true, value });
      return value;
    } catch (error) {
      settle({ ok: false, error });
      throw error;
    }
  }

  /** The block in which an owner opened by constructor is used, and its end. */
  async #block(owner: OwnerRecord, handle: Handle): Promise<void> {
    const { form } = owner.spec;
    const actor: Actor = { owner, token: handle.token, task: undefined };
    let failure: { error: unknown } | undefined;
    try {
      await this.#perform(actor, owner.spec.steps, owner.spec.reaction, `block of ${owner.name}`);
    } catch (error) {
      this.#note(`block of ${owner.name} ${show({ ok: false, error })}`);
      failure = { error };
    }
    try {
      if (form === "limited-stop") {
        await this.#stop(owner, 3).catch((error: unknown) => {
          if (handle.state === "closed") throw error;
        });
        await this.#join(owner);
      } else if (form === "join" && failure === undefined) await this.#join(owner);
      else if (form === "dispose")
        await this.#wait(owner, "stop", () => {
          owner.stopped = true;
          return handle[Symbol.asyncDispose]();
        });
      else await this.#stop(owner);
    } catch (error) {
      failure ??= { error };
    }
    this.#forget(owner);
    if (failure !== undefined) throw failure.error;
  }

  #join(owner: OwnerRecord): Promise<unknown> {
    return this.#wait(owner, "join", () => owner.handle!.join());
  }

  #stop(owner: OwnerRecord, limit = Infinity): Promise<unknown> {
    const reason = this.#reason("stop");
    return this.#wait(
      owner,
      limit === Infinity ? "stop" : "limited-stop",
      () => {
        owner.stopped = true;
        return owner.handle!.stop({ reason, timeout: limit });
      },
      limit,
    );
  }

  /** Calls whatever waits for an owner, and looks at what is there when it settles. */
  #wait(
    owner: OwnerRecord,
    via: Wait["via"],
    call: () => Promise<unknown>,
    limit = Infinity,
  ): Promise<unknown> {
    const outer = (): boolean => owner.outer?.cancelRequested ?? false;
    const wait: Wait = {
      via,
      limit,
      calledAt: this.#clock.now,
      calledClosed: owner.handle?.state === "closed",
      outerAtCall: outer(),
      end: undefined,
      seq: 0,
      turn: 0,
      outerAtEnd: false,
      cancelled: undefined,
      gaveUp: false,
    };
    owner.waits.push(wait);
    this.#waiting.add(wait);
    const settle = (end: End): void => {
      this.#waiting.delete(wait);
      wait.end = end;
      wait.seq = ++this.#seq;
      wait.turn = this.#turn;
      wait.outerAtEnd = outer();
      wait.cancelled = owner.handle?.token.error;
      wait.gaveUp = !end.ok && via === "limited-stop" && owner.handle!.state !== "closed";
      this.#note(`${via} of ${owner.name} ${show(end)}`);
      if (wait.gaveUp) this.#gaveUp(owner, wait, end);
      else {
        this.#nothingLeft(owner, via);
        if (via === "run") this.#forget(owner);
      }
    };
    const promise = this.#now(via === "run" ? "open" : via === "join" ? "join" : "stop", call);
    return promise.then(
      (value) => {
        settle({ ok: true, value });
        return value;
      },
      (error: unknown) => {
        settle({ ok: false, error });
        throw error;
      },
    );
  }

  /** A `stop` that ran out of time names who still runs (L1). */
  #gaveUp(owner: OwnerRecord, wait: Wait, end: End): void {
    const error = end.ok ? undefined : end.error;
    const what = `stop of ${owner.name} within ${wait.limit} ms`;
    this.check(error instanceof TimeoutError && error.timeout === wait.limit, `${what} ${show(end)}`);
    this.check(this.#clock.now === wait.calledAt + wait.limit, `${what} gives up at another time`);
    const live = owner.tasks.filter(({ ended }) => ended === undefined);
    this.check(live.length > 0, `${what} gives up with nothing left`);
    for (const { name } of live)
      this.check(
        (error as Error).message.includes(JSON.stringify(name)),
        `L1: ${what} does not name ${name}`,
      );
  }

  #nothingLeft(owner: OwnerRecord, via: string): void {
    for (const { name, called, settled, task } of owner.tasks) {
      this.check(!called || settled !== undefined, `L1: ${via} of ${owner.name} settles before ${name}`);
      this.check(task?.done === true, `L1: ${name} is not done when ${via} of ${owner.name} settles`);
    }
    if (owner.handle === undefined) return;
    this.check(owner.handle.state === "closed", `${owner.name} is ${owner.handle.state} after ${via}`);
    this.check(owner.handle.size === 0, `L1: ${owner.name} has ${owner.handle.size} tasks after ${via}`);
  }

  /** Nothing above reaches it any more. */
  #forget(owner: OwnerRecord): void {
    if (owner.handle !== undefined) this.#links.delete(owner.handle.token);
  }

  // Tasks

  #spawn(owner: OwnerRecord, spec: TaskSpec): void {
    const handle = owner.handle!;
    const { cancelRequested, state } = handle;
    const name = `${owner.name}/task-${owner.spawned}`;
    const record: TaskRecord = {
      name,
      owner,
      order: owner.spawned++,
      reasons: new Set(),
      task: undefined,
      token: undefined,
      called: false,
      delayed: false,
      settled: undefined,
      ended: undefined,
    };
    owner.tasks.push(record);
    let task: Task<unknown>;
    try {
      task = this.#now("spawn", () => handle.spawn((token) => this.#call(record, spec, token), { name }));
    } catch (error) {
      owner.tasks.splice(owner.tasks.indexOf(record), 1);
      this.#note(`${name} is refused`);
      owner.refused++;
      this.check(
        error instanceof InvalidStateError && (cancelRequested || state === "closed"),
        `${owner.name} (${state}) refuses a spawn: ${String(error)}`,
      );
      this.check(!record.called, `${name} is refused and called`);
      return;
    }
    this.#note(`${name} is ${task.status}`);
    this.check(!cancelRequested && state !== "closed", `${owner.name} (${state}) does not refuse a spawn`);
    this.check(!task.done, `L6: ${name} ends inside spawn`);
    record.task = task;
    if (state === "closing") owner.late++;
    this.#enlist(record, task.token);
    task.onDone(() => {
      this.check(this.#doing.length === 0, `L6: onDone of ${name} runs inside a call`);
      this.#ended(record, task);
    });
    this.#watch(task.token, name, (error) => {
      this.check(
        handle.token.error === error || (error.source === "explicit" && record.reasons.has(error.reason)),
        `${name} is cancelled without a cause: ${show(error)}`,
      );
    });
  }

  #enlist(record: TaskRecord, token: CancellationToken): void {
    record.token = token;
    this.#links.set(token, {
      parents: [record.owner.handle!.token],
      over: () => record.task?.done === true,
    });
  }

  /** The function of a task. */
  #call(record: TaskRecord, spec: TaskSpec, token: CancellationToken): unknown {
    const { owner, name } = record;
    const { concurrency } = owner.spec;
    const doing = this.#doing.at(-1);
    this.#note(`${name} starts`);
    this.check(doing === "spawn" || doing === undefined, `L6: ${name} is started inside ${doing ?? ""}`);
    this.check(!record.called, `${name} is called twice`);
    this.check(!token.cancelRequested, `${name} is started after its cancellation`);
    record.called = true;
    record.delayed = doing === undefined;
    owner.running++;
    this.check(owner.running <= (concurrency ?? Infinity), `${owner.name} runs more than it may`);
    this.#enlist(record, token);
    const actor: Actor = { owner, token, task: record };
    const settle = (end: End): void => {
      record.settled = { ...end, cancelled: !end.ok && isCancellationOf(owner, token.error, end.error) };
      this.#note(`${name} ${show(end)}`);
    };
    const perform = (): Promise<unknown> => this.#perform(actor, spec.steps, spec.reaction, name);
    return this.#now("function", () => {
      switch (spec.shape) {
        case "returns":
          settle({ ok: true, value: name });
          return name;
        case "throws": {
          const error = this.#failure(spec.failure, name);
          settle({ ok: false, error });
          throw error;
        }
        case "async":
          return this.#settling(perform, settle);
        case "thenable":
          return {
            then: (resolve: (value: unknown) => void, reject: (error: unknown) => void) => {
              void perform().then(
                (value) => {
                  settle({ ok: true, value });
                  resolve(value);
                },
                (error: unknown) => {
                  settle({ ok: false, error });
                  reject(error);
                },
              );
            },
          };
      }
    });
  }

  async #settling(perform: () => Promise<unknown>, settle: (end: End) => void): Promise<unknown> {
    try {
      const value = await perform();
      settle({ ok: true, value });
      return value;
    } catch (error) {
      settle({ ok: false, error });
      throw error;
    }
  }

  #ended(record: TaskRecord, task: Task<unknown>): void {
    const { owner, name, settled } = record;
    this.check(record.ended === undefined, `${name} ends twice`);
    record.ended = { seq: ++this.#seq, turn: this.#turn, cancelled: task.cancelRequested };
    this.#note(`${name} has ${task.status}`);
    owner.ends.push(record);
    owner.outerAtLastEnd = owner.outer?.cancelRequested ?? false;
    if (record.called) owner.running--;
    this.#links.delete(task.token);
    this.#whose(record, task);
    this.check(
      owner.spec.type === "TaskGroup" || owner.onTaskDone.at(-1) === task,
      `onDone of ${name} runs before its owner is told`,
    );
    this.check(!task.cancel("too late"), `${name} can be cancelled after its end`);
    this.check(
      settled?.ok === false || task.status === "cancelled" || task.result() === settled?.value,
      `${name} has another result`,
    );
  }

  /** L4. */
  #whose(record: TaskRecord, task: Task<unknown>): void {
    const { name, owner, settled } = record;
    const { status, token } = task;
    if (!record.called) {
      this.check(
        status === "cancelled" && token.cancelRequested,
        `${name} was never called and is ${status}`,
      );
    } else if (settled === undefined) {
      this.check(false, `L1: ${name} ends before its function`);
      return;
    } else if (settled.ok) this.check(status === "succeeded", `L4: ${name} returned and is ${status}`);
    else {
      // Asked between the rejection and its arrival, it may be taken either way.
      const may = isCancellationOf(owner, token.error, settled.error);
      const fits = status === "cancelled" ? may : status === "failed" && !settled.cancelled;
      this.check(fits, `L4: ${name} rejected with ${String(settled.error)} and is ${status}`);
      if (status === "failed") this.check(task.error === settled.error, `${name} has another error`);
    }
    if (status === "cancelled")
      this.check(task.error === token.error, `L3: ${name} has an error that is not its token's`);
  }

  // What functions do

  async #perform(actor: Actor, steps: readonly Step[], reaction: Reaction, value: string): Promise<unknown> {
    try {
      for (const step of steps) {
        const wait = this.#take(actor, step);
        if (wait !== undefined) await wait;
      }
      return value;
    } catch (error) {
      if (!isCancellationOf(actor.owner, actor.token.error, error)) throw error;
      return await this.#react(actor, reaction, error, value);
    }
  }

  async #react(actor: Actor, reaction: Reaction, error: unknown, value: string): Promise<unknown> {
    switch (reaction.kind) {
      case "pass":
        throw error;
      case "swallow":
        return value;
      case "fail":
        throw this.#failure(reaction.failure, value);
      case "fresh-abort":
        throw this.#failure("platform-abort", value);
      case "reason": {
        const { reason, source } = actor.token.error!;
        // Only objects can be told apart when they are thrown twice; and whether a task or the body is the first to
        // throw what both are cancelled with, is nobody's promise.
        const unclear = actor.task === undefined && source !== "signal" && source !== "sibling";
        throw unclear || !(reason instanceof Error) ? this.#failure("error", value) : reason;
      }
      case "clean-up":
        if (reaction.spawns) this.#spawn(actor.owner, LATECOMER);
        await delay(reaction.ms);
        if (reaction.spawns) this.#spawn(actor.owner, LATECOMER);
        throw reaction.fails ? this.#failure("error", value) : error;
      case "clean-up-in":
        await this.#open(reaction.owner, actor);
        throw error;
    }
  }

  #failure(kind: Failure, who: string): Error {
    const message = this.#next(`${kind} of ${who}`);
    switch (kind) {
      case "error":
        return new Error(message);
      case "fatal":
        return new FatalError(message);
      case "platform-abort":
        return new DOMException(message, "AbortError");
      case "foreign-cancellation":
        return new CancelledError(message);
      case "timeout":
        return new TimeoutError(this.#last % 12, message);
    }
  }

  /** Takes one step; returns what to wait for, if anything. */
  #take(actor: Actor, step: Step): Promise<unknown> | undefined {
    const { owner, token } = actor;
    switch (step.do) {
      case "turns":
        return turns(step.count);
      case "sleep":
        return sleep(step.ms, token);
      case "delay":
        return delay(step.ms);
      case "abortable":
        return this.#abortable(
          step.ms,
          step.signal === undefined ? token.signal : this.controllers[step.signal]!.signal,
          step.rejects === "reason",
        );
      case "child":
        return this.#underChild(actor, step);
      case "spawn":
        this.#spawn(owner, step.task);
        return undefined;
      case "await":
        return this.#await(actor, step.which, step.how);
      case "cancel-task":
        this.#cancelTask(owner, step.which);
        return undefined;
      case "cancel-outer":
        this.#cancelOuter(step.which);
        return undefined;
      case "cancel-owner":
        this.#cancelOwner(owner);
        return undefined;
      case "register":
        this.#register(actor, step.callback, step.which);
        return undefined;
      case "join":
      case "stop": {
        if (actor.task !== undefined) return undefined;
        const wait = step.do === "join" ? this.#join(owner) : this.#stop(owner);
        return step.caught ? wait.catch(() => undefined) : wait;
      }
      case "open": {
        const opened = this.#open(step.owner, actor);
        return step.caught ? opened.catch(() => undefined) : opened;
      }
      case "throw":
        throw this.#failure(step.failure, actor.task?.name ?? owner.name);
    }
  }

  /** Waits as `fetch` and `timers/promises` do. */
  #abortable(ms: number, signal: AbortSignal, asReason: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        clearTimeout(timer);
        this.#listeners.delete(abort);
        const platform = new DOMException("The operation was aborted", "AbortError");
        reject(asReason ? (signal.reason as Error) : platform);
      };
      const timer = setTimeout(() => {
        signal.removeEventListener("abort", abort);
        this.#listeners.delete(abort);
        resolve();
      }, ms);
      if (signal.aborted) abort();
      else {
        signal.addEventListener("abort", abort, { once: true });
        this.#listeners.set(abort, signal);
      }
    });
  }

  async #underChild({ token }: Actor, step: Step & { do: "child" }): Promise<void> {
    const parents: TokenLike[] = step.parent === undefined ? [token] : [token, this.#shared(step.parent)];
    const source = new CancellationSource({ parent: parents, timeout: step.timeout });
    this.#links.set(source.token, {
      parents: parents.map((parent) => CancellationToken.from(parent)),
      over: () => false,
    });
    this.#watch(source.token, "a child token");
    try {
      await sleep(step.ms, source.token);
    } finally {
      this.#links.delete(source.token);
      source[Symbol.dispose]();
    }
  }

  /** Functions wait for older siblings alone, so that nobody waits in a circle; bodies for any task. */
  #await(actor: Actor, which: number, how: "plain" | "caught" | "raced"): Promise<unknown> | undefined {
    const { owner, token } = actor;
    const older = owner.tasks.filter(
      ({ order, task }) => task !== undefined && order < (actor.task?.order ?? Infinity),
    );
    const task = older[which % older.length]?.task;
    if (task === undefined) return undefined;
    if (how === "raced") return token.race(task);
    return how === "plain" ? task.then() : task.catch(() => undefined);
  }

  #register(actor: Actor, callback: "throws" | "spawns" | "cancels" | "unregisters", which: number): void {
    const { owner, token } = actor;
    const registration: Registration = {
      token,
      callback,
      unregistered: callback === "unregisters",
      calls: 0,
    };
    this.registrations.push(registration);
    const unregister = token.onCancel(() => {
      this.#now("callback", () => {
        registration.calls++;
        this.#allMarked("in a registered callback");
        if (callback === "throws") throw this.#callbackError("onCancel");
        if (callback === "spawns") this.#spawn(owner, LATECOMER);
        if (callback === "cancels") this.#cancelTask(this.#owner(which), which);
      });
    });
    if (registration.unregistered) unregister();
  }

  // Asking for cancellation

  #cancelTask(owner: OwnerRecord | undefined, which: number): void {
    const tasks = owner?.tasks.filter(({ task }) => task !== undefined) ?? [];
    const record = tasks[which % tasks.length];
    if (record === undefined) return;
    const reason = this.#reason("cancel task");
    this.#note(`${String(reason)}: ${record.name}`);
    record.reasons.add(reason);
    const { task, ended } = record;
    const asked = this.#now("cancel", () => task!.cancel(reason));
    if (asked) this.check(task!.cancelRequested, `L3: ${record.name} is not cancelled after its cancel`);
    this.check(asked || task!.done, `${record.name} refuses to be cancelled`);
    this.check(!asked || ended === undefined, `${record.name} takes a cancel after its end`);
    this.#allMarked(`after cancel of ${record.name}`);
  }

  #cancelOwner(owner: OwnerRecord | undefined): void {
    const handle = owner?.handle;
    if (owner === undefined || handle === undefined) return;
    const open = handle.state !== "closed";
    const reason = this.#reason("cancel owner");
    this.#note(`${String(reason)}: ${owner.name}`);
    owner.reasons.add(reason);
    this.#now("cancel", () => handle.cancel(reason));
    this.check(!open || handle.cancelRequested, `L3: ${owner.name} is not cancelled after its cancel`);
    this.check(handle.state !== "open", `${owner.name} is open after its cancel`);
    this.#allMarked(`after cancel of ${owner.name}`);
  }

  #cancelOuter(which: number): void {
    const reason = this.#reason("cancel outer");
    this.#note(`${String(reason)}: ${which}`);
    this.#now("cancel", () => {
      if (which < SOURCES) this.#sources[which]!.cancel(reason);
      else {
        // Without a reason the platform makes one.
        const error = this.#last % 4 === 0 ? undefined : new Error(String(reason));
        this.controllers[which - SOURCES]!.abort(error);
      }
    });
    this.#allMarked(`after cancel of outer ${which}`);
  }

  #owner(which: number): OwnerRecord | undefined {
    return this.owners[which % this.owners.length];
  }

  #happen({ what, which, limit }: Happening): void {
    const owner = this.#owner(which);
    if (owner?.handle === undefined) return;
    this.#note(`from outside: ${what} ${owner.name}`);
    switch (what) {
      case "cancel-owner":
        this.#cancelOwner(owner);
        break;
      case "stop":
      case "limited-stop":
        this.#stop(owner, what === "stop" ? Infinity : limit).catch(() => undefined);
        break;
      case "join":
        this.#join(owner).catch(() => undefined);
        break;
      case "cancel-task":
        this.#cancelTask(owner, limit);
        break;
      case "cancel-outer":
        this.#cancelOuter(which % (SOURCES + SIGNALS));
        break;
    }
  }

  // What holds at every moment

  /** L8, L3: whatever is below a cancelled token is cancelled, whoever looks. */
  #allMarked(when: string): void {
    for (const [child, { parents, over }] of this.#links) {
      const holds = child.cancelRequested || !parents.some((parent) => parent.cancelRequested) || over();
      this.check(holds, `L8: a token below a cancelled one is not cancelled ${when}`);
    }
  }

  /** Somebody has begun to end it. */
  #isClosing({ waits, body, handle }: OwnerRecord): boolean {
    return waits.some(({ via }) => via !== "run") || body !== undefined || handle!.cancelRequested;
  }

  /** What holds when all that was ready has run. */
  #atRest(): void {
    this.check(this.#doing.length === 0, "a call has not returned");
    this.#allMarked("at rest");
    for (const { signal } of this.controllers) {
      const own = [...this.#listeners.values()].filter((other) => other === signal).length;
      const count = getEventListeners(signal, "abort").length - own;
      this.check(count <= 1, `L7: an outer signal has ${count} listeners`);
    }
    for (const owner of this.owners) this.#ownerAtRest(owner);
  }

  #ownerAtRest(owner: OwnerRecord): void {
    const { handle, name, timeout, tasks } = owner;
    if (handle === undefined) return;
    const live = tasks.filter(({ ended }) => ended === undefined);
    this.check(handle.size === live.length, `${name} has size ${handle.size} with ${live.length} live tasks`);
    const snapshot = [...handle.tasks];
    this.check(
      snapshot.length === live.length && snapshot.every((task, index) => task === live[index]?.task),
      `${name}.tasks are not its live tasks in order`,
    );
    this.check(
      owner.firstError?.error === handle.token.error,
      `L3: ${name} has changed its error, or did not call back`,
    );
    if (handle.state === "closed") return;
    const late = timeout !== undefined && this.#clock.now > owner.openedAt + timeout;
    this.check(!late || handle.cancelRequested, `${name} is not cancelled after its deadline`);
    const failed = owner.ends.some(
      ({ task }) =>
        task!.status === "failed" && (owner.spec.type === "TaskGroup" || task!.error instanceof FatalError),
    );
    this.check(!failed || handle.cancelRequested, `${name} is not cancelled after a failure`);
    this.check(
      owner.body?.ok !== false || handle.cancelRequested,
      `${name} is not cancelled after its body's failure`,
    );
    this.check(handle.state === (this.#isClosing(owner) ? "closing" : "open"), `${name} is ${handle.state}`);
    const pending = live.filter(({ called }) => !called);
    const { concurrency = Infinity } = owner.spec;
    this.check(
      pending.length === 0 || owner.running === concurrency,
      `${name} leaves ${pending.length} tasks pending with ${owner.running} running`,
    );
    for (const { task, order } of pending) {
      this.check(task!.status === "pending" && !task!.cancelRequested, `${task!.name} should have ended`);
      const overtaken = tasks.some((other) => other.called && other.order > order);
      this.check(!overtaken, `${task!.name} is overtaken`);
    }
  }
}

/** Spawned where it may be too late. */
const LATECOMER: TaskSpec = {
  shape: "async",
  failure: "error",
  steps: [{ do: "sleep", ms: 2 }],
  reaction: { kind: "pass" },
};

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await Promise.resolve();
}

function show(what: End | CancelledError): string {
  if (what instanceof CancelledError) return `${what.message} (${what.source})`;
  return what.ok ? `resolves with ${String(what.value)}` : `rejects with ${String(what.error)}`;
}
