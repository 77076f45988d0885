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
  InvalidStateError,
  type StopOptions,
  TimeoutError,
  brand,
  checkDuration,
  checkFunction,
  readable,
  wrongType,
} from "@scope/core";
import { ServiceBase } from "./service-base.ts";
import { ServiceRun } from "./service-run.ts";
import type { Service, ServiceGroupOptions } from "./types.ts";
import { quoted } from "./within.ts";

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
  readonly #options: ServiceGroupOptions;
  #ready: Promise<void> | undefined;
  /** What the last run ended in, until it is thrown. */
  #failure: { readonly error: unknown } | undefined;

  /** @throws TypeError, RangeError for a bad argument; the message names it. */
  constructor(services: Iterable<Service>, options: ServiceGroupOptions = {}) {
    super(options);
    const { onEnd = "stop" } = options;
    for (const name of ["startTimeout", "stopTimeout", "restartDelay"] as const) {
      checkDuration(name, options[name] ?? 0);
    }
    if (typeof onEnd !== "function" && !["stop", "ignore", "restart"].includes(onEnd)) {
      throw wrongType("onEnd", '"stop", "ignore", "restart" or a function', onEnd);
    }
    this.#services = [...services];
    this.#services.forEach((service: Partial<Service> | null | undefined, index) => {
      checkFunction(`services[${index}].start`, service?.start);
    });
    this.#options = options;
  }

  /** Starts the services, and stops them when it is time. */
  protected override async main(token: CancellationToken): Promise<void> {
    const run = new ServiceRun(this.#label, this.#options, token);
    this.#ready = run.start(this.#services);
    try {
      await run.end(this.#ready);
    } catch (error) {
      this.#failure = { error };
    }
  }

  /**
   * Resolves when all services are ready; rejects with what kept them from it, a cancellation included.
   *
   * @throws InvalidStateError (as a rejection) before the first {@link start}.
   */
  async ready(): Promise<void> {
    if (this.#ready === undefined) throw new InvalidStateError(`${this.#label} was not started`);
    await this.#ready;
  }

  /** Waits until all services have stopped. Rejects as told above. */
  override join(): Promise<void> {
    return this.#tell(super.join());
  }

  /**
   * Cancels and waits. Rejects as told above, but never with a cancellation. Before {@link start} it has nothing to do.
   *
   * @throws TimeoutError (as a rejection) when `timeout` milliseconds have passed, for all services together; it names those that
   * still run.
   */
  override stop(options?: StopOptions): Promise<void> {
    return this.#tell(super.stop(options));
  }

  get #label(): string {
    return `${this.constructor.name}:${this.uniqueId}`;
  }

  async #tell(wait: Promise<void>): Promise<void> {
    const [waited] = await Promise.allSettled([wait]);
    const failure = this.#failure;
    const error: unknown = waited.status === "rejected" ? waited.reason : undefined;
    if (error instanceof TimeoutError) {
      const names = this.#services.filter(({ isRunning }) => isRunning).map(({ uniqueId }) => uniqueId);
      throw new TimeoutError(error.timeout, `${error.message}; services: ${quoted(names)}`);
    }
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
    if (waited.status === "rejected") throw error;
  }
}
