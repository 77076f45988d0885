/**
 * Background tasks: owned by the process, and by whoever runs its main.
 *
 * ```text
 *   spawn ──▶ its token or the root's is cancelled, or  ──yes──▶ a task that ends `cancelled`: fn is never called
 *             somebody stops the background tasks?
 *                        │ no
 *                        ▼
 *             the scope that this token has now, or a new one ──▶ the task: fn is called
 *
 *   a scope     begins with the first task of a token, is kept in `scopes`, and closes when its last task has ended;
 *               that of tasks without a token stays open until somebody stops the background tasks
 * ```
 *
 * Invariants
 * - G1. Every live task is in a scope, and every scope that has one is in `scopes`, from before its function is called:
 *   so the task is reachable until it is done (L1), listed, and asked by whoever stops all of them.
 * - G2. A scope has one outer token, and its tasks' tokens descend from it (L8). When it has closed, nothing of it is
 *   left on that token (L7).
 * - G3. While `stops` is not empty, no function is called: what is spawned meanwhile ends `cancelled`. So stopping
 *   ends, however much the tasks spawn on their way out.
 * - G4. A failure has one reporter (L2): the guard of the task; else, if it is a fatal one, the main; else the
 *   process-wide handler.
 * - G5. The registry is one per process, shared by every copy of this package, because `runMain` and
 *   `stopBackgroundTasks` speak for the process. Other copies see scopes through their public methods alone.
 */
import {
  CancellationSource,
  CancelledError,
  CancellationToken,
  type ErrorPolicy,
  FatalError,
  type StopOptions,
  type Task,
  type TaskErrorContext,
  type TaskFunction,
  TaskScope,
  TimeoutError,
  type TokenLike,
  backgroundSpawner,
  checkFunction,
  reportTaskError,
  sleep,
} from "@scope/core";
import type { BackgroundOptions } from "./types.ts";

/** What background tasks see of a running `runMain`. */
export interface Main {
  readonly token: TokenLike;
  /** Ends the program for a failure that nobody has reported: of a task that is not guarded. */
  fail(error: unknown, who: string): void;
  /** Ends the program for a failure that has been reported: of a guarded task. */
  failed(error: unknown, who: string, exitCode: number): void;
}

interface Registry {
  readonly scopes: Set<TaskScope>;
  /** Of everybody who stops the background tasks now. */
  readonly stops: Set<CancelledError>;
  main?: Main | undefined;
}

const REGISTRY = /* @__PURE__ */ Symbol.for("@scope/guarded");

interface Shared {
  [REGISTRY]?: Registry | undefined;
}

export function registry(): Registry {
  return ((globalThis as Shared)[REGISTRY] ??= { scopes: new Set(), stops: new Set() });
}

/** The scope that a token has now, or had last. */
export type Scopes = WeakMap<TokenLike, TaskScope>;

const reporting: Scopes = /* @__PURE__ */ new WeakMap();

/**
 * Starts a task in the background: for fire-and-forget work, also from plain callbacks such as event handlers.
 *
 * - **Begins** inside this call, and ends when the promise of its function has settled; until then it is kept
 *   reachable, and listed in {@link backgroundTasks}. Nobody waits for it but {@link stopBackgroundTasks}, and a
 *   `runMain` at its end.
 * - **It fails**: the process-wide handler is told at once, with its name; nobody else is disturbed. Under `runMain` a
 *   `FatalError` ends the program in the orderly way instead.
 * - **It is cancelled** by `task.cancel()`, by {@link stopBackgroundTasks}, and by its token: `token`, or under
 *   `runMain` the root token. If that is cancelled already, the task ends `cancelled`, and the function is never
 *   called.
 *
 * The counterpart of an `asyncio.create_task` whose result is kept in a set and looked at.
 *
 * @throws TypeError if `fn` is not a function, `name` not a string, or `token` not a token. It throws nothing else:
 * whether the program is ending is not the caller's to know.
 *
 * @example
 * ```ts
 * button.addEventListener("click", () => {
 *   spawn((token) => save(id, token), { name: "save" });
 * });
 * ```
 */
export function spawn<T>(fn: TaskFunction<T>, options?: BackgroundOptions): Task<T> {
  return start(fn, options, reporting, onError);
}

