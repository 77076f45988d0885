/**
 * The scope: owner of a set of tasks, none of which outlives it.
 *
 * ```text
 *   state      spawn                        leaves this state when
 *   open       yes                          cancel, join, stop, the end of the body, or an outer cancellation
 *     │
 *     ▼
 *   closing    until cancelled, then        somebody waits (join, stop, or run after its body)
 *     │        refused: "is shutting down"  and no task is left
 *     ▼
 *   closed     refused: "is closed"         never
 * ```
 *
 * "closing" is derived, not stored: the token is cancelled, or somebody has begun to wait.
 *
 * When a task ends, in one microtask and in this order: it leaves the live set; `hasErrors`; `onTaskDone`; a failure goes
 * to its reporter (fatal: kept for `run`; a policy's `failed`; else `onError`); the task's own listeners; its slot goes to
 * the next in line; and only then, if nothing is left and somebody waits, the scope closes. So every one of these may
 * still spawn.
 *
 * Invariants
 * - C1. `size` is the number of tasks whose function has not settled. A scope closes only at 0 (L1).
 * - C2. A scope closes once, and hands its outcome to everybody waiting at that moment, as one object. Later calls
 *   resolve. `run` waits only after its body: what was told while the body still ran is not told again, unless it is
 *   fatal, or the body was interrupted by what led to it.
 * - C3. The outcome is chosen by rank (L5): fatal, errors, timeout, outer cancellation. What a fatal error outranks goes
 *   to the process-wide handler.
 * - C4. Nothing of a finished task is kept, but for the first fatal error, until it is thrown.
 * - C5. The tie to the outer token and the deadline are undone when the scope has closed and its body has ended.
 * - C6. Its token knows it only while somebody observes: otherwise a scope that was dropped could not be told from one that is kept.
 */
import { type Leftovers, unwatch, watch } from "./abandoned.ts";
import { checkCount, checkDuration, checkFunction, checkName, wrongType } from "./arguments.ts";
import { brand, readable } from "./brand.ts";
import { startDeadline } from "./cancellation-source.ts";
import { CancellationToken, Token, cancelToken, toToken, unlink } from "./cancellation-token.ts";
import { creationSite, debugging, keepSite } from "./debug.ts";
import { CancelledError, FatalError, InvalidStateError, TimeoutError } from "./errors.ts";
import { emit, observed, ownerOf } from "./observe.ts";
import { callSafely, reportTaskError } from "./report.ts";
import { Slots } from "./slots.ts";
import { type Listeners, OwnedTask, type Task, isOwnCancellation, start, tell } from "./task.ts";
import { TaskGroupError, firstLine } from "./task-group-error.ts";
import { startTimer } from "./timer.ts";
import type {
  CancelSource,
  ErrorPolicy,
  ScopePolicy,
  SpawnOptions,
  StopOptions,
  TaskErrorContext,
  TaskFunction,
  TaskScopeOptions,
  TaskSpawner,
} from "./types.ts";

/** How a scope has ended, by rank (C3): 0 fatal, 1 errors, 2 timeout, 3 outer cancellation. */
interface Ending {
  readonly rank: 0 | 1 | 2 | 3;
  readonly error: unknown;
}

const PLAIN: ScopePolicy = { kind: "TaskScope" };

const OUTRANKED = ", outranked by another error";

let lastId = 0;

/**
 * Owns tasks: waits for them, cancels them together, and lets none outlive it. The plain owner, on which the other
 * packages build theirs: a failed task is reported at once (`onError`) and disturbs nobody; only a {@link FatalError}
 * cancels the siblings. For fail-fast groups see `@scope/taskgroup`.
 *
 * - **Begins** with `run` (or `new`) and **ends** when the body and every task have ended; `run`, `join`, `stop` and
 *   disposal settle after that (L1).
 * - **A task fails**: `onError` is told; siblings and body go on.
 * - **The body fails**: everything is cancelled and waited for, then `run` rejects with the body's error.
 * - **It is cancelled** (`cancel`, `stop`, its `timeout`, the outer `token`): all tasks and the body are asked through
 *   their tokens, and waited for however long they take. Pending tasks are never called.
 *
 * Idea: the proposed `asyncio.TaskScope` (CPython PR 105011), with the composition that its reviewer asked for; Kotlin's
 * `supervisorScope`, trio's nurseries.
 *
 * **Pitfalls.** A task that awaits `join()` or `stop()` of its own scope waits for itself for ever: use `cancel()`. Under
 * `concurrency`, a task that awaits a pending sibling keeps its slot while it waits.
 *
 * @example
 * ```ts
 * const total = await TaskScope.run(async (scope) => {
 *   scope.spawn((token) => heartbeat(token), { name: "heartbeat" });
 *   const sizes = files.map((file) => scope.spawn((token) => measure(file, token)));
 *   let sum = 0;
 *   for (const size of sizes) sum += await size;
 *   scope.cancel("done");
 *   return sum;
 * });
 * ```
 */
