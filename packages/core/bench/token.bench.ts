/** Child tokens and callbacks that come and go on a long-lived token, against abort controllers on a long-lived signal. */
import { setMaxListeners } from "node:events";
import { CancellationSource } from "@scope/core";
import { checkEqual, table, time, type Work } from "../../test-utils/src/bench.ts";

const TIMES = 100_000;

interface Parent {
  /** Makes a child, and detaches it again. */
  child(): void;
  /** Registers a callback, and unregisters it. */
  callback(): void;
  /** A callback that stays. */
  keep(callback: () => void): void;
  cancel(): void;
}

function ours(): Parent {
  const { token, cancel } = boundSource();
  return {
    child: () => {
      token.child()[Symbol.dispose]();
    },
    callback: () => {
      token.onCancel(() => {})();
    },
    keep: (callback) => void token.child().token.onCancel(callback),
    cancel,
  };
}

function boundSource() {
  const source = new CancellationSource();
  return { token: source.token, cancel: () => source.cancel() };
}

function platform(): Parent {
  const parent = new AbortController();
  const { signal } = parent;
  setMaxListeners(0, signal);
  const follow = (): [AbortController, () => void] => {
    const controller = new AbortController();
    const abort = (): void => controller.abort(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    return [controller, abort];
  };
  return {
    child: () => {
      signal.removeEventListener("abort", follow()[1]);
    },
    callback: () => {
      const callback = (): void => {};
      signal.addEventListener("abort", callback, { once: true });
      signal.removeEventListener("abort", callback);
    },
    keep: (callback) => {
      follow()[0].signal.addEventListener("abort", callback, { once: true });
    },
    cancel: () => {
      parent.abort();
    },
  };
}

// The same children hear of it, and none of those that were detached.
await checkEqual(
  [
    { name: "CancellationToken", make: ours },
    { name: "AbortSignal", make: platform },
  ],
  ({ make }) => {
    const parent = make();
    let told = 0;
    for (let index = 0; index < 10; index++) {
      parent.keep(() => told++);
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

// A signal looks at all its listeners whenever one is added: more of them would take minutes.
const FEW = 1_000;
const MANY = 100_000;
const parents = [
  ["CancellationToken, alone", among(ours, 0), TIMES],
  [`among ${MANY.toLocaleString("en")} siblings`, among(ours, MANY), TIMES],
  ["AbortController and listener, alone", among(platform, 0), TIMES / 10],
  [`among ${FEW.toLocaleString("en")} siblings`, among(platform, FEW), TIMES / 100],
] as const;

function repeat(what: "child" | "callback"): Work[] {
  return parents.map(([name, parent, times]) => ({
    name,
    run: () => {
      for (let index = 0; index < times; index++) parent[what]();
    },
  }));
}

const children = await time(repeat("child"), { samples: 3 });
const callbacks = await time(repeat("callback"), { samples: 3 });
const each = (span: number, row: number): string => (span / parents[row]![2]).toFixed(0);
table(
  "Nanoseconds of processor time, and of our time alone",
  ["", "child and dispose", "ratio", "callback and back", "ratio"],
  parents.map(([name], row) => [
    name,
    each(children[row]!.cpu, row),
    (Number(each(children[row]!.cpu, row)) / Number(each(children[0]!.cpu, 0))).toFixed(1),
    each(callbacks[row]!.cpu, row),
    (Number(each(callbacks[row]!.cpu, row)) / Number(each(callbacks[0]!.cpu, 0))).toFixed(1),
  ]),
);
