import { type CancellationToken, isCancellation, reportTaskError } from "@scope/core";

/** How many microtasks a source that is busy producing gets to answer, before it is left to itself. */
const PATIENCE = 32;

/** One pass over an iterable of either kind, pulled by hand so that it can be left while it is busy. */
export class Source<T> {
  readonly #iterator: Iterator<T> | AsyncIterator<T>;
  readonly #token: CancellationToken;
  /** The step that an async iterator is producing; it never rejects. */
  #step: Promise<PromiseSettledResult<IteratorResult<T>>> | undefined;
  /** It said so, or threw: either way it is not to be returned. */
  #ended = false;

  constructor(items: Iterable<T> | AsyncIterable<T>, token: CancellationToken) {
    this.#iterator =
      Symbol.asyncIterator in Object(items)
        ? (items as AsyncIterable<T>)[Symbol.asyncIterator]()
        : (items as Iterable<T>)[Symbol.iterator]();
    this.#token = token;
  }

  /** The next step: at once, or, from an async iterable, a promise of it, which the token's cancellation rejects. */
  pull(): IteratorResult<T> | Promise<IteratorResult<T>> {
    this.#ended = true;
    const step = this.#iterator.next();
    if ("then" in step) return this.#wait(step);
    this.#ended = step.done === true;
    return step;
  }

  async #wait(step: Promise<IteratorResult<T>>): Promise<IteratorResult<T>> {
    this.#ended = false;
    this.#step = Promise.allSettled([step]).then(([outcome]) => {
      this.#step = undefined;
      this.#ended = outcome.status === "rejected" || outcome.value.done === true;
      return outcome;
    });
    const outcome = await this.#token.race(this.#step);
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  }

  /**
   * Returns the iterator, unless it has ended by itself, and waits for that. Nothing can interrupt one that is busy: it
   * gets a few turns to answer, then it is asked to return as well, and what still goes wrong in it is reported.
   */
  async close(): Promise<void> {
    const answered = this.#step?.then((outcome) => {
      if (outcome.status === "rejected") this.#report(outcome.reason);
    });
    await Promise.race([answered, turns()]);
    if (this.#ended) return;
    const busy = this.#step !== undefined;
    const returned = this.#return();
    if (!busy) return returned;
    const reported = returned.catch((error: unknown) => {
      this.#report(error);
    });
    await Promise.race([reported, turns()]);
  }

  async #return(): Promise<void> {
    await this.#iterator.return?.();
  }

  /** Nobody waits for the source any more. To end in the cancellation is what was asked of it. */
  #report(error: unknown): void {
    const cancelled = this.#token.error;
    if (isCancellation(error) || (cancelled?.source === "signal" && cancelled.reason === error)) return;
    reportTaskError({ message: "Error in a source that asCompleted left", error });
  }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < PATIENCE; turn++) await Promise.resolve();
}
