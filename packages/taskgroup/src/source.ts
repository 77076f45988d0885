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
  /** The step that an async iterator is producing, or has produced for nobody. */
  let busy: Promise<IteratorResult<T>> | undefined;
  /** It has said so, or thrown: either way it is not to be returned; for as long as it is busy, nobody knows. */
  let ended = false;

  /** It has answered: with a step, or, without one, it has thrown. */
  function note(step?: Partial<IteratorResult<T>>): void {
    busy = undefined;
    ended = step === undefined || step.done === true;
  }

  async function wait(step: Promise<IteratorResult<T>>): Promise<IteratorResult<T>> {
    busy = step;
    ended = false;
    const [outcome] = await token.race(Promise.allSettled([step]));
    note((outcome as { value?: IteratorResult<T> }).value);
    return step;
  }

  /** Nobody waits for the source any more. To end in the cancellation is what was asked of it. */
  function report(error: unknown): undefined {
    const { reason, source } = token.error ?? {};
    if (isCancellation(error) || (source === "signal" && reason === error)) return;
    reportTaskError({ message: "Error in the source of TaskGroup.map", error });
  }

  return {
    pull() {
      note();
      const step = iterator.next();
      if ("then" in step) return wait(Promise.resolve(step));
      note(step);
      return step;
    },

    async close() {
      if (busy !== undefined) await Promise.race([busy.catch(report).then(note), turns()]);
      if (ended) return;
      const returned = Promise.resolve().then(() => iterator.return?.());
      await (busy === undefined ? returned : Promise.race([returned.catch(report), turns()]));
    },
  };
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < PATIENCE; turn++) await Promise.resolve();
}
