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
 * - R4. A fatal error cancels the owner's token, and with it everything, and outranks all else that is thrown. For the rest it is a
 *   failure like any other.
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
} from "@scope/core";
import { Ledger } from "./ledger.ts";
import { quoted, within } from "./within.ts";

export interface RosterOptions {
  readonly uniqueId?: string | undefined;
  readonly token?: TokenLike | undefined;
  readonly retain?: "all" | "failures" | undefined;
  readonly spawner?: TaskSpawner | undefined;
}

/** Takes the next task that has ended; `undefined`: nothing runs any more. */
type Waiter = (task?: Task<unknown>) => void;

/** What runs, by token: a function in its synchronous part has no task yet. */
type Live = Map<CancellationToken, Task<unknown> | undefined>;

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
  /** Whether what `main` fails with is the owner's own error: it is not logged, and comes bare if it is alone. */
  bare = true;
  /** Iterations in the order in which they began to wait. */
  readonly waiters = new Set<Waiter>();
  readonly #scope: TaskScope;
  readonly #spawner: TaskSpawner;
  readonly #keepAll: boolean;
  /** What failed or was cancelled in place of `main`, and nobody was thrown. */
  readonly #mains: Task<unknown>[] = [];
  #fatal: Task<unknown> | undefined;
  #stops = 0;

  constructor(className: string, options: RosterOptions = {}) {
    const { uniqueId = String(++lastId), token = CancellationToken.none, retain } = options;
    // What its tasks come to is told here.
    const scope = new TaskScope(
      { name: uniqueId, token, isFatal: () => false, onError: "ignore" },
      { kind: className },
    );
    this.uniqueId = uniqueId;
    this.label = `${className}:${uniqueId}`;
    this.outer = CancellationToken.from(token);
    this.#scope = scope;
    this.#spawner = options.spawner ?? scope;
    this.#keepAll = retain !== "failures";
    // Until it is cancelled.
    scope.run(() => sleep(Infinity, scope.token)).catch(() => undefined);
  }

  get token(): CancellationToken {
    return this.#scope.token;
  }

  /** The names of what runs, for messages. */
  names = (): (string | undefined)[] => this.#live(true).map(([, task]) => task?.name);

  spawn<T>(fn: TaskFunction<T>, name: string, logError: boolean): Task<T> {
    checkFunction("fn", fn);
    // Another spawner would not know.
    const spawner = this.token.cancelRequested ? this.#scope : this.#spawner;
    return this.#start(this.running, spawner, fn, name, logError, (task) => {
      this.offer(task, false);
      if (this.running.size === 0 && this.waiters.size > 0) void this.#endWaits();
    });
  }

  /** Starts what runs beside the tasks, and is not iterated. */
  begin<T>(fn: TaskFunction<T>): Task<T> {
    return this.#start(this.main, this.#scope, fn, this.label, !this.bare, (task) => {
      this.#mains.push(task);
    });
  }

  /** `whole`: `main` as well. */
  cancel(error: CancelledError, whole: boolean): void {
    const source = new CancellationSource();
    for (const [token] of this.#live(whole)) tie(token, source.token);
    source.cancel(error);
  }

  /** Waits for all, and throws what there is to throw, cancellations included. */
  async join(whole: boolean): Promise<void> {
    await this.#idle(whole);
    this.#settle(whole, true);
  }

  /** Cancels, waits, and throws, but no cancellation. `forGood`: nothing is started any more then. */
  async stop(whole: boolean, options: StopOptions = {}, forGood = false): Promise<void> {
    const { reason, timeout = Infinity } = options;
    checkDuration("timeout", timeout);
    const error = new CancelledError(reason, { source: "shutdown" });
    this.#stops++;
    if (forGood) this.#scope.cancel(error);
    else this.cancel(error, whole);
    try {
      await within(
        timeout,
        this.#idle(whole),
        CancellationToken.none,
        () => `${this.label} did not stop within ${timeout} ms; still running: ${quoted(this.names())}`,
      );
    } finally {
      this.#stops--;
    }
    this.#settle(whole, false, whole && forGood);
  }

  /** Hands a task to the iteration that has waited longest; else it is kept, if it is to be. */
  offer(task: Task<unknown>, putBack: boolean): void {
    const [waiter] = this.waiters;
    if (waiter === undefined && !this.#keepAll && task.status !== "failed") this.ledger.acknowledge(task);
    else {
      this.ledger.add(task, putBack);
      waiter?.(this.ledger.take());
    }
  }

  /** "<label> (<state>: <how many run>, waiting: <how many wait>)" */
  describe(state: string): string {
    return `${this.label} (${state}: ${this.running.size}, waiting: ${this.ledger.size})`;
  }

  /**
   * Acknowledges everything, and throws, by rank (L5): a fatal error, bare, which the end of `run` (`last`) never forgets; one
   * `TaskGroupError` of what failed, or, if that counts, was cancelled; the outer cancellation, if that counts and nothing failed.
   */
  #settle(whole: boolean, cancelled: boolean, last = false): void {
    const mains = whole ? this.#mains.splice(0) : [];
    const { tasks } = this.ledger;
    for (const task of tasks) this.ledger.acknowledge(task);
    const ended = [...mains, ...tasks].filter(({ status }) => status !== "succeeded");
    const failed = ended.filter(({ status }) => status === "failed");
    const fatal = last ? this.#fatal : failed.find(isFatal);
    if (fatal !== undefined) {
      for (const task of failed) if (task.error !== fatal.error) report(task, ", outranked by another error");
      throw fatal.error;
    }
    if (cancelled && failed.length === 0) this.outer.throwIfCancelled();
    // A main that awaited a task fails with the same object.
    const isOwn = (task: Task<unknown>): boolean => mains.includes(task);
    const listed = (cancelled ? ended : failed).filter(
      (task) => !isOwn(task) || !failed.some((other) => !isOwn(other) && other.error === task.error),
    );
    const errors = listed.map(({ error }) => error);
    const owners = listed.map((task) => (this.bare && isOwn(task) ? undefined : task));
    if (owners.some((owner) => owner !== undefined)) {
      throw new TaskGroupError(errors, `Error while stopping ${this.label}`, owners);
    }
    if (errors.length > 0) throw errors[0];
  }

  #start<T>(
    live: Live,
    spawner: TaskSpawner,
    fn: TaskFunction<T>,
    name: string,
    logError: boolean,
    ended: (task: Task<unknown>) => void,
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
      if (task.status === "failed" && logError) report(task);
      if (isFatal(task)) {
        this.#fatal ??= task;
        this.#scope.cancel(new CancelledError(task.error, { source: "sibling" }));
      }
      ended(task);
    });
    return task;
  }

  async #idle(whole: boolean): Promise<void> {
    for (let live = this.#live(whole); live.length > 0; live = this.#live(whole)) {
      await Promise.allSettled(live.map(([, task]) => task));
    }
  }

  #live(whole: boolean): [CancellationToken, Task<unknown> | undefined][] {
    return [...(whole ? this.main : []), ...this.running];
  }

  async #endWaits(): Promise<void> {
    await Promise.resolve();
    if (this.running.size === 0) for (const waiter of this.waiters) waiter();
  }
}

/** A task that ends cancelled, without a function of anybody's. */
function stillborn<T>(name: string): Task<T> {
  const task = backgroundSpawner.spawn<never>((token) => sleep(Infinity, token) as Promise<never>, { name });
  task.cancel(new CancelledError(undefined, { source: "shutdown" }));
  return task;
}

function isFatal({ status, error }: Task<unknown>): boolean {
  return status === "failed" && error instanceof FatalError;
}

function report(task: Task<unknown>, remark = ""): void {
  reportTaskError({ message: `Error in task "${task.name}"${remark}`, error: task.error, task });
}
