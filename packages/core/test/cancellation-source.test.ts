import {
  CancellationSource,
  CancellationToken,
  CancelledError,
  TimeoutError,
  type CancelSource,
  tie,
} from "@scope/core";
import { EventLog, captureReports, collectGarbage, flushMicrotasks } from "@scope/test-utils";
import { beforeEach, describe, expect, it, vi } from "vitest";

/** The longest delay that one platform timer holds. */
const LONGEST = 2 ** 31 - 1;

describe("CancellationSource", () => {
  it("has one token, which is not cancelled", () => {
    const source = new CancellationSource();
    expect(source.token).toBeInstanceOf(CancellationToken);
    expect(source.token).toBe(source.token);
    expect(source.token.cancelRequested).toBe(false);
  });

  it("takes an empty list of parents", () => {
    const source = new CancellationSource({ parent: [] });
    source.cancel();
    expect(source.token.cancelRequested).toBe(true);
  });

  describe("cancel", () => {
    it("cancels the token before it returns, with the reason", () => {
      const source = new CancellationSource();
      const reason = { code: 7 };
      source.cancel(reason);
      expect(source.token.cancelRequested).toBe(true);
      expect(source.token.error?.reason).toBe(reason);
      expect(source.token.error?.source).toBe<CancelSource>("explicit");
    });

    it("needs no reason", () => {
      const source = new CancellationSource();
      source.cancel();
      expect(source.token.error?.reason).toBeUndefined();
      expect(source.token.error?.message).not.toBe("");
    });

    it("counts once: the first call wins, and callbacks run once", () => {
      const source = new CancellationSource();
      const callback = vi.fn();
      source.token.onCancel(callback);
      source.cancel("first");
      const { error } = source.token;
      source.cancel("second");
      expect(source.token.error).toBe(error);
      expect(error?.reason).toBe("first");
      expect(callback).toHaveBeenCalledTimes(1);
    });

    it("uses a CancelledError given as the reason as it is", () => {
      const source = new CancellationSource();
      const error = new CancelledError("mine", { source: "shutdown" });
      source.cancel(error);
      expect(source.token.error).toBe(error);
    });

    it("returns nothing", () => {
      const source = new CancellationSource();
      expect([source.cancel(), source.cancel()]).toEqual([undefined, undefined]);
    });

    it("never throws, whatever its callbacks do (L9)", () => {
      using reports = captureReports();
      const source = new CancellationSource();
      source.token.onCancel(() => {
        throw new Error("callback");
      });
      expect(() => {
        source.cancel();
      }).not.toThrow();
      expect(reports).toHaveLength(1);
    });

    it.each<[string, () => unknown]>([
      ["a revoked proxy", revoked],
      ["an error whose message cannot be read", unreadable],
      ["an error whose message is a symbol", () => Object.assign(new Error(), { message: Symbol("odd") })],
      ["an object without a prototype", () => Object.create(null) as unknown],
      ["a symbol", () => Symbol("reason")],
      ["a function", () => () => undefined],
    ])("never throws, whatever the reason: %s", (_, make) => {
      const source = new CancellationSource();
      const reason = make();
      const limit = Error.stackTraceLimit;
      try {
        expect(() => {
          source.cancel(reason);
        }).not.toThrow();
        expect(source.token.cancelRequested).toBe(true);
        expect(Object.is(source.token.error?.reason, reason)).toBe(true);
      } finally {
        Error.stackTraceLimit = limit;
      }
    });

    it("leaves a deadline without a timer", () => {
      vi.useFakeTimers();
      const source = new CancellationSource({ timeout: 1000 });
      expect(vi.getTimerCount()).toBe(1);
      source.cancel();
      expect(vi.getTimerCount()).toBe(0);
    });
  });

  describe("with parents", () => {
    it("is cancelled with its parent, by the parent's error", () => {
      const outer = new CancellationSource();
      const source = new CancellationSource({ parent: outer.token });
      outer.cancel("outer");
      expect(source.token.error).toBe(outer.token.error);
    });

    it("is cancelled with an AbortSignal", () => {
      const controller = new AbortController();
      const source = new CancellationSource({ parent: controller.signal });
      controller.abort("signal");
      expect(source.token.error?.reason).toBe("signal");
      expect(source.token.error?.source).toBe("signal");
    });

    it("is cancelled with the first of several, tokens and signals alike, by its error", () => {
      for (const winner of [0, 1, 2, 3]) {
        const sources = [new CancellationSource(), new CancellationSource()];
        const controllers = [new AbortController(), new AbortController()];
        const parent = [
          sources[0]!.token,
          controllers[0]!.signal,
          sources[1]!.token,
          controllers[1]!.signal,
        ] as const;
        const source = new CancellationSource({ parent });
        if (winner % 2 === 0) sources[winner / 2]!.cancel(winner);
        else controllers[(winner - 1) / 2]!.abort(winner);
        const { error } = source.token;
        expect(error?.reason).toBe(winner);
        expect(error).toBe(CancellationToken.from(parent[winner]!).error);
        for (const other of sources) other.cancel("late");
        for (const other of controllers) other.abort("late");
        expect(source.token.error).toBe(error);
      }
    });

    it("is born cancelled under a cancelled one, wherever in the list that stands", () => {
      const cancelled = new CancellationSource();
      cancelled.cancel("before");
      const live = new CancellationSource();
      const aborted = AbortSignal.abort("aborted");
      for (const parent of [[cancelled.token, live.token], [live.token, cancelled.token], cancelled.token]) {
        expect(new CancellationSource({ parent }).token.error).toBe(cancelled.token.error);
      }
      expect(new CancellationSource({ parent: [live.token, aborted] }).token.error?.reason).toBe("aborted");
      expect(live.token.cancelRequested).toBe(false);
    });

    it("takes the same parent twice, and is told once", () => {
      const outer = new CancellationSource();
      const source = new CancellationSource({ parent: [outer.token, outer.token] });
      const callback = vi.fn();
      source.token.onCancel(callback);
      outer.cancel();
      expect(callback).toHaveBeenCalledTimes(1);
    });

    it("does not cancel them", () => {
      const outers = [new CancellationSource(), new CancellationSource()];
      const source = new CancellationSource({ parent: outers.map(({ token }) => token) });
      source.cancel();
      expect(outers.map(({ token }) => token.cancelRequested)).toEqual([false, false]);
    });

    it("keeps the error of its own cancel", () => {
      const outer = new CancellationSource();
      const source = new CancellationSource({ parent: [new CancellationSource().token, outer.token] });
      source.cancel("own");
      outer.cancel("outer");
      expect(source.token.error?.reason).toBe("own");
    });

    it("calls its callbacks inside the parent's cancel", () => {
      const outer = new CancellationSource();
      const source = new CancellationSource({ parent: [new CancellationSource().token, outer.token] });
      const log = new EventLog();
      source.token.onCancel(log.note("callback"));
      outer.cancel();
      log.add("returned");
      expect(log.events).toEqual(["callback", "returned"]);
    });
  });

  describe("a deadline", () => {
    beforeEach(() => {
      vi.useFakeTimers();
    });

    it("cancels with source timeout when it passes, and not before", async () => {
      const source = new CancellationSource({ timeout: 100 });
      await vi.advanceTimersByTimeAsync(99);
      expect(source.token.cancelRequested).toBe(false);
      await vi.advanceTimersByTimeAsync(1);
      expect(source.token.error).toBeInstanceOf(CancelledError);
      expect(source.token.error?.source).toBe<CancelSource>("timeout");
      expect(vi.getTimerCount()).toBe(0);
    });

    it("says how long it was", async () => {
      const source = new CancellationSource({ timeout: 250 });
      await vi.advanceTimersByTimeAsync(250);
      expect(source.token.error?.reason).toBeInstanceOf(TimeoutError);
      expect(source.token.error?.reason).toMatchObject({ timeout: 250 });
      expect(source.token.error?.message).toContain("250 ms");
    });

    it("of 0 cancels now, without a timer", () => {
      const source = new CancellationSource({ timeout: 0 });
      expect(source.token.error?.source).toBe("timeout");
      const other = new CancellationSource();
      const callback = vi.fn();
      other.token.onCancel(callback);
      other.cancelAfter(0);
      expect(other.token.error?.source).toBe("timeout");
      expect(callback).toHaveBeenCalledTimes(1);
      expect(vi.getTimerCount()).toBe(0);
    });

    it("of Infinity never passes, without a timer (L7)", async () => {
      const source = new CancellationSource({ timeout: Infinity });
      source.cancelAfter(Infinity);
      expect(vi.getTimerCount()).toBe(0);
      await vi.advanceTimersByTimeAsync(2 ** 40);
      expect(source.token.cancelRequested).toBe(false);
    });

    it.each([LONGEST, LONGEST + 1, 2 ** 31, 2 ** 32, 3 * LONGEST, 3 * LONGEST + 1])(
      "may be longer than the platform's timers hold: %d ms (L11)",
      async (ms) => {
        const source = new CancellationSource({ timeout: ms });
        await vi.advanceTimersByTimeAsync(ms - 1);
        expect(source.token.cancelRequested).toBe(false);
        await vi.advanceTimersByTimeAsync(1);
        expect(source.token.error?.reason).toMatchObject({ timeout: ms });
        expect(vi.getTimerCount()).toBe(0);
      },
    );

    it("of great length takes one timer, is moved, and is undone after its first timer has passed", async () => {
      const source = new CancellationSource({ timeout: 3 * LONGEST });
      await vi.advanceTimersByTimeAsync(LONGEST + 5);
      expect(vi.getTimerCount()).toBe(1);
      source.cancelAfter(2 * LONGEST);
      expect(vi.getTimerCount()).toBe(1);
      await vi.advanceTimersByTimeAsync(2 * LONGEST - 1);
      expect(source.token.cancelRequested).toBe(false);
      source.cancelAfter(Infinity);
      expect(vi.getTimerCount()).toBe(0);
      await vi.advanceTimersByTimeAsync(5 * LONGEST);
      expect(source.token.cancelRequested).toBe(false);
    });

    it("of Number.MAX_VALUE arms a timer that does not fire", async () => {
      const source = new CancellationSource({ timeout: Number.MAX_VALUE });
      await vi.advanceTimersByTimeAsync(2 * LONGEST);
      expect(source.token.cancelRequested).toBe(false);
      source.cancel();
      expect(vi.getTimerCount()).toBe(0);
    });

    it("may be a fraction", async () => {
      const source = new CancellationSource({ timeout: 0.5 });
      expect(source.token.cancelRequested).toBe(false);
      await vi.advanceTimersByTimeAsync(1);
      expect(source.token.error?.source).toBe("timeout");
    });

    it("is moved by cancelAfter, earlier and later, counted from that call", async () => {
      const later = new CancellationSource({ timeout: 100 });
      const earlier = new CancellationSource({ timeout: 100 });
      await vi.advanceTimersByTimeAsync(50);
      later.cancelAfter(100);
      earlier.cancelAfter(10);
      expect(vi.getTimerCount()).toBe(2);
      await vi.advanceTimersByTimeAsync(10);
      expect(earlier.token.error?.reason).toMatchObject({ timeout: 10 });
      await vi.advanceTimersByTimeAsync(89);
      expect(later.token.cancelRequested).toBe(false);
      await vi.advanceTimersByTimeAsync(1);
      expect(later.token.error?.reason).toMatchObject({ timeout: 100 });
    });

    it("is set by cancelAfter on a source that had none, and disarmed by Infinity", async () => {
      const source = new CancellationSource();
      source.cancelAfter(10);
      expect(vi.getTimerCount()).toBe(1);
      source.cancelAfter(Infinity);
      expect(vi.getTimerCount()).toBe(0);
      await vi.advanceTimersByTimeAsync(100);
      expect(source.token.cancelRequested).toBe(false);
      source.cancelAfter(10);
      await vi.advanceTimersByTimeAsync(10);
      expect(source.token.error?.source).toBe("timeout");
    });

    it("can be moved again and again without leaving timers behind", async () => {
      const source = new CancellationSource({ timeout: 100 });
      for (let i = 0; i < 1000; i++) source.cancelAfter(100);
      expect(vi.getTimerCount()).toBe(1);
      await vi.advanceTimersByTimeAsync(100);
      expect(source.token.cancelRequested).toBe(true);
    });

    it("changes nothing once the token is cancelled", async () => {
      const source = new CancellationSource();
      source.cancel("explicit");
      const { error } = source.token;
      source.cancelAfter(10);
      source.cancelAfter(0);
      await flushMicrotasks();
      expect(vi.getTimerCount()).toBe(0);
      await vi.advanceTimersByTimeAsync(10);
      expect(source.token.error).toBe(error);
    });

    it("leaves no timer when a parent cancels first, nor under one that is cancelled already", async () => {
      const outer = new CancellationSource();
      const [single, several] = [
        new CancellationSource({ parent: outer.token, timeout: 1000 }),
        new CancellationSource({ parent: [new CancellationSource().token, outer.token], timeout: 1000 }),
      ];
      expect(vi.getTimerCount()).toBe(2);
      outer.cancel("outer");
      expect(vi.getTimerCount()).toBe(0);
      expect(single.token.error).toBe(outer.token.error);
      expect(several.token.error).toBe(outer.token.error);
      const late = new CancellationSource({ parent: outer.token, timeout: 1000 });
      const later = new CancellationSource({ parent: [outer.token], timeout: 0 });
      await flushMicrotasks();
      expect(vi.getTimerCount()).toBe(0);
      expect(late.token.error).toBe(outer.token.error);
      expect(later.token.error).toBe(outer.token.error);
    });

    it("reaches the descendants with one and the same error", async () => {
      const source = new CancellationSource({ timeout: 10 });
      const child = source.token.child({ timeout: 20 });
      await vi.advanceTimersByTimeAsync(10);
      expect(child.token.error).toBe(source.token.error);
      expect(vi.getTimerCount()).toBe(0);
    });
  });

  describe("dispose", () => {
    it("cancels nothing", () => {
      const source = new CancellationSource();
      source[Symbol.dispose]();
      expect(source.token.cancelRequested).toBe(false);
    });

    it("detaches from every parent", () => {
      const outers = [new CancellationSource(), new CancellationSource()];
      const controller = new AbortController();
      const source = new CancellationSource({
        parent: [outers[0]!.token, controller.signal, outers[1]!.token],
      });
      const child = source.token.child();
      source[Symbol.dispose]();
      for (const outer of outers) outer.cancel();
      controller.abort();
      expect(source.token.cancelRequested).toBe(false);
      expect(child.token.cancelRequested).toBe(false);
    });

    it("disarms the deadline", async () => {
      vi.useFakeTimers();
      const source = new CancellationSource({ timeout: 10 });
      source[Symbol.dispose]();
      expect(vi.getTimerCount()).toBe(0);
      await vi.advanceTimersByTimeAsync(10);
      expect(source.token.cancelRequested).toBe(false);
    });

    it("may be called twice, and after a cancel", () => {
      const source = new CancellationSource({ parent: new CancellationSource().token, timeout: 1000 });
      source.cancel("mine");
      source[Symbol.dispose]();
      source[Symbol.dispose]();
      expect(source.token.error?.reason).toBe("mine");
    });

    it("happens at the end of a using block", () => {
      const outer = new CancellationSource();
      let token: CancellationToken;
      {
        using source = outer.token.child();
        ({ token } = source);
      }
      outer.cancel();
      expect(token.cancelRequested).toBe(false);
    });

    it("leaves the source's own cancel, and its children, working", () => {
      const source = new CancellationSource({ parent: new CancellationSource().token });
      const child = source.token.child();
      const callback = vi.fn();
      source.token.onCancel(callback);
      source[Symbol.dispose]();
      source.cancel("after");
      expect(source.token.error?.reason).toBe("after");
      expect(child.token.error).toBe(source.token.error);
      expect(callback).toHaveBeenCalledTimes(1);
    });

    it("disturbs no sibling, in whatever order they go", () => {
      for (const order of [
        [0, 1, 2],
        [2, 1, 0],
        [1, 0, 2],
        [1, 2, 0],
      ]) {
        const outer = new CancellationSource();
        const children = [0, 1, 2].map(() => outer.token.child());
        const last = order.pop()!;
        for (const index of order) children[index]![Symbol.dispose]();
        outer.cancel();
        expect(children.map(({ token }) => token.cancelRequested)).toEqual(
          [0, 1, 2].map((index) => index === last),
        );
      }
    });

    it("leaves nothing on the parents, as a cancel does", async () => {
      const outers = [new CancellationSource(), new CancellationSource()];
      const parent = outers.map(({ token }) => token);
      const children: WeakRef<CancellationSource>[] = [];
      const leave = (end: (source: CancellationSource) => void): void => {
        for (const to of [parent, parent[0]!]) {
          const source = new CancellationSource({ parent: to });
          source.token.onCancel(() => source);
          end(source);
          children.push(new WeakRef(source));
        }
      };
      leave((source) => {
        source[Symbol.dispose]();
      });
      leave((source) => {
        source.cancel();
      });
      await collectGarbage();
      expect(children.map((child) => child.deref())).toEqual([undefined, undefined, undefined, undefined]);
      expect(outers.map(({ token }) => token.cancelRequested)).toEqual([false, false]);
    });

    it("unlinks 100,000 children oldest first and newest first", () => {
      for (const newest of [false, true]) {
        const outer = new CancellationSource();
        const children = Array.from({ length: 100_000 }, () => outer.token.child());
        if (newest) children.reverse();
        const kept = children.splice(50_000, 1);
        for (const child of children) child[Symbol.dispose]();
        outer.cancel();
        expect(kept[0]?.token.cancelRequested).toBe(true);
        expect(children.some(({ token }) => token.cancelRequested)).toBe(false);
      }
    });
  });
});

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function unreadable(): unknown {
  return Object.defineProperty(new Error(), "message", {
    get(): string {
      throw new RangeError("unreadable");
    },
  });
}

