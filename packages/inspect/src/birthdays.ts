/**
 * When tasks were spawned, without keeping anything per task: numbers only grow, so a few of them, with the time, date all
 * the others. The older they are, the fewer are kept.
 */

import type { Clock } from "./clock.ts";

/** What is kept is never further apart than this part of its age. */
const RESOLUTION = 1 / 128;

const MOST = 8192;

export class Birthdays {
  readonly #clock: Clock;
  #numbers: number[] = [];
  #times: number[] = [];
  readonly #last = new Float64Array(1);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A task is spawned now. */
  note(number: number): void {
    if (this.#clock.time[0] !== this.#last[0]) this.#keep(number);
  }

  #keep(number: number): void {
    const now = this.#clock.time[0]!;
    this.#last[0] = now;
    this.#numbers.push(number);
    this.#times.push(now);
    if (this.#numbers.length > MOST) this.#thin(now);
  }

  /** When the task of this number was spawned; `undefined` if that was before the first one noted. */
  of(number: number): number | undefined {
    let low = 0;
    let high = this.#numbers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#numbers[middle]! <= number) low = middle + 1;
      else high = middle;
    }
    return this.#times[low - 1];
  }

  #thin(now: number): void {
    const numbers: number[] = [];
    const times: number[] = [];
    let kept = Infinity;
    for (let index = this.#numbers.length; index-- > 0;) {
      const next = this.#times[index - 1] ?? -Infinity;
      // Without this one, the gap between its neighbours would be too wide.
      if (index === this.#numbers.length - 1 || kept - next > (now - kept) * RESOLUTION) {
        kept = this.#times[index]!;
        numbers.push(this.#numbers[index]!);
        times.push(kept);
      }
    }
    this.#numbers = numbers.reverse();
    this.#times = times.reverse();
  }
}
