import Nursery from "nursery";
import { type Peer, type Tally, aborted, errorOf, fails, range, waits, endedBy } from "../peer.ts";

/** Ends as the library wants cancelled tasks to: a rejection would count as another failure. */
async function waiting(tally: Tally, signal: AbortSignal): Promise<void> {
  try {
    await waits(tally, aborted(signal));
  } catch {
    throw new Nursery.CancelTask();
  }
}

const nursery: Peer = {
  name: "nursery",
  kind: "library",
  lacks: {
    d: "no limit of its own",
    f: "no race",
    g: "no iteration",
    h: "it keeps every task until it closes",
    i: "one signal for all, and a fixed list",
    j: "no tokens",
  },
  join: (fns) => Nursery([...fns]),
  wait: (count, tally) =>
    endedBy((abortController) =>
      Nursery(
        range(
          count,
          () =>
            ({ signal }) =>
              waiting(tally, signal),
        ),
        { abortController },
      ),
    ),
  failFast: (count, failing, error, tally) =>
    errorOf(
      Nursery(
        range(
          count,
          (index) =>
            ({ signal }) =>
              index === failing ? fails(tally, error) : waiting(tally, signal),
        ),
      ),
    ),
};

export const peers = [nursery];
