/** How things stand: what the page and the terminal are told. Nothing is on the board that is not in the history. */
import { describe } from "./errors.ts";
import type { Check } from "./database.ts";
import { type Target, addressOf, unitOf } from "./targets.ts";

export interface TargetState {
  readonly name: string;
  readonly address: string;
  readonly unit: "ms" | "%";
  /** Of the last check since the program began. */
  status: "pending" | "up" | "down";
  /** Restarts in a row; 0 once a check has gone well. */
  attempt: number;
  /** When the restarted probe checks again; null: it runs. */
  nextAt: number | null;
  /** What the probe was restarted for. */
  reason: string | null;
  /** Since the program began. */
  checks: number;
  failed: number;
  restarts: number;
}

export type BoardEvent =
  | {
      readonly type: "check";
      readonly state: Readonly<TargetState>;
      readonly check: Check;
      readonly turned: boolean;
    }
  | { readonly type: "restart"; readonly state: Readonly<TargetState> }
  | { readonly type: "tasks" };

export class Board {
  readonly #states: ReadonlyMap<string, TargetState>;
  readonly #listeners = new Set<(event: BoardEvent) => void>();

  constructor(targets: readonly Target[]) {
    this.#states = new Map(
      targets.map((target) => [
        target.name,
        {
          name: target.name,
          address: addressOf(target),
          unit: unitOf(target),
          status: "pending",
          attempt: 0,
          nextAt: null,
          reason: null,
          checks: 0,
          failed: 0,
          restarts: 0,
        },
      ]),
    );
  }

  get states(): readonly Readonly<TargetState>[] {
    return [...this.#states.values()];
  }

  /** Until the returned function is called. */
  listen(listener: (event: BoardEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  checked(check: Check): void {
    const state = this.#stateOf(check.target);
    const status = check.failure === null ? "up" : "down";
    const turned = status !== state.status;
    state.status = status;
    state.checks++;
    if (status === "down") state.failed++;
    else state.attempt = 0;
    this.#tell({ type: "check", state, check, turned });
  }

  /** The probe has failed, and begins anew in so many milliseconds. */
  restarted(target: string, attempt: number, delay: number, error: unknown): void {
    const state = this.#stateOf(target);
    Object.assign(state, { attempt, nextAt: Date.now() + delay, reason: describe(error) });
    state.restarts++;
    this.#tell({ type: "restart", state });
  }

  /** The probe has waited long enough. */
  resumed(target: string): void {
    this.#stateOf(target).nextAt = null;
  }

  /** Tasks have come or gone. */
  tasksChanged(): void {
    this.#tell({ type: "tasks" });
  }

  #stateOf(name: string): TargetState {
    const state = this.#states.get(name);
    if (state === undefined) throw new RangeError(`no target ${JSON.stringify(name)}`);
    return state;
  }

  #tell(event: BoardEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}
