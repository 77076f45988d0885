import type { CancellationToken } from "@scope/core";

/** Wakes the one task that waits for news. A ring that nobody waits for is kept for the next who does. */
export class Bell {
  #rung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Resolves at the next ring, or after `ms`; rejects with the token's error. */
  async heard(token: CancellationToken, ms = Infinity): Promise<void> {
    token.throwIfCancelled();
    if (!this.#rung) {
      using wait = token.child({ timeout: ms });
      const rung = new Promise<void>((resolve) => (this.#wake = resolve));
      await wait.token.race(rung).catch(() => undefined);
      token.throwIfCancelled();
    }
    this.#rung = false;
  }
}
