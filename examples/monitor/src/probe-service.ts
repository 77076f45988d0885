import { type CancellationToken, type Task, sleep } from "@scope/core";

import { AnnouncedService, type Tell, count } from "./announced-service.ts";
import type { Board } from "./board.ts";
import { ProbeError } from "./errors.ts";
import type { HistoryService } from "./history-service.ts";
import { probe } from "./probe.ts";
import type { Backoff, Target } from "./targets.ts";

export interface ProbeOptions {
  readonly targets: readonly Target[];
  readonly backoff: Backoff;
  readonly history: HistoryService;
  readonly board: Board;
  readonly tell: Tell;
}

interface Watch {
  readonly target: Target;
  /** Restarts in a row. */
  attempt: number;
}

/**
 * A task per target, which checks it again and again, and fails when the target does. Whoever comes out of the group is
 * started anew, later each time: here, in one loop, whatever it is that went wrong.
 */
export class ProbeService extends AnnouncedService {
  readonly #options: ProbeOptions;
  readonly #watches = new Map<Task<unknown>, Watch>();

  constructor(options: ProbeOptions) {
    super(options.tell, { uniqueId: "probes" });
    this.#options = options;
  }

  protected async main(token: CancellationToken): Promise<void> {
    const { targets, board } = this.#options;
    for (const target of targets) this.#start({ target, attempt: 0 }, 0);
    for await (const task of this.taskGroup.asCompleted()) {
      const watch = this.#watches.get(task);
      this.#watches.delete(task);
      if (watch === undefined || token.cancelRequested) continue;
      watch.attempt++;
      const delay = backoff(this.#options.backoff, watch.attempt);
      this.#start(watch, delay);
      board.restarted(watch.target.name, watch.attempt, delay, task.error);
    }
  }

  protected account(): string {
    return count(this.taskGroup.tasks.size, "probe");
  }

  #start(watch: Watch, delay: number): void {
    const task = this.spawn((token) => this.#watch(watch, delay, token), { name: watch.target.name });
    this.#watches.set(task, watch);
  }

  async #watch(watch: Watch, delay: number, token: CancellationToken): Promise<never> {
    const { target } = watch;
    await sleep(delay, token);
    this.#options.board.resumed(target.name);
    for (;;) {
      await this.#check(watch, token);
      watch.attempt = 0;
      await sleep(target.every, token);
    }
  }

  /** Rejects with what is wrong with the target, once that is recorded; with what is wrong with the history. */
  async #check({ target, attempt }: Watch, token: CancellationToken): Promise<void> {
    const { history, board } = this.#options;
    const at = Date.now();
    const outcome = await probe(target, token).then(
      (value) => ({ value, failure: undefined }),
      (error: unknown) => {
        if (!(error instanceof ProbeError)) throw error;
        return { value: error.value ?? null, failure: error };
      },
    );
    const { value, failure } = outcome;
    board.checked(
      await history.record({ target: target.name, at, value, failure: failure?.message ?? null, attempt }),
    );
    if (failure !== undefined) throw failure;
  }
}

/** Milliseconds before the n-th restart in a row. */
export function backoff({ initial, max }: Backoff, attempt: number): number {
  return Math.min(max, initial * 2 ** (attempt - 1));
}
