import { getEventListeners } from "node:events";
import { inspect } from "node:util";
import {
  CancellationSource,
  CancellationToken,
  CancelledError,
  TaskScope,
  TimeoutError,
  backgroundSpawner,
  cancelAndWait,
  failAfter,
  moveOnAfter,
  sleep,
} from "@scope/core";
import {
  Deferred,
  EventLog,
  captureReports,
  collectGarbage,
  flushMicrotasks,
  macrotask,
} from "@scope/test-utils";
import { describe, expect, it, vi } from "vitest";

function listenersOf(signal: AbortSignal): number {
  return getEventListeners(signal, "abort").length;
}

/** A chain of sources, each a child of the one before. */
function chain(root: CancellationToken, depth: number): CancellationSource[] {
  const sources: CancellationSource[] = [];
  let parent = root;
  for (let level = 0; level < depth; level++) {
    const source = new CancellationSource({ parent });
    sources.push(source);
    parent = source.token;
  }
  return sources;
}

describe("CancellationToken", () => {
  describe("before it is cancelled", () => {
    it("has no error and throws nothing", () => {
      const { token } = new CancellationSource();
      expect(token.cancelRequested).toBe(false);
      expect(token.error).toBeUndefined();
      expect(() => {
        token.throwIfCancelled();
      }).not.toThrow();
    });

    it("says so as a string", () => {
      expect(String(new CancellationSource().token)).toBe("CancellationToken (not cancelled)");
    });
  });

  describe("once cancelled", () => {
    it("throws its error, the same object to everybody", () => {
      const source = new CancellationSource();
      source.cancel("enough");
      const { token } = source;
      const thrown: unknown[] = [];
      for (let i = 0; i < 2; i++) {
        try {
          token.throwIfCancelled();
        } catch (error) {
          thrown.push(error);
        }
      }
      expect(token.error).toBeInstanceOf(CancelledError);
      expect(thrown).toHaveLength(2);
      expect(thrown[0]).toBe(token.error);
      expect(thrown[1]).toBe(token.error);
    });

    it("stays so, and keeps its error (L3)", () => {
      const source = new CancellationSource();
      source.cancel("first");
      const { error } = source.token;
      source.cancel("second");
      source.cancelAfter(Infinity);
      source[Symbol.dispose]();
      expect(source.token.error).toBe(error);
      expect(source.token.error?.reason).toBe("first");
    });

    it("is seen by whoever comes later: children are born cancelled, with its error (L3)", () => {
      const source = new CancellationSource();
      source.cancel();
      const late = new CancellationSource({ parent: source.token });
      expect(late.token.error).toBe(source.token.error);
      expect(late.token.child().token.error).toBe(source.token.error);
    });

    it("says so, and why, as a string", () => {
      const source = new CancellationSource();
      source.cancel("Ctrl-C");
      expect(String(source.token)).toMatch(/^CancellationToken \(.*Ctrl-C\)$/);
      expect(inspect(source.token)).toBe(String(source.token));
    });
  });

  describe("none", () => {
    it("is one token, never cancelled", () => {
      expect(CancellationToken.none).toBeInstanceOf(CancellationToken);
      expect(CancellationToken.none).toBe(CancellationToken.none);
      expect(CancellationToken.none.cancelRequested).toBe(false);
      expect(CancellationToken.none.error).toBeUndefined();
    });

    it("takes registrations and children without being changed by them", async () => {
      const callback = vi.fn();
      const forget = CancellationToken.none.onCancel(callback);
      const child = CancellationToken.none.child();
      child.cancel();
      forget();
      await flushMicrotasks();
      expect(callback).not.toHaveBeenCalled();
      expect(CancellationToken.none.cancelRequested).toBe(false);
    });

    it("has a signal that is never aborted, and is that signal's token", () => {
      const { signal } = CancellationToken.none;
      expect(signal.aborted).toBe(false);
      expect(CancellationToken.from(signal)).toBe(CancellationToken.none);
    });

    it("does not cancel what names it as a parent, but other parents do", () => {
      const outer = new CancellationSource();
      const source = new CancellationSource({ parent: [CancellationToken.none, outer.token] });
      expect(source.token.cancelRequested).toBe(false);
      outer.cancel();
      expect(source.token.error).toBe(outer.token.error);
    });

    it("races nothing: the promise decides", async () => {
      await expect(CancellationToken.none.race(Promise.resolve(1))).resolves.toBe(1);
    });
  });

  describe("its descendants", () => {
    it("are cancelled with it, and have its very error", () => {
      const root = new CancellationSource();
      const child = root.token.child();
      const grandchild = child.token.child();
      const { signal } = grandchild.token;
      root.cancel("all");
      expect(child.token.error).toBe(root.token.error);
      expect(grandchild.token.error).toBe(root.token.error);
      expect(signal.reason).toBe(root.token.error);
    });

    it("are cancelled without touching it or one another", () => {
      const root = new CancellationSource();
      const [left, right] = [root.token.child(), root.token.child()];
      left.cancel();
      expect(left.token.cancelRequested).toBe(true);
      expect(right.token.cancelRequested).toBe(false);
      expect(root.token.cancelRequested).toBe(false);
    });

    it("keep the error that cancelled them first", () => {
      const root = new CancellationSource();
      const child = root.token.child();
      child.cancel("child");
      const { error } = child.token;
      root.cancel("root");
      expect(child.token.error).toBe(error);
      expect(root.token.error).not.toBe(error);
    });

    it("of a child that was cancelled alone are not told again by the root", () => {
      const root = new CancellationSource();
      const child = root.token.child();
      const callback = vi.fn();
      child.token.child().token.onCancel(callback);
      child.cancel("child");
      root.cancel("root");
      expect(callback).toHaveBeenCalledTimes(1);
      expect(callback).toHaveBeenCalledWith(child.token.error);
    });
  });

  describe("child", () => {
    it("makes a source below the token, which can be cancelled alone", () => {
      const root = new CancellationSource();
      const child = root.token.child();
      expect(child).toBeInstanceOf(CancellationSource);
      child.cancel("mine");
      expect(child.token.error?.reason).toBe("mine");
      expect(root.token.cancelRequested).toBe(false);
    });

    it("takes a timeout, and makes no timer without one", async () => {
      vi.useFakeTimers();
      const root = new CancellationSource();
      root.token.child();
      expect(vi.getTimerCount()).toBe(0);
      const child = root.token.child({ timeout: 20 });
      await vi.advanceTimersByTimeAsync(19);
      expect(child.token.cancelRequested).toBe(false);
      await vi.advanceTimersByTimeAsync(1);
      expect(child.token.error?.source).toBe("timeout");
      expect(root.token.cancelRequested).toBe(false);
    });
  });

  describe("cancelling in two phases (L8)", () => {
    it("shows a callback of the parent no descendant that is not yet cancelled", () => {
      const root = new CancellationSource();
      const seen: boolean[] = [];
      const descendants: CancellationToken[] = [];
      root.token.onCancel(() => {
        for (const token of descendants) seen.push(token.cancelRequested, token.signal.aborted);
      });
      descendants.push(
        ...chain(root.token, 3).map(({ token }) => token),
        ...chain(root.token, 2).map(({ token }) => token),
      );
      root.cancel();
      expect(seen).toEqual(new Array(10).fill(true));
    });

    it("shows a callback of any token all others cancelled, wherever in the tree it stands", () => {
      const root = new CancellationSource();
      const tokens = [root.token, ...chain(root.token, 4).map(({ token }) => token)];
      tokens.push(...tokens.slice().flatMap((token) => chain(token, 2).map((source) => source.token)));
      const early: CancellationToken[] = [];
      let calls = 0;
      for (const token of tokens) {
        token.onCancel(() => {
          calls++;
          early.push(...tokens.filter(({ cancelRequested }) => !cancelRequested));
        });
      }
      root.cancel();
      expect(calls).toBe(tokens.length);
      expect(early).toEqual([]);
    });

    it("holds for descendants with several parents, and for theirs", () => {
      const [left, right] = [new CancellationSource(), new CancellationSource()];
      const both = new CancellationSource({ parent: [left.token, right.token] });
      const twice = new CancellationSource({ parent: [new CancellationSource().token, both.token] });
      const below = twice.token.child();
      for (const [cancelled, other] of [
        [right, left],
        [left, right],
      ] as const) {
        const sources = [both, twice, below];
        const seen: boolean[] = [];
        cancelled.token.onCancel(() => seen.push(...sources.map(({ token }) => token.cancelRequested)));
        cancelled.cancel();
        expect(seen).toEqual([true, true, true]);
        expect(other.token.cancelRequested).toBe(cancelled === left);
      }
    });

    it("tells a descendant that it can reach by two ways once", () => {
      const root = new CancellationSource();
      const [left, right] = [root.token.child(), root.token.child()];
      const diamond = new CancellationSource({ parent: [left.token, right.token, root.token] });
      const callback = vi.fn();
      diamond.token.onCancel(callback);
      root.cancel();
      expect(callback).toHaveBeenCalledTimes(1);
      expect(callback).toHaveBeenCalledWith(root.token.error);
    });

    it("holds for everything that follows one abort signal", () => {
      const controller = new AbortController();
      const followed = CancellationToken.from(controller.signal);
      const other = new CancellationSource();
      const tokens = [
        followed,
        new CancellationSource({ parent: controller.signal }).token,
        new CancellationSource({ parent: [other.token, controller.signal] }).token,
        new TaskScope({ token: controller.signal }).token,
        followed.child().token.child().token,
      ];
      const seen: boolean[] = [];
      for (const token of tokens) {
        token.onCancel(() => seen.push(tokens.every(({ cancelRequested }) => cancelRequested)));
      }
      controller.abort();
      expect(seen).toEqual([true, true, true, true, true]);
    });

    it("shows a listener of a signal that was read earlier every descendant cancelled", () => {
      const root = new CancellationSource();
      const child = root.token.child();
      const seen: unknown[] = [];
      root.token.signal.addEventListener("abort", () => {
        seen.push(child.token.cancelRequested, child.token.signal.aborted);
      });
      root.cancel();
      expect(seen).toEqual([true, true]);
    });

    it("has a signal that is read later born aborted", () => {
      const root = new CancellationSource();
      const child = root.token.child();
      let born: AbortSignal | undefined;
      root.token.onCancel(() => {
        born = child.token.signal;
      });
      root.cancel("why");
      expect(born?.aborted).toBe(true);
      expect(born?.reason).toBe(root.token.error);
    });

    it("calls the callbacks of one token newest first", () => {
      const source = new CancellationSource();
      const log = new EventLog();
      for (const event of ["oldest", "middle", "newest"]) source.token.onCancel(log.note(event));
      source.cancel();
      expect(log.events).toEqual(["newest", "middle", "oldest"]);
    });

    it("reaches a depth of 100,000", () => {
      const root = new CancellationSource();
      const sources = chain(root.token, 100_000);
      const deepest = sources.at(-1)!.token;
      const callback = vi.fn();
      deepest.onCancel(callback);
      root.cancel("deep");
      expect(deepest.error).toBe(root.token.error);
      expect(sources.every(({ token }) => token.cancelRequested)).toBe(true);
      expect(callback).toHaveBeenCalledTimes(1);
    });

    it("reaches a depth of 100,000 through sources with several parents", () => {
      const root = new CancellationSource();
      const aside = new CancellationSource();
      let last = root;
      for (let level = 0; level < 100_000; level++)
        last = new CancellationSource({ parent: [aside.token, last.token] });
      const callback = vi.fn();
      last.token.onCancel(callback);
      root.cancel();
      expect(last.token.error).toBe(root.token.error);
      expect(callback).toHaveBeenCalledTimes(1);
      expect(aside.token.cancelRequested).toBe(false);
    });

    it("reaches a depth of 100,000 from inside a callback of each level", () => {
      const sources = chain(CancellationToken.none, 3);
      const deep = chain(sources[2]!.token, 100_000);
      sources[0]!.token.onCancel(() => {
        sources[1]!.cancel();
        deep[0]!.cancel();
      });
      sources[0]!.cancel();
      expect(deep.at(-1)!.token.error).toBe(sources[0]!.token.error);
    });

    it("reaches 100,000 siblings, each told once", () => {
      const root = new CancellationSource();
      let calls = 0;
      const children = Array.from({ length: 100_000 }, () => root.token.child());
      for (const { token } of children) token.onCancel(() => calls++);
      root.cancel();
      expect(calls).toBe(100_000);
      expect(children.every(({ token }) => token.error === root.token.error)).toBe(true);
    });
  });

  describe("onCancel", () => {
    it("calls back inside cancel, with the error", () => {
      const source = new CancellationSource();
      const callback = vi.fn();
      source.token.onCancel(callback);
      expect(callback).not.toHaveBeenCalled();
      source.cancel("now");
      expect(callback.mock.calls).toEqual([[source.token.error]]);
    });

    it("calls back in a microtask if the token is cancelled already, and not before", async () => {
      const source = new CancellationSource();
      source.cancel();
      const callback = vi.fn();
      source.token.onCancel(callback);
      expect(callback).not.toHaveBeenCalled();
      await flushMicrotasks(2);
      expect(callback.mock.calls).toEqual([[source.token.error]]);
    });

    it("calls back for a signal that was aborted before, too", async () => {
      const callback = vi.fn();
      const token = CancellationToken.from(AbortSignal.abort("early"));
      token.onCancel(callback);
      expect(callback).not.toHaveBeenCalled();
      await flushMicrotasks(2);
      expect(callback).toHaveBeenCalledTimes(1);
      expect(callback).toHaveBeenCalledWith(token.error);
    });

    it("never calls back after it was unregistered, not even from the microtask of a late registration", async () => {
      const source = new CancellationSource();
      const callback = vi.fn();
      source.token.onCancel(callback)();
      source.cancel();
      source.token.onCancel(callback)();
      await flushMicrotasks();
      expect(callback).not.toHaveBeenCalled();
    });

    it("can be unregistered any number of times, also after the call", () => {
      const source = new CancellationSource();
      const [one, other] = [vi.fn(), vi.fn()];
      const forget = source.token.onCancel(one);
      source.token.onCancel(other);
      forget();
      forget();
      source.cancel();
      forget();
      expect(one).not.toHaveBeenCalled();
      expect(other).toHaveBeenCalledTimes(1);
    });

    it("takes the same function twice, as two registrations", () => {
      const source = new CancellationSource();
      const callback = vi.fn();
      source.token.onCancel(callback);
      const forget = source.token.onCancel(callback);
      forget();
      source.cancel();
      expect(callback).toHaveBeenCalledTimes(1);
    });

    it("lets a callback unregister another that is still to come", () => {
      const source = new CancellationSource();
      const later = vi.fn();
      const forget = source.token.onCancel(later);
      source.token.onCancel(() => {
        forget();
      });
      source.cancel();
      expect(later).not.toHaveBeenCalled();
    });

    it("lets callbacks of different tokens unregister each other, and themselves", () => {
      const root = new CancellationSource();
      const log = new EventLog();
      const forgets: (() => void)[] = [];
      for (const { token } of [root, root.token.child()]) {
        const forget = token.onCancel(() => {
          log.add("called");
          for (const each of forgets) each();
        });
        forgets.push(forget);
      }
      root.cancel();
      expect(log.events).toEqual(["called"]);
    });

    it("calls one of two callbacks that unregister each other", () => {
      const source = new CancellationSource();
      const log = new EventLog();
      const forgets: (() => void)[] = [];
      for (const [own, other] of [
        [0, 1],
        [1, 0],
      ] as const) {
        forgets[own] = source.token.onCancel(() => {
          log.add(`callback ${own}`);
          forgets[other]?.();
        });
      }
      source.cancel();
      expect(log.events).toEqual(["callback 1"]);
    });

    it("calls what a callback registers in a microtask, after the others", async () => {
      const source = new CancellationSource();
      const log = new EventLog();
      source.token.onCancel(log.note("older"));
      source.token.onCancel(() => {
        log.add("newer");
        source.token.onCancel(log.note("registered meanwhile"));
      });
      source.cancel();
      expect(log.events).toEqual(["newer", "older"]);
      await flushMicrotasks(2);
      expect(log.events).toEqual(["newer", "older", "registered meanwhile"]);
    });

    it("lets a callback cancel the same token again, and an ancestor", () => {
      const root = new CancellationSource();
      const child = root.token.child();
      const sibling = root.token.child();
      const callback = vi.fn(() => {
        child.cancel("again");
        root.cancel("upwards");
      });
      child.token.onCancel(callback);
      const other = vi.fn();
      sibling.token.onCancel(other);
      child.cancel("first");
      expect(callback).toHaveBeenCalledTimes(1);
      expect(child.token.error?.reason).toBe("first");
      expect(other.mock.calls).toEqual([[root.token.error]]);
      expect(root.token.error?.reason).toBe("upwards");
    });

    it("lets a callback dispose of sources that are being cancelled", () => {
      const root = new CancellationSource();
      const children = Array.from({ length: 3 }, () => root.token.child());
      const calls: number[] = [];
      children.forEach((child, index) => {
        child.token.onCancel(() => {
          calls.push(index);
          for (const other of children) other[Symbol.dispose]();
          root[Symbol.dispose]();
        });
      });
      root.cancel();
      expect(calls.sort()).toEqual([0, 1, 2]);
    });

    it("lets go of a callback that has run, or was unregistered, though token and unregistering are kept", async () => {
      const source = new CancellationSource();
      const forgets: (() => void)[] = [];
      const register = (): WeakRef<object> => {
        const held = {};
        forgets.push(source.token.onCancel(() => held));
        return new WeakRef(held);
      };
      const refs = [register(), register()];
      forgets[0]!();
      await collectGarbage();
      expect(refs.map((ref) => ref.deref() === undefined)).toEqual([true, false]);
      source.cancel();
      await collectGarbage();
      expect(refs.map((ref) => ref.deref() === undefined)).toEqual([true, true]);
      expect(forgets).toHaveLength(2);
    });

    it("unregisters 100,000 callbacks oldest first, newest first and from the middle", () => {
      for (const order of ["oldest", "newest", "middle"] as const) {
        const source = new CancellationSource();
        const callback = vi.fn();
        const forgets = Array.from({ length: 100_000 }, () => source.token.onCancel(callback));
        if (order === "newest") forgets.reverse();
        if (order === "middle") forgets.push(...forgets.splice(0, 50_000));
        for (const forget of forgets) forget();
        source.cancel();
        expect(callback).not.toHaveBeenCalled();
      }
    });

    it("has a callback that throws stop nothing, and its error told to the process-wide handler (L9)", () => {
      using reports = captureReports();
      const root = new CancellationSource();
      const log = new EventLog();
      const [first, second] = [new Error("first"), new Error("second")];
      root.token.onCancel(log.note("oldest"));
      root.token.onCancel(() => {
        throw first;
      });
      root.token.onCancel(log.note("middle"));
      root.token.child().token.onCancel(() => {
        throw second;
      });
      root.token.child().token.onCancel(log.note("child"));
      root.cancel();
      expect(log.events.sort()).toEqual(["child", "middle", "oldest"]);
      expect(reports.map(({ error }) => error)).toHaveLength(2);
      expect(new Set(reports.map(({ error }) => error))).toEqual(new Set([first, second]));
      expect(reports[0]?.message).toContain("onCancel");
    });

    it("reports a late callback that throws, too (L9)", async () => {
      using reports = captureReports();
      const source = new CancellationSource();
      source.cancel();
      const error = new Error("late");
      source.token.onCancel(() => {
        throw error;
      });
      await flushMicrotasks(2);
      expect(reports.map((report) => report.error)).toEqual([error]);
    });
  });

  describe("race", () => {
    it("resolves with the promise's value", async () => {
      const { token } = new CancellationSource();
      await expect(token.race(Promise.resolve("value"))).resolves.toBe("value");
    });

    it("rejects with the promise's error", async () => {
      const { token } = new CancellationSource();
      const error = new Error("mine");
      await expect(token.race(Promise.reject(error))).rejects.toBe(error);
    });

    it("rejects with the token's error when it is cancelled first", async () => {
      const source = new CancellationSource();
      const raced = source.token.race(new Promise(() => {}));
      source.cancel("first");
      await expect(raced).rejects.toBe(source.token.error);
    });

    it("rejects when the token is cancelled already, even if the promise has settled", async () => {
      const source = new CancellationSource();
      source.cancel();
      const { error } = source.token;
      await expect(source.token.race(Promise.resolve("value"))).rejects.toBe(error);
      await expect(source.token.race(Promise.reject(new Error("mine")))).rejects.toBe(error);
      await expect(source.token.race(new Promise(() => {}))).rejects.toBe(error);
    });

    it("keeps the promise's outcome when the token is cancelled after it has settled", async () => {
      const source = new CancellationSource();
      const raced = source.token.race(Promise.resolve("value"));
      await flushMicrotasks();
      source.cancel();
      await expect(raced).resolves.toBe("value");
    });

    it("drops an outcome that comes too late, a rejection without a trace", async () => {
      const source = new CancellationSource();
      let reject!: (error: unknown) => void;
      const raced = source.token.race(
        new Promise((_, no) => {
          reject = no;
        }),
      );
      source.cancel();
      await expect(raced).rejects.toBe(source.token.error);
      reject(new Error("too late"));
      // An unhandled rejection would fail the test.
      await macrotask();
    });

    it("adopts anything thenable", async () => {
      const { token } = new CancellationSource();
      const thenable: PromiseLike<number> = {
        then: (onFulfilled) => Promise.resolve(7).then(onFulfilled),
      };
      await expect(token.race(thenable)).resolves.toBe(7);
    });

    it("asks a thenable once, and rejects with what its then throws", async () => {
      const { token } = new CancellationSource();
      const then = vi.fn((resolve: (value: number) => void) => {
        resolve(7);
      });
      await expect(token.race({ then } as unknown as PromiseLike<number>)).resolves.toBe(7);
      expect(then).toHaveBeenCalledTimes(1);
      const failure = new Error("failure");
      const broken = {
        then(): never {
          throw failure;
        },
      };
      await expect(token.race(broken)).rejects.toBe(failure);
    });

    it("leaves no registration behind, whoever wins", async () => {
      const controller = new AbortController();
      const token = CancellationToken.from(controller.signal);
      const open = new Deferred<number>();
      const raced = token.race(open.promise);
      expect(listenersOf(controller.signal)).toBe(1);
      open.resolve(1);
      await raced;
      expect(listenersOf(controller.signal)).toBe(0);
      await expect(token.race(Promise.reject(new Error("mine")))).rejects.toThrow("mine");
      expect(listenersOf(controller.signal)).toBe(0);
      const cancelled = token.race(new Promise(() => {}));
      controller.abort();
      await expect(cancelled).rejects.toBe(token.error);
      expect(listenersOf(controller.signal)).toBe(0);
    });
  });

  describe("signal", () => {
    it("is one per token, aborted with the token, its reason the token's error", () => {
      const source = new CancellationSource();
      const { signal } = source.token;
      expect(signal).toBeInstanceOf(AbortSignal);
      expect(source.token.signal).toBe(signal);
      expect(signal.aborted).toBe(false);
      const reasons: unknown[] = [];
      signal.addEventListener("abort", () => reasons.push(signal.reason));
      source.cancel("why");
      expect(signal.aborted).toBe(true);
      expect(reasons).toEqual([source.token.error]);
    });

    it("is aborted inside cancel, for the token's descendants as well", () => {
      const root = new CancellationSource();
      const child = new CancellationSource({ parent: [new CancellationSource().token, root.token] });
      const { signal } = child.token;
      root.cancel();
      expect(signal.aborted).toBe(true);
      expect(signal.reason).toBe(root.token.error);
    });

    it("leads back to its token", () => {
      const { token } = new CancellationSource();
      expect(CancellationToken.from(token.signal)).toBe(token);
    });

    it("does not exist until it is read (L7)", async () => {
      let made = 0;
      const counting = new Proxy(AbortController, {
        construct(target, args, newTarget) {
          made++;
          return Reflect.construct(target, args, newTarget) as AbortController;
        },
      });
      vi.stubGlobal("AbortController", counting);
      try {
        const outer = new CancellationSource({ timeout: 60_000 });
        const source = new CancellationSource({ parent: [outer.token, new CancellationSource().token] });
        source.token.onCancel(() => undefined)();
        await source.token.race(Promise.resolve());
        await sleep(0, source.token);
        await TaskScope.run(
          async (scope) => {
            await scope.spawn(() => sleep(0, scope.token));
            scope.spawn((token) => sleep(60_000, token)).cancel();
          },
          { token: source.token, concurrency: 1, timeout: 60_000 },
        );
        const task = backgroundSpawner.spawn((token) => sleep(60_000, token));
        await cancelAndWait(task, { token: source.token });
        await failAfter(60_000, () => moveOnAfter(60_000, () => "value"), { token: source.token });
        outer.cancel();
        expect(made).toBe(0);
        void outer.token.signal;
        expect(made).toBe(1);
        void outer.token.signal;
        expect(made).toBe(1);
      } finally {
        vi.unstubAllGlobals();
      }
    });
  });

  describe("from", () => {
    it("returns a token as it is", () => {
      const { token } = new CancellationSource();
      expect(CancellationToken.from(token)).toBe(token);
      expect(CancellationToken.from(CancellationToken.none)).toBe(CancellationToken.none);
    });

    it("gives one token per signal, whose signal is that very signal", () => {
      const { signal } = new AbortController();
      const token = CancellationToken.from(signal);
      expect(CancellationToken.from(signal)).toBe(token);
      expect(token.signal).toBe(signal);
      expect(CancellationToken.from(new AbortController().signal)).not.toBe(token);
    });

    it.each<[string, unknown]>([
      ["an Error", new RangeError("reason")],
      ["a string", "reason"],
      ["an object", { any: "thing" }],
      ["null", null],
    ])("keeps the signal's reason: %s", (_, reason) => {
      const controller = new AbortController();
      const token = CancellationToken.from(controller.signal);
      const child = token.child();
      controller.abort(reason);
      expect(token.error?.reason).toBe(reason);
      expect(token.error?.reason).toBe(controller.signal.reason);
      expect(token.error?.source).toBe("signal");
      expect(child.token.error).toBe(token.error);
    });

    it("keeps the platform's own reason when none was given", () => {
      const controller = new AbortController();
      controller.abort();
      const token = CancellationToken.from(controller.signal);
      expect(token.error?.reason).toBe(controller.signal.reason);
      expect(token.error?.reason).toBeInstanceOf(DOMException);
    });

    it("uses a CancelledError that is the signal's reason as it is", () => {
      const source = new CancellationSource();
      const combined = AbortSignal.any([source.token.signal, new AbortController().signal]);
      const token = CancellationToken.from(combined);
      source.cancel("below");
      expect(token.error).toBe(source.token.error);
    });

    it("sees an abort that nobody listened for (L3)", () => {
      const controller = new AbortController();
      const token = CancellationToken.from(controller.signal);
      controller.abort("unheard");
      expect(token.cancelRequested).toBe(true);
      expect(() => {
        token.throwIfCancelled();
      }).toThrow("unheard");
      expect(new CancellationSource({ parent: token }).token.error).toBe(token.error);
    });

    it("tells the error of a signal that was aborted before, the same object each time", () => {
      const signal = AbortSignal.abort("early");
      const { error } = CancellationToken.from(signal);
      expect(error?.reason).toBe("early");
      expect(CancellationToken.from(signal).error).toBe(error);
    });

    it("follows a deadline of the platform's", async () => {
      const signal = AbortSignal.timeout(1);
      const told = new Deferred<CancelledError>();
      CancellationToken.from(signal).onCancel(told.resolve);
      const error = await told.promise;
      expect(error.reason).toBe(signal.reason);
      expect(error.source).toBe("signal");
      // A TimeoutError of the platform's, and none of ours.
      expect(error.reason).not.toBeInstanceOf(TimeoutError);
    });
  });

  describe("following an abort signal", () => {
    it("adds no listener for a token that nobody registers on", () => {
      const { signal } = new AbortController();
      const token = CancellationToken.from(signal);
      expect(token.cancelRequested).toBe(false);
      expect(listenersOf(signal)).toBe(0);
    });

    it("adds one listener, however many follow, and removes it with the last", () => {
      const { signal } = new AbortController();
      const token = CancellationToken.from(signal);
      const sources = Array.from({ length: 10 }, () => new CancellationSource({ parent: signal }));
      const second = new CancellationSource({ parent: [new CancellationSource().token, signal] });
      const forget = token.onCancel(() => undefined);
      expect(listenersOf(signal)).toBe(1);
      for (const source of sources) source[Symbol.dispose]();
      expect(listenersOf(signal)).toBe(1);
      forget();
      expect(listenersOf(signal)).toBe(1);
      second[Symbol.dispose]();
      expect(listenersOf(signal)).toBe(0);
      const again = new CancellationSource({ parent: signal });
      expect(listenersOf(signal)).toBe(1);
      again.cancel();
      expect(listenersOf(signal)).toBe(0);
    });

    it("removes its listener when the signal is aborted", () => {
      const controller = new AbortController();
      const source = new CancellationSource({ parent: controller.signal });
      const both = new CancellationSource({
        parent: [new CancellationSource().token, controller.signal],
      });
      controller.abort();
      expect(source.token.cancelRequested && both.token.cancelRequested).toBe(true);
      expect(listenersOf(controller.signal)).toBe(0);
    });

    it("removes the listener of a source with several parents when another parent cancels it", () => {
      const { signal } = new AbortController();
      const outer = new CancellationSource();
      const source = new CancellationSource({ parent: [outer.token, signal] });
      expect(listenersOf(signal)).toBe(1);
      outer.cancel();
      expect(source.token.error).toBe(outer.token.error);
      expect(listenersOf(signal)).toBe(0);
    });

    it("leaves no listener behind once a scope, a sleep or a moved deadline is over", async () => {
      const { signal } = new AbortController();
      await TaskScope.run(
        async (scope) => {
          scope.spawn((token) => sleep(0, token));
          expect(listenersOf(signal)).toBe(1);
        },
        { token: signal },
      );
      expect(listenersOf(signal)).toBe(0);
      await expect(
        TaskScope.run(
          () => {
            throw new Error("body");
          },
          { token: signal },
        ),
      ).rejects.toThrow("body");
      expect(listenersOf(signal)).toBe(0);
      const shielded = await TaskScope.run(() => "shielded", { token: signal, shield: true });
      expect(shielded).toBe("shielded");
      expect(listenersOf(signal)).toBe(0);
      await sleep(0, signal);
      expect(listenersOf(signal)).toBe(0);
      const scope = new TaskScope({ token: signal });
      await scope.stop();
      expect(listenersOf(signal)).toBe(0);
    });

    it("brings no MaxListenersExceededWarning with 1,000 scopes and children on one signal", async () => {
      const controller = new AbortController();
      const warnings: Error[] = [];
      const remember = (warning: Error): void => {
        warnings.push(warning);
      };
      process.on("warning", remember);
      try {
        const runs: Promise<void>[] = [];
        const sources: CancellationSource[] = [];
        for (let i = 0; i < 1000; i++) {
          runs.push(
            TaskScope.run(
              async (scope) => {
                await scope.spawn((token) => sleep(Infinity, token));
              },
              { token: controller.signal },
            ),
          );
          sources.push(CancellationToken.from(controller.signal).child());
        }
        expect(listenersOf(controller.signal)).toBe(1);
        controller.abort("all");
        const outcomes = await Promise.allSettled(runs);
        const error = CancellationToken.from(controller.signal).error;
        expect(outcomes.every((outcome) => outcome.status === "rejected" && outcome.reason === error)).toBe(
          true,
        );
        expect(sources.every(({ token }) => token.error === error)).toBe(true);
        expect(listenersOf(controller.signal)).toBe(0);
        await macrotask();
        expect(warnings).toEqual([]);
      } finally {
        process.off("warning", remember);
      }
    });
  });
});
