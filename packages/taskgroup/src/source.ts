import { isCancellation, reportTaskError } from "@scope/core";

/** How many microtasks a source that is busy producing gets to close, before it is left to itself. */
const PATIENCE = 32;

/** One pass over an iterable of either kind, pulled by hand so that it can be left while it is busy. */
export class Source<T> {
  readonly #iterator: Iterator<T> | AsyncIterator<T>;
  /** Set while an async iterator is producing its next step. */
  #busy: Promise<unknown> | undefined;
  /** It said so, or threw: either way it is not to be returned. */
  #ended = false;

  constructor(items: Iterable<T> | AsyncIterable<T>) {
    this.#iterator =
      Symbol.asyncIterator in Object(items)
        ? (items as AsyncIterable<T>)[Symbol.asyncIterator]()
        : (items as Iterable<T>)[Symbol.iterator]();
  }

  /** The next step: at once, or, from an async iterable, a promise of it. */
  pull(): IteratorResult<T> | Promise<IteratorResult<T>> {
    this.#ended = true;
    const step = this.#iterator.next();
    if (!("then" in step)) return this.#take(step);
    this.#ended = false;
    const pending = Promise.resolve(step).then(
      (taken) => this.#take(taken),
      (error: unknown) => {
        this.#ended = true;
        throw error;
      },
    );
    this.#busy = pending;
    return pending;
  }

  #take(step: IteratorResult<T>): IteratorResult<T> {
    this.#busy = undefined;
    this.#ended = step.done === true;
    return step;
  }

  /**
   * Returns the iterator, unless it has ended by itself, and waits for that. One that is busy is asked as well, but
   * nothing can interrupt it: it gets a few turns, and what still goes wrong in it is reported.
   */
  async close(): Promise<void> {
    if (this.#ended) return;
    const busy = this.#busy;
    const returned = this.#return();
    if (busy === undefined) return returned;
    let open = 2;
    const closed = () => {
      open--;
    };
    for (const late of [busy, returned]) {
      late.then(closed, (error: unknown) => {
        closed();
        if (!isCancellation(error))
          reportTaskError({ message: "Error in a source that TaskGroup.map has left", error });
      });
    }
    for (let turn = 0; open > 0 && turn < PATIENCE; turn++) await Promise.resolve();
  }

  async #return(): Promise<void> {
    await this.#iterator.return?.();
  }
}
