/** What a program without a library does. */
import { setMaxListeners } from "node:events";
import { type Peer, aborted, errorOf, fails, range, waits, wins, WON } from "../peer.ts";

/**
 * What every figure is divided by. Where the platform has nothing of the kind, the functions are ended by hand, each through a
 * promise of its own: the least that the work can cost, and no guarantee kept.
 */
export const reference: Peer = {
  name: "Promise.allSettled",
  kind: "platform",
  lacks: { j: "there are no tokens" },
  weaker: {
    c: "each waiting function is rejected by hand",
    d: "no limit",
    e: "the others are rejected by hand",
    f: "the others are rejected by hand",
    g: "each value is pushed by hand",
  },
  join: (fns) => Promise.allSettled(fns.map((fn) => fn())),
  wait(count, tally) {
    const rejects: ((error: unknown) => void)[] = [];
    const all = Promise.allSettled(range(count, () => waits(tally, byHand(rejects))));
    return {
      cancel: () => {
        rejectAll(rejects);
      },
      ended: () => all,
    };
  },
  limited: (fns) => Promise.allSettled(fns.map((fn) => fn())),
  async failFast(count, failing, error, tally) {
    const rejects: ((error: unknown) => void)[] = [];
    const promises = range(count, (index) =>
      index === failing ? fails(tally, error) : waits(tally, byHand(rejects)),
    );
    const found = await errorOf(promises[failing]!);
    rejectAll(rejects);
    await Promise.allSettled(promises);
    return found;
  },
  async race(count, winner, tally) {
    const rejects: ((error: unknown) => void)[] = [];
    const promises = range(count, (index) =>
      index === winner ? wins(tally) : waits(tally, byHand(rejects)),
    );
    await promises[winner];
    rejectAll(rejects);
    await Promise.allSettled(promises);
    return WON;
  },
  async completed(fns) {
    const values: number[] = [];
    await Promise.allSettled(fns.map(async (fn) => void values.push(await fn())));
    return values;
  },
  open: () => ({
    pass: (fn, count) => Promise.allSettled(range(count, () => fn())),
    close: () => undefined,
  }),
  keeper: () => ({ start: (fn) => fn(), close: () => undefined }),
};

function byHand(rejects: ((error: unknown) => void)[]): Promise<never> {
  return new Promise((_, reject) => {
    rejects.push(reject);
  });
}

function rejectAll(rejects: ((error: unknown) => void)[]): void {
  const error = new Error("cancelled");
  for (const reject of rejects) reject(error);
}

const noTokens = "it cancels nothing";
const all: Peer = {
  name: "Promise.all",
  kind: "platform",
  lacks: {
    c: noTokens,
    d: "no limit",
    e: "the others go on",
    f: "the others go on",
    g: "no iteration",
    h: "no owner",
    i: "as Promise.allSettled",
    j: noTokens,
  },
  join: (fns) => Promise.all(fns.map((fn) => fn())),
};

/** A controller for each task, and the way in which it hears of its parent. */
interface Link {
  signal: AbortSignal;
  unlink(): void;
}

function perTask(name: string, link: (parent: AbortSignal, children: Set<AbortController>) => Link): Peer {
  /** The parent, whoever it tells; and a task under it. */
  function open(): {
    spawn<T>(fn: (signal: AbortSignal) => Promise<T>): Promise<T>;
    child(): Link;
    abort(): void;
  } {
    const parent = new AbortController();
    setMaxListeners(0, parent.signal);
    const children = new Set<AbortController>();
    const child = (): Link => link(parent.signal, children);
    return {
      child,
      async spawn(fn) {
        const { signal, unlink } = child();
        try {
          return await fn(signal);
        } finally {
          unlink();
        }
      },
      abort() {
        parent.abort();
        for (const controller of children) controller.abort(parent.signal.reason);
      },
    };
  }
  return {
    name,
    kind: "platform",
    lacks: { d: "no limit", g: "no iteration" },
    mostSiblings: 1_000,
    join(fns) {
      const { spawn } = open();
      return Promise.allSettled(fns.map((fn) => spawn(fn)));
    },
    wait(count, tally) {
      const { spawn, abort } = open();
      const ended = Promise.allSettled(range(count, () => spawn((signal) => waits(tally, aborted(signal)))));
      return { cancel: abort, ended: () => ended };
    },
    async failFast(count, failing, error, tally) {
      const { spawn, abort } = open();
      const promises = range(count, (index) =>
        spawn((signal) => (index === failing ? fails(tally, error) : waits(tally, aborted(signal)))),
      );
      const found = await errorOf(Promise.all(promises));
      abort();
      await Promise.allSettled(promises);
      return found;
    },
    async race(count, winner, tally) {
      const { spawn, abort } = open();
      const promises = range(count, (index) =>
        spawn<unknown>((signal) => (index === winner ? wins(tally) : waits(tally, aborted(signal)))),
      );
      try {
        return await Promise.race(promises);
      } finally {
        abort();
        await Promise.allSettled(promises);
      }
    },
    open() {
      const { spawn } = open();
      return {
        pass: (fn, count) => Promise.allSettled(range(count, () => spawn(fn))),
        close: () => undefined,
      };
    },
    keeper() {
      const { spawn } = open();
      return { start: (fn) => spawn(fn), close: () => undefined };
    },
    parent() {
      const { child, abort } = open();
      return {
        keep(callback) {
          const { signal } = child();
          kept.push(signal);
          signal.addEventListener("abort", callback, { once: true });
        },
        pass(callback) {
          const { signal, unlink } = child();
          signal.addEventListener("abort", callback, { once: true });
          signal.removeEventListener("abort", callback);
          unlink();
        },
        cancel: abort,
      };
    },
  };
}

/** A parent holds the signals that follow it by weak references only. */
const kept: AbortSignal[] = [];

const unlinked = perTask("AbortController each, unlinked", (_, children) => {
  const controller = new AbortController();
  children.add(controller);
  return { signal: controller.signal, unlink: () => children.delete(controller) };
});

const linked = perTask("AbortController each, linked by listener", (parent) => {
  const controller = new AbortController();
  const abort = (): void => {
    controller.abort(parent.reason);
  };
  parent.addEventListener("abort", abort, { once: true });
  return {
    signal: controller.signal,
    unlink: () => {
      parent.removeEventListener("abort", abort);
    },
  };
});

const any = perTask("AbortSignal.any each", (parent) => {
  const controller = new AbortController();
  const signal = AbortSignal.any([parent, controller.signal]);
  return { signal, unlink: () => undefined };
});

export const peers: Peer[] = [
  reference,
  all,
  { ...unlinked, mostSiblings: Infinity },
  linked,
  { ...any, mostSiblings: Infinity },
];
