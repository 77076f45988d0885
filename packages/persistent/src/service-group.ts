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
  type CancellationToken,
  CancelledError,
  FatalError,
  InvalidStateError,
  TaskGroupError,
  brand,
  checkDuration,
  readable,
  sleep,
} from "@scope/core";
import { report } from "./persistent-task-group.ts";
import { ServiceBase } from "./service-base.ts";
import type { EndPolicy, Service, ServiceGroupOptions } from "./types.ts";
import { overdue, within } from "./within.ts";

/**
 * Starts services in order, each when the one before is ready, and stops them in reverse; itself a {@link Service}, so groups
 * nest.
 *
 * - **Begins** with {@link start}, and **ends** when all have stopped; then it can be started again.
 * - **A service fails to start**, is late (`startTimeout`), or ends before it is ready: those that had started are stopped, in
 *   reverse; {@link ready} rejects.
 * - **A service ends or fails out of turn**: `onEnd` says whether the group stops (the default), ignores it, or starts it again
 *   after `restartDelay`. What a service that is started again had failed with goes to the process-wide handler.
 * - **It is cancelled** (`cancel`, `stop`, the outer `token`): each service is asked when the one after it has stopped, or used up
 *   its `stopTimeout`. Services that are to stop in this order must not follow the same outer token themselves.
 *
 * `stop` and `join` reject with a `FatalError` of any service, bare; with one `TaskGroupError` of all that failed. Those that did not
 * stop in time are left behind and named, by `uniqueId`, in one `TimeoutError`, which comes bare if it is all that went wrong.
 * The life of each service, from its start to its stop, is a task in {@link taskGroup}.
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
  static override readonly [Symbol.hasInstance] = /* @__PURE__ */ brand(() => this, "ServiceGroup", readable);

  readonly #services: readonly Service[];
  readonly #options: ServiceGroupOptions;
  #ready: Promise<void> | undefined;

  /** @throws TypeError, RangeError for a bad argument; the message names it. */
  constructor(services: Iterable<Service>, options: ServiceGroupOptions = {}) {
    const list = [...services];
    for (const name of ["startTimeout", "stopTimeout", "restartDelay"] as const) {
      checkDuration(name, options[name] ?? 0);
    }
    // Now, as it follows the outer token.
    super(options, false);
    this.#services = list;
    this.#options = options;
  }

  /**
   * Resolves when all services are ready; rejects with what kept them from it, a cancellation included.
   *
   * @throws InvalidStateError (as a rejection) before the first {@link start}.
   */
  async ready(): Promise<void> {
    if (!this.#ready) throw new InvalidStateError("start() it");
    await this.#ready;
  }

  /** Starts the services, and stops them when it is time. */
  protected override async main(token: CancellationToken): Promise<void> {
    const {
      startTimeout = Infinity,
      stopTimeout = Infinity,
      restartDelay = 1000,
      onEnd = () => "stop",
    } = this.#options;
    const order = this.#services.values();
    const late: string[] = [];

    let stopped: Promise<unknown> | undefined;
    this.#ready = new Promise((ready, failed) => {
      /** Sees to the next service from its start to its stop and, meanwhile, to those after it (S1). */
      const serve = (): Promise<unknown> => {
        const { done, value: service } = order.next() as IteratorResult<Service, Service>;
        if (done) {
          ready();
          return sleep(Infinity, token).catch(() => undefined);
        }
        const { uniqueId: name } = service;
        /** The lives of those after it. */
        let others: Promise<unknown> | undefined;
        let policy: EndPolicy = "stop";
        const live = async (token: CancellationToken): Promise<void> => {
          const again = (): boolean => policy === "restart" && !token.cancelRequested;
          do {
            let stop: (() => Promise<unknown>) | undefined;
            const failures: unknown[] = [];
            /** A cancellation is no failure. */
            const note = (error: unknown): void => {
              if (error instanceof CancelledError || failures.includes(error)) return;
              // What kept it from being ready, its `stop` may tell as well, with all else that failed (L2).
              if (error instanceof TaskGroupError && error.errors.includes(failures[0])) failures.shift();
              if (error instanceof FatalError) {
                policy = "stop";
                failures.unshift(error);
              } else failures.push(error);
            };
            try {
              token.throwIfCancelled();
              service.start();
              const over = (service.ended?.() ?? service.join()).then(
                () => new CancelledError(`${name} has ended`, { source: "sibling" }),
                (error: unknown) => error,
              );
              stop = () =>
                Promise.all([
                  service.stop({ reason: token.error?.reason, timeout: stopTimeout }),
                  over.then(note),
                ]);
              const gone = over.then((error) => {
                throw error;
              });
              if (!(await token.race(within(startTimeout, () => Promise.race([gone, service.ready?.()]))))) {
                throw overdue(startTimeout, "Starting", [name]);
              }
              token.throwIfCancelled();
              others ??= serve();
              const error = await token.race(over);
              policy = onEnd(service);
              note(error);
              if (policy === "ignore") await sleep(Infinity, token);
              throw error;
            } catch (error) {
              note(error);
              if (!again()) {
                failed(error);
                this.cancel(error);
                await others;
              }
            }
            if (stop) await within(stopTimeout, stop).then((inTime) => inTime || late.push(name), note);
            const [failure, ...rest] = failures;
            for (const error of again() ? failures : rest) report(name, error);
            if (again()) await sleep(restartDelay, token).catch(() => undefined);
            else if (failures.length > 0) throw failure;
          } while (again());
        };
        return Promise.allSettled([this.spawn(live, { name, logError: false })]).then(() => others);
      };
      stopped = serve();
    });
    this.#ready.catch(() => undefined);
    await stopped;
    if (late.length > 0) throw overdue(stopTimeout, "Stopping", late);
  }
}
