import pMap, { pMapIterable } from "p-map";
import type { Peer } from "../peer.ts";

const map: Peer = {
  name: "p-map",
  kind: "library",
  lacks: {
    c: "it does not wait for what it has cancelled",
    e: "it does not wait for the others",
    f: "no race",
    h: "no owner",
    i: "a fixed list",
    j: "no tokens",
  },
  weaker: { g: "leaving the loop ends nothing" },
  join: (fns) => pMap(fns, (fn) => fn()),
  limited: (fns, concurrency) => pMap(fns, (fn) => fn(), { concurrency }),
  async completed(fns) {
    const values: number[] = [];
    for await (const value of pMapIterable(fns, (fn) => fn(), { preserveOrder: false })) values.push(value);
    return values;
  },
};

export const peers = [map];
