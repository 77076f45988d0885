import pLimit from "p-limit";
import type { Peer } from "../peer.ts";

const noCancel = "it cancels nothing";

const limit: Peer = {
  name: "p-limit",
  kind: "library",
  lacks: {
    c: noCancel,
    e: "the others go on",
    f: "no race",
    g: "no iteration",
    j: noCancel,
  },
  join: (fns) => all(fns, Infinity),
  limited: all,
  open() {
    const spawn = pLimit(Infinity);
    return {
      pass: (fn, count) => Promise.all(Array.from({ length: count }, () => spawn(fn))),
      close: () => undefined,
    };
  },
  keeper() {
    const spawn = pLimit(Infinity);
    return { start: (fn) => spawn(fn), close: () => undefined };
  },
};

function all(fns: readonly (() => Promise<unknown>)[], concurrency: number): Promise<unknown> {
  const spawn = pLimit(concurrency);
  return Promise.all(fns.map((fn) => spawn(fn)));
}

export const peers = [limit];
