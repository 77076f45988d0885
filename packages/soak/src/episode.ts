/** One episode: a few owners, their outer cancellations, and what is left to wait for when the scene is over. */
import { getEventListeners } from "node:events";
import { CancellationSource, type CancellationToken, type TokenLike } from "@scope/core";
import type { Books } from "./books.ts";
import type { Dice } from "./dice.ts";
import type { Stations } from "./stations.ts";

/** How one uses a package: plays until everything that it has opened has ended. */
export interface Scene {
  readonly name: string;
  play(episode: Episode, dice: Dice, parent?: CancellationToken): Promise<void>;
}

export interface Outer {
  readonly token: TokenLike | undefined;
  /** Cancels it, if it is this owner's alone. */
  readonly cancel: (() => void) | undefined;
}

const MOST_TASKS = 40;
const MOST_DEPTH = 3;

export class Episode {
  readonly books: Books;
  /** What lives longer than an episode. */
  readonly stations: Stations;
  readonly name: string;
  readonly #scenes: readonly Scene[];
  readonly #loose: Promise<unknown>[] = [];
  readonly #checks: (() => void)[] = [];
  #tasks = 0;
  #depth = 0;

  constructor(number: number, stations: Stations, scenes: readonly Scene[]) {
    this.name = `episode ${number}`;
    this.stations = stations;
    this.books = stations.books;
    this.#scenes = scenes;
  }

  async play(dice: Dice): Promise<void> {
    await dice.pick(this.#scenes).play(this, dice);
    for (const loose of this.#loose) await loose;
    for (const check of this.#checks) check();
  }

  /** One scene within another. Rejects with what that ends in, or tells it. */
  async nested(dice: Dice, parent: CancellationToken): Promise<void> {
    if (this.#depth === MOST_DEPTH || this.#scenes.length === 0) return;
    this.#depth++;
    try {
      await dice.pick(this.#scenes).play(this, dice, parent);
    } finally {
      this.#depth--;
    }
  }

  /** Whether there may be one more task. */
  admits(): boolean {
    return this.#tasks++ < MOST_TASKS;
  }

  /** Somebody has not waited for this. */
  loose(promise: Promise<unknown>): void {
    this.#loose.push(promise);
  }

  /** What an owner is cancelled by from outside. */
  outer(dice: Dice, parent: CancellationToken | undefined): Outer {
    const { stations } = this;
    switch (dice.pick(["none", "parent", "parent", "era", "era signal", "standing", "source", "signal"])) {
      case "parent":
        return { token: parent, cancel: undefined };
      case "era":
        return { token: stations.era.token, cancel: undefined };
      case "era signal":
        return { token: stations.eraSignal.signal, cancel: undefined };
      case "standing":
        return {
          token: dice.chance(0.5) ? stations.source.token : stations.controller.signal,
          cancel: undefined,
        };
      case "source": {
        const source = new CancellationSource(parent === undefined ? {} : { parent });
        this.#checks.push(() => {
          source[Symbol.dispose]();
        });
        return {
          token: source.token,
          cancel: () => {
            source.cancel("the source");
          },
        };
      }
      case "signal": {
        const controller = new AbortController();
        const { signal } = controller;
        this.#checks.push(() => {
          const count = getEventListeners(signal, "abort").length;
          this.books.check(count === 0, `L7: ${count} listeners are left on a signal, ${this.name}`);
        });
        const reason = dice.chance(0.5) ? new Error("the signal") : undefined;
        return {
          token: signal,
          cancel: () => {
            controller.abort(reason);
          },
        };
      }
      default:
        return { token: undefined, cancel: undefined };
    }
  }
}
