/**
 * The supervised children of one supervisor: who runs, who is next, who goes with whom.
 *
 * State x event -> state. `-`: nothing happens. `!`: cannot be.
 *
 * | | its turn | ended by itself | ended | back-off over | stop() | restart() | a strategy's stop | shutdown |
 * |---|---|---|---|---|---|---|---|---|
 * | waiting | running | ! | ! | ! | stopped | -, but running if it waits for siblings to stop | - | stopped |
 * | running | ! | see below | ! | ! | stopping | stopping, then begins | stopping, then waits | stopping |
 * | stopping | ! | ! | stopped, begins or waits | ! | then stopped | then begins, unless a strategy waits for it | - | then stopped |
 * | backing-off | ! | ! | ! | running | stopped | running | waiting | stopped |
 * | stopped, failed | ! | ! | ! | ! | - | running | - | - |
 *
 * In a child's `status`, who waits is `backing-off`, and in the line or among the affected; who is stopping is `running`, and
 * has been asked.
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
 * - V4. While a child is alive (not ended for good) or a one-shot child is, one more task of the supervisor's scope is, the
 *   keeper, which ends last. So the scope waits for the children, their shutdown begins when it is cancelled, however that
 *   came, and one slot of the scope is the keeper's as long as there is anybody to take another.
 */
import {
  type CancelSource,
  CancellationSource,
  CancelledError,
  FatalError,
  InvalidStateError,
  type Task,
  type TaskErrorContext,
  TaskScope,
  TimeoutError,
  checkCount,
  checkDuration,
  checkFunction,
  reportTaskError,
} from "@scope/core";
import { checkOneOf } from "./arguments.ts";
import { lasts } from "./lasts.ts";
import { noop } from "./noop.ts";
import { RestartLimitError } from "./restart-limit-error.ts";
import { type RestartWindow, restartWindow } from "./restart-window.ts";
import { type ChildOwner, SupervisedChild } from "./supervised-child.ts";
import type { ChildFunction, ChildSpec, Strategy, SupervisorEvent, SupervisorOptions } from "./types.ts";
import { Verdict, namesOf } from "./verdict.ts";

/** The keeper's name: no user's, and never shown. */
export const KEEPER = "\0";

export class Team implements ChildOwner {
  readonly children = new Map<string, SupervisedChild>();
  /** Where the one-shot children run, and the keepers. */
  declare readonly scope: TaskScope;
  /** Where the attempts run: never cancelled (V3), and never closed, since it is the keeper that is waited for. */
  declare readonly attempts: TaskScope;
  /** One, or for a moment two: the next may have begun when one is through. */
  readonly keepers = new Set<Task<unknown>>();
  readonly #verdict = new Verdict("Supervisor");
  readonly #strategy: Strategy;
  readonly #maxRestarts: number;
  readonly #withinMs: number;
  readonly #window: RestartWindow;
  readonly #onEvent: (event: SupervisorEvent) => void;
  /** Lets the keeper end. */
  #dismiss: (() => void) | undefined;
  /** Whether somebody waits for the end, or the scope is cancelled. */
  #closing = false;
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
  #fatal: TaskErrorContext | undefined;

