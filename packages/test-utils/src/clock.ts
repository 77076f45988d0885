interface Timer {
  readonly due: number;
  readonly fire: () => void;
}

/**
 * Time that stands still until the scheduler moves it, from one timer to the next. It takes the place of the global
 * `setTimeout`, `clearTimeout` and `performance.now`, which the packages look up when they use them.
 */
export class Clock implements Disposable {
  now = 0;
  readonly #timers = new Map<number, Timer>();
  #lastId = 0;
  readonly #undo: () => void;

  constructor() {
    const { setTimeout, clearTimeout } = globalThis;
    const fake = (fire: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): number => {
      this.#timers.set(++this.#lastId, {
        due: this.now + ms,
        fire: () => {
          fire(...args);
        },
      });
      return this.#lastId;
    };
    Object.assign(globalThis, {
      setTimeout: fake,
      clearTimeout: (id: number) => {
        this.#timers.delete(id);
      },
    });
    Object.defineProperty(performance, "now", { value: () => this.now, configurable: true });
    this.#undo = () => {
      Object.assign(globalThis, { setTimeout, clearTimeout });
      Reflect.deleteProperty(performance, "now");
    };
  }

  [Symbol.dispose](): void {
    this.#undo();
  }

  /** Forgets all timers; it is time 0 again. */
  reset(): void {
    this.now = 0;
    this.#timers.clear();
  }

  /** How many timers are armed. */
  get armed(): number {
    return this.#timers.size;
  }

  /** Moves on to the timer that is due first, of several the oldest, and fires it. */
  fire(): void {
    let id = 0;
    let first: Timer | undefined;
    for (const [key, timer] of this.#timers) {
      if (first !== undefined && first.due <= timer.due) continue;
      first = timer;
      id = key;
    }
    if (first === undefined) throw new Error("No timer is armed");
    this.#timers.delete(id);
    this.now = Math.max(this.now, first.due);
    first.fire();
  }
}
