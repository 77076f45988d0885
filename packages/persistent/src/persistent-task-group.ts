/**
 * Who runs in a group or a service, who is told of an end, and who waits for all of them.
 *
 * ```text
 *            spawn                                               leaves this state when
 *   open     yes                                                 the outer token is cancelled, a fatal error comes, or
 *     │                                                          somebody stops it for good
 *     ▼
 *   shut     refused                                             never
 * ```
 *
 * In both of them it may be *stopping*: somebody is in `stop`. Then a spawn is not refused, but its task ends cancelled, and its
 * function is never called: whoever starts a successor in its clean-up is neither surprised by an error nor able to keep the stop
 * from ending.
 *
 * Own tasks live in the scope, lent ones in another spawner, tied to the scope's token. `cancel` reaches all that run through a
 * source made for it, in two phases (L8); so the group stays open.
 *
 * What runs beside tasks, the body of `run` and the `main` of a service, is the task of a second group on the same scope, which
 * knows the first: its `cancel`, `join` and `stop` are for both, and those of the first for the tasks alone.
 *
 * Invariants
 * - R1. `#running` has the tasks whose function has not settled. A wait ends only when nothing runs (L1).
 * - R2. When a task ends, in this order: a failure is told (`logError`); it is handed to the iteration that has waited longest, or
 *   kept; its other listeners are told; in a microtask of its own, if nothing runs even then, waiting iterations end.
 * - R3. While stopping, what runs only gets less: so `stop` ends as soon as what ran when it began has.
 * - R4. A fatal error cancels the token of both groups, and with it everything, and outranks all else that is thrown. For the rest it is a
 *   failure like any other.
 */
import {
  CancellationSource,
  CancellationToken,
  CancelledError,
  FatalError,
  type StopOptions,
  type Task,
  type TaskErrorContext,
  type TaskFunction,
  TaskGroupError,
  TaskScope,
  type TaskSpawner,
  backgroundSpawner,
  brand,
  checkDuration,
  checkFunction,
  readable,
  reportTaskError,
  sleep,
  tie,
} from "@scope/core";
import { Entry, enter, isLinked, leave, members, tasksOf } from "./ring.ts";
import type { CompletedTasks, PersistentSpawnOptions, PersistentTaskGroupOptions } from "./types.ts";
import { overdue, within } from "./within.ts";

type Step = IteratorResult<Task<unknown>, undefined>;

let lastId = 0;

/**
 * A group of tasks that lives as long as its owner: a failure is logged, disturbs nobody, and is kept until somebody has looked
 * at it.
 *
 * - **Begins** with {@link PersistentTaskGroup.run} (or `new`), and **ends** with the body of `run`, or with disposal. `cancel`,
 *   `join` and `stop` leave it open: what is spawned after them runs.
 * - **A task fails**: it is logged at once, under its name; siblings and body go on. It stays in {@link tasks} until it is
 *   acknowledged: by an iteration ({@link asCompleted}) that comes back for the next one, by {@link acknowledge}, or by `join` or
 *   `stop`, which throw all that is left as one `TaskGroupError`.
 * - **A task is cancelled**: it is kept and iterated like a failure; `join` throws it, `stop` does not.
 * - **The outer `token` is cancelled**: so is every task, and nothing more is started.
 * - **A `FatalError`** cancels everything, and comes out of `run`, `join` and `stop`, bare. An iteration hands its task out as any
 *   other.
 *
 * Idea: frequenz' `PersistentTaskGroup`.
 *
 * @example
 * ```ts
 * await PersistentTaskGroup.run(
 *   async (group) => {
 *     for (const target of targets) group.spawn((token) => probe(target, token), { name: target });
 *     for await (const task of group.asCompleted()) console.log(task.name, task.status);
 *   },
 *   { token },
 * );
 * ```
 */
export class PersistentTaskGroup implements TaskSpawner, AsyncDisposable {
  /**
   * Opens a group, runs the body in it, stops the group when the body has ended, and resolves with the body's value.
   *
   * Rejects, all tasks having ended, with the first of these that applies (L5): a fatal error, bare; one `TaskGroupError` of the
   * body's error and everything that failed and was not acknowledged; the body's error, bare; the outer cancellation. With an
   * outer token that is cancelled already the body is never called. Bad arguments reject too (TypeError).
   */
  static async run<R>(
    body: (group: PersistentTaskGroup) => R | PromiseLike<R>,
    options?: PersistentTaskGroupOptions,
  ): Promise<R> {
    checkFunction("body", body);
    const group = open(options);
    group.token.throwIfCancelled();
    const beside = open(undefined, group);
    const main = beside.spawn(() => body(group), { name: "", logError: false });
    await Promise.allSettled([main]);
    await beside[Symbol.asyncDispose]();
    group.#outer.throwIfCancelled();
    return main.result();
  }