export class TaskScope implements TaskSpawner, AsyncDisposable {
  /**
   * Opens a scope, runs the body in it, waits for every task, and closes: resolves with the body's value.
   *
   * Rejects, all tasks having ended, with the first of these that applies (L5): a fatal error, bare; the body's error;
   * `TimeoutError` if `timeout` is what cancelled the scope; the outer cancellation; the scope's own cancellation, if
   * that interrupted the body. With an outer token that is cancelled already the body is never called (unless
   * `shield`). Bad arguments reject too (TypeError, RangeError), before anything has started.
   */
  static async run<R>(
    body: (scope: TaskScope) => R | PromiseLike<R>,
    options?: TaskScopeOptions,
  ): Promise<R> {
    checkFunction("body", body);
    return open(options).run(body);
  }

  static readonly [Symbol.hasInstance] = /* @__PURE__ */ brand(() => this, "TaskScope", readable);

  /**
   * @internal One that never goes: when a full collection finds no instance alive, V8 forgets what it has learnt about the
   * class, and drops the code that it has optimised for it. Nameless: inspectors pass it over.
   */
  static readonly _kept: unknown = /* @__PURE__ */ new this({ name: "" });

  /** Cancelled with the scope; the parent of every task's token. */
  declare readonly token: CancellationToken;
  readonly #onError: ErrorPolicy;
  readonly #isFatal: (error: unknown) => boolean;
  readonly #onTaskDone: ((task: Task<unknown>) => void) | undefined;
  readonly #policy: ScopePolicy;
  /** @internal */ declare readonly _outer: CancellationToken;
  readonly #slots: Slots | undefined;
  #name: string | undefined;
  #size = 0;
  #hasErrors = false;
  /** Nobody waits yet; somebody does; closed. Being cancelled is the token's to know. */
  #phase: "open" | "waiting" | "closed" = "open";
  /** The end of a task is being told: the scope does not close meanwhile. */
  #telling = false;
  /** Made for the first who waits. */
  #waiters: ((ending: Ending | undefined) => void)[] | undefined;
  #body: "none" | "running" | "ended" = "none";
  #leftovers: Leftovers | undefined;
  #fatal: Ending | undefined;
  /** The body's, which `run` alone throws, unless a policy has taken it over. */
  #failure: Ending | undefined;
  /** @internal What the deadline cancels the scope with. */
  declare _expired: TimeoutError | undefined;
  #told: Ending | undefined;
  /** What a policy had collected when a fatal error outranked it, while the body runs. */
  #outranked: unknown;
  #disarm: (() => void) | undefined;
  readonly #site: string | undefined;

  /**
   * Opens a scope that ends with {@link join}, {@link stop} or `await using`. Prefer {@link TaskScope.run}, which cannot
   * be forgotten and knows how its body ended. A scope that got tasks and was dropped is named in a `console.warn`.
   *
   * @param policy for owners built on a scope, see {@link ScopePolicy}.
   * @throws TypeError, RangeError for a bad option; the message names it.
   */
  constructor(options: TaskScopeOptions = {}, policy: ScopePolicy = PLAIN) {
    const { name, timeout = Infinity, concurrency = Infinity, onError = "report" } = options;
    const { token = CancellationToken.none, isFatal = isFatalError, onTaskDone } = options;
    checkName(name);
    checkDuration("timeout", timeout);
    checkCount("concurrency", concurrency, 1);
    if (onError !== "report" && onError !== "ignore" && typeof onError !== "function") {
      throw wrongType("onError", '"report", "ignore" or a function', onError);
    }
    checkFunction("isFatal", isFatal);
    if (onTaskDone !== undefined) checkFunction("onTaskDone", onTaskDone);
    const outer = toToken("token", token);
    this.#policy = policy;
    this._outer = outer;
    this.#name = name;
    this.#onError = onError;
    this.#isFatal = isFatal;
    this.#onTaskDone = onTaskDone;
    this.#site = creationSite();
    this.token = new Token(options.shield === true ? undefined : outer);
    if (observed()) {
      this.token._owner = this;
      emit("scopeOpened", this, ownerOf(outer), policy.kind);
    }
    if (concurrency !== Infinity) this.#slots = new Slots(concurrency);
    if (timeout !== Infinity) {
      this._expired = new TimeoutError(timeout, `${this.#label} timed out after ${timeout} ms`);
      this.#disarm = startDeadline(this.token, timeout, this._expired);
    }
  }

