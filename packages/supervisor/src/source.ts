import { type CancellationToken, isCancellation, reportTaskError } from "@scope/core";

/** How many microtasks a source that is busy producing gets to answer, before it is left to itself. */
const PATIENCE = 32;

/** One pass of an iterator of either kind, pulled by hand so that it can be left while it is busy. */
export class Source<T> {
  readonly #iterator: Iterator<T> | AsyncIterator<T>;
  readonly #token: CancellationToken;
  /** The step that an async iterator is producing. */
  #step: Promise<IteratorResult<T>> | undefined;
  /** It said so, or threw: either way it is not to be returned. */
  #ended = false;

  constructor(iterator: Iterator<T> | AsyncIterator<T>, token: CancellationToken) {
    this.#iterator = iterator;
    this.#token = token;
  }

  /** The next step: at once, or, from an async iterable, a promise of it, which the token's cancellation rejects. */
  pull(): IteratorResult<T> | Promise<IteratorResult<T>> {
    // If `next` throws, that is the end.
    this.#ended = true;
    const step = this.#iterator.next();
    const waits = "then" in step;
    this.#ended = !waits && step.done === true;
    if (!waits) return step;
    const answer = Promise.resolve(step);
    this.#step = Promise.allSettled([answer]).then(([outcome]) => {
      this.#step = undefined;
      this.#ended = outcome.status === "rejected" || outcome.value.done === true;
      return answer;
    });
    return this.#token.race(this.#step);
  }

  /**
   * Returns the iterator, unless it has ended by itself, and waits for that. Nothing can interrupt one that is busy: it
   * gets a few turns to answer, then it is asked to return as well, and what still goes wrong in it is reported.
   */
  async close(): Promise<void> {
    await Promise.race([this.#step?.catch(this.#report), turns()]);
    if (this.#ended) return;
    const busy = this.#step !== undefined;
    const returned = this.#return();
    await (busy ? Promise.race([returned.catch(this.#report), turns()]) : returned);
  }

  async #return(): Promise<void> {
    await this.#iterator.return?.();
  }

  /** Nobody waits for the source any more. To end in the cancellation is what was asked of it. */
  readonly #report = (error: unknown): void => {
    const cancelled = this.#token.error;
    if (isCancellation(error) || (cancelled?.source === "signal" && cancelled.reason === error)) return;
    reportTaskError({ message: "Error in a source that asCompleted left", error });
  };
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < PATIENCE; turn++) await Promise.resolve();
}
