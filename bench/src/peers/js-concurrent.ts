import * as library from "js-concurrent";
import { type Peer, aborted, errorOf, fails, range, waits, wins, endedBy } from "../peer.ts";

type Tasks = readonly ((signal: AbortSignal) => Promise<unknown>)[];
type Run = (tasks: Tasks, options?: { concurrency?: number; signal?: AbortSignal }) => Promise<unknown>;

/** Its own types import each other without extensions, as its files do: TypeScript finds none. */
const { Task } = library as unknown as { Task: Record<"all" | "allSettled" | "race", Run> };

const NO_WAIT = "it waits for nobody: here the others have ended by chance";

const concurrent: Peer = {
  name: "js-concurrent",
  kind: "library",
  lacks: { g: "no iteration", h: "no owner", i: "one signal for all, and a fixed list", j: "no tokens" },
  weaker: { c: NO_WAIT, e: NO_WAIT, f: NO_WAIT },
  join: (fns) => Task.allSettled(fns),
  limited: (fns, concurrency) => Task.allSettled(fns, { concurrency }),
  wait: (count, tally) =>
    endedBy((controller) =>
      errorOf(
        Task.all(
          range(count, () => (signal: AbortSignal) => waits(tally, aborted(signal))),
          { signal: controller.signal },
        ),
      ),
    ),
  failFast: (count, failing, error, tally) =>
    errorOf(
      Task.all(
        range(
          count,
          (index) =>
            (signal: AbortSignal): Promise<void> =>
              index === failing ? fails(tally, error) : waits(tally, aborted(signal)),
        ),
      ),
    ),
  race: (count, winner, tally) =>
    Task.race(
      range(
        count,
        (index) =>
          (signal: AbortSignal): Promise<unknown> =>
            index === winner ? wins(tally) : waits(tally, aborted(signal)),
      ),
    ),
};

export const peers = [concurrent];