  static readonly [Symbol.hasInstance] = /* @__PURE__ */ brand(() => this, "PersistentTaskGroup", readable);

  /** Names it in messages, and its tasks. */
  declare readonly uniqueId: string;
  /**
   * Cancelled with the outer token, by a fatal error, and when the group has ended for good; not by {@link cancel}, which
   * leaves the group open. Every task's token descends from it.
   */
  declare readonly token: CancellationToken;
  /** "<ClassName>:<uniqueId>": what names and messages begin with. */
  readonly #label: string;
  readonly #outer: CancellationToken;
  readonly #scope: TaskScope;
  readonly #lender: TaskSpawner;
  readonly #onlyFailures: boolean;
  readonly #running = new Entry();
  /** What has ended and is not acknowledged. */
  readonly #ended = new Entry();
  /** The same by task; made when somebody asks by task. */
  #index: Map<Task<unknown> | undefined, Entry> | undefined;
  /** Iterations in the order in which they began to wait. */
  readonly #waiters = new Entry();
  /** Of what runs beside tasks: their group, which is waited for, cancelled and told as well. */
  readonly #tasks: PersistentTaskGroup | undefined;
  /** What runs beside tasks fails as the owner itself: without a task, and bare if it is alone. */
  #bare = false;
  /** Of both: what was fatal, whoever has been told of it. */
  readonly #fatal: Task<unknown>[];
  /** Of those who are in `stop`. */
  readonly #stops: CancelledError[];
  #unnamed = 0;

  /**
   * Opens a group that ends with disposal. Prefer {@link PersistentTaskGroup.run}, which cannot be forgotten.
   *
   * @throws TypeError for a bad option; the message names it.
   */
  constructor(options?: PersistentTaskGroupOptions);
  /** @internal A service's tasks have the name of its class; what runs beside them has a group of its own. */
  constructor(
    options: PersistentTaskGroupOptions | undefined,
    className: string | undefined,
    tasks?: PersistentTaskGroup,
  );
  constructor(
    options: PersistentTaskGroupOptions = {},
    className = new.target.name,
    tasks?: PersistentTaskGroup,
  ) {
    const { uniqueId = String(++lastId), token = CancellationToken.none } = options;
    // What its tasks come to is told here.
    const scope = tasks
      ? tasks.#scope
      : new TaskScope({ name: uniqueId, token }, { kind: className, failed: () => false });
    this.uniqueId = scope.name;
    this.token = scope.token;
    this.#label = tasks ? tasks.#label : `${className}:${uniqueId}`;
    this.#outer = tasks ? tasks.#outer : CancellationToken.from(token);
    this.#fatal = tasks ? tasks.#fatal : [];
    this.#stops = tasks ? tasks.#stops : [];
    this.#scope = scope;
    this.#lender = options.spawner ?? scope;
    this.#onlyFailures = options.retain === "failures";
    this.#tasks = tasks;
    // Until it is cancelled.
    if (!tasks) scope.run(() => sleep(Infinity, scope.token)).catch(() => undefined);
  }

