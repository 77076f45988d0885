/**
 * The supervised children of one supervisor: who runs, who is next, who goes with whom.
 *
 * State x event -> state. `-`: nothing happens. `!`: cannot be.
 *
 * | | its turn | ended by itself | ended | back-off over | stop() | restart() | a strategy's stop | shutdown |
 * |---|---|---|---|---|---|---|---|---|
 * | waiting | running | ! | ! | ! | stopped | - | - | stopped |
 * | running | ! | see below | ! | ! | stopping | stopping, then begins | stopping, then waits | stopping |
 * | stopping | ! | ! | stopped, begins or waits | ! | then stopped | then begins, unless a strategy waits for it | - | then stopped |
 * | backing-off | ! | ! | ! | running | stopped | running | waiting | stopped |
 * | stopped, failed | ! | ! | ! | ! | - | running | - | - |
 *
 * An attempt that has ended by itself is restarted if it is permanent, or transient and failed; within the limit: it is
 * backing-off (one-for-one), or it waits, and whom the strategy names with it, until all of those have stopped. Past the limit
 * it has failed, and the supervisor gives up. One that is not restarted has failed or stopped; if it is significant, the
 * supervisor stops.
 *
 * Invariants
 * - V1. The order is that of the `supervise` calls, also after restarts: children start in it, each after the one before is
 *   ready, and stop in reverse, each after the one before has ended or used up its `stopTimeout`.
 * - V2. A child has at most one attempt at any time, however late it is.
 * - V3. A child's token descends from no other: what stops it is this file.
 * - V4. While a child is alive (not ended for good), one task of the supervisor's scope, the keeper, is. So the scope waits for
 *   the children, and their shutdown begins when it is cancelled, however that came.
 */
import {
  type CancelSource,
  CancellationSource,
  type CancellationToken,
  CancelledError,
  FatalError,
  InvalidStateError,
  type Task,
  TaskScope,
  reportTaskError,
  sleep,
} from "@scope/core";
import { RestartLimitError } from "./restart-limit-error.ts";
import { RestartWindow } from "./restart-window.ts";
import { type Attempt, type ChildOwner, SupervisedChild } from "./supervised-child.ts";
import type { ChildFunction, ChildSpec, SupervisorEvent, SupervisorOptions } from "./types.ts";
import { type Verdict, late } from "./verdict.ts";

/** The name of the task that stands for the children in the supervisor's scope (V4): no user's, and never shown. */
export const KEEPER = "\0supervised children";

export class Team implements ChildOwner {
  readonly children = new Map<string, SupervisedChild>();
  readonly #scope: TaskScope;
  readonly #verdict: Verdict;
  readonly #options: SupervisorOptions;
  readonly #window: RestartWindow;
  readonly #keeps: (keeper: Task<void>) => void;
  /** The attempts run here: a scope that is never cancelled (V3). */
  #nursery: TaskScope | undefined;
  /** Lets the keeper end. */
  #dismiss!: () => void;
  /** How many children have not ended for good. */
  #alive = 0;
  /** Who waits for its turn, in order. */
  #line = new Set<SupervisedChild>();
  /** Who has begun and is not ready: the next one waits for that. */
  #opening: SupervisedChild | undefined;
  /** Who is being stopped, to be started again together. */
  #affected: Set<SupervisedChild> | undefined;
  /** When the affected may start again, on the clock of `performance.now()`. */
  #due = 0;
  /** Ends their wait. */
  #wait = new CancellationSource();
  #shutdown: CancelledError | undefined;
  #fatal: { readonly error: unknown } | undefined;

  /** `keeps`: called when the scope has got a keeper. */
  constructor(
    scope: TaskScope,
    verdict: Verdict,
    options: SupervisorOptions,
    keeps: (keeper: Task<void>) => void,
  ) {
    this.#keeps = keeps;
    this.#scope = scope;
    this.#verdict = verdict;
    this.#options = options;
    this.#window = new RestartWindow(options.maxRestarts ?? 3, this.#steady);
  }

  /** The running attempts. */
  get tasks(): Iterable<Task<unknown>> {
    return this.#nursery?.tasks ?? [];
  }

  get size(): number {
    return this.#nursery?.size ?? 0;
  }

