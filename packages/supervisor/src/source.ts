import { type CancellationToken, isCancellation, reportTaskError } from "@scope/core";

/** How many microtasks a source that is busy producing gets to answer, before it is left to itself. */
const PATIENCE = 32;

export interface Source<T> {
  /** The next step: at once, or, from an async iterator, a promise of it, which the token's cancellation rejects. */
  pull(): IteratorResult<T> | Promise<IteratorResult<T>>;
  /**
   * Returns the iterator, unless it has ended by itself, and waits for that. Nothing can interrupt one that is busy: it
   * gets a few turns to answer, then it is asked to return as well, and what still goes wrong in it is reported.
   */
  close(): Promise<void>;
}

/** One pass of an iterator of either kind, pulled by hand so that it can be left while it is busy. */
export function openSource<T>(iterator: Iterator<T> | AsyncIterator<T>, token: CancellationToken): Source<T> {
  /** The step that an async iterator is producing. */
  let busy: Promise<IteratorResult<T>> | undefined;
  /** It has said so, or thrown: either way it is not to be returned; for as long as it is busy, nobody knows. */
  let ended = false;

  /** Nobody waits for the source any more. To end in the cancellation is what was asked of it. */
  function report(error: unknown): void {
    const cancelled = token.error;
    if (isCancellation(error) || (cancelled?.source === "signal" && cancelled.reason === error)) return;
    reportTaskError({ message: "Error in a source that asCompleted left", error });
  }

  return {
    pull() {
      // If `next` throws, that is the end.
      ended = true;
      const step = iterator.next();
      if (!("then" in step)) {
        ended = step.done === true;
        return step;
      }
      const answer = Promise.resolve(step);
      busy = Promise.allSettled([answer]).then(([outcome]) => {
        busy = undefined;
        ended = outcome.status === "rejected" || outcome.value.done === true;
        return answer;
      });
      return token.race(busy);
    },

    async close() {
      await Promise.race([busy?.catch(report), turns()]);
      const stuck = busy !== undefined;
      if (ended && !stuck) return;
      const returned = Promise.resolve().then(() => iterator.return?.());
      await (stuck ? Promise.race([returned.catch(report), turns()]) : returned);
    },
  };
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < PATIENCE; turn++) await Promise.resolve();
}
