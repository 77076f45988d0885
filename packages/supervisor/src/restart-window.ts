/**
 * Counts restarts in a sliding window, on a clock that stands still while children are being stopped: otherwise a slow
 * shutdown would stretch an endless loop until it fits the limit (erlang/otp#1287).
 */
export class RestartWindow {
  readonly limit: number;
  readonly span: number;
  /** When the restarts in the window happened; at most one more than the limit. */
  #times: number[] = [];
  #stood = 0;
  #stoodSince: number | undefined;

  constructor(limit: number, span: number) {
    this.limit = limit;
    this.span = span;
  }

  /** Notes a restart; returns whether the limit allows it. */
  admits(): boolean {
    if (this.limit === Infinity) return true;
    const now = this.#now();
    this.#times = this.#times.filter((time) => now - time <= this.span);
    this.#times.push(now);
    return this.#times.length <= this.limit;
  }

  pause(): void {
    this.#stoodSince ??= performance.now();
  }

  resume(): void {
    const now = this.#now();
    this.#stoodSince = undefined;
    this.#stood = performance.now() - now;
  }

  #now(): number {
    return (this.#stoodSince ?? performance.now()) - this.#stood;
  }
}