  /** Whether any task is running. */
  get isRunning(): boolean {
    return isLinked(this.#running);
  }

  /** A snapshot of the tasks that run, and of those that have ended and are not acknowledged, which come first. */
  get tasks(): ReadonlySet<Task<unknown>> {
    return new Set(tasksOf([...members(this.#ended), ...members(this.#running)]));
  }

  /**
   * Starts a task: its function is called at once, up to its first `await`. Its name is "<ClassName>:<uniqueId>:<name>". What is
   * spawned while somebody is in {@link stop} ends cancelled, and its function is never called.
   *
   * @throws TypeError if `fn` is not a function.
   * @throws InvalidStateError if the outer token is cancelled ("is shutting down"), or all has ended for good ("is closed"); `fn`
   * is then never called.
   */
  spawn<T>(fn: TaskFunction<T>, options: PersistentSpawnOptions = {}): Task<T> {
    checkFunction("fn", fn);
    const { name: suffix = `task-${++this.#unnamed}`, logError = true } = options;
    const name = this.#label + (suffix && `:${suffix}`);
    if (this.#tasks) this.#bare = !logError;
    const [stopping] = this.#stops;
    if (stopping) return stillborn(name, stopping);
    const scope = this.#scope;
    const entry = new Entry();
    // Another spawner would not know that this group takes nothing more.
    const spawner = scope.cancelRequested ? scope : this.#lender;
    const task = spawner.spawn(
      (token) => {
        entry.token = token;
        enter(entry, this.#running);
        return fn(token);
      },
      { name },
    );
    entry.task = task;
    entry.token = task.token;
    // Without having been called it waits for its turn.
    enter(entry, this.#running);
    if (spawner !== scope) task.onDone(tie(task.token, scope.token));
    task.onDone(() => {
      leave(entry);
      if (logError && hasFailed(task)) report(task.name, task.error, task);
      if (isFatal(task)) {
        scope.cancel(new CancelledError(task.error, { source: "sibling" }));
        this.#fatal.push(task);
      }
      this.#offer(entry);
      if (!this.isRunning) void this.#endWaits();
    });
    return task;
  }

  /** Asks all to end, before it returns. Idempotent, never throws, waits for nobody; it stays open. */
  cancel(reason?: unknown): void {
    const source = new CancellationSource();
    for (const { token } of this.#alive()) if (token) tie(token, source.token);
    source.cancel(reason);
  }

  /**
   * Waits until nothing runs, what is spawned meanwhile included. Then it acknowledges everything, and rejects, by rank, with a
   * fatal error; with one `TaskGroupError` of what had failed or was cancelled; with the outer cancellation, if nothing failed.
   * Of several who wait at once the first to settle tells, and the others resolve.
   */
  async join(): Promise<void> {
    await this.#idle();
    this.#settle(true);
  }

  /**
   * Cancels and waits. Rejects as {@link join} does, but never with a cancellation.
   *
   * @throws TimeoutError (as a rejection) when `timeout` milliseconds have passed; it names what still runs. That has been asked;
   * what fails is then for the next `join`.
   */
  stop(options?: StopOptions): Promise<void> {
    return this.#stop(options, false);
  }

  /**
   * The same as `stop()`, for good: from then on `spawn` is refused. It cancels, since a disposer is not told whether its block
   * ended well.
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#stop({}, true);
  }

  /**
   * Hands out what has ended, in the order of the ends, what is spawned meanwhile included; it ends when nothing runs and nothing
   * waits to be handed out.
   *
   * - A task is **acknowledged** when the loop comes back for the next one. A loop that is left (`break`, `throw`) leaves it to
   *   whoever asks next. Two iterations at once never get the same task.
   * - `timeout`: the longest wait for each next one, in milliseconds. When it has passed, the iteration just ends; 0 waits for
   *   nothing. @default Infinity
   *
   * **Pitfall.** A task is thenable. An async generator that yields one, or an async function that returns one, hands out what
   * the task came to instead: pass tasks on with a hand-written iterator, or inside an object.
   *
   * The counterpart of frequenz' `as_completed`.
   *
   * @throws TypeError, RangeError for a bad `timeout`.
   *
   * @example
   * ```ts
   * for await (const task of group.asCompleted({ timeout: 5_000 })) {
   *   if (task.status === "failed") group.spawn((token) => again(task, token));
   * }
   * ```
   */
  asCompleted(options: { timeout?: number | undefined } = {}): CompletedTasks {
    const { timeout = Infinity } = options;
    checkDuration("timeout", timeout);
    let held: Entry | undefined;
    let over = false;
    let pending = 0;
    let last: Promise<Step> | undefined;
    const waiter = new Entry();

    /** For the next end, the end of everything, or the end of the loop. */
    const woken = (): Promise<void> =>
      new Promise((resolve) => {
        waiter.wake = (entry) => {
          leave(waiter);
          held = entry;
          resolve();
        };
        enter(waiter, this.#waiters);
      });

    const advance = async (): Promise<Step> => {
      if (!over) {
        if (held) this.#forget(held);
        held = this.#take();
        if (!held && timeout > 0 && this.isRunning) {
          await (timeout < Infinity ? within(timeout, woken) : woken());
          leave(waiter);
        }
      }
      pending--;
      over = !held;
      return { done: over, value: held?.task } as Step;
    };

    const iterator: CompletedTasks = {
      [Symbol.asyncIterator]: () => iterator,
      // One step after another, should somebody not wait for the one before.
      next: () => (last = pending++ && last ? last.then(advance) : advance()),
      return: () => {
        over = true;
        if (held && isLinked(held)) this.#offer(held);
        waiter.wake?.();
        held = undefined;
        return iterator.next();
      },
      async [Symbol.asyncDispose]() {
        await iterator.return();
      },
    };
    return iterator;
  }

  /**
   * Takes note of a task that has ended, also one that a loop holds: it is not handed out, nor thrown. Returns whether there was
   * anything to acknowledge: false for a task that runs, was acknowledged before, or is not this group's.
   */
  acknowledge(task: Task<unknown>): boolean {
    this.#index ??= new Map(members(this.#ended).map((entry) => [entry.task, entry]));
    const entry = this.#index.get(task);
    if (entry) this.#forget(entry);
    return entry !== undefined;
  }

  toString(): string {
    const waiting = members((this.#tasks ?? this).#ended);
    return `${this.#label} (running: ${this.#alive().length}, waiting: ${waiting.length})`;
  }

  async #endWaits(): Promise<void> {
    // Its other listeners may spawn.
    await Promise.resolve();
    while (!this.isRunning && isLinked(this.#waiters)) this.#waiters.after.wake?.();
  }

  /** What runs here and, beside tasks, those. */
  #alive(): Entry[] {
    return [...members(this.#running), ...(this.#tasks ? this.#tasks.#alive() : [])];
  }

  async #idle(): Promise<void> {
    while (this.#alive().length > 0) await Promise.allSettled(tasksOf(this.#alive()));
  }

  async #stop({ reason, timeout = Infinity }: StopOptions = {}, forGood: boolean): Promise<void> {
    checkDuration("timeout", timeout);
    const error = new CancelledError(reason, { source: "shutdown" });
    this.#stops.push(error);
    if (forGood) this.#scope.cancel(error);
    else this.cancel(error);
    const inTime = await within(timeout, () => this.#idle());
    this.#stops.pop();
    if (!inTime)
      throw overdue(
        timeout,
        "Stopping",
        tasksOf(this.#alive()).map(({ name }) => name),
      );
    this.#settle(false);
  }

  /** Has what has ended handed to the iteration that has waited longest; else it is kept, if it is to be. */
  #offer(entry: Entry): void {
    entry.held = false;
    if (this.#onlyFailures && !isLinked(this.#waiters) && entry.task?.status !== "failed") {
      this.#forget(entry);
      return;
    }
    if (!isLinked(entry)) {
      this.#index?.set(entry.task, entry);
      enter(entry, this.#ended);
    }
    this.#waiters.after.wake?.(this.#take());
  }

  /** The first one that waits, to be held. */
  #take(): Entry | undefined {
    let entry = this.#ended.after;
    while (entry.held) entry = entry.after;
    if (entry === this.#ended) return undefined;
    entry.held = true;
    return entry;
  }

  #forget(entry: Entry): void {
    leave(entry);
    this.#index?.delete(entry.task);
  }

  /** Acknowledges everything, and returns what has not succeeded. */
  #forgetAll(): Task<unknown>[] {
    const entries = members(this.#ended);
    for (const entry of entries) this.#forget(entry);
    return tasksOf(entries).filter(({ status }) => status !== "succeeded");
  }

  /**
   * Acknowledges everything, and throws, by rank (L5): a fatal error, bare; one `TaskGroupError` of what failed, or, if that
   * counts, was cancelled; the outer cancellation, if that counts and nothing failed.
   */
  #settle(cancelled: boolean): void {
    const own = this.#forgetAll();
    const tasks = this.#tasks ? this.#tasks.#forgetAll() : [];
    // Who awaited a task fails with the same object, which is told once.
    const isNews = ({ error }: Task<unknown>): boolean =>
      !tasks.some((task) => hasFailed(task) && task.error === error);
    const ended = [...own.filter(isNews), ...tasks];
    const failed = ended.filter(hasFailed);
    const [fatal] = this.#tasks ? this.#fatal.splice(0) : own.filter(isFatal);
    if (fatal) {
      for (const task of failed) if (task.error !== fatal.error) report(task.name, task.error, task);
      throw fatal.error;
    }
    if (cancelled && failed.length === 0) this.#outer.throwIfCancelled();
    const listed = cancelled ? ended : failed;
    const errors = listed.map(({ error }) => error);
    const owners = listed.map((task) => (this.#bare && own.includes(task) ? undefined : task));
    if (owners.length === 1 && !owners[0]) throw errors[0];
    if (owners.length > 0) throw new TaskGroupError(errors, `Error while stopping ${this.#label}`, owners);
  }
}

// Outside the class: one that mentions itself is renamed by bundlers, and shows it in every stack.
function open(options?: PersistentTaskGroupOptions, tasks?: PersistentTaskGroup): PersistentTaskGroup {
  return new PersistentTaskGroup(options, undefined, tasks);
}

/** A task that ends cancelled, without a function of anybody's. */
function stillborn<T>(name: string, error: CancelledError): Task<T> {
  const task = backgroundSpawner.spawn<never>((token) => sleep(Infinity, token) as Promise<never>, { name });
  task.cancel(error);
  return task;
}

function hasFailed({ status }: Task<unknown>): boolean {
  return status === "failed";
}

function isFatal(task: Task<unknown>): boolean {
  return hasFailed(task) && task.error instanceof FatalError;
}

export function report(name: string, error: unknown, task?: Task<unknown>): void {
  reportTaskError({ message: `Error in task "${name}"`, error, task } as TaskErrorContext);
}
