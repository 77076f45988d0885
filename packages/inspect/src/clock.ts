/**
 * The time for a flood of events, at a fraction of what asking for it costs: what happens in one turn of the event loop happens at
 * about one time. The first events of a turn ask each time; then, as long as that gives the same millisecond, ever fewer do.
 */

/** At most so many in a row do not ask. */
const MOST = 63;

type Immediate = { unref?(): unknown } | number;

/** As it was when this was loaded: tests put their own in its place. */
const { setImmediate: nextTurn } = globalThis as { setImmediate?: (callback: () => void) => Immediate };

export class Clock {
  /** The time, in milliseconds since the epoch: in an array of numbers, since one that is handed out takes memory. */
  readonly time = new Float64Array(1);
  /** How many more do not ask. */
  #left = 0;
  #skip = 0;
  #scheduled = false;
  readonly #expire = (): void => {
    this.#scheduled = false;
    this.#left = this.#skip = 0;
  };

  /** Sees to it that the time is right. */
  tick(): void {
    if (this.#left > 0) this.#left--;
    else this.#ask();
  }

  #ask(): void {
    const now = Date.now();
    this.#skip = now === this.time[0] && nextTurn !== undefined ? Math.min(this.#skip * 2 + 1, MOST) : 0;
    this.#left = this.#skip;
    this.time[0] = now;
    if (this.#skip > 0 && !this.#scheduled) this.#schedule();
  }

  #schedule(): void {
    this.#scheduled = true;
    const immediate = nextTurn?.(this.#expire);
    if (typeof immediate === "object") immediate.unref?.();
  }
}
