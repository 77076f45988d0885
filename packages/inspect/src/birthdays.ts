/**
 * When tasks were spawned, without keeping anything per task: numbers only grow, so a few of them, with the time, date all
 * the others. The older they are, the fewer are kept.
 */

/** What is kept is never further apart than this part of its age. */
const RESOLUTION = 1 / 128;

const MOST = 8192;

export class Birthdays {
  #numbers: number[] = [];
  #times: number[] = [];
  #last = -Infinity;

  note(number: number, now: number): void {
    if (now - this.#last < 1) return;
    this.#last = now;
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
