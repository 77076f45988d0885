import { all, forever, race, spawn } from "abort-controller-x";
import { type Fn, type Owner, type Peer, errorOf, fails, range, waits, wins, endedBy } from "../peer.ts";

/** Nobody aborts from outside. */
const { signal: outer } = new AbortController();

const noTokens = "no tokens of its own";

const fixed: Peer = {
  name: "abort-controller-x: all",
  kind: "library",
  lacks: {
    d: "no limit",
    g: "no iteration",
    h: "a fixed list: see spawn",
    i: "one signal for all, and a fixed list",
    j: noTokens,
  },
  join: (fns) => all(outer, () => fns.map((fn) => fn())),
  wait: (count, tally) =>
    endedBy((controller) =>
      errorOf(all(controller.signal, (signal) => range(count, () => waits(tally, forever(signal))))),
    ),
  failFast: (count, failing, error, tally) =>
    errorOf(
      all(outer, (signal) =>
        range(count, (index) => (index === failing ? fails(tally, error) : waits(tally, forever(signal)))),
      ),
    ),
  race: (count, winner, tally) =>
    race(outer, (signal) =>
      range(count, (index): Promise<unknown> =>
        index === winner ? wins(tally) : waits(tally, forever(signal)),
      ),
    ),
};

const forked: Peer = {
  name: "abort-controller-x: spawn",
  kind: "library",
  lacks: { d: "no limit", f: "see all", g: "no iteration", j: noTokens },
  join: (fns) =>
    spawn(outer, async (_, { fork }) => {
      const tasks = fns.map((fn) => fork(fn));
      for (const task of tasks) await task.join();
    }),
  wait: (count, tally) =>
    endedBy((controller) =>
      errorOf(
        spawn(controller.signal, async (own, { fork }) => {
          for (let n = 0; n < count; n++) fork((signal) => waits(tally, forever(signal)));
          await forever(own);
        }),
      ),
    ),
  failFast: (count, failing, error, tally) =>
    errorOf(
      spawn(outer, async (own, { fork }) => {
        for (let n = 0; n < count; n++) {
          fork((signal) => (n === failing ? fails(tally, error) : waits(tally, forever(signal))));
        }
        await forever(own);
      }),
    ),
  open(): Owner {
    const { fork, close } = openFork();
    return {
      pass: (fn, count) => Promise.all(range(count, () => fork(fn).join())),
      close,
    };
  },
  keeper() {
    const { fork, close } = openFork();
    return { start: (fn) => fork(fn), close };
  },
};

/** A spawned function that lives until it is closed. */
function openFork(): { fork(fn: Fn): { join(): Promise<unknown> }; close(): Promise<unknown> } {
  const controller = new AbortController();
  let found!: (fn: Fn) => { join(): Promise<unknown> };
  const ended = errorOf(
    spawn(controller.signal, (own, { fork }) => {
      found = fork;
      return forever(own);
    }),
  );
  return {
    fork: found,
    close: () => {
      controller.abort();
      return ended;
    },
  };
}

export const peers = [fixed, forked];
