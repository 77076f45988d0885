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
  InvalidStateError,
  brand,
  checkDuration,
  readable,
  reportTaskError,
  sleep,
  wrongType,
} from "@scope/core";
import { type Roster, isFatal, openRoster } from "./roster.ts";
import { ServiceBase } from "./service-base.ts";
import type { EndPolicy, Service, ServiceGroupOptions } from "./types.ts";
import { within } from "./within.ts";

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
 * `stop` and `join` reject with a `FatalError` of any service, bare; with one `TaskGroupError` of all that failed. Whoever did not
 * stop in time is left behind and named, by its `uniqueId`, in a `TimeoutError`, which comes bare if it is all that went wrong.
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

  readonly #roster: Roster;
  readonly #services: readonly Service[];
  readonly #options: ServiceGroupOptions;
  #ready: Promise<void> | undefined;

  /** @throws TypeError, RangeError for a bad argument; the message names it. */
  constructor(services: Iterable<Service>, options: ServiceGroupOptions = {}) {
    const roster = openRoster(new.target.name, options, false);
    super(options, roster);
    this.#roster = roster;
    for (const name of ["startTimeout", "stopTimeout", "restartDelay"] as const) {
      checkDuration(name, options[name] ?? 0);
    }
    const { onEnd = "stop" } = options;
    if (typeof onEnd !== "function" && !["stop", "ignore", "restart"].includes(onEnd)) {
      throw wrongType("onEnd", '"stop", "ignore", "restart" or a function', onEnd);
    }
    this.#services = [...services];
    this.#options = options;
    roster.names = () => this.#services.filter(({ isRunning }) => isRunning).map(({ uniqueId }) => uniqueId);
  }

  /**
   * Resolves when all services are ready; rejects with what kept them from it, a cancellation included.
   *
   * @throws InvalidStateError (as a rejection) before the first {@link start}.
   */
  async ready(): Promise<void> {
    if (this.#ready === undefined) throw new InvalidStateError(`${this.#roster.label} was not started`);
    await this.#ready;
  }

  /** Starts the services, and stops them when it is time. */
  protected override async main(token: CancellationToken): Promise<void> {
    const { label } = this.#roster;
    const { startTimeout = Infinity, stopTimeout = Infinity } = this.#options;
    const { restartDelay = 1000, onEnd = "stop" } = this.#options;

    let stopped: Promise<void> | undefined;
    this.#ready = new Promise((ready, failed) => {
      /** Sees to a service from its start to its stop and, meanwhile, to those after it (S1). */
      const serve = async (index: number): Promise<void> => {
        const service = this.#services[index];
        if (!service) {
          ready();
          return sleep(Infinity, token).catch(() => undefined);
        }
        const name = `service "${service.uniqueId}" of ${label}`;
        const gone = (error: unknown): never => {
          throw error ?? new CancelledError(`${name} has ended`, { source: "sibling" });
        };
        const names = (): string[] => [service.uniqueId];
        /** The lives of those after it. */
        let others: Promise<void> | undefined;
        for (let policy: EndPolicy = "stop"; ;) {
          let end: Promise<unknown> | undefined;
          const told = new Set<unknown>([undefined]);
          const again = (): boolean => policy === "restart" && !token.cancelRequested;
          /** What a service failed with that starts again is told at once; the rest in the end. A cancellation is no failure. */
          const tell = (error: unknown): void => {
            if (told.has(error) || error instanceof CancelledError) return;
            told.add(error);
            if (again() && !isFatal(error)) reportTaskError({ message: `Error in ${name}`, error });
            else this.#roster.note({ status: "failed", error });
          };
          try {
            token.throwIfCancelled();
            service.start();
            const over = errorOf(service.ended?.() ?? service.join());
            end = over;
            const started = (): Promise<void> => Promise.race([over.then(gone), service.ready?.()]);
            await token.race(within(startTimeout, started, `Starting ${label}`, names));
            others ??= serve(index + 1);
            const error = await token.race(over);
            policy = isFatal(error) ? "stop" : typeof onEnd === "function" ? onEnd(service) : onEnd;
            if (policy === "stop") gone(error);
            if (policy === "ignore") await sleep(Infinity, token);
          } catch (error) {
            tell(error);
            if (!again()) {
              failed(error);
              this.cancel(error);
              await others;
            }
          }
          if (end) {
            const over = end;
            const stop = (): Promise<unknown> =>
              Promise.all([
                service.stop({ reason: token.error?.reason, timeout: stopTimeout }),
                over.then(tell),
              ]);
            await within(stopTimeout, stop, `Stopping ${label}`, names).catch(tell);
          }
          if (!again()) return;
          await sleep(restartDelay, token).catch(() => undefined);
        }
      };
      stopped = serve(0);
    });
    this.#ready.catch(() => undefined);
    await stopped;
  }
}

/** What a promise is rejected with. */
function errorOf(promise: Promise<void>): Promise<unknown> {
  return promise.catch((error: unknown) => error);
}
