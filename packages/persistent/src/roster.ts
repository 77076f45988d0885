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
 * source made for it, in two phases (L8); so the owner stays open.
 *
 * Invariants
 * - R1. `running`, and `main`, have the tasks whose function has not settled. A wait ends only when nothing runs (L1).
 * - R2. When a task ends, in this order: a failure is told (`logError`); it is handed to the iteration that has waited longest, or
 *   kept; its other listeners are told; in a microtask of its own, if nothing runs even then, waiting iterations end.
 * - R3. While stopping, what runs only gets less: so `stop` ends as soon as what ran when it began has.
 * - R4. A fatal error cancels the owner's token, and with it everything; it is thrown, not acknowledged.
 */
import {
  CancellationSource,
  CancellationToken,
  CancelledError,
  FatalError,
  type StopOptions,
  type Task,
  type TaskFunction,
  TaskGroupError,
  TaskScope,
  type TaskSpawner,
  type TokenLike,
  backgroundSpawner,
  checkDuration,
  checkFunction,
  reportTaskError,
  sleep,
  tie,
  wrongType,
} from "@scope/core";
import { type Entry, Ledger } from "./ledger.ts";
import { quoted, within } from "./within.ts";

export interface RosterOptions {
  readonly uniqueId?: string | undefined;
  readonly token?: TokenLike | undefined;
  readonly retain?: "all" | "failures" | undefined;
  readonly spawner?: TaskSpawner | undefined;
}

/** Takes the next task that has ended; `undefined`: nothing runs any more. */
type Waiter = (entry: Entry | undefined) => void;

/** What runs, by token: a function in its synchronous part has no task yet. */
type Live = Map<CancellationToken, Task<unknown> | undefined>;

const OUTRANKED = ", outranked by another error";

let lastId = 0;

export class Roster {
  readonly uniqueId: string;
  /** "<ClassName>:<uniqueId>": what names and messages begin with. */
  readonly label: string;
  readonly outer: CancellationToken;
  readonly ledger = new Ledger();
  readonly running: Live = new Map();
  /** A service's `main`, or the body of `run`. */
  readonly main: Live = new Map();
  /** Iterations in the order in which they began to wait. */
  readonly waiters = new Set<Waiter>();
  /** `told`: somebody was thrown it. */
  fatal: { readonly error: unknown; told: boolean } | undefined;
  readonly #scope: TaskScope;
  readonly #spawner: TaskSpawner;
  readonly #keepAll: boolean;
  /** What failed or was cancelled in place of `main`, and nobody was thrown. */
  readonly #mains: Task<unknown>[] = [];
  #stops = 0;

  constructor(className: string, options: RosterOptions = {}) {
    const { uniqueId = String(++lastId), token = CancellationToken.none, retain = "all" } = options;
    if (!["all", "failures"].includes(retain)) throw wrongType("retain", '"all" or "failures"', retain);
    const scope = new TaskScope(
      { name: uniqueId, token, isFatal: () => false, onError: "ignore" },
      { kind: className },
    );
    const { spawner = scope } = options;
    checkFunction("spawner.spawn", Reflect.get(spawner, "spawn"));
    this.uniqueId = uniqueId;
    this.label = `${className}:${uniqueId}`;
    this.outer = CancellationToken.from(token);
    this.#scope = scope;
    this.#spawner = spawner;
    this.#keepAll = retain === "all";
    // Until it is cancelled; what its tasks come to is told here.
    scope.run(() => sleep(Infinity, scope.token)).catch(() => undefined);
  }

  get token(): CancellationToken {
    return this.#scope.token;
  }

