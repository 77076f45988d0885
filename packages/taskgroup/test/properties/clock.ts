import { vi } from "vitest";

interface Timer {
  readonly id: number;
  readonly at: number;
  readonly callback: () => void;
}

/**
 * A test clock that fires one timer at a time, as the platform does: vitest's fires together what is due together, with
 * no turn of the microtask queue between.
 */
export class Clock implements Disposable {
  now = 0;
  readonly #timers = new Map<number, Timer>();
  #lastId = 0;

  constructor() {
    vi.stubGlobal("setTimeout", <A extends unknown[]>(callback: (...args: A) => void, ms = 0, ...args: A) => {
      const id = ++this.#lastId;
      this.#timers.set(id, {
        id,
        at: this.now + ms,
        callback: () => {
          callback(...args);
        },
      });
      return id;
    });
    vi.stubGlobal("clearTimeout", (id: number) => {
      this.#timers.delete(id);
    });
  }

  [Symbol.dispose](): void {
    vi.unstubAllGlobals();
  }

  get size(): number {
    return this.#timers.size;
  }

  /** Fires the timer that is due first; of several, the oldest. */
  next(): void {
    let first: Timer | undefined;
    for (const timer of this.#timers.values()) if (first === undefined || timer.at < first.at) first = timer;
    if (first === undefined) return;
    this.#timers.delete(first.id);
    this.now = first.at;
    first.callback();
  }
}
