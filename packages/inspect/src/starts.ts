/**
 * When tasks began that had to wait for a slot: a table of fixed size, in which later tasks take the places of earlier ones. So
 * nothing has to be taken out when they end.
 */
const SIZE = 2 ** 14;

export class Starts {
  readonly #numbers = new Float64Array(SIZE);
  readonly #times = new Float64Array(SIZE);

  note(number: number, time: number): void {
    const place = number % SIZE;
    this.#numbers[place] = number;
    this.#times[place] = time;
  }

  /** `undefined` for one that has not waited, or so long ago that another one has its place. */
  of(number: number): number | undefined {
    const place = number % SIZE;
    return this.#numbers[place] === number ? this.#times[place] : undefined;
  }
}