  add(fn: ChildFunction, spec: ChildSpec): SupervisedChild {
    const child = new SupervisedChild(this, fn, spec);
    this.#checkName(child);
    this.#admit(child);
    this.#line.add(child);
    // Begun inside the call if nobody is before it: this is the context that its function is to see.
    this.#advance(child);
    return child;
  }

  begin(child: SupervisedChild): void {
    const nursery = this.#nursery;
    if ((child.state !== "waiting" && child.state !== "backing-off") || nursery === undefined) return;
    const attempt: Attempt = { begun: performance.now(), task: undefined, ready: false };
    child.state = "running";
    child.attempt = attempt;
    const ready = (): void => {
      if (attempt.ready || child.attempt !== attempt) return;
      attempt.ready = true;
      // Not inside the function: it would find the next child begun before it is through its own first step.
      void Promise.resolve().then(() => {
        if (child.attempt === attempt && child.state === "running") this.#isReady(child);
      });
    };
    const { fn, name } = child;
    const run = async (token: CancellationToken): Promise<void> => {
      await fn(token, { ready });
    };
    const task = nursery.spawn(run, { name });
    attempt.task = task;
    this.#emit({ type: "started", child });
    task.onDone(() => {
      this.#ended(child, attempt, task);
    });
    if (fn.length < 2 && !attempt.ready) {
      attempt.ready = true;
      this.#isReady(child);
    }
  }

  async stop(child: SupervisedChild): Promise<void> {
    if (child.attempt === undefined) {
      if (child.state === "waiting" || child.state === "backing-off") this.#finish(child, "stopped");
      return;
    }
    child.next = "stop";
    if (!(await this.#ask(child, new CancelledError(undefined, { source: "shutdown" }))))
      throw late(this.#label, [child]);
  }

  async restart(child: SupervisedChild): Promise<void> {
    if (this.#scope.cancelRequested) {
      throw new InvalidStateError(`${this.#label} is shutting down: child "${child.name}" stays stopped`);
    }
    const settled = child.settled.next();
    switch (child.state) {
      case "running":
        child.next = "begin";
        void this.#ask(child, new CancelledError("Restarted by hand", { source: "shutdown" }));
        break;
      case "stopping":
        if (child.next === "stop") child.next = "begin";
        break;
      case "backing-off":
        child.interrupt?.();
        child.go();
        break;
      case "waiting":
        // Its turn in the line comes; a back-off together with siblings it does not wait for.
        if (this.#affected?.has(child) === true) this.#beginByHand(child);
        break;
      case "stopped":
      case "failed":
        this.#checkName(child);
        this.#admit(child);
        child.go();
        break;
    }
    await settled;
  }

  #checkName(child: SupervisedChild): void {
    const namesake = this.children.get(child.name);
    if (namesake === undefined || namesake === child) return;
    throw new InvalidStateError(
      `${this.#label} has a child named "${child.name}": give each a name of its own`,
    );
  }

  /** Opens the nursery, and with it the keeper (V4); one more child is alive. */
  #admit(child: SupervisedChild): void {
    if (this.#nursery === undefined || this.#scope.cancelRequested) this.#open();
    this.children.set(child.name, child);
    child.state = "waiting";
    this.#alive++;
  }

  #open(): void {
    const { onError, onTaskDone } = this.#options;
    const nursery = new TaskScope(
      {
        name: this.#scope.name,
        onTaskDone,
        // A fatal error is the keeper's to carry out: the nursery's own way would cancel all children at once.
        isFatal: () => false,
        onError: (context) => {
          const { error } = context;
          if (this.#isFatal(error)) {
            if (this.#fatal !== undefined && this.#fatal.error !== error) reportTaskError(context);
            this.#fatal ??= { error };
            this.#cancel(error, "sibling");
          } else if (typeof onError === "function") onError(context);
          else if (onError !== "ignore") reportTaskError(context);
        },
      },
      { kind: "Supervisor" },
    );
    // Refused if the supervisor is shutting down or closed: nothing has happened by then.
    const keeper = this.#scope.spawn(
      async (token) => {
        token.onCancel((error) => {
          this.#stopAll(error);
        });
        await nursery.run(
          () =>
            new Promise<void>((resolve) => {
              this.#dismiss = resolve;
            }),
        );
        if (this.#fatal !== undefined) throw this.#fatal.error;
      },
      { name: KEEPER },
    );
    this.#nursery = nursery;
    this.#keeps(keeper);
  }

  /** Has the next in line begin, if nothing is before it (V1). */
  #advance(caller?: SupervisedChild): void {
    if (this.#opening !== undefined || this.#affected !== undefined) return;
    const [child] = this.#line;
    if (child === undefined) return;
    this.#line.delete(child);
    this.#opening = child;
    if (child === caller) this.begin(child);
    else child.go();
  }

  #isReady(child: SupervisedChild): void {
    this.#emit({ type: "ready", child });
    child.settled.ring();
    this.#pass(child);
  }

  /** Who is behind a child in line need not wait for it any more. */
  #pass(child: SupervisedChild): void {
    this.#line.delete(child);
    if (this.#opening === child) this.#opening = undefined;
    this.#advance();
  }

  /** An attempt has ended; called in a microtask, after its failure was told. */
  #ended(child: SupervisedChild, attempt: Attempt, task: Task<void>): void {
    child.attempt = undefined;
    const failed = task.status === "failed";
    const failure = failed ? { error: task.error } : {};
    if (failed) {
      this.#emit({ type: "failed", child, ...failure });
    }
    const { policy } = child;
    if (child.state === "stopping") this.#stopped(child);
    else if (this.#shutdown !== undefined || policy === "temporary" || (policy === "transient" && !failed)) {
      this.#finish(child, failed ? "failed" : "stopped");
      if (child.significant) this.#cancel(`significant child "${child.name}" has ended`, "shutdown");
    } else if (this.#window.admits()) this.#recover(child, performance.now() - attempt.begun, failure);
    else {
      this.#emit({ type: "gave-up", child, ...failure });
      this.#finish(child, "failed");
      const { maxRestarts = 3 } = this.#options;
      const message = `${this.#label} gave up: more than ${maxRestarts} restarts within ${this.#steady} ms, the last of child "${child.name}"`;
      const limit = new RestartLimitError(message, failed ? { cause: task.error } : undefined);
      this.#verdict.limit ??= limit;
      this.#cancel(limit, "sibling");
    }
  }

  /** An attempt that was asked to stop has. */
  #stopped(child: SupervisedChild): void {
    if (this.#shutdown !== undefined || child.next === "stop") {
      this.#finish(child, "stopped");
      return;
    }
    child.state = "waiting";
    if (child.next === "begin") this.#beginByHand(child);
    else this.#emit({ type: "restarting", child, delay: 0 });
  }

  #beginByHand(child: SupervisedChild): void {
    this.#affected?.delete(child);
    this.#emit({ type: "restarting", child, delay: 0 });
    child.go();
  }