  get name(): string {
    return (this.#name ??= `${this.#policy.kind.toLowerCase()}-${++lastId}`);
  }

  /** "closing" from the first `cancel`, `join`, `stop` or end of the body on, and after an outer cancellation. */
  get state(): "open" | "closing" | "closed" {
    if (this.#phase === "closed") return "closed";
    return this.#phase === "open" && !this.token.cancelRequested ? "open" : "closing";
  }

  get cancelRequested(): boolean {
    return this.token.cancelRequested;
  }

  /** How many tasks have not ended, pending ones included. */
  get size(): number {
    return this.#size;
  }

  /** Whether anything has failed here. */
  get hasErrors(): boolean {
    return this.#hasErrors;
  }

  /** A snapshot of the live tasks, oldest first. */
  get tasks(): ReadonlySet<Task<unknown>> {
    const tasks: Task<unknown>[] = [];
    for (let token = this.token._newest; token; token = token._older) {
      if ((token._owner as Partial<Task<unknown>> | undefined)?._state)
        tasks.push(token._owner as Task<unknown>);
    }
    return new Set(tasks.reverse());
  }

  /**
   * Starts a task: its function is called at once, up to its first `await`, with the task's own token. Nothing that
   * follows from its end happens inside `spawn`, even if it returns or throws at once (L6). Under `concurrency` it may
   * have to wait as `pending`; its function sees the async context of this call all the same (L10).
   *
   * @throws TypeError if `fn` is not a function.
   * @throws InvalidStateError if the scope is cancelled ("is shutting down") or closed; `fn` is then never called.
   */
  spawn<T>(fn: TaskFunction<T>, options?: SpawnOptions): Task<T> {
    checkFunction("fn", fn);
    const name = options?.name;
    checkName(name);
    if (this.#phase === "closed" || this.token._error !== undefined) throw this.#refusal();
    if (this.#body === "none" && !this.#leftovers) this.#watch();
    const task = new OwnedTask<T>(this, this.token, name);
    this.#size++;
    if (debugging) keepSite(task.token, this._outer, `Task "${task.name}" of ${this.#label}`);
    if (observed()) emit("taskSpawned", task, this, options);
    if (this.#slots === undefined) start(task, fn);
    else this.#slots.enter(task, fn);
    return task;
  }

  /**
   * Asks the body and all tasks to end, before it returns. Idempotent, never throws, waits for nobody. Not an error:
   * `run` still resolves if the body returns a value.
   */
  cancel(reason?: unknown): void {
    this.#cancel(reason, "explicit");
  }

  /**
   * Runs a body in this scope, which it then closes; {@link TaskScope.run} with a scope that was made before, for owners
   * built on top.
   *
   * @throws InvalidStateError (as a rejection) if a body was run here before, or somebody has begun to wait.
   */
  async run<R>(body: (scope: this) => R | PromiseLike<R>): Promise<R> {
    checkFunction("body", body);
    if (this.#phase !== "open" || this.#body !== "none") {
      throw new InvalidStateError(`${this.#label} was entered before: open another`);
    }
    this.#body = "running";
    let value: R | undefined;
    let interrupted = this.token._error !== undefined;
    if (!interrupted) {
      try {
        const given = body(this);
        // No turn of the microtask queue for what cannot be a promise.
        value = Object(given) === given ? await given : (given as R);
      } catch (error) {
        // What `join` or `stop` threw, or listed, while the body ran has been told; otherwise the body fails like a child.
        const told = this.#told?.error;
        interrupted =
          isOwnCancellation(this.token, error, this._outer) ||
          isListed(error, this.#outranked) ||
          (this.#told !== undefined && (told === error || isListed(error, told)));
        if (!interrupted) this.#failed(error, undefined);
      }
    }
    this.#body = "ended";
    // Closed already: somebody joined while the body ran, and what has come since is the body's alone.
    let ending = this.state === "closed" ? this.#ending() : await this.#closed();
    this.#release();
    const told = this.#told;
    const failure = this.#failure;
    this.#told = this.#failure = this.#outranked = undefined;
    if (interrupted && told && told.rank <= (ending?.rank ?? 3)) ending = told;
    if (failure) {
      if (!ending || ending.rank > 1) ending = failure;
      else if (ending.error !== failure.error) this.#report(failure.error, undefined, "report", OUTRANKED);
    }
    if (ending) throw ending.error;
    if (interrupted) throw this.token._error;
    return value as R;
  }

  /**
   * Waits until no task is left; then the scope is closed. Waits for the tasks, not for a running body.
   *
   * Rejects with a fatal error, a `TimeoutError` if the scope's own deadline cancelled it, or the outer cancellation. Who
   * joins a scope that has closed before gets no second telling: it resolves.
   */
  async join(): Promise<void> {
    const ending = await this.#closed();
    if (ending) throw ending.error;
  }

  /**
   * Cancels with source "shutdown" and waits for every task. Rejects as {@link join} does, but never with a cancellation.
   *
   * @throws TimeoutError (as a rejection) when `timeout` milliseconds have passed; it names the tasks that still run.
   * They have been asked, and can be waited for with another `join` or `stop`.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    const { reason, timeout = Infinity } = options;
    checkDuration("timeout", timeout);
    this.#cancel(reason, "shutdown");
    const ending = await this.#closed(timeout);
    if (ending && ending.rank !== 3) throw ending.error;
  }

  /**
   * The same as `stop()`, so that `await using` leaves nothing behind. It cancels, since a disposer is not told whether its
   * block ended well: to wait for the tasks, `join` at the end of the block, or use {@link TaskScope.run}.
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  toString(): string {
    return `${this.#label} (${this.state}, tasks: ${this.#size}, pending: ${this.#slots?.waiting ?? 0})`;
  }

  /** @internal The end of a task; called from a microtask. The order is the one at the top of the file. */
  _ended(task: Task<unknown>, listeners: Listeners | undefined): void {
    this.#size--;
    this.#telling = true;
    const failed = task._state === "failed";
    if (failed) this.#hasErrors = true;
    if (this.#onTaskDone !== undefined) callSafely(this.#onTaskDone, task, "onTaskDone", this);
    if (failed) this.#failed(task._outcome, task);
    if (listeners) tell(task, listeners);
    this.#slots?.leave();
    this.#telling = false;
    if (this.#size === 0 && this.#waiters?.length) this.#close();
  }

  /** @internal */
  _asked(error: CancelledError): void {
    unlink(this.token);
    if (observed()) emit("cancelRequested", this, error);
  }

  get #label(): string {
    return `${this.#policy.kind} "${this.name}"`;
  }

  #cancel(reason: unknown, source: CancelSource): void {
    if (this.#phase === "closed" && this.#body !== "running") return;
    cancelToken(this.token, new CancelledError(reason, { source }));
  }

  /** A task or, without one, the body has failed. */
  #failed(error: unknown, task: Task<unknown> | undefined): void {
    this.#hasErrors = true;
    let fatal = false as boolean;
    const ask = (): void => {
      fatal = this.#isFatal(error);
    };
    callSafely(ask, undefined, "isFatal", this);
    let cancelSiblings = fatal || !task;
    if (fatal) this.#fatal ??= { rank: 0, error };
    if (this.#leftovers) {
      this.#leftovers.fatal = this.#fatal;
      // An unread stack, a cause's or a member's too, refers to this scope, which its leftovers are not to keep alive.
      readStack(error);
    }
    if (fatal && this.#fatal?.error === error) {
      // The first one is thrown by whoever waits, and whoever fails with that very error has no news.
    } else if (this.#policy.failed) {
      if (this.#policy.failed(error, task)) cancelSiblings = true;
    } else if (!task) this.#failure = { rank: 1, error };
    else this.#report(error, task, fatal ? "report" : this.#onError, fatal ? OUTRANKED : "");
    // Somebody else's `CancelledError` would be used as it is, and say that this was no sibling's doing.
    if (cancelSiblings) this.#cancel(error instanceof CancelledError ? firstLine(error) : error, "sibling");
  }

  #report(error: unknown, task: Task<unknown> | undefined, onError: ErrorPolicy, remark = ""): void {
    if (onError === "ignore") return;
    const who = task ? `task "${task.name}"` : "the body";
    const message = `Error in ${who} of ${this.#label}${remark}`;
    const context: TaskErrorContext = { message, error, scope: this.name, ...(task && { task }) };
    if (onError === "report" || !callSafely(onError, context, "onError", this)) reportTaskError(context);
  }

  // These two are apart for the sake of `spawn`: see `emit`.

  #refusal(): InvalidStateError {
    const why =
      this.#phase === "closed" ? "closed: open another" : "shutting down: check cancelRequested first";
    return new InvalidStateError(`${this.#label} is ${why}`);
  }

  #watch(): void {
    if (this.#phase !== "open") return;
    this.#leftovers = watch(this, { label: this.#label, site: this.#site, policy: this.#policy });
  }

  /** Begins to wait; resolves with the outcome, which who comes after the close is not told (C2). */
  #closed(timeout = Infinity): Promise<Ending | undefined> {
    if (this.#leftovers) this.#leftovers.awaited = true;
    if (this.#phase === "closed") return Promise.resolve(undefined);
    this.#phase = "waiting";
    if (observed()) emit("awaited", this);
    const promise = new Promise<Ending | undefined>((resolve, reject) => {
      const waiter = (ending: Ending | undefined): void => {
        disarm();
        resolve(ending);
      };
      const disarm = startTimer(timeout, () => {
        this.#waiters = this.#waiters?.filter((other) => other !== waiter);
        const names = Array.from(this.tasks, ({ name }) => `"${name}"`).join(", ");
        const message = `${this.#label} did not stop within ${timeout} ms; still running: ${names}`;
        reject(new TimeoutError(timeout, message));
      });
      (this.#waiters ??= []).push(waiter);
    });
    if (this.#size === 0 && !this.#telling) this.#close();
    return promise;
  }

  #close(): void {
    this.#phase = "closed";
    if (observed()) emit("scopeClosed", this);
    const ending = this.#ending();
    if (this.#body === "running") this.#told = ending;
    else this.#release();
    // Whoever waits had this called.
    const waiters = this.#waiters!;
    this.#waiters = undefined;
    for (const waiter of waiters) waiter(ending);
  }

  /** Takes the outcome (C3). */
  #ending(): Ending | undefined {
    const error = this.#policy.outcome?.(() => this.#label);
    if (this.#fatal) {
      if (error !== undefined) {
        if (this.#body === "running") this.#outranked = error;
        const { errors = [error], tasks = [] } = error as Partial<TaskGroupError>;
        errors.forEach((member, index) => {
          this.#report(member, tasks[index], "report", OUTRANKED);
        });
      }
      return this.#fatal;
    }
    if (error !== undefined) return { rank: 1, error };
    if (this._expired && this.token._error?.reason === this._expired) {
      return { rank: 2, error: this._expired };
    }
    const outer = this._outer.error;
    return outer && { rank: 3, error: outer };
  }

  /** C5. */
  #release(): void {
    if (this.#leftovers) unwatch(this);
    this.#disarm?.();
    this.#disarm = this.#fatal = undefined;
    this.token._owner = undefined;
    unlink(this.token);
  }
}

// Outside the class: one that mentions itself is renamed by bundlers, and shows it in every stack.
function open(options: TaskScopeOptions | undefined): TaskScope {
  return new TaskScope(options);
}

function isListed(error: unknown, group: unknown): boolean {
  return group instanceof TaskGroupError && group.errors.includes(error);
}

function readStack(error: unknown): unknown {
  try {
    const { stack, cause, errors } = error as Partial<AggregateError>;
    return [stack, cause && readStack(cause), errors?.map(readStack)];
  } catch {
    return undefined; // No error, one that cannot be looked at, or its own cause.
  }
}

function isFatalError(error: unknown): boolean {
  return error instanceof FatalError;
}
