/**
 * The world of one case: what is called there, what is told to whom, and what is left in the end.
 *
 * Everything of the user's runs through here: each time a function of his is called, the next of the case's operations happens,
 * inside that call, whatever it is.
 */
import { inspect } from "node:util";
import {
  CancellationToken,
  CancelledError,
  FatalError,
  InvalidStateError,
  Task,
  type TaskErrorContext,
  TaskGroupError,
  TaskScope,
  TimeoutError,
  cancelAndWait,
  isCancellation,
  reportTaskError,
  setDebug,
  setTaskErrorHandler,
  sleep,
} from "@scope/core";
import { backgroundTasks, spawn, stopBackgroundTasks } from "@scope/guarded";
import { RestartLimitError, Supervisor } from "@scope/supervisor";
import { TaskGroup } from "@scope/taskgroup";
import type { Clock } from "@scope/test-utils/clock";
import { type Hands, behave, makeIterable, makeObject, makePlain, next, tokenOf } from "./hostile.ts";
import { type Kind, type Role, type Value, anything, func, show } from "./value.ts";

/** Whatever is called by name; nothing about it is taken for granted. */
export type Loose = Record<PropertyKey, (...args: readonly unknown[]) => unknown>;

/** Who waits for some functions, and where their failures go. */
export interface Group {
  readonly name: string;
  readonly owner: Loose | undefined;
  /** Functions that have been called and not ended. */
  running: number;
  bodies: number;
  /** It has ended for good: nothing of it may be called any more (L1). */
  over: boolean;
  /** How often a failure in it may be told. */
  least: number;
  most: number;
}

export interface Operation {
  readonly op: (typeof operations)[number];
  readonly at: number;
  readonly value: Value;
}

export const operations = [
  "turns",
  "turns",
  "time",
  "next",
  "next",
  "spawn",
  "spawn",
  "cancel",
  "join",
  "stop",
  "stop at once",
  "dispose",
  "cancel a task",
  "listen to a task",
  "await a task",
  "cancel and wait",
  "listen to a token",
  "race a token",
  "sleep",
  "read a signal",
  "open below",
  "open a child token",
  "supervise",
  "stop a child",
  "restart a child",
  "start",
  "iterate",
  "leave",
  "acknowledge",
  "background",
  "replace the handler",
  "report",
  "debug",
  "look",
] as const;

interface Failure {
  readonly error: unknown;
  readonly role: Role;
  readonly group: Group;
  readonly token: CancellationToken | undefined;
}

const MOST_CALLS = 400;

export class World implements Hands {
  readonly violations: string[] = [];
  readonly log: string[] = [];
  readonly groups: Group[] = [];
  readonly tasks: Task<unknown>[] = [];
  readonly children: Loose[] = [];
  readonly iterators: Loose[] = [];
  readonly tokens: CancellationToken[] = [];
  readonly made = new Map<Value, unknown>();
  /** Values that only one door knows, by their labels. */
  values: Readonly<Record<string, (world: this) => unknown>> = {};
  /** Errors of the user's that are allowed to come out anywhere. */
  readonly owned = new Set<unknown>();
  readonly strays: unknown[] = [];
  readonly clock: Clock;
  /** What happens in callbacks, first in, first out. */
  readonly #reentries: Operation[];
  readonly #pending: (() => void)[] = [];
  readonly #undo: (() => void)[] = [];
  readonly #failures: Failure[] = [];
  readonly #waits: { readonly what: string; settled: boolean }[] = [];
  /** Every telling of an error, to the process-wide handler or by an outcome. */
  readonly #told: unknown[] = [];
  readonly #outcomes = new Set<unknown>();
  readonly #strayed = new Set<unknown>();
  /** What a handler threw: it comes out of a microtask, once. */
  readonly #uncaught: unknown[] = [];
  /** Whether there is a user's own code that throws or breaks a protocol. */
  lying = false;
  /** Whether there is an argument that has to be refused. */
  refusing = false;
  /** Functions that have been called. */
  started = 0;
  #calls = 0;
  #inside = 0;
  #listeners = 0;
  #finishing = false;

