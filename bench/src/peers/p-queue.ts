import PQueue from "p-queue";
import { type Peer, aborted, waits, endedBy } from "../peer.ts";

const queue: Peer = {
  name: "p-queue",
  kind: "library",
  lacks: { e: "the others go on", f: "no race", g: "no iteration", j: "no tokens" },
  weaker: { c: "it waits for nobody: here they have ended by chance" },
  join: (fns) => new PQueue().addAll(fns),
  limited: (fns, concurrency) => new PQueue({ concurrency }).addAll(fns),
  wait: (count, tally) =>
    endedBy((controller) => {
      const { signal } = controller;
      const tasks = new PQueue();
      return Promise.allSettled(
        Array.from({ length: count }, () =>
          tasks.add((options) => waits(tally, aborted(options.signal!)), { signal }),
        ),
      );
    }),
  open() {
    const tasks = new PQueue();
    return {
      async pass(fn, count) {
        for (let n = 0; n < count; n++) void tasks.add(fn);
        await tasks.onIdle();
      },
      close: () => undefined,
    };
  },
  keeper() {
    const tasks = new PQueue();
    return { start: (fn) => tasks.add(fn), close: () => undefined };
  },
};

export const peers = [queue];
