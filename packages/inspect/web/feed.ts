/**
 * Brings what an `Inspected` tells into a model, until it is disposed of:
 *
 *   connecting ──► live ◄──► silent          nothing has come for a while: the program is busy or stopped
 *                   ▲ │
 *                   │ ▼
 *               reconnecting                 trying again, less and less often
 *
 *   ended, refused                           for good: the process is gone, the key is wrong
 */
import type { EventBatch, Inspected } from "../src/types.ts";
import type { Model } from "./model.ts";

/** A way to look into a program. An error named "EndedError" says that it has ended; after any other one it is asked again. */
export type Source = Pick<Inspected, "snapshot" | "events">;

export type FeedState = "connecting" | "live" | "silent" | "reconnecting" | "ended" | "refused";

export interface Feed {
  readonly state: FeedState;
  /** Why it is not live. */
  readonly message: string;
  dispose(): void;
}

/** So many events at once; the next ones wait until the page has had a turn. */
const LIMIT = 1_000;
/** Between two questions for events. */
const PAUSE = 100;
/** After so long without an answer the program is said to be silent. */
const SILENCE = 3_000;
/** Between two snapshots; if they take long, twenty times as long as the last one. */
const SNAPSHOT_EVERY = 1_000;
const SNAPSHOT_AT_LEAST_EVERY = 15_000;
const BACKOFF = { initial: 250, max: 5_000 };

/** Begins at once. `changed` is called whenever the state has changed. */
export function startFeed(source: Source, model: Model, changed: () => void): Feed {
  const controller = new AbortController();
  const { signal } = controller;
  const disposed = (): boolean => signal.aborted;
  const feed = {
    state: "connecting" as FeedState,
    message: "",
    dispose: () => {
      clearTimeout(silence);
      controller.abort();
    },
  };
  let silence: ReturnType<typeof setTimeout> | undefined;

  const turn = (state: FeedState, message = ""): void => {
    if (disposed() || (feed.state === state && feed.message === message)) return;
    feed.state = state;
    feed.message = message;
    changed();
  };
  const answered = (): void => {
    clearTimeout(silence);
    if (disposed()) return;
    turn("live");
    silence = setTimeout(() => turn("silent"), SILENCE);
  };

  let next = 1;
  let known = false;
  const follow = async (): Promise<void> => {
    for (;;) {
      const begun = performance.now();
      const snapshot = await source.snapshot();
      const due = performance.now() + interval(performance.now() - begun);
      answered();
      if (disposed()) return;
      if (known && snapshot.pid !== model.pid) {
        model.clear();
        next = 1;
      }
      // Whatever came before the snapshot comes before it.
      let batch: EventBatch;
      do {
        batch = await source.events(next, LIMIT);
        answered();
        if (disposed()) return;
        model.apply(batch.events, known ? batch.dropped : 0);
        next = batch.next;
        await wait(batch.events.length === LIMIT ? 0 : PAUSE / 4, signal);
      } while (
        batch.events.length === LIMIT ||
        (known && (batch.events.at(-1)?.at ?? Infinity) < snapshot.takenAt)
      );
      model.reconcile(snapshot);
      known = true;
      do {
        batch = await source.events(next, LIMIT);
        answered();
        model.apply(batch.events, batch.dropped);
        next = batch.next;
        await wait(batch.events.length === LIMIT ? 0 : PAUSE, signal);
        if (disposed()) return;
      } while (performance.now() < due || document.hidden);
    }
  };

  const run = async (): Promise<void> => {
    let delay = BACKOFF.initial;
    while (!disposed()) {
      const begun = performance.now();
      try {
        await follow();
      } catch (error) {
        clearTimeout(silence);
        const { name, message } = error as Error;
        if (name === "EndedError" || name === "RefusedError") {
          turn(name === "EndedError" ? "ended" : "refused", message);
          return;
        }
        // It has worked for a while.
        if (performance.now() - begun > BACKOFF.max) delay = BACKOFF.initial;
        turn("reconnecting", message);
        await wait(delay, signal);
        delay = Math.min(delay * 2, BACKOFF.max);
      }
    }
  };
  void run();
  return feed;
}

function interval(took: number): number {
  return Math.min(Math.max(SNAPSHOT_EVERY, took * 20), SNAPSHOT_AT_LEAST_EVERY);
}

/** Sooner if it is disposed of. */
function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
