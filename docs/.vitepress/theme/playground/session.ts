/** One run of a program in a worker of its own, and what it has told so far. */
import type { EventBatch, Snapshot, TimelineEvent } from "@scope/inspect";
import type { Source } from "@scope/inspect/view";

import type { FromWorker, Line, ToWorker } from "./protocol.ts";

export type SessionState = "running" | "ended" | "stopped";

export interface Session {
  readonly state: SessionState;
  /** For the view of the inspector. */
  readonly source: Source;
  /** Asks the program to end, through its `token`. */
  cancel(): void;
  /** Ends it, whatever it does. */
  stop(): void;
}

export function startSession(
  code: string,
  changed: (state: SessionState, lines: readonly Line[]) => void,
): Session {
  const worker = new Worker(new URL("./runner.ts", import.meta.url), { type: "module" });
  const events: TimelineEvent[] = [];
  let snapshot: Snapshot | undefined;
  let state: SessionState = "running";
  let announce: () => void = () => undefined;
  const announced = new Promise<void>((resolve) => (announce = resolve));

  const send = (message: ToWorker): void => worker.postMessage(message);
  const end = (how: SessionState, lines: readonly Line[]): void => {
    if (state !== "running") return;
    state = how;
    worker.terminate();
    announce();
    changed(state, lines);
  };

  worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
    if (state !== "running") return;
    events.push(...(data.batch?.events ?? []));
    snapshot = data.snapshot ?? snapshot;
    if (snapshot !== undefined) announce();
    if (data.ended === true) end("ended", data.lines);
    else changed(state, data.lines);
  });
  worker.addEventListener("error", (event) => {
    end("stopped", [{ level: "error", text: `The worker has failed: ${event.message}` }]);
  });
  send({ type: "run", code });

  return {
    get state() {
      return state;
    },
    source: {
      async snapshot(): Promise<Snapshot> {
        await announced;
        if (snapshot === undefined) throw ended();
        return snapshot;
      },
      events(since, limit = 1_000): Promise<EventBatch> {
        const from = Math.max(since, 1) - 1;
        const found = events.slice(from, from + limit);
        // What is left to be read is read first.
        if (found.length === 0 && state !== "running") return Promise.reject(ended());
        return Promise.resolve({ events: found, dropped: 0, next: from + found.length + 1 });
      },
    },
    cancel: () => send({ type: "cancel" }),
    stop: () => end("stopped", []),
  };

  function ended(): Error {
    return Object.assign(new Error(`the program has ${state === "ended" ? "ended" : "been stopped"}`), {
      name: "EndedError",
    });
  }
}
