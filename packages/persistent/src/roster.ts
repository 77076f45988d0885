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
  TimeoutError,
  type TaskSpawner,
  type TokenLike,
  backgroundSpawner,
  checkDuration,
  checkFunction,
  reportTaskError,
  sleep,
  tie,
} from "@scope/core";
import { type Entry, enter, isLinked, leave, members, openEntry } from "./ring.ts";
import type { PersistentSpawnOptions } from "./types.ts";
import { within } from "./within.ts";

export interface RosterOptions {
  readonly uniqueId?: string | undefined;
  readonly token?: TokenLike | undefined;
  readonly retain?: "all" | "failures" | undefined;
  readonly spawner?: TaskSpawner | undefined;
}

/** How something has ended: a task, or what an owner has to tell itself. */
type Ending = Task<unknown> | { readonly status: Task<unknown>["status"]; readonly error: unknown };

export interface Roster {
  readonly uniqueId: string;
  /** "<ClassName>:<uniqueId>": what names and messages begin with. */
  readonly label: string;
  readonly token: CancellationToken;
  readonly outer: CancellationToken;
  readonly running: Entry;
  /** A service's `main`, or the body of `run`. */
  readonly main: Entry;
  /** Iterations in the order in which they began to wait. */
  readonly waiters: Entry;
  /** The names of what runs, for messages. */
  names(): (string | undefined)[];
  spawn<T>(fn: TaskFunction<T>, options?: PersistentSpawnOptions): Task<T>;
  /** Starts what runs beside the tasks, and is not iterated. */
  begin<T>(fn: TaskFunction<T>): Task<T>;
  /** Has an end told by whoever waits for all. Who awaited a task fails with the same object, which is told once. */
  note(ending: Ending): void;
  /** Has what has ended handed to the iteration that has waited longest; else it is kept, if it is to be. */
  offer(entry: Entry, putBack: boolean): void;
  /** The first one that waits, to be held. */
  take(): Entry | undefined;
  forget(entry: Entry): void;
  acknowledge(task: Task<unknown>): boolean;
  /** What has ended and is not acknowledged, and what runs. */
  tasks(): Task<unknown>[];
  /** `whole`: `main` as well. */
  cancel(reason: unknown, whole: boolean): void;
  /** Waits for all, and throws what there is to throw, cancellations included. */
  join(whole: boolean): Promise<void>;
  /** Cancels, waits, and throws, but no cancellation. `forGood`: nothing is started any more then. */
  stop(whole: boolean, options?: StopOptions, forGood?: boolean): Promise<void>;
  throwIfFatal(): void;
  describe(whole: boolean): string;
}

let lastId = 0;

