import { randomNumbers } from "@scope/test-utils/random";

/** Decisions at random, the same every time for one seed. */
export class Dice {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = randomNumbers(seed);
  }

  /** A whole number from 0 up to, and without, `end`. */
  below(end: number): number {
    return Math.floor(this.#next() * end);
  }

  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  pick<T>(options: readonly T[]): T {
    return options[this.below(options.length)]!;
  }

  /** Others, for a piece of work of its own: when that is done changes nothing about what these decide. */
  fork(): Dice {
    return new Dice(this.below(2 ** 32));
  }
}
