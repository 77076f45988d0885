import { CancellationSource, type Task, checkDuration, checkFunction, wrongType } from "@scope/core";
import { checkOneOf } from "./arguments.ts";
import { delays } from "./backoff.ts";
import { Bell } from "./bell.ts";
import { lasts } from "./lasts.ts";
import type { Child, ChildFunction, ChildSpec, RestartPolicy } from "./types.ts";

/** What the handle asks of the team that the child belongs to. */
export interface ChildOwner {
  /** In the async context of the `supervise` call. */
  begin(child: SupervisedChild): void;
  stop(child: SupervisedChild): Promise<void>;
  restart(child: SupervisedChild): Promise<void>;
}

/** One supervised child: what is to be run, and how it is doing. What follows from that is for `Team` to say. */
export class SupervisedChild implements Child {
  declare readonly name: string;
  declare readonly fn: ChildFunction;
  declare readonly policy: RestartPolicy;
  declare readonly stopTimeout: number;
  declare readonly significant: boolean;
  status: Child["status"] = "backing-off";
  /** Whether the running attempt has been asked to end. */
  stopping = false;
  /** What comes when the attempt has been stopped. */
  next: "stop" | "wait" | "begin" = "stop";
  declare task: Task<void> | undefined;
  restarts = 0;
  /** The wait before the next restart, in milliseconds; they begin anew after an attempt that has lasted. */
  declare readonly nextDelay: (anew: boolean) => number;
  /** Rung when an attempt is ready, or the child has ended. */
  readonly settled = new Bell();
  readonly #owner: ChildOwner;
  #backingOff = new CancellationSource();
  readonly #turn = new Bell();

  constructor(owner: ChildOwner, fn: ChildFunction, spec: ChildSpec) {
    checkFunction("fn", fn);
    if (Object(spec) !== spec) throw wrongType("spec", "an object", spec);
    const { name, restart = "permanent", stopTimeout = Infinity, significant = false } = spec;
    if (typeof name !== "string" || name === "") throw wrongType("name", "a non-empty string", name);
    checkOneOf("restart", restart, ["permanent", "transient", "temporary"]);
    checkDuration("stopTimeout", stopTimeout);
    checkOneOf("significant", significant, [true, false]);
    this.name = name;
    this.fn = fn;
    this.policy = restart;
    this.stopTimeout = stopTimeout;
    this.significant = significant;
    this.nextDelay = delays(spec.backoff);
    this.#owner = owner;
    this.#arm();
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
    this.interrupt();
    this.#turn.ring();
  }

  /** The same after so many milliseconds, unless that is interrupted. */
  async goAfter(delay: number): Promise<void> {
    this.#backingOff = new CancellationSource();
    if (delay === 0 || (await lasts(delay, this.#backingOff))) this.go();
  }

  interrupt(): void {
    this.#backingOff.cancel();
  }

  /** A promise reaction runs in the context it was registered in: each one registers the next. */
  #arm(): void {
    void this.#turn.next().then(() => {
      this.#arm();
      this.#owner.begin(this);
    });
  }
}