  /** A child is to be restarted, and whom the strategy names with it. */
  #recover(child: SupervisedChild, lasted: number, failure: { error?: unknown }): void {
    const { strategy = "one-for-one" } = this.#options;
    const delay = child.nextDelay(lasted, this.#steady);
    child.restarts++;
    this.#emit({ type: "restarting", child, delay, ...failure });
    if (strategy === "one-for-one") {
      this.#backOff(child, delay);
      return;
    }
    const order = [...this.children.values()];
    const hit = strategy === "one-for-all" ? order : order.slice(order.indexOf(child));
    child.state = "waiting";
    this.#opening = undefined;
    this.#due = Math.max(this.#due, performance.now() + delay);
    this.#wait.cancel();
    const recovering = this.#affected !== undefined;
    this.#affected ??= new Set();
    for (const each of hit) this.#affected.add(each);
    if (!recovering) void this.#recovery(this.#affected);
  }

  /** Stops all who are affected, waits, and puts them in line. Who fails meanwhile joins in. */
  async #recovery(affected: Set<SupervisedChild>): Promise<void> {
    const error = new CancelledError("Restarted together with a sibling", { source: "sibling" });
    const living = (): SupervisedChild[] =>
      this.#newestFirst().filter((child) => affected.has(child) && child.attempt !== undefined);
    do {
      const asked = new Set<SupervisedChild>();
      this.#window.pause();
      for (;;) {
        const child = living().find((each) => !asked.has(each));
        if (child === undefined || this.#shutdown !== undefined) break;
        asked.add(child);
        if (child.state === "running") child.next = child.policy === "temporary" ? "stop" : "wait";
        else if (child.next === "begin") child.next = "wait";
        if (!(await this.#ask(child, error))) {
          const lateness = late(this.#label, [child]);
          reportTaskError({ message: lateness.message, error: lateness, scope: this.#scope.name });
        }
      }
      // Late ones have no second attempt beside them (V2).
      await Promise.allSettled(living().flatMap(({ task }) => task ?? []));
      this.#window.resume();
      const left = this.#due - performance.now();
      // Whoever fails meanwhile ends the wait, and it begins anew.
      if (left > 0 && this.#shutdown === undefined) await sleep(left, this.#newWait()).catch(noop);
      if (this.#shutdown !== undefined) return;
    } while (living().length > 0 || this.#due > performance.now());
    this.#affected = undefined;
    this.#line = new Set([...this.children.values()].filter(({ state }) => state === "waiting"));
    this.#advance();
  }

  #newWait(): CancellationToken {
    this.#wait = new CancellationSource();
    return this.#wait.token;
  }

  #backOff(child: SupervisedChild, delay: number): void {
    child.state = "backing-off";
    if (delay === 0) {
      child.go();
      return;
    }
    const wait = new CancellationSource();
    child.interrupt = () => {
      wait.cancel();
    };
    void sleep(delay, wait.token).then(() => {
      child.go();
    }, noop);
  }

  /** The supervisor is cancelled, whichever way: everybody stops, one after another (V1). */
  #stopAll(error: CancelledError): void {
    this.#shutdown = error;
    this.#wait.cancel();
    const children = this.#newestFirst();
    for (const child of children) {
      if (child.state === "waiting" || child.state === "backing-off") this.#finish(child, "stopped");
    }
    void this.#askAll(children, error);
  }

  async #askAll(children: readonly SupervisedChild[], error: CancelledError): Promise<void> {
    for (const child of children) {
      if (child.attempt !== undefined && !(await this.#ask(child, error))) this.#verdict.late.add(child);
    }
  }

  /** Asks an attempt to end; resolves with whether it did within its `stopTimeout`. */
  async #ask(child: SupervisedChild, error: CancelledError): Promise<boolean> {
    child.state = "stopping";
    // It may be in the synchronous part of its function, before its task is known.
    if (child.task === undefined) await Promise.resolve();
    const { task } = child;
    if (task === undefined) return true;
    task.cancel(error);
    const ended = new CancellationSource();
    const forget = task.onDone(() => {
      ended.cancel();
    });
    return sleep(child.stopTimeout, ended.token).then(
      () => {
        forget();
        return false;
      },
      () => true,
    );
  }

  /** A child has ended for good. */
  #finish(child: SupervisedChild, state: "stopped" | "failed"): void {
    child.interrupt?.();
    child.state = state;
    if (state === "stopped") this.#emit({ type: "stopped", child });
    if (child.policy === "temporary" && this.children.get(child.name) === child)
      this.children.delete(child.name);
    child.settled.ring();
    this.#alive--;
    if (this.#alive === 0) {
      this.#nursery = undefined;
      this.#dismiss();
    }
    this.#pass(child);
  }

  #newestFirst(): SupervisedChild[] {
    return [...this.children.values()].reverse();
  }

  #cancel(reason: unknown, source: CancelSource): void {
    this.#scope.cancel(new CancelledError(reason, { source }));
  }

  #isFatal(error: unknown): boolean {
    const { isFatal = (any: unknown) => any instanceof FatalError } = this.#options;
    try {
      return isFatal(error);
    } catch (thrown) {
      reportTaskError({
        message: `Error in isFatal of ${this.#label}`,
        error: thrown,
        scope: this.#scope.name,
      });
      return false;
    }
  }

  #emit(event: SupervisorEvent): void {
    const { onEvent } = this.#options;
    if (onEvent === undefined) return;
    void Promise.resolve().then(() => {
      try {
        onEvent(event);
      } catch (error) {
        reportTaskError({ message: `Error in onEvent of ${this.#label}`, error, scope: this.#scope.name });
      }
    });
  }

  get #label(): string {
    return `Supervisor "${this.#scope.name}"`;
  }

  get #steady(): number {
    return this.#options.withinMs ?? 5000;
  }
}

function noop(): void {
  // An interrupted wait has nothing to say.
}