describe("tie", () => {
  it("has a token cancelled with a further parent, and not the other way round", () => {
    const [own, further] = [new CancellationSource(), new CancellationSource()];
    const child = own.token.child();
    tie(own.token, further.token);
    further.cancel("theirs");
    expect(own.token.error).toBe(further.token.error);
    expect(child.token.error).toBe(further.token.error);

    const other = new CancellationSource();
    const parent = new CancellationSource();
    tie(other.token, parent.token);
    other.cancel("own");
    expect(parent.token.cancelRequested).toBe(false);
    parent.cancel("too late");
    expect(other.token.error).toMatchObject({ reason: "own" });
  });

  it("cancels in two phases: no callback sees a token that is not cancelled yet (L8)", () => {
    const [a, b, parent] = [new CancellationSource(), new CancellationSource(), new CancellationSource()];
    const seen: boolean[][] = [];
    for (const source of [a, b]) {
      tie(source.token, parent.token);
      source.token.onCancel(() => seen.push([a.token.cancelRequested, b.token.cancelRequested]));
    }
    parent.cancel();
    expect(seen).toEqual([
      [true, true],
      [true, true],
    ]);
  });

  it("cancels at once if the parent is cancelled already", () => {
    const own = new CancellationSource();
    const parent = new CancellationSource();
    parent.cancel("before");
    tie(own.token, parent.token);
    expect(own.token.error).toBe(parent.token.error);
  });

  it("is undone by what it returns, more than once too", () => {
    const [own, parent] = [new CancellationSource(), new CancellationSource()];
    const untie = tie(own.token, parent.token);
    untie();
    untie();
    parent.cancel();
    expect(own.token.cancelRequested).toBe(false);
  });
});
