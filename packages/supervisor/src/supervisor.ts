import {
  type CancellationToken,
  type SpawnOptions,
  type StopOptions,
  type Task,
  type TaskFunction,
  type TaskSpawner,
  TimeoutError,
  brand,
  checkFunction,
  readable,
} from "@scope/core";
import { KEEPER, Team } from "./team.ts";
import type { Child, ChildFunction, ChildSpec, SupervisorOptions } from "./types.ts";
import { namesOf } from "./verdict.ts";

/**
 * An owner whose children go on when one of them fails, and that restarts those that should always be there.
 *
 * - **Begins** with {@link Supervisor.run} (or `new`) and **ends** when the body and every child have ended for good; a
 *   permanent child does so only when it is stopped.
 * - **A one-shot child fails** ({@link spawn}): `onError` is told at once (the process-wide handler by default); siblings and
 *   body go on, and nothing of it is kept.
 * - **A supervised child fails** ({@link supervise}): the same, and it is restarted after its spec and the supervisor's
 *   `strategy`. More than `maxRestarts` within `withinMs`, and the supervisor gives up: everything stops, and `run` and
 *   `join` reject with {@link RestartLimitError}.
 * - **It ends** (`cancel`, `stop`, outer cancellation, failure of the body, giving up): one-shot children and the body are
 *   asked at once, supervised ones one after another, the newest first, each after the one before has stopped or used up its
 *   `stopTimeout`. All are waited for; who was late is named in a `TimeoutError`.
 *
 * `concurrency` limits one-shot children; supervised ones are always there.
 *
 * The counterpart of OTP's `supervisor`, aiotools' `Supervisor`, and Kotlin's `supervisorScope`.
 *
 * @example
 * ```ts
 * await Supervisor.run(
 *   (supervisor) => {
 *     supervisor.supervise((token) => consumeQueue(token), { name: "consumer", backoff: { initial: 100, max: 5_000 } });
 *     server.on("connection", (socket) => supervisor.spawn((token) => handle(socket, token)));
 *   },
 *   { token: shutdown.token, onError: ({ message, error }) => logger.error({ error }, message) },
 * );
 * ```
 */
export class Supervisor implements TaskSpawner, AsyncDisposable {
  /**
   * Opens a supervisor, runs the body in it, waits for every child, and closes: resolves with the body's value, or rejects as
   * told above, as `TaskScope.run` does.
   */
  static async run<R>(
    body: (supervisor: Supervisor) => R | PromiseLike<R>,
    options?: SupervisorOptions,
  ): Promise<R> {
    checkFunction("body", body);
    const supervisor = open(options);
    return supervisor.#team.scope.run(async () => {
      try {
        return await body(supervisor);
      } finally {
        supervisor.#team.close();
      }
    });
  }

  static readonly [Symbol.hasInstance] = /* @__PURE__ */ brand(() => this, "Supervisor", readable);

  readonly #team: Team;

  /**
   * Opens a supervisor that ends with {@link join}, {@link stop} or `await using`.
   *
   * @throws TypeError, RangeError for a bad option; the message names it.
   */
  constructor(options: SupervisorOptions = {}) {
    this.#team = new Team(options);
  }

  get name(): string {
    return this.#team.scope.name;
  }

  /** Cancelled with the supervisor; the parent of every one-shot child's token, but of no supervised one's. */
  get token(): CancellationToken {
    return this.#team.scope.token;
  }

  get state(): "open" | "closing" | "closed" {
    return this.#team.scope.state;
  }

  get cancelRequested(): boolean {
    return this.#team.scope.cancelRequested;
  }

  /** How many tasks have not ended: one-shot children, and the running attempts of supervised ones. */
  get size(): number {
    const { keepers, attempts } = this.#team;
    return this.#team.scope.size - keepers.size + attempts.size;
  }

  /** A snapshot of those tasks. */
  get tasks(): ReadonlySet<Task<unknown>> {
    const { keepers, attempts } = this.#team;
    return new Set([...this.#team.scope.tasks, ...attempts.tasks].filter((task) => !keepers.has(task)));
  }

  /** The supervised children, in the order of their `supervise` calls; a temporary one until it has ended. */
  children(): IterableIterator<Child> {
    return this.#team.children.values();
  }

  /**
   * Starts a one-shot child: its failure is reported and touches nobody.
   *
   * @throws TypeError if `fn` is not a function.
   * @throws InvalidStateError if the supervisor is cancelled ("is shutting down") or closed; `fn` is then never called.
   */
  spawn<T>(fn: TaskFunction<T>, options?: SpawnOptions): Task<T> {
    this.#team.open();
    return this.#team.scope.spawn(fn, options);
  }

  /**
   * Starts a child that is restarted as its `spec` and the supervisor's strategy say. It begins inside this call, or, if an
   * earlier child is not ready yet, when that is; each attempt in the async context of this call (L10).
   *
   * A function that takes a second parameter says itself when it is ready: `(token, { ready }) => …`. To fail before that
   * counts as a failed start: the next child goes on waiting.
   *
   * @throws TypeError, RangeError for a bad argument; the message names it.
   * @throws InvalidStateError if there is a child of that name, or the supervisor is shutting down or closed.
   */
  supervise(fn: ChildFunction, spec: ChildSpec): Child {
    return this.#team.add(fn, spec);
  }

  /** Asks the body and all children to end: supervised ones in reverse order. Idempotent, never throws, waits for nobody. */
  cancel(reason?: unknown): void {
    this.#team.scope.cancel(reason);
  }

  /** Waits until no child is left; then the supervisor is closed. Rejects as told above. */
  join(): Promise<void> {
    this.#team.close();
    return this.#team.scope.join();
  }

  /**
   * Cancels and waits. From any other task, a signal handler or an HTTP handler. Rejects as {@link join} does, but never with
   * a cancellation.
   *
   * @throws TimeoutError (as a rejection) when `timeout` milliseconds have passed; it names the children that still run.
   */
  async stop(options?: StopOptions): Promise<void> {
    try {
      await this.#team.scope.stop(options);
    } catch (error) {
      if (!(error instanceof TimeoutError) || this.state === "closed") throw error;
      // The keeper is the oldest task: the names begin with its own.
      const [start = ""] = error.message.split(`"${KEEPER}"`);
      throw new TimeoutError(error.timeout, start + namesOf(this.tasks));
    }
  }

  /** The same as `stop()`: it cancels, since a disposer is not told whether its block ended well. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  toString(): string {
    const { label, children } = this.#team;
    return `${label} (${this.state}, tasks: ${this.size}, children: ${children.size})`;
  }
}

// Outside the class: one that mentions itself is renamed by bundlers, and shows it in every stack.
function open(options: SupervisorOptions | undefined): Supervisor {
  return new Supervisor(options);
}
