/** Child tokens and callbacks that come and go on a long-lived token, against abort controllers on a long-lived signal. */
import { setMaxListeners } from "node:events";
import { CancellationSource } from "@scope/core";
import { checkEqual, table, time } from "../../test-utils/src/bench.ts";

interface Parent {
  /** Makes a child, and detaches it again. */
  child(): void;
  /** Registers a callback, and unregisters it. */
  callback(): void;
  /** Makes a child with a callback, and keeps it. */
  keep(callback: () => void): void;
  cancel(): void;
}

function ours(): Parent {
  const source = new CancellationSource();
  const { token } = source;
  return {
    child: () => {
      token.child()[Symbol.dispose]();
    },
    callback: () => {
      token.onCancel(() => {})();
    },
    keep: (callback) => {
      token.child().token.onCancel(callback);
    },
    cancel: () => {
      source.cancel();
    },
  };
}

function platform(): Parent {
  const parent = new AbortController();
  const { signal } = parent;
  setMaxListeners(0, signal);
  const follow = (): [child: AbortSignal, abort: () => void] => {
    const controller = new AbortController();
    const abort = (): void => {
      controller.abort(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
    return [controller.signal, abort];
  };
  return {
    child: () => {
      const [, abort] = follow();
      signal.removeEventListener("abort", abort);
    },
    callback: () => {
      const callback = (): void => {};
      signal.addEventListener("abort", callback, { once: true });
      signal.removeEventListener("abort", callback);
    },
    keep: (callback) => {
      const [child] = follow();
      child.addEventListener("abort", callback, { once: true });
    },
    cancel: () => {
      parent.abort();
    },
  };
}

// Those that stay are told of it, and nobody else.
await checkEqual(
  [
    { name: "CancellationToken", make: ours },
    { name: "AbortSignal", make: platform },
  ],
  async ({ make }) => {
    const parent = make();
    let told = 0;
    for (let index = 0; index < 10; index++) {
      parent.keep(() => {
        told++;
      });
      parent.child();
      parent.callback();
    }
    parent.cancel();
    return told;
  },
);

function among(make: () => Parent, siblings: number): Parent {
  const parent = make();
  for (let index = 0; index < siblings; index++) parent.keep(() => {});
  return parent;
}

/** A signal looks at all its listeners whenever one comes or goes: with as many as ours has, it would take minutes. */
const FEW = 1_000;
const MANY = 100_000;
const rows = [
  { name: "CancellationToken, alone", parent: among(ours, 0), times: 100_000 },
  { name: `among ${MANY.toLocaleString("en")} siblings`, parent: among(ours, MANY), times: 100_000 },
  { name: "AbortController with listener, alone", parent: among(platform, 0), times: 10_000 },
  { name: `among ${FEW.toLocaleString("en")} siblings`, parent: among(platform, FEW), times: 1_000 },
];

/** Nanoseconds of processor time for one, by row. */
async function measure(what: "child" | "callback"): Promise<number[]> {
  const works = rows.map(({ name, parent, times }) => ({
    name,
    run: () => {
      for (let index = 0; index < times; index++) parent[what]();
    },
  }));
  const spans = await time(works, { samples: 3 });
  return spans.map(({ cpu }, row) => cpu / rows[row]!.times);
}

const children = await measure("child");
const callbacks = await measure("callback");
table(
  "Coming and going, nanoseconds of processor time",
  ["", "child() and dispose", "ratio", "onCancel() and back", "ratio"],
  rows.map(({ name }, row) => [
    name,
    ...[children, callbacks].flatMap((spans) => [
      spans[row]!.toFixed(0),
      (spans[row]! / spans[0]!).toFixed(1),
    ]),
  ]),
);
