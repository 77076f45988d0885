/**
 * Services that are started in order and stopped in reverse.
 *
 * ```text
 *              start()            all are ready               cancelled, or a service has ended out of turn
 *   stopped ───────────▶ starting ──────────────▶ running ──────────────────────────────────────┐
 *      ▲                     │ cancelled; a service fails to start, is late, or ends             ▼
 *      │                     └────────────────────────────────────────────────────────────▶ stopping
 *      └──────────────────────────────────────────────────────────────────────────────────────┘
 * ```
 *
 * Invariants
 * - S1. A service is started when the one before it is ready, and asked to stop when the one after it has stopped, or used up
 *   its `stopTimeout`: whatever the stop is due to.
 * - S2. Only what was started is stopped.
 * - S3. A service that ends while it is being stopped has ended in its turn: no policy is asked.
 */
import {
  CancellationToken,
  CancelledError,
  FatalError,
  InvalidStateError,
  TaskGroupError,
  TimeoutError,
  brand,
  checkDuration,
  isCancellation,
  readable,
  reportTaskError,
  sleep,
} from "@scope/core";
import { ServiceBase } from "./service-base.ts";
import type { EndPolicy, Service, ServiceGroupOptions } from "./types.ts";
import { quoted, within } from "./within.ts";

interface Policies {
  readonly startTimeout: number;
  readonly stopTimeout: number;
  readonly restartDelay: number;
  readonly onEnd: EndPolicy | ((service: Service) => EndPolicy);
}

/**
 * Starts services in order, each when the one before is ready, and stops them in reverse; itself a {@link Service}, so groups
 * nest.
 *
 * - **Begins** with {@link start}, and **ends** when all have stopped; then it can be started again.
 * - **A service fails to start**, is late (`startTimeout`), or ends before it is ready: those that had started are stopped, in
 *   reverse.
 * - **A service ends or fails out of turn**: `onEnd` says whether the group stops (the default), ignores it, or starts it again
 *   after `restartDelay`. What a service that is started again had failed with goes to the process-wide handler.
 * - **It is cancelled** (`cancel`, `stop`, the outer `token`): each service is asked when the one after it has stopped, or used up
 *   its `stopTimeout`. Services that are to stop in this order must not follow the same outer token themselves.
 *
 * `stop` and `join` reject with a `FatalError` of any service, bare; with one `TaskGroupError` of all that failed; with
 * `TimeoutError` if all that went wrong was lateness. It names the services by their `uniqueId`, and they are left behind.
 *
 * Idea: Swift's `ServiceGroup` (service lifecycle), OTP's applications.
 *
 * @example
 * ```ts
 * const services = new ServiceGroup([store, probes, web], { startTimeout: 5_000, stopTimeout: 2_000 });
 * services.start();
 * await services.ready();
 * ```
 */
export class ServiceGroup extends ServiceBase {
  static override readonly [Symbol.hasInstance] = /* @__PURE__ */ brand(this, "ServiceGroup", readable);

  readonly #services: readonly Service[];
  readonly #options: Policies;
  #ready: Promise<void> | undefined;

  /** @throws TypeError, RangeError for a bad argument; the message names it. */
  constructor(services: Iterable<Service>, options: ServiceGroupOptions = {}) {
    super(options);
    const { startTimeout = Infinity, stopTimeout = Infinity, restartDelay = 1000, onEnd = "stop" } = options;
    checkDuration("startTimeout", startTimeout);
    checkDuration("stopTimeout", stopTimeout);
    checkDuration("restartDelay", restartDelay);
    this.#services = [...services];
    this.#options = { startTimeout, stopTimeout, restartDelay, onEnd };
    this._roster.bare = true;
    this._roster.names = () =>
      this.#services.filter(({ isRunning }) => isRunning).map(({ uniqueId }) => uniqueId);
  }

