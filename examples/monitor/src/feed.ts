import type { CancellationToken } from "@scope/core";

/** Events on their way to one page, in order. */
export class Feed<T> {
  readonly #events: T[] = [];
  readonly #limit: number;
  #wake: (() => void) | undefined;
  #overflown = false;

  /** A page that lets more than `limit` events wait has its feed ended: it is to begin anew. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  push(event: T): void {
    if (this.#events.length < this.#limit) this.#events.push(event);
    else this.#overflown = true;
    this.#wake?.();
  }

  /** `undefined`: this was all. Rejects with the cancellation. */
  async next(token: CancellationToken): Promise<T | undefined> {
    while (this.#events.length === 0 && !this.#overflown) {
      await token.race(
        new Promise<void>((resolve) => {
          this.#wake = resolve;
        }),
      );
    }
    return this.#events.shift();
  }
}
