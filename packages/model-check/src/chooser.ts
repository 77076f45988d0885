import { randomNumbers } from "@scope/test-utils/random";

/** Who decides what happens next. A decision is one of several named options, the first of which is the dullest. */
export interface Chooser {
  choose(options: readonly string[]): number;
}

/** How a path is written: the names of the decisions, in order. */
export const SEPARATOR = " / ";

/** Notes what another chooser decides; what has only one option is no decision. */
export class Recorder implements Chooser {
  readonly path: string[] = [];
  /** The product of the numbers of options so far: how many paths there would be if all were like this one. */
  width = 1;
  readonly #chooser: Chooser;
  #frozen = false;

  constructor(chooser: Chooser) {
    this.#chooser = chooser;
  }

  choose(options: readonly string[]): number {
    if (this.#frozen || options.length === 1) return 0;
    const index = this.#chooser.choose(options);
    this.path.push(options[index]!);
    this.width *= options.length;
    return index;
  }

  /** From here on this path is like another one: no more decisions, the first option is taken. */
  freeze(): void {
    this.#frozen = true;
  }
}

/**
 * Depth first, without keeping any state but the path: every run starts anew, follows the path as far as it goes, and takes
 * first options after that. `next` turns the last decision that has an option left.
 */
export class DepthFirst implements Chooser {
  readonly #path: { chosen: number; readonly count: number }[] = [];
  #depth = 0;

  choose(options: readonly string[]): number {
    const step = (this.#path[this.#depth++] ??= { chosen: 0, count: options.length });
    if (step.count !== options.length)
      throw new Error("The program is not deterministic: replaying went astray");
    return step.chosen;
  }

  /** Moves on to the next path; false if there is none. */
  next(): boolean {
    this.#path.length = this.#depth;
    this.#depth = 0;
    for (let last = this.#path.at(-1); last !== undefined; last = this.#path.at(-1)) {
      if (++last.chosen < last.count) return true;
      this.#path.pop();
    }
    return false;
  }
}

/** At random, the same every time for one seed. */
export class Random implements Chooser {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = randomNumbers(seed);
  }

  choose(options: readonly string[]): number {
    return Math.floor(this.#next() * options.length);
  }
}

/** Follows a path that was written down; first options after its end. */
export class Replay implements Chooser {
  readonly #names: string[];

  constructor(path: string) {
    this.#names = path.split(SEPARATOR).filter((name) => name !== "");
  }

  choose(options: readonly string[]): number {
    const name = this.#names.shift();
    if (name === undefined) return 0;
    const index = options.indexOf(name);
    if (index < 0) throw new Error(`The path says "${name}"; possible here: ${options.join(", ")}`);
    return index;
  }
}