  constructor(options: SupervisorOptions) {
    const {
      strategy = "one-for-one",
      maxRestarts = 3,
      withinMs = 5000,
      onEvent = noop,
      concurrency = Infinity,
      onError,
      onTaskDone = noop,
      isFatal = (error: unknown) => error instanceof FatalError,
    } = options;
    checkOneOf("strategy", strategy, ["one-for-one", "one-for-all", "rest-for-one"]);
    checkCount("maxRestarts", maxRestarts, 0);
    checkDuration("withinMs", withinMs);
    checkCount("concurrency", concurrency, 1);
    checkFunction("onEvent", onEvent);
    checkFunction("onTaskDone", onTaskDone);
    this.#strategy = strategy;
    this.#onEvent = onEvent;
    this.#maxRestarts = maxRestarts;
    this.#withinMs = withinMs;
    this.#window = restartWindow(maxRestarts, withinMs);
    this.scope = new TaskScope(
      {
        ...options,
        // The keeper has a slot, too.
        concurrency: concurrency + 1,
        onTaskDone: (task) => {
          // First, as the callback may throw.
          this.#restIfDone();
          // By identity: a name is made when it is asked for, and this is asked of every task.
          if (!this.keepers.delete(task)) onTaskDone(task);
        },
      },
      this.#verdict,
    );
    let fatal = false;
    this.attempts = new TaskScope(
      {
        name: this.scope.name,
        // Below the other, for those who look; how the children are asked is up to the strategy.
        token: this.scope.token,
        shield: true,
        onTaskDone,
        // Asked first, then the failure is told. The attempts' own way would be to cancel all at once.
        isFatal: (error) => {
          fatal = false;
          fatal = isFatal(error);
          return false;
        },
        onError: (context) => {
          if (fatal) this.#fail(context);
          else if (typeof onError === "function") onError(context);
          else if (onError !== "ignore") reportTaskError(context);
        },
      },
      new Verdict("Supervisor"),
    );
    void this.attempts.run(() => new Promise(noop));
  }