/** `bare`: what `main` fails with is the owner's own error: it is not logged, has no task, and comes bare if it is alone. */
export function openRoster(className: string, options: RosterOptions = {}, bare = true): Roster {
  const { uniqueId = String(++lastId), token: outer = CancellationToken.none, retain } = options;
  // What its tasks come to is told here.
  const scope = new TaskScope(
    { name: uniqueId, token: outer, isFatal: () => false, onError: "ignore" },
    { kind: className },
  );
  const { spawner: lender = scope } = options;
  const { token } = scope;
  const label = `${className}:${uniqueId}`;
  const running = openEntry();
  const main = openEntry();
  /** What has ended: what waits, the longest first, and what iterations hold. Whatever is in neither has been acknowledged. */
  const line = openEntry();
  const held = openEntry();
  /** Both, by task; made when somebody asks by task. */
  let index: Map<Task<unknown> | undefined, Entry> | undefined;
  const waiters = openEntry();
  /** What `main`s, and the owner itself, came to, and nobody was thrown. */
  const notes: Ending[] = [];
  let fatal: Ending | undefined;
  /** Of those who are in `stop`. */
  const stops: CancelledError[] = [];
  let unnamed = 0;

  // Until it is cancelled.
  scope.run(() => sleep(Infinity, token)).catch(() => undefined);

  /** `beside`: as `main`, else as one of the tasks. */
  const start = <T>(fn: TaskFunction<T>, name: string, logError: boolean, beside: boolean): Task<T> => {
    const [stopping] = stops;
    if (stopping) return stillborn(name, stopping);
    const live = beside ? main : running;
    const entry = openEntry();
    // Another spawner would not know that this owner takes nothing more.
    const spawner = beside || token.cancelRequested ? scope : lender;
    const task = spawner.spawn(
      (own) => {
        entry.token = own;
        enter(entry, live);
        return fn(own);
      },
      { name },
    );
    entry.task = task;
    entry.token = task.token;
    // It has to wait for its turn.
    if (!isLinked(entry)) enter(entry, live);
    const untie = spawner === scope ? undefined : tie(task.token, token);
    task.onDone(() => {
      leave(entry);
      untie?.();
      const failed = hasFailed(task);
      if (failed && logError) report(task, label);
      if (beside) roster.note(bare ? { status: task.status, error: task.error } : task);
      else {
        if (failed) heed(task);
        roster.offer(entry, false);
        if (isLinked(waiters) && !isLinked(running)) void endWaits();
      }
    });
    return task;
  };

  const endWaits = async (): Promise<void> => {
    // Its other listeners may spawn.
    await Promise.resolve();
    if (!isLinked(running)) for (const waiter of members(waiters)) waiter.wake?.();
  };

  /** R4. */
  const heed = (ending: Ending): void => {
    if (!isFatal(ending.error)) return;
    fatal ??= ending;
    scope.cancel(new CancelledError(ending.error, { source: "sibling" }));
  };

  const alive = (whole: boolean): Entry[] => [...(whole ? members(main) : []), ...members(running)];

  const kept = (): Entry[] => [...members(held), ...members(line)];

  const idle = async (whole: boolean): Promise<void> => {
    for (let live = alive(whole); live.length > 0; live = alive(whole)) {
      await Promise.allSettled(live.map(({ task }) => task as PromiseLike<unknown>));
    }
  };

  /**
   * Acknowledges everything, and throws, by rank (L5): a fatal error, bare, which the end of `run` never forgets; one
   * `TaskGroupError` of what failed, or, if that counts, was cancelled; the outer cancellation, if that counts and nothing failed.
   */
  const settle = (whole: boolean, cancelled: boolean): void => {
    const entries = kept();
    for (const entry of entries) roster.forget(entry);
    const ended: Ending[] = [...(whole ? notes.splice(0) : []), ...tasksOf(entries)];
    const failed = ended.filter(hasFailed);
    const first = whole && bare ? fatal : failed.find(({ error }) => isFatal(error));
    if (first) {
      for (const ending of failed) if (ending.error !== first.error) report(ending, label);
      throw first.error;
    }
    if (cancelled && failed.length === 0) roster.outer.throwIfCancelled();
    const listed = cancelled ? ended.filter(({ status }) => status !== "succeeded") : failed;
    const errors = listed.map(({ error }) => error);
    const owners = listed.map((ending) => ("name" in ending ? ending : undefined));
    const [error] = errors;
    if (owners.length === 1 && !owners[0] && (bare || error instanceof TimeoutError)) throw error;
    if (owners.length > 0) throw new TaskGroupError(errors, `Error while stopping ${label}`, owners);
  };

  const roster: Roster = {
    uniqueId,
    label,
    token,
    outer: CancellationToken.from(outer),
    running,
    main,
    waiters,
    names: () => alive(true).map(({ task }) => task?.name),
    spawn(fn, { name = `task-${++unnamed}`, logError = true } = {}) {
      checkFunction("fn", fn);
      return start(fn, `${label}:${name}`, logError, false);
    },
    begin: (fn) => start(fn, label, !bare, true),
    note(ending) {
      const isSame = (other: Ending): boolean => hasFailed(other) && other.error === ending.error;
      heed(ending);
      if (![...notes, ...tasksOf(kept())].some(isSame)) notes.push(ending);
    },
    offer(entry, putBack) {
      if (!isLinked(waiters) && retain === "failures" && entry.task?.status !== "failed")
        roster.forget(entry);
      else {
        index?.set(entry.task, entry);
        enter(entry, putBack ? line.after : line);
        waiters.after.wake?.(roster.take());
      }
    },
    take() {
      const entry = line.after;
      if (entry === line) return undefined;
      enter(entry, held);
      return entry;
    },
    forget: (entry) => {
      leave(entry);
      index?.delete(entry.task);
    },
    acknowledge(task) {
      index ??= new Map(kept().map((entry) => [entry.task, entry]));
      const entry = index.get(task);
      if (entry) roster.forget(entry);
      return entry !== undefined;
    },
    tasks: () => tasksOf([...kept(), ...alive(false)]),
    cancel(reason, whole) {
      const source = new CancellationSource();
      for (const { token: own } of alive(whole)) if (own) tie(own, source.token);
      source.cancel(reason);
    },
    async join(whole) {
      await idle(whole);
      settle(whole, true);
    },
    async stop(whole, { reason, timeout = Infinity } = {}, forGood = false) {
      checkDuration("timeout", timeout);
      const error = new CancelledError(reason, { source: "shutdown" });
      stops.push(error);
      if (forGood) scope.cancel(error);
      else roster.cancel(error, whole);
      try {
        await within(
          timeout,
          () => idle(whole),
          `Stopping ${label}`,
          () => roster.names(),
        );
      } finally {
        stops.pop();
      }
      settle(whole, false);
    },
    throwIfFatal() {
      if (fatal) throw fatal.error;
    },
    describe: (whole) => `${label} (running: ${alive(whole).length}, waiting: ${kept().length})`,
  };
  return roster;
}

/** A task that ends cancelled, without a function of anybody's. */
function stillborn<T>(name: string, error: CancelledError): Task<T> {
  const task = backgroundSpawner.spawn<never>((token) => sleep(Infinity, token) as Promise<never>, { name });
  task.cancel(error);
  return task;
}

function tasksOf(entries: readonly Entry[]): Task<unknown>[] {
  return entries.flatMap(({ task }) => task ?? []);
}

function hasFailed({ status }: Ending): boolean {
  return status === "failed";
}

export function isFatal(error: unknown): boolean {
  return error instanceof FatalError;
}

function report(ending: Ending, owner: string): void {
  const { error } = ending;
  if ("name" in ending) reportTaskError({ message: `Error in task "${ending.name}"`, error, task: ending });
  else reportTaskError({ message: `Error in ${owner}`, error });
}