  spawn<T>(fn: TaskFunction<T>, name: string, logError: boolean): Task<T> {
    checkFunction("fn", fn);
    // Another spawner would not know.
    const spawner = this.token.cancelRequested ? this.#scope : this.#spawner;
    return this.#start(this.running, spawner, fn, name, logError, (task) => {
      if (task !== undefined) this.offer(this.ledger.add(task), true);
      if (this.running.size === 0 && this.waiters.size > 0) void this.#endWaits();
    });
  }

  /** Starts what runs beside the tasks, and is not iterated. */
  begin<T>(fn: TaskFunction<T>, logError: boolean): Task<T> {
    return this.#start(this.main, this.#scope, fn, this.label, logError, (task) => {
      if (task !== undefined && task.status !== "succeeded") this.#mains.push(task);
    });
  }

  /** `whole`: `main` as well. */
  cancel(error: CancelledError, whole: boolean): void {
    const source = new CancellationSource();
    for (const [token] of this.#live(whole)) tie(token, source.token);
    source.cancel(error);
  }

  /** Waits for all, and throws what there is to throw (see {@link settle}), cancellations included. */
  async join(whole: boolean): Promise<void> {
    await this.#idle(whole);
    this.settle(whole, true);
  }

  /** Cancels, waits, and throws, but no cancellation. `forGood`: nothing is started any more then. */
  async stop(
    whole: boolean,
    options: StopOptions = {},
    forGood = false,
    body?: Task<unknown>,
  ): Promise<void> {
    const { reason, timeout = Infinity } = options;
    checkDuration("timeout", timeout);
    const error = new CancelledError(reason, { source: "shutdown" });
    this.#stops++;
    if (forGood) this.#scope.cancel(error);
    else this.cancel(error, whole);
    try {
      await within(timeout, this.#idle(whole), () => {
        const names = this.#live(whole).map(([, task]) => task?.name);
        return `${this.label} did not stop within ${timeout} ms; still running: ${quoted(names)}`;
      });
    } finally {
      this.#stops--;
    }
    this.settle(whole, false, body);
  }

  /**
   * Acknowledges everything, and throws, by rank (L5): a fatal error, bare; one `TaskGroupError` of what failed, or, if that
   * counts, was cancelled; the outer cancellation, if that counts and nothing failed. A `body` that failed alone comes bare.
   */
  settle(whole: boolean, cancelled: boolean, body?: Task<unknown>): void {
    const ended = [...(whole ? this.#mains.splice(0) : []), ...this.ledger.takeAll()];
    const failed = ended.filter(({ status }) => status === "failed");
    const { fatal } = this;
    if (fatal?.told === false) {
      fatal.told = true;
      for (const task of failed) report(task, OUTRANKED);
      throw fatal.error;
    }
    if (cancelled && failed.length === 0) this.outer.throwIfCancelled();
    // Who awaits a task fails with the same object.
    const listed = (cancelled ? ended : failed).filter(
      (task) => task !== body || !failed.some((other) => other !== body && other.error === body.error),
    );
    const errors = listed.map(({ error }) => error);
    const tasks = listed.map((task) => (task === body ? undefined : task));
    if (tasks.some((task) => task !== undefined)) {
      throw new TaskGroupError(errors, `Error while stopping ${this.label}`, tasks);
    }
    if (errors.length > 0) throw errors[0];
  }

  /** Hands a task to the iteration that has waited longest; else it is kept, if it is to be: `ended`, or put back. */
  offer(entry: Entry, ended = false): void {
    const [waiter] = this.waiters;
    if (waiter !== undefined) waiter(entry);
    else if (this.#keepAll || entry.task.status === "failed") this.ledger.keep(entry, ended);
    else this.ledger.acknowledge(entry.task);
  }

  /** `ended` is told the task, unless its end is told elsewhere. */
  #start<T>(
    live: Live,
    spawner: TaskSpawner,
    fn: TaskFunction<T>,
    name: string,
    logError: boolean,
    ended: (task: Task<unknown> | undefined) => void,
  ): Task<T> {
    if (this.#stops > 0) return stillborn(name);
    const task = spawner.spawn(
      (token) => {
        live.set(token, undefined);
        return fn(token);
      },
      { name },
    );
    live.set(task.token, task);
    const untie = spawner === this.#scope ? undefined : tie(task.token, this.token);
    task.onDone(() => {
      live.delete(task.token);
      untie?.();
      const fatal = task.status === "failed" && task.error instanceof FatalError;
      if (fatal) this.#end(task);
      else if (task.status === "failed" && logError) report(task);
      ended(fatal ? undefined : task);
    });
    return task;
  }

  /** A fatal error has come (R4). */
  #end(task: Task<unknown>): void {
    const { error } = task;
    this.fatal ??= { error, told: false };
    if (this.fatal.error !== error) report(task, OUTRANKED);
    this.#scope.cancel(new CancelledError(error, { source: "sibling" }));
  }

  async #idle(whole: boolean): Promise<void> {
    for (let live = this.#live(whole); live.length > 0; live = this.#live(whole)) {
      await Promise.allSettled(live.flatMap(([, task]) => task ?? []));
    }
  }

  #live(whole: boolean): [CancellationToken, Task<unknown> | undefined][] {
    return [...(whole ? this.main : []), ...this.running];
  }

  async #endWaits(): Promise<void> {
    await Promise.resolve();
    if (this.running.size === 0) for (const waiter of this.waiters) waiter(undefined);
  }
}

/** A task that ends cancelled, without a function of anybody's. */
function stillborn<T>(name: string): Task<T> {
  const task = backgroundSpawner.spawn<T>((token) => token.race(new Promise(() => undefined)), { name });
  task.cancel(new CancelledError(undefined, { source: "shutdown" }));
  return task;
}

function report(task: Task<unknown>, remark = ""): void {
  reportTaskError({ message: `Error in task "${task.name}"${remark}`, error: task.error, task });
}
