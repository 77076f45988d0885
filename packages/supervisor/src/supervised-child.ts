import { type Task, checkDuration, checkFunction, wrongType } from "@scope/core";
import { Bell } from "./bell.ts";
import type { Backoff, Child, ChildFunction, ChildSpec, RestartPolicy } from "./types.ts";

/** What the handle asks of the team that the child belongs to. */
export interface ChildOwner {
  /** In the async context of the `supervise` call. */
  begin(child: SupervisedChild): void;
  stop(child: SupervisedChild): Promise<void>;
  restart(child: SupervisedChild): Promise<void>;
}

/** `waiting`: for its turn. `stopping`: it has been asked. The others are those of `Child.status`. */
export type ChildState = "waiting" | "running" | "stopping" | "backing-off" | "stopped" | "failed";

/** One call of the child's function. */
export interface Attempt {
  readonly begun: number;
  task: Task<void> | undefined;
  ready: boolean;
}

/** One supervised child: what is to be run, and how it is doing. What follows from that is for `Team` to say. */
export class SupervisedChild implements Child {
  readonly name: string;
  readonly fn: ChildFunction;
  readonly policy: RestartPolicy;
  readonly stopTimeout: number;
  readonly significant: boolean;
  state: ChildState = "waiting";
  /** What comes when a stopping attempt has ended. */
  next: "stop" | "wait" | "begin" = "stop";
  attempt: Attempt | undefined;
  restarts = 0;
  /** Rung when an attempt is ready, or the child has ended. */
  readonly settled = new Bell();
  /** Ends a back-off early. */
  interrupt: (() => void) | undefined;
  readonly #owner: ChildOwner;
  readonly #backoff: Backoff | undefined;
  /** Restarts in a row without an attempt that lasted. */
  #streak = 0;
  readonly #turn = new Bell();

  constructor(owner: ChildOwner, fn: ChildFunction, spec: ChildSpec) {
    checkSpec(fn, spec);
    this.name = spec.name;
    this.fn = fn;
    this.policy = spec.restart ?? "permanent";
    this.stopTimeout = spec.stopTimeout ?? Infinity;
    this.significant = spec.significant ?? false;
    this.#backoff = spec.backoff;
    this.#owner = owner;
    this.#arm();
  }

  get status(): Child["status"] {
    if (this.state === "waiting") return "backing-off";
    return this.state === "stopping" ? "running" : this.state;
  }

  get task(): Task<void> | undefined {
    return this.attempt?.task;
  }

  stop(): Promise<void> {
    return this.#owner.stop(this);
  }

  restart(): Promise<void> {
    return this.#owner.restart(this);
  }

  toString(): string {
    return `Child "${this.name}" (${this.status}, restarts: ${this.restarts})`;
  }

  /** Has the next attempt begin, in a microtask, and in the async context of the `supervise` call (L10). */
  go(): void {
    this.#turn.ring();
  }

  /** The wait before the next restart, in milliseconds; an attempt that has lasted `steady` of them starts anew. */
  nextDelay(lasted: number, steady: number): number {
    if (this.#backoff === undefined) return 0;
    const { initial, max = Infinity, factor = 2, jitter = 0 } = this.#backoff;
    if (lasted >= steady) this.#streak = 0;
    const shaken = initial * factor ** this.#streak++ * (1 + jitter * (2 * Math.random() - 1));
    // 0 times an infinite factor is no number.
    return Math.min(max, shaken) || 0;
  }

  /** A promise reaction runs in the context it was registered in: each one registers the next. */
  #arm(): void {
    void this.#turn.next().then(() => {
      this.#arm();
      this.#owner.begin(this);
    });
  }
}

function checkSpec(fn: unknown, spec: ChildSpec): void {
  checkFunction("fn", fn);
  if (Object(spec) !== spec) throw wrongType("spec", "an object with a name", spec);
  const { backoff, stopTimeout = Infinity } = spec;
  const { name, restart = "permanent", significant = false } = spec as unknown as Record<string, unknown>;
  if (typeof name !== "string" || name === "") throw wrongType("name", "a string that is not empty", name);
  if (!["permanent", "transient", "temporary"].includes(restart as string)) {
    throw wrongType("restart", '"permanent", "transient" or "temporary"', restart);
  }
  checkDuration("stopTimeout", stopTimeout);
  if (typeof significant !== "boolean") throw wrongType("significant", "a boolean", significant);
  if (backoff === undefined) return;
  if (Object(backoff) !== backoff) throw wrongType("backoff", "an object", backoff);
  const { initial, max = Infinity, factor = 2, jitter = 0 } = backoff;
  checkDuration("backoff.initial", initial);
  checkDuration("backoff.max", max);
  checkRange("backoff.factor", "a number >= 1", factor, factor >= 1);
  checkRange("backoff.jitter", "a number from 0 to 1", jitter, jitter >= 0 && jitter <= 1);
}

function checkRange(name: string, expected: string, value: unknown, fits: boolean): void {
  const isNumber = typeof value === "number";
  if (!(isNumber && fits)) throw wrongType(name, expected, value, isNumber);
}