/** The same for tasks of any kind: each has its scopes, and its reporter (G4). */
export function start<T>(
  fn: TaskFunction<T>,
  options: BackgroundOptions = {},
  current: Scopes,
  onError: ErrorPolicy,
): Task<T> {
  checkFunction("fn", fn);
  const { scopes, stops, main } = registry();
  const { token = main?.token ?? CancellationToken.none, name } = options;
  let scope = current.get(token);
  let fresh = false;
  if (!scope || scope.state === "closed" || scope.cancelRequested) {
    scope = new TaskScope({ name: "background", token, isFatal: () => false, onError });
    fresh = true;
  }
  const [refusal = scope.token.error] = stops;
  if (refusal) {
    if (fresh) void dropWhenEmpty(scope);
    // Stands in for the task: it waits for its cancellation, and needs no owner.
    const task = backgroundSpawner.spawn((own) => sleep(Infinity, own), { name });
    task.cancel(refusal);
    return task as Task<unknown> as Task<T>;
  }
  if (fresh) {
    current.set(token, scope);
    scopes.add(scope);
  }
  try {
    return scope.spawn(fn, { name });
  } finally {
    // Somebody's token may live for long, and the scope is not to stay on it.
    if (fresh && options.token !== undefined) void dropWhenEmpty(scope);
  }
}

/** The background tasks that have not ended, guarded ones too: a fresh snapshot. */
export function backgroundTasks(): ReadonlySet<Task<unknown>> {
  return new Set(Array.from(registry().scopes).flatMap((scope) => [...scope.tasks]));
}

/**
 * Cancels all background tasks, with source "shutdown", and waits until they have ended. What is spawned meanwhile ends
 * `cancelled` without being called; afterwards tasks can be spawned again. Their failures go to their reporters, and
 * are not thrown here.
 *
 * A background task that awaits this waits for itself: leave it to another one's code, or use `runMain`.
 *
 * @throws TimeoutError (as a rejection) when `timeout` milliseconds have passed; it names the tasks that still run.
 * They have been asked, and another call waits for them.
 * @throws TypeError, RangeError (as rejections) if `timeout` is no number >= 0.
 */
export async function stopBackgroundTasks(options: StopOptions = {}): Promise<void> {
  const { reason, timeout = Infinity } = options;
  // Whoever ends promptly is in time for 0, too.
  const timer = new CancellationSource({ timeout: timeout === 0 ? 1 : timeout });
  const left = await stopAll(new CancelledError(reason, { source: "shutdown" }), timer.token);
  timer[Symbol.dispose]();
  if (left.size > 0) {
    throw new TimeoutError(
      timeout,
      `Background tasks did not stop within ${timeout} ms${stillRunning([], left)}`,
    );
  }
}

/** Stops all tasks, or gives up when the limit is cancelled. Returns those that have not ended. */
export async function stopAll(
  request: CancelledError,
  limit: CancellationToken,
): Promise<ReadonlySet<Task<unknown>>> {
  const { scopes, stops } = registry();
  stops.add(request);
  for (const scope of scopes) scope.cancel(request);
  while (scopes.size > 0 && !limit.cancelRequested) {
    await limit.race(Promise.all(Array.from(scopes, dropWhenEmpty))).catch(() => undefined);
  }
  stops.delete(request);
  return backgroundTasks();
}

/** The end of a message. */
export function stillRunning(others: readonly string[], tasks: ReadonlySet<Task<unknown>>): string {
  const names = others.concat(Array.from(tasks, ({ name }) => `"${name}"`));
  return `; still running: ${names.join(", ")}`;
}

/** Waits until a scope is empty: then it is closed, and forgotten. */
function dropWhenEmpty(scope: TaskScope): Promise<unknown> {
  const drop = (): unknown => registry().scopes.delete(scope);
  return scope.join().then(drop, drop);
}

/** G4. */
function onError(context: TaskErrorContext): void {
  const { task, error } = context as Required<TaskErrorContext>;
  const { main } = registry();
  if (main && error instanceof FatalError) main.fail(error, describe(task.name));
  else reportTaskError(context);
}

export function describe(name: string): string {
  return `background task (name="${name}")`;
}
