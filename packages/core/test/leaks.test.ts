/** What is over is gone: heaps measured after a full collection, and objects that must be collectable. */
import {
  CancellationSource,
  CancelledError,
  FatalError,
  TaskScope,
  cancelAndWait,
  failAfter,
  moveOnAfter,
  observe,
  setDebug,
  sleep,
} from "@scope/core";
import type { CancellationToken, Task } from "@scope/core";
import {
  captureReports,
  collectGarbage,
  Deferred,
  flushMicrotasks,
  growth,
  inBatches as runInBatches,
  macrotask,
  survivors,
  type Watched,
} from "@scope/test-utils";
import { getEventListeners } from "node:events";
import { afterEach, describe, expect, it, vi } from "vitest";

const MEGABYTE = 2 ** 20;
const MILLION = 1_000_000;

/** `count` times, 10,000 at once: timers make each batch cost a millisecond. */
const inBatches = (count: number, start: () => unknown): Promise<void> => runInBatches(count, start, 10_000);

describe("one long-lived scope", { timeout: 60_000 }, () => {
  it("keeps nothing of a million short tasks (L7)", async () => {
    const scope = new TaskScope();
    const grown = await growth(MILLION, async (count) => {
      for (let n = 0; n < count; n++) {
        scope.spawn(async () => n);
        if (n % 1000 === 0) await flushMicrotasks(4);
      }
      await macrotask();
    });
    expect(scope.size).toBe(0);
    await scope.join();
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("keeps nothing of tasks that were awaited, listened to, failed or cancelled", async () => {
    const scope = new TaskScope({ onError: "ignore" });
    const waiting = async (token: CancellationToken): Promise<void> => sleep(Infinity, token);
    const grown = await growth(30_000, async (count) => {
      for (let n = 0; n < count; n++) {
        const value = scope.spawn(async () => n);
        value.onDone(() => n);
        await value;
        await scope.spawn(() => Promise.reject(new Error(`${n}`))).catch(() => n);
        await cancelAndWait(scope.spawn(waiting));
      }
    });
    expect(scope.size).toBe(0);
    await scope.join();
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("keeps nothing of pending tasks that were cancelled alone", async () => {
    const scope = new TaskScope({ concurrency: 1 });
    const blocked = new Deferred();
    scope.spawn(() => blocked.promise);
    const never = vi.fn();
    const grown = await growth(200_000, async (count) => {
      for (let n = 0; n < count; n += 100) {
        const tasks = Array.from({ length: 100 }, () => scope.spawn(never));
        for (const task of tasks) task.cancel();
        await flushMicrotasks(4);
      }
    });
    expect(scope.size).toBe(1);
    blocked.resolve();
    await scope.join();
    expect(never).not.toHaveBeenCalled();
    expect(grown).toBeLessThan(MEGABYTE);
  });
});

describe("one long-lived token", { timeout: 60_000 }, () => {
  const { token } = new CancellationSource();

  it("keeps nothing of a million races", async () => {
    const failure = new Error("lost");
    const grown = await growth(MILLION, (count) =>
      inBatches(count / 2, async () => {
        await token.race(Promise.resolve());
        await token.race(Promise.reject(failure)).catch(() => undefined);
      }),
    );
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("keeps nothing of a million sleeps", async () => {
    const grown = await growth(MILLION, (count) => inBatches(count, () => sleep(0, token)));
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("keeps nothing of 200,000 cancelled sleeps", async () => {
    const grown = await growth(200_000, (count) =>
      inBatches(count, () => {
        const source = token.child();
        const asleep = sleep(60_000, source.token).catch(() => undefined);
        source.cancel();
        return asleep;
      }),
    );
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("keeps nothing of a million disposed children", async () => {
    const grown = await growth(MILLION, (count) => {
      for (let n = 0; n < count; n++) token.child()[Symbol.dispose]();
    });
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("keeps nothing of 200,000 children with a deadline", async () => {
    const grown = await growth(200_000, (count) => {
      for (let n = 0; n < count; n++) token.child({ timeout: 60_000 })[Symbol.dispose]();
    });
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("keeps nothing of 200,000 children that were cancelled and not disposed of", async () => {
    const grown = await growth(200_000, (count) => {
      for (let n = 0; n < count; n++) token.child().cancel();
    });
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("keeps nothing of a million children with one more parent", async () => {
    const other = new CancellationSource().token;
    const grown = await growth(MILLION, (count) => {
      for (let n = 0; n < count; n++) {
        const source = new CancellationSource({ parent: [token, other] });
        if (n % 2 === 0) source.cancel();
        else source[Symbol.dispose]();
      }
    });
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("keeps nothing of a million callbacks that were unregistered", async () => {
    const grown = await growth(MILLION, (count) => {
      for (let n = 0; n < count; n++) token.onCancel(() => n)();
    });
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("keeps nothing of 20,000 children whose signal was read", async () => {
    const read = (count: number): void => {
      for (let n = 0; n < count; n++) {
        const source = token.child();
        source.token.signal.addEventListener("abort", () => n);
        source[Symbol.dispose]();
      }
    };
    // Weak tables keep the size that they once had.
    read(20_000);
    const grown = await growth(20_000, read);
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("keeps nothing of 100,000 time limits under it", async () => {
    const grown = await growth(100_000, (count) =>
      inBatches(count, () => moveOnAfter(60_000, (scope) => scope.spawn(async () => scope), { token })),
    );
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("keeps nothing of 20,000 time limits that have passed under it", async () => {
    const obey = (scope: TaskScope): Promise<void> => sleep(Infinity, scope.token);
    const grown = await growth(20_000, (count) => inBatches(count, () => moveOnAfter(1, obey, { token })));
    expect(grown).toBeLessThan(MEGABYTE);
  });
});

describe("one long-lived AbortSignal", { timeout: 60_000 }, () => {
  it("has one listener at most, and none when the last follower has gone (L7)", async () => {
    const { signal } = new AbortController();
    let most = 0;
    const grown = await growth(100_000, (count) => {
      for (let n = 0; n < count; n += 10) {
        const sources = Array.from({ length: 10 }, () => new CancellationSource({ parent: signal }));
        most = Math.max(most, getEventListeners(signal, "abort").length);
        for (const source of sources) source[Symbol.dispose]();
      }
    });
    expect(most).toBe(1);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
    expect(grown).toBeLessThan(MEGABYTE);
  });
});

/** A function and what it has closed over. */
function work<F extends object>(make: (captured: object) => F): { fn: F; watched: Watched } {
  const captured = { large: new Array<number>(100).fill(0) };
  const fn = make(captured);
  return { fn, watched: { function: new WeakRef(fn), captured: new WeakRef(captured) } };
}

describe("a finished task", () => {
  const scope = new TaskScope({ onError: "ignore" });
  const limited = new TaskScope({ onError: "ignore", concurrency: 1 });

  /** Its function and its result must go while its owner lives on. */
  async function finish(owner: TaskScope, how: "return" | "throw" | "cancel", attended: boolean) {
    const result = { how };
    const { fn, watched } = work((captured) => async (token: CancellationToken) => {
      if (how === "cancel") await sleep(Infinity, token);
      if (how === "throw") throw Object.assign(new Error(how), { captured, result });
      return { captured, result };
    });
    const task = owner.spawn(fn);
    if (attended) {
      task.onDone(() => fn);
      task.then(
        () => fn,
        () => fn,
      );
    }
    if (how === "cancel") task.cancel();
    await macrotask();
    expect(task.done).toBe(true);
    return { ...watched, result: new WeakRef(result), task: new WeakRef(task) };
  }

  for (const how of ["return", "throw", "cancel"] as const) {
    it(`releases its function and its result while its owner lives (${how})`, async () => {
      expect(await survivors(await finish(scope, how, false))).toEqual([]);
    });

    it(`releases them too when it was awaited and listened to (${how})`, async () => {
      expect(await survivors(await finish(scope, how, true))).toEqual([]);
    });

    it(`releases them too when it had waited for a slot (${how})`, async () => {
      const first = limited.spawn(() => macrotask());
      const finished = finish(limited, how, true);
      await first;
      expect(await survivors(await finished)).toEqual([]);
    });
  }

  it("keeps neither its owner nor its function nor its siblings alive", async () => {
    async function run(): Promise<{ kept: Task<string>; watched: Watched }> {
      const { fn, watched } = work((captured) => async () => typeof captured);
      const owner = new TaskScope();
      const kept = owner.spawn(fn);
      const sibling = owner.spawn(async () => "sibling");
      await owner.join();
      return { kept, watched: { ...watched, owner: new WeakRef(owner), sibling: new WeakRef(sibling) } };
    }
    const { kept, watched } = await run();
    expect(await survivors(watched)).toEqual([]);
    expect(kept.result()).toBe("object");
  });

  it("keeps none of them alive through its token either", async () => {
    async function run(): Promise<{ kept: CancellationToken; watched: Watched }> {
      const { fn, watched } = work((captured) => async () => captured);
      const owner = new TaskScope();
      const task = owner.spawn(fn);
      await owner.join();
      return {
        kept: task.token,
        watched: { ...watched, owner: new WeakRef(owner), task: new WeakRef(task) },
      };
    }
    const { kept, watched } = await run();
    expect(await survivors(watched)).toEqual([]);
    expect(kept.cancelRequested).toBe(false);
  });
});

describe("a finished scope", () => {
  it("is released by the token that it followed, and so is its body", async () => {
    const { token } = new CancellationSource();
    async function run(): Promise<Watched> {
      const { fn, watched } = work((captured) => async (scope: TaskScope) => {
        watched["scope"] = new WeakRef(scope);
        watched["token"] = new WeakRef(scope.token);
        scope.token.onCancel(() => captured);
        await scope.spawn(async () => captured);
      });
      await TaskScope.run(fn, { token, timeout: 60_000, onTaskDone: () => fn });
      return watched;
    }
    expect(await survivors(await run())).toEqual([]);
    expect(token.cancelRequested).toBe(false);
  });
});

describe("a finished scope that is kept", () => {
  // Made out here: an error keeps the functions alive that were at work where it was made.
  const fatal = new FatalError("the end");

  it("keeps none of its tasks, and no failure but the one that cancelled it (C4)", async () => {
    async function run(): Promise<{ kept: TaskScope; watched: Watched }> {
      const { fn, watched } = work((captured) => async (token: CancellationToken) => {
        await sleep(60_000, token).catch(() => undefined);
        throw Object.assign(failure, { captured });
      });
      const failure = new Error("failed");
      const kept = new TaskScope({ onError: "ignore" });
      kept.spawn(() => Promise.reject(fatal));
      const task = kept.spawn(fn);
      const error: unknown = await kept.join().catch((reason: unknown) => reason);
      expect(error).toBe(fatal);
      Object.assign(watched, { failure: new WeakRef(failure), task: new WeakRef(task) });
      return { kept, watched };
    }
    const { kept, watched } = await run();
    expect(await survivors(watched)).toEqual([]);
    expect(kept.state).toBe("closed");
  });
});

describe("a stored CancelledError", () => {
  /** Cancels some work, and returns nothing but the error, and what must be collectable. */
  async function cancelWork(
    cancel: (scope: TaskScope) => unknown,
    options?: { timeout?: number; token?: AbortSignal },
  ): Promise<{ error: CancelledError; watched: Watched }> {
    const { fn, watched } = work((captured) => async (token: CancellationToken) => {
      token.onCancel(() => captured);
      await sleep(Infinity, token);
      return captured;
    });
    const scope = new TaskScope({ onError: "ignore", ...options });
    const task = scope.spawn(fn);
    await cancel(scope);
    await scope.join().catch(() => undefined);
    expect(task.status).toBe("cancelled");
    Object.assign(watched, { scope: new WeakRef(scope), task: new WeakRef(task) });
    return { error: task.error as CancelledError, watched };
  }

  async function leaves(kept: Promise<{ error: CancelledError; watched: Watched }>): Promise<string[]> {
    const { error, watched } = await kept;
    const left = await survivors(watched);
    expect(error).toBeInstanceOf(CancelledError);
    return left;
  }

  it("does not keep the cancelled work alive: explicit", async () => {
    expect(await leaves(cancelWork((scope) => scope.cancel()))).toEqual([]);
    expect(await leaves(cancelWork((scope) => scope.cancel("enough")))).toEqual([]);
  });

  it("does not keep the cancelled work alive: timeout", async () => {
    const sleeping = (): Promise<void> => sleep(5);
    expect(await leaves(cancelWork(sleeping, { timeout: 1 }))).toEqual([]);
  });

  it("does not keep the cancelled work alive: signal", async () => {
    const controller = new AbortController();
    const abort = (): void => controller.abort();
    expect(await leaves(cancelWork(abort, { token: controller.signal }))).toEqual([]);
  });

  it("does not keep the cancelled work alive: shutdown", async () => {
    expect(await leaves(cancelWork((scope) => scope.stop()))).toEqual([]);
  });

  it("does not keep the cancelled work alive: sibling", async () => {
    const fatal = new FatalError("the end");
    const fail = (scope: TaskScope): unknown =>
      scope.spawn(() => Promise.reject(fatal)).catch(() => undefined);
    expect(await leaves(cancelWork(fail))).toEqual([]);
  });

  it("does not keep a source's children alive: its deadline", async () => {
    async function run(): Promise<{ error: CancelledError; watched: Watched }> {
      const source = new CancellationSource({ timeout: 1 });
      const { fn, watched } = work((captured) => () => captured);
      const child = source.token.child();
      child.token.onCancel(fn);
      await sleep(5);
      Object.assign(watched, { child: new WeakRef(child.token), source: new WeakRef(source) });
      return { error: child.token.error!, watched };
    }
    expect(await leaves(run())).toEqual([]);
  });
});

describe("a stored TimeoutError", () => {
  it("does not keep the scope that has timed out alive", async () => {
    async function run(): Promise<{ error: unknown; watched: Watched }> {
      const { fn, watched } = work((captured) => async (scope: TaskScope) => {
        watched["scope"] = new WeakRef(scope);
        await sleep(Infinity, scope.token);
        return captured;
      });
      const error: unknown = await failAfter(1, fn).catch((reason: unknown) => reason);
      return { error, watched };
    }
    const { error, watched } = await run();
    expect(await survivors(watched)).toEqual([]);
    expect(error).toMatchObject({ name: "TimeoutError", timeout: 1 });
  });

  it("does not keep the scope that did not stop in time alive", async () => {
    async function run(): Promise<{ error: unknown; watched: Watched }> {
      const blocked = new Deferred();
      const { fn, watched } = work((captured) => () => blocked.promise.then(() => captured));
      const scope = new TaskScope();
      scope.spawn(fn);
      const error: unknown = await scope.stop({ timeout: 1 }).catch((reason: unknown) => reason);
      blocked.resolve();
      await scope.join();
      return { error, watched: { ...watched, scope: new WeakRef(scope) } };
    }
    const { error, watched } = await run();
    expect(await survivors(watched)).toEqual([]);
    expect(error).toMatchObject({ name: "TimeoutError", timeout: 1 });
  });
});

describe("a long-lived token", () => {
  it("releases the token of a source that was disposed of", async () => {
    const { token } = new CancellationSource();
    const other = new CancellationSource();
    function open(): Watched {
      const source = new CancellationSource({ parent: [token, other.token], timeout: 60_000 });
      const { fn, watched } = work((captured) => () => captured);
      source.token.onCancel(fn);
      const child = source.token.child();
      source[Symbol.dispose]();
      return {
        ...watched,
        source: new WeakRef(source),
        token: new WeakRef(source.token),
        child: new WeakRef(child),
      };
    }
    expect(await survivors(open())).toEqual([]);
    expect(token.cancelRequested).toBe(false);
  });

  it("releases a callback that was unregistered, and the one that unregisters keeps nothing", async () => {
    const { token } = new CancellationSource();
    function register(): { unregister: () => void; watched: Watched } {
      const { fn, watched } = work((captured) => () => captured);
      const unregister = token.onCancel(fn);
      unregister();
      return { unregister, watched };
    }
    const { unregister, watched } = register();
    expect(await survivors(watched)).toEqual([]);
    unregister();
    expect(token.cancelRequested).toBe(false);
  });

  it("releases a callback that was called, even if what unregisters it is kept", async () => {
    function register(): { unregister: () => void; watched: Watched } {
      const source = new CancellationSource();
      const { fn, watched } = work((captured) => () => captured);
      const unregister = source.token.onCancel(fn);
      source.cancel();
      return { unregister, watched };
    }
    const { unregister, watched } = register();
    expect(await survivors(watched)).toEqual([]);
    expect(unregister).not.toThrow();
  });

  it("releases its callbacks, its children and its races once it is cancelled", async () => {
    const source = new CancellationSource();
    const forever = new Promise<void>(() => undefined);
    function cancel(): Watched {
      const { fn, watched } = work((captured) => () => captured);
      source.token.onCancel(fn);
      const child = source.token.child({ timeout: 60_000 });
      const race = source.token.race(forever).catch(() => undefined);
      source.cancel();
      return {
        ...watched,
        child: new WeakRef(child),
        token: new WeakRef(child.token),
        race: new WeakRef(race),
      };
    }
    expect(await survivors(cancel())).toEqual([]);
    expect(source.token.cancelRequested).toBe(true);
  });
});

describe("while somebody observes", { timeout: 60_000 }, () => {
  it("a long-lived token keeps nothing of 20,000 scopes that closed", async () => {
    using source = new CancellationSource();
    const { token } = source;
    const unobserve = observe({});
    const grown = await growth(20_000, (count) =>
      inBatches(count, () =>
        TaskScope.run(
          (scope) => {
            new TaskScope({ token: scope.token }).cancel();
            scope.spawn(() => 1);
          },
          { token },
        ),
      ),
    );
    unobserve();
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("a scope was opened that closes, or is cancelled and dropped, afterwards: nothing keeps it", async () => {
    using source = new CancellationSource();
    const { token } = source;
    async function open(): Promise<Watched> {
      const unobserve = observe({});
      const closed = new TaskScope({ token });
      const below = new TaskScope({ token: closed.token });
      const cancelled = new TaskScope({ token });
      unobserve();
      below.spawn((own) => sleep(Infinity, own));
      closed.cancel();
      cancelled.cancel();
      await Promise.allSettled([below.join(), closed.join()]);
      return { closed: new WeakRef(closed), below: new WeakRef(below), cancelled: new WeakRef(cancelled) };
    }
    expect(await survivors(await open())).toEqual([]);
  });
});

describe("a scope that was dropped", () => {
  afterEach(() => {
    setDebug(false);
    vi.restoreAllMocks();
  });

  /** Opens a scope in a frame of its own, forgets it, and returns the warnings that came of it. */
  async function warningsOf(
    use: (scope: TaskScope) => unknown,
    open: () => TaskScope = () => new TaskScope({ name: "ingest", onError: "ignore" }),
  ): Promise<string[]> {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    async function drop(): Promise<void> {
      await use(open());
      await macrotask();
    }
    await drop();
    await collectGarbage();
    await collectGarbage();
    return warn.mock.calls.map(([text]) => String(text));
  }

  it("is named in one warning when it got tasks, and nobody joined, stopped or disposed of it", async () => {
    const warnings = await warningsOf((scope) => {
      scope.spawn(async () => undefined);
      scope.spawn(async () => undefined);
    });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('TaskScope "ingest"');
    expect(warnings[0]).not.toContain("leaks.test");
  });

  it("is named too when it was cancelled, and nobody waited", async () => {
    const warnings = await warningsOf((scope) => {
      scope.spawn((token) => sleep(Infinity, token));
      scope.cancel();
    });
    expect(warnings).toHaveLength(1);
  });

  it("is named with the place where it was created while debugging", async () => {
    setDebug(true);
    const warnings = await warningsOf((scope) => scope.spawn(async () => undefined));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('TaskScope "ingest"');
    expect(warnings[0]).toContain("leaks.test");
  });

  it("is not named while a task of it runs", async () => {
    const blocked = new Deferred();
    const warnings = await warningsOf((scope) => {
      scope.spawn(() => blocked.promise);
    });
    expect(warnings).toEqual([]);
    blocked.resolve();
    await macrotask();
    await collectGarbage();
    expect(vi.mocked(console.warn)).toHaveBeenCalledOnce();
  });

  it.each<[string, (scope: TaskScope) => unknown]>([
    ["joined", (scope) => scope.join()],
    ["stopped", (scope) => scope.stop()],
    ["disposed of", (scope) => scope[Symbol.asyncDispose]()],
    ["asked to stop within a time limit", (scope) => scope.stop({ timeout: 1 }).catch(() => undefined)],
  ])("is not named when it was %s", async (_, end) => {
    const warnings = await warningsOf((scope) => {
      scope.spawn(() => sleep(3));
      return end(scope);
    });
    expect(warnings).toEqual([]);
  });

  it("is not named when it got no task", async () => {
    expect(await warningsOf((scope) => scope.cancel())).toEqual([]);
  });

  it("is not named when it was used through run", async () => {
    const warnings = await warningsOf((scope) =>
      scope.run((inner) => {
        inner.spawn(async () => undefined);
      }),
    );
    expect(warnings).toEqual([]);
    const used = await warningsOf(() =>
      TaskScope.run((scope) => {
        scope.spawn(async () => undefined);
      }),
    );
    expect(used).toEqual([]);
  });

  it("has its fatal error told by whoever waited, and not again (L2)", async () => {
    using reports = captureReports();
    const fatal = new FatalError("the end");
    let told: unknown;
    const warnings = await warningsOf(async (scope) => {
      scope.spawn(() => Promise.reject(fatal));
      await scope.join().catch((error: unknown) => {
        told = error;
      });
    });
    expect(told).toBe(fatal);
    expect(warnings).toEqual([]);
    expect(reports).toHaveLength(0);
  });

  it("still has its fatal error told to the process-wide handler (L2)", async () => {
    using reports = captureReports();
    const fatal = new FatalError("the end");
    await warningsOf((scope) => {
      scope.spawn(() => Promise.reject(fatal));
    });
    expect(reports.map(({ error }) => error)).toEqual([fatal]);
  });

  it("still has it told when a stop ran out of time before (L2)", async () => {
    using reports = captureReports();
    const fatal = new FatalError("the end");
    const blocked = new Deferred();
    await warningsOf(async (scope) => {
      scope.spawn(() => blocked.promise);
      await scope.stop({ timeout: 1 }).catch(() => undefined);
      blocked.reject(fatal);
    });
    expect(reports.map(({ error }) => error)).toEqual([fatal]);
  });
});
