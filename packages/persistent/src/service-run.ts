import {
  type CancellationSource,
  type CancellationToken,
  CancelledError,
  FatalError,
  InvalidStateError,
  TaskGroupError,
  TimeoutError,
  isCancellation,
  reportTaskError,
  sleep,
} from "@scope/core";
import type { EndPolicy, Service, ServiceGroupOptions } from "./types.ts";
import { quoted, within } from "./within.ts";

/** A service that was started, and what it ends in, if that is known: a promise that never rejects. */
interface Member {
  readonly service: Service;
  end: Promise<unknown>;
}

/** One run of a service group, from the first start to the last stop. */
export class ServiceRun {
  readonly #label: string;
  readonly #options: ServiceGroupOptions;
  /** Cancelled when it is time to stop. */
  readonly #course: CancellationSource;
  readonly #members: Member[] = [];
  readonly #late: string[] = [];
  readonly #failures = new Set<unknown>();

  constructor(label: string, options: ServiceGroupOptions, token: CancellationToken) {
    this.#label = label;
    this.#options = options;
    this.#course = token.child();
  }

  /** Resolves when all are ready. */
  async start(services: readonly Service[]): Promise<void> {
    for (const service of services) {
      this.#course.token.throwIfCancelled();
      service.start();
      const member = { service, end: endOf(service) };
      this.#members.push(member);
      await this.#untilReady(member);
      this.#attend(member).catch((error: unknown) => {
        this.#fail(error);
      });
    }
  }

  /** Waits until it is time, stops what was started, and throws what went wrong; a cancellation is nothing wrong. */
  async end(ready: Promise<void>): Promise<void> {
    try {
      await ready;
      await sleep(Infinity, this.#course.token);
    } catch (error) {
      this.#fail(error);
    }
    for (const member of this.#members.reverse()) await this.#stop(member);
    const { stopTimeout = Infinity } = this.#options;
    if (this.#late.length > 0) {
      const message = `Services of ${this.#label} did not stop within ${stopTimeout} ms: ${quoted(this.#late)}`;
      this.#failures.add(new TimeoutError(stopTimeout, message));
    }
    const failures = [...this.#failures];
    const [first, second] = failures;
    const fatal = failures.find((error) => error instanceof FatalError);
    if (fatal !== undefined) {
      for (const error of failures) if (error !== fatal) this.#report(error);
      throw fatal;
    }
    if (first instanceof TimeoutError && second === undefined) throw first;
    if (first !== undefined) throw new TaskGroupError(failures, `Error while stopping ${this.#label}`);
  }

  async #untilReady({ service, end }: Member): Promise<void> {
    const { startTimeout = Infinity } = this.#options;
    const name = `Service "${service.uniqueId}" of ${this.#label}`;
    const early = end.then((error) => {
      throw error ?? new InvalidStateError(`${name} ended before it was ready`);
    });
    await within(
      startTimeout,
      Promise.race([early, service.ready?.()]),
      () => `${name} was not ready within ${startTimeout} ms`,
      this.#course.token,
    );
  }

  /** Sees to a service that ends out of turn. */
  async #attend(member: Member): Promise<void> {
    const { service } = member;
    const { onEnd = "stop" } = this.#options;
    let policy: EndPolicy;
    do {
      let error = await member.end;
      if (this.#course.token.cancelRequested) return;
      policy = typeof onEnd === "function" ? onEnd(service) : onEnd;
      if (policy === "ignore") {
        error ??= await errorOf(service.join());
        member.end = Promise.resolve(error);
        if (error instanceof FatalError) throw error;
      } else if (policy === "restart") await this.#restart(member, error);
      else throw new CancelledError(`service "${service.uniqueId}" has ended`, { source: "sibling" });
    } while (policy === "restart");
  }

  /** Until it is ready again, or it is time to stop. What it failed with is told here, since the run goes on. */
  async #restart(member: Member, cause: unknown): Promise<void> {
    const { service } = member;
    const { stopTimeout = Infinity, restartDelay = 1000 } = this.#options;
    member.end = Promise.resolve(undefined);
    for (let error = cause; ;) {
      if (error instanceof FatalError) throw error;
      if (error !== undefined) this.#report(error);
      try {
        // What is left of it: no second one runs beside it.
        await service.stop({ timeout: stopTimeout });
        await sleep(restartDelay, this.#course.token);
        service.start();
        member.end = endOf(service);
        await this.#untilReady(member);
        return;
      } catch (failure) {
        if (this.#course.token.cancelRequested) throw failure;
        error = failure;
      }
    }
  }

  async #stop({ service, end }: Member): Promise<void> {
    const { stopTimeout: timeout = Infinity } = this.#options;
    const { reason } = this.#course.token.error ?? {};
    const noted = end.then((error) => {
      this.#note(error);
    });
    try {
      await within(timeout, Promise.all([service.stop({ reason, timeout }), noted]), String);
    } catch (error) {
      if (error instanceof TimeoutError) this.#late.push(service.uniqueId);
      else this.#note(error);
    }
  }

  #fail(error: unknown): void {
    this.#note(error);
    this.#course.cancel(error);
  }

  /** Notes a failure, once; cancellations are none. */
  #note(error: unknown): void {
    const failure = error instanceof TaskGroupError ? error.split(isCancellation)[1] : error;
    if (failure !== undefined && !isCancellation(failure)) this.#failures.add(failure);
  }

  #report(error: unknown): void {
    reportTaskError({ message: `Error in a service of ${this.#label}`, error });
  }
}

/** What a service ends in. One that tells when its main work has ended keeps its failures until it is stopped. */
function endOf(service: Service): Promise<unknown> {
  return errorOf(service.ended?.() ?? service.join());
}

/** What a promise is rejected with. */
function errorOf(promise: Promise<void>): Promise<unknown> {
  return promise.catch((error: unknown) => error);
}