  /** Sees to it that there is a keeper: called before any child begins. Throws if nothing may begin any more. */
  open(): void {
    if (this.#dismiss && !this.scope.cancelRequested) return;
    const keeper = this.scope.spawn(
      async () => {
        await new Promise<void>((resolve) => {
          this.#dismiss = resolve;
        });
        if (this.#fatal) throw this.#fatal.error;
      },
      { name: KEEPER },
    );
    this.keepers.add(keeper);
    keeper.token.onCancel((error) => {
      void this.#stopAll(error);
    });
  }

  /** Somebody begins to wait for the end. */
  close(): void {
    this.#closing = true;
    this.#restIfDone();
  }

  /** Lets the keeper go when it is the last. */
  #restIfDone(): void {
    if (!this.#closing || this.#alive > 0 || this.scope.size > 1) return;
    this.#dismiss?.();
    this.#dismiss = undefined;
  }

  add(fn: ChildFunction, spec: ChildSpec): SupervisedChild {
    const child = new SupervisedChild(this, fn, spec);
    this.open();
    this.#admit(child);
    this.#line.add(child);
    // Begun inside the call if nobody is before it: this is the context that its function is to see.
    this.#advance(child);
    return child;
  }

  begin(child: SupervisedChild): void {
    if (child.status !== "backing-off") return;
    const { fn } = child;
    const begun = performance.now();
    let isReady = false;
    const ready = (): void => {
      if (isReady || child.task !== task || child.stopping) return;
      isReady = true;
      this.#tell("ready", child);
      child.settled.ring();
      this.#pass(child);
    };
    const context = {
      // Not inside the function: it would find the next child begun before it is through its own first step.
      ready: () => {
        queueMicrotask(ready);
      },
    };
    child.status = "running";
    child.stopping = false;
    child.next = child.policy === "temporary" ? "stop" : "wait";
    const task = this.attempts.spawn(
      async (token) => {
        await fn(token, context);
      },
      // Whoever observes finds its `restarts` there.
      child,
    );
    child.task = task;
    this.#tell("started", child);
    task.onDone(() => {
      this.#ended(child, task, performance.now() - begun);
    });
    if (fn.length < 2) ready();
  }

  async stop(child: SupervisedChild): Promise<void> {
    if (child.status === "backing-off") this.#finish(child, "stopped");
    else if (child.status === "running") {
      child.next = "stop";
      if (await this.#ask(child)) throw this.#late(child);
    }
  }

  async restart(child: SupervisedChild): Promise<void> {
    this.open();
    const settled = child.settled.next();
    if (child.status === "running") {
      if (!child.stopping || child.next === "stop") child.next = "begin";
      void this.#ask(child);
    } else if (child.status !== "backing-off") {
      this.#admit(child);
      child.go();
    } else if (this.#affected?.has(child)) this.#beginAgain(child, "begin");
    else if (!this.#line.has(child)) child.go();
    await settled;
  }

  /** One more child is alive, if its name is free. */
  #admit(child: SupervisedChild): void {
    const { name } = child;
    if ((this.children.get(name) ?? child) !== child) {
      throw new InvalidStateError(`${this.label} has a child named "${name}"`);
    }
    this.children.set(name, child);
    child.status = "backing-off";
    this.#alive++;
  }

  /** Has the next in line begin, if nothing is before it (V1). */
  #advance(caller?: SupervisedChild): void {
    if (this.#opening || this.#affected) return;
    const [child] = this.#line;
    if (!child) return;
    this.#line.delete(child);
    this.#opening = child;
    if (child === caller) this.begin(child);
    else child.go();
  }

  /** Who is behind a child in line need not wait for it any more. */
  #pass(child: SupervisedChild): void {
    this.#line.delete(child);
    if (this.#opening === child) this.#opening = undefined;
    this.#advance();
  }

  /** An attempt has ended; called in a microtask, after its failure was told. */
  #ended(child: SupervisedChild, task: Task<void>, lasted: number): void {
    child.task = undefined;
    const failed = task.status === "failed";
    const failure = failed ? { error: task.error } : {};
    if (failed) this.#tell("failed", child, failure);
    const { policy, stopping, next } = child;
    const over = this.scope.cancelRequested;
    if (stopping) {
      if (over || next === "stop") this.#finish(child, "stopped");
      else this.#beginAgain(child, next);
    } else if (over || policy === "temporary" || (policy === "transient" && !failed)) {
      this.#finish(child, failed ? "failed" : "stopped");
      if (child.significant) this.#cancel(`child "${child.name}" has ended`, "shutdown");
    } else if (this.#window.admits()) this.#recover(child, lasted, failure);
    else {
      this.#tell("gave-up", child, failure);
      this.#finish(child, "failed");
      const message = `${this.label} gave up: more than ${this.#maxRestarts} restarts within ${this.#withinMs} ms, last of child "${child.name}"`;
      const limit = new RestartLimitError(message, failed ? { cause: task.error } : undefined);
      this.#verdict.error = limit;
      this.#cancel(limit, "sibling");
    }
  }

  /** A child has stopped in order to begin again: with its siblings, or at once. */
  #beginAgain(child: SupervisedChild, next: "wait" | "begin"): void {
    child.status = "backing-off";
    this.#tell("restarting", child, { delay: 0 });
    if (next === "wait") return;
    this.#affected?.delete(child);
    child.go();
  }

  /** A child is to be restarted, and whom the strategy names with it. */
  #recover(child: SupervisedChild, lasted: number, failure: { error?: unknown }): void {
    const delay = child.nextDelay(lasted >= this.#withinMs);
    child.restarts++;
    child.status = "backing-off";
    this.#tell("restarting", child, { delay, ...failure });
    if (this.#strategy === "one-for-one") {
      void child.goAfter(delay);
      return;
    }
    this.#opening = undefined;
    this.#due = Math.max(this.#due, performance.now() + delay);
    this.#wait.cancel();
    const recovering = this.#affected !== undefined;
    this.#affected ??= new Set();
    for (const each of this.#newestFirst()) {
      this.#affected.add(each);
      if (each === child && this.#strategy === "rest-for-one") break;
    }
    if (!recovering) void this.#recovery();
  }

  /** Stops all who are affected, waits, and puts them in line. Who fails meanwhile joins in. */
  async #recovery(): Promise<void> {
    const error = new CancelledError("A sibling failed", { source: "sibling" });
    const asked = new Set<unknown>();
    while (!this.scope.cancelRequested) {
      const living = this.#newestFirst().filter(
        (each) => each.status === "running" && this.#affected?.has(each),
      );
      const child = living.find(({ task }) => !asked.has(task)) ?? living[0];
      if (child) {
        // Late ones have no second attempt beside them (V2).
        const patience = asked.has(child.task) ? Infinity : child.stopTimeout;
        this.#window.pause();
        asked.add(child.task);
        if (child.next === "begin") child.next = "wait";
        if (await this.#ask(child, error, patience)) this.#reportLate(child);
      } else {
        this.#window.resume();
        const left = this.#due - performance.now();
        if (left <= 0) {
          this.#affected = undefined;
          this.#line = new Set([...this.children.values()].filter(({ status }) => status === "backing-off"));
          this.#advance();
          return;
        }
        // Whoever fails meanwhile ends the wait, and it begins anew.
        this.#wait = new CancellationSource();
        await lasts(left, this.#wait);
      }
    }
  }

  /** The supervisor is cancelled, whichever way: everybody stops, one after another (V1). */
  async #stopAll(error: CancelledError): Promise<void> {
    this.#wait.cancel();
    const children = this.#newestFirst();
    for (const child of children) if (child.status === "backing-off") this.#finish(child, "stopped");
    this.close();
    const tooLate: SupervisedChild[] = [];
    const limit = this.#verdict.error;
    for (const child of children) {
      if (child.status !== "running" || !(await this.#ask(child, error))) continue;
      tooLate.push(child);
      if (limit === undefined) this.#verdict.error = this.#late(child, tooLate);
      else this.#reportLate(child);
    }
  }

  #reportLate(child: SupervisedChild): void {
    const error = this.#late(child);
    reportTaskError({ message: error.message, error });
  }

  /** The error that names who did not stop in time, this child the last. */
  #late(child: SupervisedChild, children = [child]): TimeoutError {
    return new TimeoutError(child.stopTimeout, `Late children of ${this.label}: ${namesOf(children)}`);
  }

  /** Asks an attempt to end; resolves with whether it is late. */
  async #ask(
    child: SupervisedChild,
    error = new CancelledError(undefined, { source: "shutdown" }),
    patience = child.stopTimeout,
  ): Promise<boolean> {
    child.stopping = true;
    // It may be in the synchronous part of its function, before its task is known.
    if (!child.task) await Promise.resolve();
    const { task } = child;
    if (!task) return false;
    task.cancel(error);
    const ended = new CancellationSource();
    task.onDone(() => {
      ended.cancel();
    });
    return lasts(patience, ended);
  }

  /** A child has ended for good. */
  #finish(child: SupervisedChild, status: "stopped" | "failed"): void {
    child.interrupt();
    child.status = status;
    if (status === "stopped") this.#tell("stopped", child);
    if (child.policy === "temporary") this.children.delete(child.name);
    child.settled.ring();
    this.#alive--;
    this.#restIfDone();
    this.#pass(child);
  }

  #newestFirst(): SupervisedChild[] {
    return [...this.children.values()].reverse();
  }

  /** A fatal error is the keeper's to carry out; the first one, as ever. */
  #fail(context: TaskErrorContext): void {
    this.#fatal ??= context;
    if (this.#fatal.error !== context.error) reportTaskError(context);
    this.#cancel(context.error, "sibling");
  }

  #cancel(reason: unknown, source: CancelSource): void {
    this.scope.cancel(new CancelledError(reason, { source }));
  }

  #tell(type: SupervisorEvent["type"], child: SupervisedChild, more?: Partial<SupervisorEvent>): void {
    void Promise.resolve({ type, child, ...more })
      .then(this.#onEvent)
      .catch((error: unknown) => {
        reportTaskError({ message: `Error in onEvent of ${this.label}`, error });
      });
  }

  get label(): string {
    return `Supervisor "${this.scope.name}"`;
  }
}