  /**
   * Resolves when all services are ready; rejects with what kept them from it, a cancellation included.
   *
   * @throws InvalidStateError (as a rejection) before the first {@link start}.
   */
  async ready(): Promise<void> {
    if (this.#ready === undefined) throw new InvalidStateError(`${this._roster.label} was not started`);
    await this.#ready;
  }

  /** Starts the services, and stops them when it is time. */
  protected override async main(token: CancellationToken): Promise<void> {
    const { label } = this._roster;
    const { startTimeout, stopTimeout, restartDelay, onEnd } = this.#options;
    /** Cancelled when it is time to stop. */
    const course = token.child();
    /** What each service that was started ends in. */
    const ends = new Map<Service, Promise<unknown> | undefined>();
    const failures = new Set<unknown>();
    const late: string[] = [];

    const fail = (error: unknown): void => {
      failures.add(error);
      course.cancel(error);
    };

    const watch = (service: Service, wait: Promise<void>): Promise<unknown> => {
      const end = wait.catch((error: unknown) => {
        if (error instanceof FatalError) fail(error);
        return error;
      });
      ends.set(service, end);
      return end;
    };

    /** Sees to a service, from its start until it is time to stop, or its end is not minded. */
    const attend = async (service: Service, started: () => void): Promise<void> => {
      const name = `Service "${service.uniqueId}" of ${label}`;
      const report = (error: unknown): void => {
        if (error !== undefined) reportTaskError({ message: `Error in ${name}`, error });
      };
      for (let policy: EndPolicy = "stop"; ;) {
        let error: unknown;
        try {
          course.token.throwIfCancelled();
          service.start();
          const end = watch(service, service.ended?.() ?? service.join());
          const early = end.then((failure) => {
            throw failure ?? new InvalidStateError(`${name} ended before it was ready`);
          });
          await within(
            startTimeout,
            Promise.race([early, service.ready?.()]),
            course.token,
            () => `${name} was not ready within ${startTimeout} ms`,
          );
          started();
          error = await course.token.race(end);
        } catch (failure) {
          // A start that was to bring it back may fail, and is tried again.
          if (policy !== "restart" || course.token.cancelRequested) throw failure;
          error = failure;
        }
        policy = typeof onEnd === "function" ? onEnd(service) : onEnd;
        if (policy === "ignore") {
          if (error === undefined) void watch(service, service.join());
          failures.add(error);
          return;
        }
        if (policy === "stop") throw error ?? new CancelledError(`${name} has ended`, { source: "sibling" });
        report(error);
        // What is left of it: no second one runs beside it.
        const left = await watch(service, service.stop({ timeout: stopTimeout }));
        course.token.throwIfCancelled();
        report(left);
        ends.set(service, undefined);
        await sleep(restartDelay, course.token);
      }
    };

    const start = async (): Promise<void> => {
      for (const service of this.#services) {
        await new Promise<void>((resolve, reject) => {
          attend(service, resolve).catch((error: unknown) => {
            fail(error);
            reject(error);
          });
        });
      }
    };

    this.#ready = start();
    await Promise.allSettled([this.#ready]);
    await sleep(Infinity, course.token).catch(() => undefined);
    const { reason } = course.token.error ?? {};
    for (const [service, end] of [...ends].reverse()) {
      try {
        const stopped = service.stop({ reason, timeout: stopTimeout });
        const noted = end?.then((error) => failures.add(error));
        await within(stopTimeout, Promise.all([stopped, noted]), CancellationToken.none, String);
      } catch (error) {
        if (error instanceof TimeoutError) late.push(service.uniqueId);
        else failures.add(error);
      }
    }
    if (late.length > 0) {
      const message = `Services of ${label} did not stop within ${stopTimeout} ms: ${quoted(late)}`;
      failures.add(new TimeoutError(stopTimeout, message));
    }
    failures.delete(undefined);
    const [, all] = new TaskGroupError(failures, `Error while stopping ${label}`).split(isCancellation);
    const errors = all?.errors ?? [];
    const fatal = errors.find((error) => error instanceof FatalError);
    if (fatal !== undefined) {
      for (const error of errors) if (error !== fatal) reportTaskError({ message: `Error in ${label}`, error });
      throw fatal;
    }
    if (errors.length > 0) throw errors.length === 1 && errors[0] instanceof TimeoutError ? errors[0] : all;
  }
}