  constructor(clock: Clock, reentries: readonly Operation[]) {
    this.clock = clock;
    this.#reentries = [...reentries];
    setTaskErrorHandler(this.#handler());
  }

  // Hands

  called(): void {
    if (++this.#calls > MOST_CALLS) {
      if (this.#calls === MOST_CALLS + 1) this.violate("The user's functions are called without end");
      return;
    }
    const operation = this.#finishing ? undefined : this.#reentries.shift();
    if (operation === undefined) return;
    this.note(`  inside: ${describe(operation)}`);
    this.perform(operation);
  }

  pending(settle: () => void): void {
    if (this.#finishing) settle();
    else this.#pending.push(settle);
  }

  dispose(undo: () => void): void {
    this.#undo.push(undo);
  }

  own<E>(error: E): E {
    this.owned.add(error);
    this.lying = true;
    return error;
  }

  listening(change: number): void {
    this.#listeners += change;
  }

  stray(error: unknown): void {
    this.#strayed.add(error);
  }

  // What is seen

  violate(what: string): void {
    if (!this.violations.includes(what)) this.violations.push(what);
  }

  note(line: string): void {
    this.log.push(line);
  }

  /** An error has been told: by the process-wide handler, or by the outcome of an owner. */
  tell(error: unknown): void {
    this.#told.push(error);
  }

  group(name: string, owner?: unknown, { least = 1, most = 1 } = {}): Group {
    const group = {
      name,
      owner: owner as Loose | undefined,
      running: 0,
      bodies: 0,
      over: false,
      least,
      most,
    };
    this.groups.push(group);
    return group;
  }

  /** A group whose owner is known only later. */
  adopt(group: Group, owner: unknown): void {
    Object.assign(group, { owner });
  }

  track(task: unknown): void {
    if (task instanceof Task && !this.tasks.includes(task)) this.tasks.push(task);
  }

  get armed(): number {
    return this.clock.armed;
  }

  get listeners(): number {
    return this.#listeners;
  }

  /**
   * Waits for a promise that has to settle. `ends`: with it its group has ended, and everything in it; `tells`: its rejection is a
   * report.
   */
  wait(
    what: string,
    promise: unknown,
    {
      group,
      ends,
      tells = ends !== undefined,
    }: { group?: Group; ends?: "tasks" | "all"; tells?: boolean } = {},
  ): void {
    if (!(promise instanceof Promise)) return;
    const wait = { what, settled: false };
    const final = this.#finishing;
    this.#waits.push(wait);
    const settle = (refused: boolean): void => {
      wait.settled = true;
      if (group === undefined || ends === undefined) return;
      const { owner } = group;
      if (typeof owner?.["state"] === "string" && !isClosed(owner)) {
        if (!refused) this.violate(`L1: ${what} settles, and its owner is ${String(owner["state"])}`);
        return;
      }
      // What stays open may have got something new.
      if (!isClosed(owner) && (refused || (owner !== undefined && !final))) return;
      if (group.running > 0)
        this.violate(`L1: ${group.running} functions of ${group.name} run when ${what} settles`);
      if (ends === "all" && group.bodies > 0)
        this.violate(`L1: the body of ${group.name} runs when ${what} settles`);
      group.over = group.bodies === 0 && (isClosed(owner) || (ends === "all" && owner === undefined));
    };
    promise.then(
      () => settle(false),
      (error: unknown) => {
        // A refusal, or the time limit of a stop.
        settle(
          error instanceof TimeoutError ||
            error instanceof InvalidStateError ||
            isRefusal(error) ||
            this.owned.has(error),
        );
        if (tells && !this.#outcomes.has(error)) {
          // Primitives have no identity: each is taken for another.
          if (Object(error) === error) this.#outcomes.add(error);
          for (const one of partsOf(error)) this.tell(one);
        }
        this.expected(what, error);
      },
    );
  }

  /** Whether an error is one that may come out of the packages. */
  expected(what: string, error: unknown): void {
    if (this.isUsers(error)) return;
    const kinds = [
      CancelledError,
      TimeoutError,
      InvalidStateError,
      RestartLimitError,
      TaskGroupError,
      FatalError,
    ];
    if (kinds.some((kind) => isA(error, kind))) return;
    if ((this.lying || this.refusing) && isRefusal(error)) return;
    if (readName(error) === "AbortError") return;
    this.violate(`${what} fails with ${text(error)}, which is of no documented class`);
  }

  isUsers(error: unknown): boolean {
    return this.owned.has(error) || this.#failures.some((failure) => Object.is(failure.error, error));
  }

  /** Calls something that either works, or refuses the moment. */
  call(what: string, call: () => unknown): unknown {
    try {
      return call();
    } catch (error) {
      if (!(error instanceof InvalidStateError)) this.expected(what, error);
      return undefined;
    }
  }

  /** The same for what never throws. */
  never(what: string, call: () => unknown): void {
    try {
      call();
    } catch (error) {
      this.violate(`${what} throws ${text(error)}`);
    }
  }

  // Values

  make(value: Value, kind: Kind, group: Group): unknown {
    const made = this.#make(value, kind, group);
    this.made.set(value, made);
    return made;
  }

  #make(value: Value, kind: Kind, group: Group): unknown {
    if ("is" in value) {
      const { is: label } = value;
      // Told to nobody, or to a function that does not take note.
      if (kind.role === "onError" && label !== "the text report") Object.assign(group, { least: 0 });
      if (label.startsWith("the text ")) {
        const rest = label.slice("the text ".length);
        return rest === "true" ? true : rest === "false" ? false : rest;
      }
      // A task for each of its letters is too much.
      if (kind.iterates === true && label === "a long text") return "long";
      if (label.startsWith("the task "))
        return this.tasks[Number(label.slice("the task ".length)) % this.tasks.length];
      const made = label in this.values ? this.values[label]!(this) : makePlain(label, this);
      if (made instanceof CancellationToken) this.tokens.push(made);
      return made;
    }
    if ("list" in value) return value.list.map((one) => this.make(one, kind, group));
    if ("iterate" in value) return makeIterable(value.iterate, this, () => this.make(value.of, kind, group));
    if ("fn" in value) return this.#function(value.fn, value.with, kind.role ?? "free", group);
    const entries = Object.entries(value.entries).map(([name, one]) => [
      name,
      this.make(one, kind.properties?.[name] ?? anything, group),
    ]);
    return makeObject(value.shape, Object.fromEntries(entries) as Record<string, unknown>, this);
  }

  #function(behaviour: Parameters<typeof behave>[0], label: string, role: Role, group: Group): unknown {
    return (...args: readonly unknown[]): unknown => {
      this.started++;
      if (group.over && (role === "task" || role === "body"))
        this.violate(`L1: a function of ${group.name} (${role}) is called after it has ended`);
      if (this.#inside > 0 && (role === "callback" || role === "onError")) {
        this.violate(`L6: a callback of ${group.name} runs inside spawn or cancel`);
      }
      const token = tokenOf(args);
      const counted = role === "task" || role === "body";
      const begin = (by: number): void => {
        if (role === "task") group.running += by;
        if (role === "body") group.bodies += by;
      };
      begin(1);
      if (role === "body" && group.owner === undefined && has(args[0] as Loose, "spawn"))
        this.adopt(group, args[0]);
      let ends = true;
      let threw = false;
      try {
        this.called();
        // One of its own each time.
        const result = behave(behaviour, makePlain(label, this), args, this, (error) => {
          threw = true;
          if (role === "free") {
            this.owned.add(error);
            this.stray(error);
          } else this.#failures.push({ error, role, group, token });
          // A callback's own promise is its user's.
          if (!counted && behaviour !== "throws") this.#strayed.add(error);
        });
        if (isA(result, Promise) && behaviour !== "returns") {
          const end = (): void => begin(-1);
          const noted = afterwards(result as Promise<unknown>, counted ? end : () => undefined);
          ends = !(counted && noted);
        }
        return result;
      } finally {
        if (ends) begin(-1);
        const [context] = args as [TaskErrorContext?];
        if (role === "onError" && !(threw && behaviour === "throws")) this.tell(context?.error);
      }
    };
  }

  #handler(throws?: Value): (context: TaskErrorContext) => void {
    return (context) => {
      let error: unknown;
      try {
        error = context?.error;
      } catch (thrown) {
        this.#uncaught.push(thrown);
        throw thrown;
      }
      for (const one of partsOf(error)) this.tell(one);
      this.called();
      if (throws === undefined || this.#finishing) return;
      const thrown = this.own(new Error("of the handler"));
      this.#uncaught.push(thrown);
      throw thrown;
    };
  }

  // Operations

  perform({ op, at, value }: Operation): void {
    const group = this.groups[at % (this.groups.length || 1)];
    const owner = group?.owner;
    const task = this.tasks[at % (this.tasks.length || 1)];
    const token = this.#tokenAt(at);
    const label = (): unknown => ("is" in value ? makePlain(value.is, this) : undefined);
    switch (op) {
      case "turns":
        break;
      case "time":
        if (this.#inside === 0 && this.clock.armed > 0) this.clock.fire();
        break;
      case "next":
        next(this);
        break;
      case "spawn":
        if (group !== undefined && has(owner, "spawn")) this.spawn(group, value);
        break;
      case "cancel":
        if (has(owner, "cancel")) this.cancel(group!.name, () => owner.cancel!(label()));
        break;
      case "join":
        if (has(owner, "join")) {
          this.wait(`join of ${group!.name}`, owner.join!(), { group: group!, ends: "tasks" });
        }
        break;
      case "stop":
      case "stop at once":
        if (has(owner, "stop")) {
          const options = { reason: label(), ...(op === "stop" ? {} : { timeout: 0 }) };
          const stopped = this.within(() => owner.stop!(options));
          this.wait(`stop of ${group!.name}`, stopped, { group: group!, ends: "tasks" });
        }
        break;
      case "dispose":
        if (has(owner, Symbol.asyncDispose)) {
          this.wait(`dispose of ${group!.name}`, owner[Symbol.asyncDispose]!(), {
            group: group!,
            ends: "tasks",
          });
        }
        break;
      case "cancel a task":
        if (task !== undefined) this.cancel(task.name, () => task.cancel(label()));
        break;
      case "listen to a task":
        if (task !== undefined)
          this.call("onDone", () => task.onDone(this.#callback("callback", value) as never));
        break;
      case "await a task":
        if (task !== undefined) this.wait(`awaiting ${task.name}`, task.then(), { tells: false });
        break;
      case "cancel and wait":
        if (task !== undefined) this.wait("cancelAndWait", cancelAndWait([task]), { tells: false });
        break;
      case "listen to a token":
        if (token !== undefined) {
          const forget = this.call("onCancel", () =>
            token.onCancel(this.#callback("onCancel", value) as never),
          );
          this.dispose(forget as () => void);
        }
        break;
      case "race a token":
        if (token !== undefined) {
          const promise = "fn" in value ? makePlain(value.with, this) : label();
          this.wait("token.race", token.race(promise as Promise<unknown>), { tells: false });
        }
        break;
      case "sleep":
        if (token !== undefined) this.wait("sleep", sleep(at, token), { tells: false });
        break;
      case "read a signal":
        if (token !== undefined) this.call("signal", () => token.signal);
        break;
      case "open below":
        if (token !== undefined) this.#open(at, token);
        break;
      case "open a child token":
        if (token !== undefined) {
          const child = token.child({ timeout: at });
          this.tokens.push(child.token);
          this.dispose(() => child[Symbol.dispose]());
        }
        break;
      case "supervise":
        if (group !== undefined && owner instanceof Supervisor) this.#supervise(group, owner, value, at);
        break;
      case "stop a child":
      case "restart a child": {
        const child = this.children[at % (this.children.length || 1)];
        const what = op === "stop a child" ? "stop" : "restart";
        if (child !== undefined) this.wait(op, child[what]!(), { tells: false });
        break;
      }
      case "start":
        if (has(owner, "start")) this.call("start", () => owner.start!());
        break;
      case "iterate":
        if (has(owner, "asCompleted")) {
          const iterator = owner.asCompleted!({ timeout: 5 }) as Loose;
          this.iterators.push(iterator);
          this.wait("next", iterator.next!(), { tells: false });
        }
        break;
      case "leave": {
        const iterator = this.iterators.at(-1);
        if (iterator !== undefined) this.wait("return", iterator.return!(), { tells: false });
        break;
      }
      case "acknowledge":
        if (has(owner, "acknowledge")) this.call("acknowledge", () => owner.acknowledge!(task));
        break;
      case "background": {
        const background = this.group("the background", undefined, {
          // Under a main a fatal one is logged.
          least: this.groups[0]?.name === "guarded runMain" ? 0 : 1,
          most: 2,
        });
        const fn = this.#callback("task", value, background);
        this.track(this.within(() => this.call("spawn", () => spawn(fn as never))));
        break;
      }
      case "replace the handler":
        setTaskErrorHandler(this.#handler(at % 2 === 0 ? value : undefined));
        break;
      case "report": {
        const error = this.own(new Error("reported by hand"));
        this.never("reportTaskError", () => reportTaskError({ message: "by hand", error }));
        break;
      }
      case "debug":
        setDebug(at % 2 === 0);
        break;
      case "look":
        this.look();
        break;
    }
  }

  spawn(group: Group, value: Value, options?: unknown): void {
    const { owner } = group;
    const fn = this.#callback("task", value, group);
    this.track(this.within(() => this.call(`spawn of ${group.name}`, () => owner!.spawn!(fn, options))));
  }

  cancel(what: string, call: () => unknown): void {
    this.within(() => this.never(`cancel of ${what}`, call));
  }

  /** In which no callback of an owner's may run (L6). */
  within<T>(call: () => T): T {
    this.#inside++;
    try {
      return call();
    } finally {
      this.#inside--;
    }
  }

  #callback(role: Role, value: Value, group = this.groups[0] ?? this.group("nobody")): unknown {
    const fn: Value = "fn" in value ? value : { fn: "returns", with: "is" in value ? value.is : "undefined" };
    return this.make({ ...fn }, func(role), role === "task" ? group : { ...group, over: false });
  }

  #supervise(group: Group, owner: Supervisor, value: Value, at: number): void {
    const spec = {
      name: `child ${this.children.length}`,
      restart: (["permanent", "transient", "temporary"] as const)[at % 3]!,
      ...(at % 2 === 0 && { backoff: { initial: 3 } }),
      significant: at % 5 === 0,
    };
    const child = this.call("supervise", () =>
      owner.supervise(this.#callback("task", value, group) as never, spec),
    );
    if (child !== undefined) this.children.push(child as Loose);
  }

  #open(at: number, token: CancellationToken): void {
    if (this.groups.length > 5) return;
    const kinds = [TaskScope, TaskGroup, Supervisor];
    const Kind = kinds[at % kinds.length]!;
    const owner = this.call("new", () => new Kind({ token, name: `nested ${this.groups.length}` }));
    if (owner !== undefined) this.group(`nested ${this.groups.length}`, owner);
  }

  #tokenAt(at: number): CancellationToken | undefined {
    const all = [...this.tokens];
    for (const { owner } of this.groups) {
      if (owner?.["token"] instanceof CancellationToken) all.push(owner["token"]);
    }
    return all[at % (all.length || 1)];
  }

  /** Reads everything that there is to read. */
  look(): void {
    const things: unknown[] = [...this.tasks, ...this.tokens, ...this.children];
    for (const { owner } of this.groups) things.push(owner);
    for (const thing of things) {
      if (Object(thing) !== thing) continue;
      this.call("look", () => String(thing));
      this.call("look", () => inspect(thing));
      for (
        let proto = thing as object;
        proto !== Object.prototype && proto !== null;
        proto = Object.getPrototypeOf(proto) as object
      ) {
        for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(proto))) {
          if (get !== undefined) this.call(`reading ${name}`, () => get.call(thing) as unknown);
        }
      }
    }
  }

  // The end

  /** Lets everything end, and checks the laws. */
  async finish(drain: () => Promise<void>): Promise<void> {
    this.#finishing = true;
    setTaskErrorHandler(this.#handler());
    for (const { owner, name } of this.groups) {
      if (owner !== undefined) this.call("look", () => inspect(owner));
      const end = has(owner, "stop") ? owner : undefined;
      if (end === undefined) continue;
      const group = this.groups.find((one) => one.owner === owner)!;
      const limited = { group, ends: "tasks" as const };
      this.wait(`stop of ${name} in the end`, end.stop!(), limited);
      if (has(end, Symbol.asyncDispose))
        this.wait(`dispose of ${name}`, end[Symbol.asyncDispose]!(), limited);
    }
    for (const iterator of this.iterators) {
      if (has(iterator, "return")) this.wait("return", iterator.return!(), { tells: false });
    }
    this.wait("stopBackgroundTasks", stopBackgroundTasks(), { tells: false });
    for (const task of this.tasks) if (!task.done) this.cancel(task.name, () => task.cancel());
    for (const settle of this.#pending.splice(0)) settle();
    for (let round = 0; round < 60; round++) {
      await drain();
      const open = this.#waits.some(({ settled }) => !settled) || this.clock.armed > 0;
      if (!open && round > 1) break;
      // Some of the platform's own timers are not in our hands.
      if (round > 20) await slowly();
      if (this.clock.armed > 0) this.clock.fire();
    }
    for (const undo of this.#undo.splice(0)) undo();
    await drain();
    setDebug(false);
    this.#check();
  }

  #check(): void {
    for (const { what, settled } of this.#waits)
      if (!settled) this.violate(`It hangs: ${what} never settles`);
    for (const { name, running, bodies, owner } of this.groups) {
      if (running > 0 || bodies > 0)
        this.violate(`It hangs: ${running + bodies} functions of ${name} never end`);
      if (has(owner, "spawn") && typeof owner["size"] === "number" && owner["size"] !== 0) {
        this.violate(`L7: ${name} has size ${String(owner["size"])} in the end`);
      }
    }
    for (const task of this.tasks)
      if (!task.done) this.violate(`It hangs: task ${text(task.name)} is ${task.status}`);
    if (backgroundTasks().size > 0) this.violate("L7: background tasks are left");
    if (this.clock.armed > 0) this.violate(`L7: ${this.clock.armed} timers are left`);
    if (this.#listeners > 0) this.violate(`L7: ${this.#listeners} listeners are left on signals`);
    this.#checkTelling();
    for (const error of this.strays) {
      const at = this.#uncaught.indexOf(error);
      if (at >= 0) this.#uncaught.splice(at, 1);
      else if (!this.#strayed.has(error)) this.violate(`Nobody handles ${text(error)}`);
    }
    if (this.#uncaught.length > 0) this.violate("What the handler threw is lost");
  }

  /** L2 and L9. */
  #checkTelling(): void {
    for (const { error, role, group, token } of this.#failures) {
      const told = this.#told.filter((one) => Object.is(one, error)).length;
      const same = this.#failures.filter((failure) => Object.is(failure.error, error)).length;
      if (role === "onCancel" || role === "callback" || role === "onError") {
        if (this.#strayed.has(error)) continue;
        if (told < 1 || (same === 1 && told > 1))
          this.violate(`L9: what a callback threw, ${text(error)}, is told ${told} times`);
        continue;
      }
      if (token?.cancelRequested === true && (isCancellation(error) || Object.is(error, token.error?.reason)))
        continue;
      const unique = same === 1 && Object(error) === error;
      if (told < group.least || (unique && told > group.most)) {
        this.violate(`L2: ${text(error)}, a failure in ${group.name} (${role}), is told ${told} times`);
      }
    }
  }
}

const { setTimeout: after } = globalThis;

function slowly(): Promise<void> {
  return new Promise((resolve) => {
    after(resolve, 1);
  });
}

function isA(error: unknown, kind: abstract new (...args: never) => unknown): boolean {
  try {
    return error instanceof kind;
  } catch {
    return false;
  }
}

function isRefusal(error: unknown): boolean {
  return isA(error, TypeError) || isA(error, RangeError);
}

/** Calls back when a promise has settled; returns whether it can be asked. */
function afterwards(promise: Promise<unknown>, end: () => void): boolean {
  try {
    void Promise.prototype.then.call(promise, end, end);
    return true;
  } catch {
    return false;
  }
}

function has(owner: Loose | undefined, name: PropertyKey): owner is Loose {
  return typeof owner?.[name] === "function";
}

function isClosed(owner: Loose | undefined): boolean {
  return (owner?.["state"] as unknown) === "closed";
}

/** An error, and what is in it, none of which needs to be what it looks like. */
function partsOf(error: unknown): unknown[] {
  if (!(error instanceof TaskGroupError)) return [error];
  const { errors } = error;
  return Array.isArray(errors) ? [error, ...errors.flatMap(partsOf)] : [error];
}

function readName(error: unknown): unknown {
  try {
    return (error as Error).name;
  } catch {
    return undefined;
  }
}

/** An error in a line, whatever it is. */
export function text(error: unknown): string {
  try {
    // As the platform would print it, which may throw.
    const asText: (value: unknown) => string = String;
    const shown = Object(error) === error ? asText(error) : `${typeof error} ${asText(error)}`;
    return JSON.stringify(shown.slice(0, 160));
  } catch {
    return `an unprintable ${typeof error}`;
  }
}

export function describe({ op, at, value }: Operation): string {
  return `${op} ${at} (${show(value)})`;
}
