/**
 * Situations that other projects had to mend, as far as they concern tokens, tasks and scopes; those of groups are in
 * `packages/taskgroup/test/pitfalls.test.ts`. The numbers run through both files; some stand in neither:
 *
 * | number | where it is, or why it is nowhere yet |
 * |---|---|
 * | 1, 2, 4, 13, 19 | with the groups: about failures that cancel siblings, or are collected |
 * | 28, 29 | ordered shutdown: services and supervisors, later packages |
 * | 37, 38 | completed tasks that wait to be fetched: the persistent group; scopes keep none, see 48 |
 * | 44 | there is no lock that could lose its owner |
 * | 45 to 47 | restarts: the supervisor |
 *
 * Without a number: what `implements Promise` does to lint shows in every statement `scope.spawn(...);` of
 * these tests; what `await using` weighs in a bundle is for the size tests; whether stopping is linear, for the benches;
 * services, supervised bodies and safe exits are for the later packages.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as delay } from "node:timers/promises";
import {
  CancellationSource,
  type CancellationToken,
  CancelledError,
  FatalError,
  InvalidStateError,
  type Task,
  type TaskGroupError,
  TaskScope,
  TimeoutError,
  cancelAndWait,
  failAfter,
  isCancellation,
  moveOnAfter,
  sleep,
} from "@scope/core";
import {
  captureReports,
  collectGarbage,
  Deferred,
  EventLog,
  flushMicrotasks,
  macrotask,
  rejection,
  waits,
} from "@scope/test-utils";
import { afterEach, describe, expect, it, vi } from "vitest";

const boom = new Error("boom");

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("where cancellation meets errors", () => {
  it("3. an outer cancellation that arrives after the scope's own is not swallowed (cpython#155433)", async () => {
    const outer = new CancellationSource();
    const gate = new Deferred();
    const run = TaskScope.run(
      (scope) => {
        scope.spawn(() => gate.promise);
        scope.cancel("own");
        return "value";
      },
      { token: outer.token },
    );
    await flushMicrotasks();
    outer.cancel("outer");
    gate.resolve();
    expect(await rejection(run)).toBe(outer.token.error);
  });

  it("5. a subclass of the cancellation error is a cancellation like any other (cpython#113850)", async () => {
    class Stopped extends CancelledError {}
    class Aborted extends DOMException {
      constructor() {
        super("aborted", "AbortError");
      }
    }
    expect(isCancellation(new Stopped())).toBe(true);
    expect(isCancellation(new Aborted())).toBe(true);
    using reports = captureReports();
    const scope = new TaskScope();
    const tasks = [Stopped, Aborted].map((Kind) =>
      scope.spawn((token) => waits(token).catch(() => Promise.reject(new Kind()))),
    );
    await scope.stop();
    expect(tasks.map(({ status }) => status)).toEqual(["cancelled", "cancelled"]);
    expect(reports).toHaveLength(0);
  });

  it("6. a scope that is cancelled several times while it waits goes on waiting, and keeps the first reason (asyncio's _aexit)", async () => {
    const outer = new CancellationSource();
    const gate = new Deferred();
    let settled = false;
    const run = TaskScope.run(
      (scope) => {
        scope.spawn(() => gate.promise);
        return scope;
      },
      { token: outer.token },
    );
    run.then(
      () => undefined,
      () => {
        settled = true;
      },
    );
    await flushMicrotasks();
    for (const reason of ["first", "second", "third"]) {
      outer.cancel(reason);
      await flushMicrotasks();
    }
    expect(settled).toBe(false);
    gate.resolve();
    expect(await rejection(run)).toMatchObject({ reason: "first" });
  });

  it("7. the wait at the end is no source of a cancellation (trio#1457)", async () => {
    const outer = new CancellationSource();
    const value = await TaskScope.run(
      (scope) => {
        scope.spawn(waits);
        scope.cancel("own");
        return "value";
      },
      { token: outer.token },
    );
    expect(value).toBe("value");
    expect(outer.token.cancelRequested).toBe(false);
  });

  it("8. a scope with nothing to wait for ends asynchronously all the same (anyio 4.6.0, trio's cancel_shielded_checkpoint)", async () => {
    const log = new EventLog();
    const empty = new TaskScope();
    const [run, join] = [TaskScope.run(() => undefined), empty.join()];
    void run.then(log.note("run"));
    void join.then(log.note("join"));
    log.add("the calls returned");
    await Promise.all([run, join]);
    expect(log.events[0]).toBe("the calls returned");
    expect(log.events).toHaveLength(3);
  });

  it("9. a value that is ready when the cancellation comes is not lost (Kotlin#1813, Kotlin#1936, anyio#728, cpython#86296)", async () => {
    const scope = new TaskScope();
    const ready = new Deferred<string>();
    const task = scope.spawn(() => ready.promise);
    const source = new CancellationSource();
    const raced = source.token.race(ready.promise);
    // In one synchronous step: the value is there, nobody has resumed, and the cancellation comes.
    ready.resolve("value");
    await Promise.resolve();
    scope.cancel();
    source.cancel();
    await scope.join();
    expect(task.result()).toBe("value");
    await expect(raced).resolves.toBe("value");
  });

  it("9. a waiter that is cancelled while its promise fails does not hide its own cancellation (cpython#84849)", async () => {
    const source = new CancellationSource();
    const work = new Deferred<never>();
    const raced = rejection(source.token.race(work.promise));
    source.cancel("own");
    work.reject(boom);
    expect(await raced).toBe(source.token.error);
  });

  it("10. work that is always ready notices a token that was cancelled before it began (tokio#7462)", async () => {
    const source = new CancellationSource();
    source.cancel("before");
    const body = vi.fn();
    expect(await rejection(source.token.race(Promise.resolve("ready")))).toBe(source.token.error);
    expect(await rejection(sleep(0, source.token))).toBe(source.token.error);
    expect(await rejection(TaskScope.run(body, { token: source.token }))).toBe(source.token.error);
    expect(body).not.toHaveBeenCalled();
  });

  it("11. a timeout is an ordinary error at the boundary of its scope, no cancellation that gets lost (Kotlin#1374)", async () => {
    vi.useFakeTimers();
    using reports = captureReports();
    let inner: Task<never> | undefined;
    const run = TaskScope.run((scope) => {
      inner = scope.spawn((token) => failAfter(100, (timed) => waits(timed.token), { token }));
    });
    await vi.advanceTimersByTimeAsync(100);
    await run;
    expect(inner!.status).toBe("failed");
    expect(inner!.error).toBeInstanceOf(TimeoutError);
    expect(isCancellation(inner!.error)).toBe(false);
    expect(reports.map(({ error }) => error)).toEqual([inner!.error]);
  });

  it("12. a failAfter that is cancelled before its deadline raises no TimeoutError (anyio 4.0.0)", async () => {
    vi.useFakeTimers();
    const outer = new CancellationSource();
    const gate = new Deferred();
    const run = failAfter(100, (scope) => waits(scope.token).finally(() => gate.promise), {
      token: outer.token,
    });
    const settled = rejection(run);
    await vi.advanceTimersByTimeAsync(50);
    outer.cancel("outer");
    await vi.advanceTimersByTimeAsync(100);
    gate.resolve();
    expect(await settled).toBe(outer.token.error);
  });

  it("14. code that catches the cancellation and throws a fresh one is still cancelled: the token tells, not the object (anyio 4.0)", async () => {
    const scope = new TaskScope();
    const task = scope.spawn((token) =>
      waits(token).catch(() => Promise.reject(new DOMException("The user aborted a request.", "AbortError"))),
    );
    const run = TaskScope.run((own) => {
      own.cancel("enough");
      throw new CancelledError("a fresh one");
    });
    task.cancel("alone");
    await scope.join();
    expect(task.status).toBe("cancelled");
    expect(task.error).toBe(task.token.error);
    expect(await rejection(run)).toMatchObject({ reason: "enough" });
  });

  it("15. another scope's cancellation that comes out of a task is a failure (suture#77)", async () => {
    using reports = captureReports();
    const other = new TaskScope();
    other.cancel("elsewhere");
    const scope = new TaskScope();
    const task = scope.spawn(() => waits(other.token));
    await scope.join();
    expect(task.status).toBe("failed");
    expect(task.error).toBe(other.token.error);
    expect(reports.map(({ error }) => error)).toEqual([other.token.error]);
    await other.join();
  });

  it("16. an error after the cancellation is told, not dropped (Kotlin#386, Kotlin#333, Kotlin#152)", async () => {
    using reports = captureReports();
    const scope = new TaskScope();
    const task = scope.spawn((token) => waits(token).catch(() => Promise.reject(boom)));
    await scope.stop();
    expect(task.status).toBe("failed");
    expect(reports.map(({ error }) => error)).toEqual([boom]);
  });
});

describe("exits", () => {
  it("17. a fatal error that leaves alone has its siblings' errors told (cpython#135736)", async () => {
    using reports = captureReports();
    const end = new FatalError("end");
    const scope = new TaskScope();
    scope.spawn(() => Promise.reject(boom));
    scope.spawn(() => Promise.reject(end));
    expect(await rejection(scope.join())).toBe(end);
    expect(reports.map(({ error }) => error)).toEqual([boom]);
  });

  it("18. a loop left by break ends a scope inside the generator, with its tasks (cpython#135736)", async () => {
    const log = new EventLog();
    async function* ticks(): AsyncGenerator<number> {
      await using scope = new TaskScope();
      scope.spawn((token) =>
        waits(token).finally(async () => {
          await flushMicrotasks();
          log.add("the task has cleaned up");
        }),
      );
      yield 1;
      yield 2;
    }
    for await (const tick of ticks()) {
      log.add(`tick ${tick}`);
      break;
    }
    log.add("the loop is left");
    expect(log.events).toEqual(["tick 1", "the task has cleaned up", "the loop is left"]);
  });

  it("20. what came of a task holds no scope: error → task → token leads nowhere (cpython#128552, anyio#806)", async () => {
    const kept: unknown[] = [];
    const refs = await (async (): Promise<WeakRef<object>[]> => {
      const scope = new TaskScope({ onError: ({ task }) => kept.push(task) });
      const fn = (): Promise<never> => Promise.reject(boom);
      scope.spawn(fn);
      const cancelled = scope.spawn((token) => waits(token));
      kept.push(cancelled);
      cancelled.cancel();
      await scope.join();
      return [scope, scope.token, fn].map((object) => new WeakRef(object));
    })();
    await macrotask();
    await collectGarbage();
    expect(refs.map((ref) => ref.deref())).toEqual([undefined, undefined, undefined]);
    expect(kept).toHaveLength(2);
  });

  it.each(["timeout", "stop"])(
    "20. a kept TimeoutError of a scope's %s does not keep the scope (cpython#128552, anyio#806)",
    async (kind) => {
      const { error, ref } = await (async () => {
        const scope = new TaskScope({ timeout: kind === "timeout" ? 1 : Infinity });
        const gate = new Deferred();
        scope.spawn(() => gate.promise);
        const caught =
          kind === "timeout"
            ? rejection(waits(scope.token)).then(() => {
                gate.resolve();
                return rejection(scope.join());
              })
            : rejection(scope.stop({ timeout: 1 })).then(async (late) => {
                gate.resolve();
                await scope.join();
                return late;
              });
        return { error: await caught, ref: new WeakRef(scope) };
      })();
      await macrotask();
      await collectGarbage();
      expect(ref.deref()).toBe(undefined);
      expect(error).toBeInstanceOf(TimeoutError);
    },
  );
});

describe("spawning at odd moments", () => {
  it("21. a task that cancels its scope in its synchronous part is cancelled with it, and waited for (cpython#155418, cpython#128550)", async () => {
    const scope = new TaskScope();
    const gate = new Deferred();
    const task = scope.spawn(async (token) => {
      scope.cancel("from the first step");
      expect(token.cancelRequested).toBe(true);
      await gate.promise;
      token.throwIfCancelled();
    });
    expect(scope.size).toBe(1);
    const join = scope.join();
    await flushMicrotasks();
    expect(scope.state).toBe("closing");
    gate.resolve();
    await join;
    expect(task.status).toBe("cancelled");
  });

  it("22. a task that fails during spawn fails later, not inside spawn (cpython#128588)", async () => {
    const log = new EventLog();
    const scope = new TaskScope({ onError: log.note("onError") });
    const task = scope.spawn(() => {
      throw boom;
    });
    log.add(`spawned, ${task.status}`);
    await scope.join();
    expect(log.events).toEqual(["spawned, running", "onError"]);
  });

  it("23. a refused spawn never starts its function, and leaves nothing that complains (cpython#115957)", async () => {
    using reports = captureReports();
    const scope = new TaskScope();
    scope.cancel();
    const fn = vi.fn(() => Promise.reject(boom));
    expect(() => scope.spawn(fn)).toThrow(InvalidStateError);
    await scope.join();
    await macrotask();
    expect(fn).not.toHaveBeenCalled();
    expect(reports).toHaveLength(0);
  });

  it("24. a spawn after a cancellation is refused, also where only an outer scope is cancelled (swift#80789)", async () => {
    const outer = new TaskScope();
    const inner = new TaskScope({ token: outer.token });
    outer.cancel();
    expect(() => inner.spawn(() => undefined)).toThrow(/is shutting down/);
    await Promise.allSettled([inner.join(), outer.join()]);
  });

  it("25. tasks that spawn tasks while the scope shuts down do not keep it open (hydra)", async () => {
    const scope = new TaskScope();
    let heads = 0;
    const hydra = async (token: CancellationToken): Promise<void> => {
      heads++;
      try {
        await waits(token);
      } finally {
        for (let head = 0; head < 2; head++) scope.spawn(hydra);
      }
    };
    const task = scope.spawn(hydra);
    using reports = captureReports();
    await scope.stop();
    expect(heads).toBe(1);
    expect(task.error).toBeInstanceOf(InvalidStateError);
    expect(reports.map(({ error }) => error)).toEqual([task.error]);
  });

  it("25. tasks that go on spawning without end stop when the scope is stopped (hydra)", async () => {
    const scope = new TaskScope();
    let heads = 0;
    const hydra = async (token: CancellationToken): Promise<void> => {
      heads++;
      await flushMicrotasks(2);
      token.throwIfCancelled();
      scope.spawn(hydra);
    };
    scope.spawn(hydra);
    const join = scope.join();
    await flushMicrotasks(100);
    await scope.stop();
    await join;
    expect(heads).toBeGreaterThan(5);
    expect(scope.size).toBe(0);
  });

  it("26. a task that is cancelled before it could start takes nobody with it (anyio#685, anyio#710)", async () => {
    const scope = new TaskScope({ concurrency: 1 });
    const gate = new Deferred<string>();
    const first = scope.spawn((token) => token.race(gate.promise));
    const second = scope.spawn(() => "never called");
    const third = scope.spawn(() => "third");
    second.cancel("not needed");
    await rejection(second);
    expect(scope.cancelRequested).toBe(false);
    gate.resolve("first");
    await scope.join();
    expect([first.result(), second.status, third.result()]).toEqual(["first", "cancelled", "third"]);
  });

  it("27. a stop before anything has started starts nothing (swift-service-lifecycle#20, suture 3.0.2)", async () => {
    const scope = new TaskScope({ concurrency: 1 });
    const fn = vi.fn();
    scope.spawn(waits);
    const pending = scope.spawn(fn);
    await scope.stop();
    expect(pending.status).toBe("cancelled");
    expect(fn).not.toHaveBeenCalled();

    const fresh = new TaskScope();
    await fresh.stop();
    expect(() => fresh.spawn(fn)).toThrow(InvalidStateError);
    await expect(rejection(fresh.run(fn))).resolves.toBeInstanceOf(InvalidStateError);
    expect(fn).not.toHaveBeenCalled();
  });
});

describe("tokens and callbacks", () => {
  it("30. a listener of the parent that looks at a child sees it cancelled (dom#1293, dom#1295)", () => {
    const parent = new CancellationSource();
    const child = parent.token.child();
    const seen: boolean[] = [];
    parent.token.onCancel(() => seen.push(child.token.cancelRequested));
    const grandchild = child.token.child();
    parent.token.onCancel(() => seen.push(grandchild.token.cancelRequested));
    parent.cancel();
    expect(seen).toEqual([true, true]);
  });

  it("31. a callback may take back a later one, register a new one, and throw: the others run once (CancellationTokenSource.cs)", async () => {
    using reports = captureReports();
    const log = new EventLog();
    const source = new CancellationSource();
    source.token.onCancel(log.note("oldest"));
    const forget = source.token.onCancel(log.note("taken back"));
    source.token.onCancel(() => {
      log.add("newest");
      forget();
      source.token.onCancel(log.note("registered meanwhile"));
      throw boom;
    });
    source.cancel();
    await flushMicrotasks();
    source.cancel();
    await flushMicrotasks();
    expect([...log.events].sort()).toEqual(["newest", "oldest", "registered meanwhile"]);
    expect(reports.map(({ error }) => error)).toEqual([boom]);
  });

  it("32. a chain of 100,000 tokens is cancelled without recursion (trio#1235)", () => {
    const root = new CancellationSource();
    let last = root;
    for (let depth = 0; depth < 100_000; depth++) last = last.token.child();
    root.cancel("deep");
    expect(last.token.error).toBe(root.token.error);
  });

  it("33. two callbacks that take back each other's registration do not wait for each other (runtime#43438)", () => {
    const source = new CancellationSource();
    const called: string[] = [];
    const forgets: (() => void)[] = [];
    forgets.push(
      source.token.onCancel(() => {
        called.push("first");
        forgets[1]!();
      }),
    );
    forgets.push(
      source.token.onCancel(() => {
        called.push("second");
        forgets[0]!();
      }),
    );
    source.cancel();
    expect(called).toEqual(["second"]);
  });
});

describe("waiting for a cancelled task", () => {
  it("34. a waiter that is cancelled meanwhile gets its own cancellation (cpython#103486, frequenz)", async () => {
    const scope = new TaskScope();
    const gate = new Deferred();
    const task = scope.spawn((token) => waits(token).finally(() => gate.promise));
    const waiter = new CancellationSource();
    const waiting = rejection(cancelAndWait(task, { token: waiter.token }));
    await flushMicrotasks();
    waiter.cancel("the waiter's own");
    expect(await waiting).toBe(waiter.token.error);
    expect(task.done).toBe(false);
    gate.resolve();
    await scope.join();
  });

  it("35. a waiter that is cancelled does not cut the task's clean-up short (asyncio's await task)", async () => {
    const scope = new TaskScope();
    const gate = new Deferred();
    const cancellations: unknown[] = [];
    const cleanedUp = vi.fn();
    const task = scope.spawn(async (token) => {
      token.onCancel((error) => cancellations.push(error.reason));
      await waits(token).catch(() => undefined);
      await gate.promise;
      cleanedUp();
      token.throwIfCancelled();
    });
    const waiter = new CancellationSource();
    const waiting = rejection(cancelAndWait(task, { reason: "first", token: waiter.token }));
    await flushMicrotasks();
    waiter.cancel("second");
    await waiting;
    gate.resolve();
    await scope.join();
    expect(cleanedUp).toHaveBeenCalledOnce();
    expect(cancellations).toEqual(["first"]);
    expect(task.error).toMatchObject({ reason: "first" });
  });

  it("36. a stop ends although a task tries to spawn in its finally (frequenz)", async () => {
    using reports = captureReports();
    const scope = new TaskScope();
    const late = vi.fn();
    const task = scope.spawn(async (token) => {
      try {
        await waits(token);
      } finally {
        scope.spawn(late);
      }
    });
    await scope.stop();
    expect(late).not.toHaveBeenCalled();
    expect(task.error).toBeInstanceOf(InvalidStateError);
    expect(reports).toHaveLength(1);
  });

  it("39. a task that takes the cancellation and returns all the same: cancelAndWait says so (aiotools#92)", async () => {
    const scope = new TaskScope();
    const task = scope.spawn((token) =>
      waits(token).then(
        () => "",
        () => "value",
      ),
    );
    expect(await rejection(cancelAndWait(task))).toBeInstanceOf(InvalidStateError);
    expect(task.result()).toBe("value");
    await scope.join();
  });
});

describe("waiting and spinning", () => {
  it("40. a cancellation is delivered once, however long the task goes on (anyio#695, anyio#1111, anyio#1257)", async () => {
    vi.useFakeTimers();
    const scope = new TaskScope();
    const gate = new Deferred();
    const told = vi.fn();
    scope.spawn((token) => {
      token.onCancel(told);
      token.signal.addEventListener("abort", told);
      return gate.promise;
    });
    const stop = scope.stop();
    await vi.advanceTimersByTimeAsync(60_000);
    await flushMicrotasks(1_000);
    expect(told).toHaveBeenCalledTimes(2);
    expect(vi.getTimerCount()).toBe(0);
    gate.resolve();
    await stop;
  });

  it("41. a scope that is not cancelled itself does not catch a cancellation that passes (trio#1175, trio#860)", async () => {
    const outer = new CancellationSource();
    const run = TaskScope.run(
      () => TaskScope.run((inner) => waits(inner.token), { token: outer.token }),
      // Not below the outer token.
    );
    await flushMicrotasks();
    outer.cancel("outer");
    expect(await rejection(run)).toBe(outer.token.error);
  });

  it("41. a cancellation goes on after a shield is left (anyio#370)", async () => {
    const outer = new CancellationSource();
    const after = vi.fn();
    const run = TaskScope.run(
      async (scope) => {
        await TaskScope.run(
          async () => {
            outer.cancel("outer");
            await flushMicrotasks();
          },
          { token: scope.token, shield: true },
        );
        after();
      },
      { token: outer.token },
    );
    expect(await rejection(run)).toBe(outer.token.error);
    expect(after).not.toHaveBeenCalled();
  });

  it("42. a shielded scope passes the outer cancellation to none of its children either (temporal sdk-typescript#1423, anyio#642)", async () => {
    const outer = new CancellationSource();
    let child: Task<string> | undefined;
    const run = TaskScope.run(
      (scope) => {
        child = scope.spawn(async (token) =>
          TaskScope.run(
            async (inner) => {
              outer.cancel("outer");
              await flushMicrotasks();
              inner.token.throwIfCancelled();
              return "saved";
            },
            { token },
          ),
        );
      },
      { token: outer.token, shield: true },
    );
    expect(await rejection(run)).toBe(outer.token.error);
    expect(child!.result()).toBe("saved");
  });

  it.each([0, 1, 2, 3, 4])(
    "43. a slot that was granted to a task cancelled %d microtasks later goes on to the next (anyio#947, anyio#1145, anyio#1170, trio#548)",
    async (turns) => {
      const scope = new TaskScope({ concurrency: 1 });
      const gate = new Deferred();
      scope.spawn(() => gate.promise);
      const second = scope.spawn(waits);
      const third = scope.spawn(() => "value");
      await flushMicrotasks();
      gate.resolve();
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      second.cancel();
      await scope.join();
      expect(second.status).toBe("cancelled");
      expect(third.result()).toBe("value");
    },
  );

  it("48. finished tasks and their errors are not kept until somebody reads them (tokio's TaskTracker, SE-0381, aiotools#54)", async () => {
    const scope = new TaskScope({ onError: "ignore" });
    const refs: WeakRef<object>[] = [];
    for (let count = 0; count < 100; count++) {
      refs.push(
        new WeakRef(scope.spawn(() => (count % 2 === 0 ? Promise.reject(new Error("boom")) : { count }))),
      );
    }
    await macrotask();
    await collectGarbage();
    expect(scope.size).toBe(0);
    expect(scope.tasks.size).toBe(0);
    expect(refs.filter((ref) => ref.deref() !== undefined)).toEqual([]);
    await scope.join();
  });

  it("49. an error of disposal does not replace the block's own: both come out (SuppressedError)", async () => {
    const end = new FatalError("end");
    const block = async (): Promise<void> => {
      await using scope = new TaskScope();
      scope.spawn((token) => waits(token).catch(() => Promise.reject(end)));
      throw boom;
    };
    const error = (await rejection(block())) as { error: unknown; suppressed: unknown };
    expect(error.error).toBe(end);
    expect(error.suppressed).toBe(boom);
  });

  it("50. a scope that is entered twice says so (anyio#1109)", async () => {
    const scope = new TaskScope({ name: "ingest" });
    await scope.run(() => undefined);
    const error = await rejection(scope.run(() => undefined));
    expect(error).toBeInstanceOf(InvalidStateError);
    expect((error as Error).message).toMatch(/^TaskScope "ingest".*entered/);
  });
});

describe("costs", () => {
  it("no AbortController is made for a task whose signal nobody reads", async () => {
    const made = vi.fn();
    vi.stubGlobal(
      "AbortController",
      class extends AbortController {
        constructor() {
          super();
          made();
        }
      },
    );
    const scope = new TaskScope();
    for (let count = 0; count < 10; count++) scope.spawn(waits);
    scope.spawn(() => "value");
    await scope.stop();
    expect(made).not.toHaveBeenCalled();

    const other = new TaskScope();
    other.spawn(({ signal }) => delay(10_000, undefined, { signal }));
    await other.stop();
    expect(made).toHaveBeenCalledOnce();
  });

  it("a long-lived AbortSignal is never handed to AbortSignal.any, and has one listener for many tasks", async () => {
    const any = vi.spyOn(AbortSignal, "any");
    const { signal } = new AbortController();
    const add = vi.spyOn(signal, "addEventListener");
    const run = TaskScope.run(
      (scope) => {
        for (let count = 0; count < 100; count++) scope.spawn((token) => sleep(0, token));
      },
      { token: signal },
    );
    expect(add).toHaveBeenCalledOnce();
    await run;
    expect(any).not.toHaveBeenCalled();
  });

  it("an async function that returns a scope or a source is not hung: only tasks are thenable", async () => {
    const scope = new TaskScope();
    const source = new CancellationSource();
    expect(await (async () => scope)()).toBe(scope);
    expect(await (async () => source)()).toBe(source);
    expect(await (async () => source.token)()).toBe(source.token);
    expect(await (async () => scope.spawn(() => "value"))()).toBe("value");
    await scope.join();
  });

  it("a test clock that is installed after the import works: timers are looked up at use", async () => {
    vi.useFakeTimers();
    const slept = vi.fn();
    void sleep(1_000).then(slept);
    const moved = moveOnAfter(500, (scope) => waits(scope.token));
    await vi.advanceTimersByTimeAsync(500);
    await expect(moved).resolves.toBe(undefined);
    await vi.advanceTimersByTimeAsync(500);
    expect(slept).toHaveBeenCalledOnce();
  });

  it("a task that had to wait for its slot sees the context of who spawned it, not of who made room (L10)", async () => {
    const storage = new AsyncLocalStorage<string>();
    const scope = new TaskScope({ concurrency: 1 });
    const gate = new Deferred();
    scope.spawn(() => gate.promise);
    const pending = storage.run("spawner", () => scope.spawn(() => storage.getStore()));
    storage.run("makes room", () => {
      gate.resolve();
    });
    await scope.join();
    expect(pending.result()).toBe("spawner");
  });
});

describe("defects of other implementations", () => {
  it("an outer cancellation is not swallowed once a task has failed and the body has ended (CPython PR 105011)", async () => {
    using reports = captureReports();
    const outer = new CancellationSource();
    const run = TaskScope.run(
      (scope) => {
        scope.spawn(() => Promise.reject(boom));
        scope.spawn(waits);
        return "value";
      },
      { token: outer.token },
    );
    await flushMicrotasks();
    outer.cancel("outer");
    expect(await rejection(run)).toBe(outer.token.error);
    expect(reports.map(({ error }) => error)).toEqual([boom]);
  });

  it("a cancel followed by an outer cancellation does not lose the latter (aiotools' abort)", async () => {
    const outer = new CancellationSource();
    const scope = new TaskScope({ token: outer.token });
    const gate = new Deferred();
    scope.spawn(() => gate.promise);
    scope.cancel("own");
    const join = rejection(scope.join());
    outer.cancel("outer");
    gate.resolve();
    expect(await join).toBe(outer.token.error);
  });

  it("a task ends its own scope by cancel, where waiting for it would be a deadlock (aiotools' aclose)", async () => {
    const scope = new TaskScope();
    const sibling = scope.spawn(waits);
    const task = scope.spawn(() => {
      scope.cancel("enough");
      return "value";
    });
    await scope.join();
    expect(task.result()).toBe("value");
    expect(sibling.status).toBe("cancelled");
  });

  it("a scope's own timeout does not hide the body's error (aiotools)", async () => {
    vi.useFakeTimers();
    const run = TaskScope.run((scope) => waits(scope.token).catch(() => Promise.reject(boom)), {
      timeout: 100,
    });
    const settled = rejection(run);
    await vi.advanceTimersByTimeAsync(100);
    expect(await settled).toBe(boom);
  });

  it("an error that cancelAndWait hands over is reported by its owner, and not a second time (aiotools)", async () => {
    using reports = captureReports();
    const scope = new TaskScope();
    const tasks = [1, 2].map(() =>
      scope.spawn((token) => waits(token).catch(() => Promise.reject(new Error("clean-up")))),
    );
    const error = (await rejection(cancelAndWait(tasks))) as TaskGroupError;
    await scope.join();
    await macrotask();
    expect(error.errors).toEqual(tasks.map((task) => task.error));
    expect(reports.map(({ task }) => task)).toEqual(tasks);
  });

  it("a reason given for several tasks reaches each of them (aiotools drops it for collections)", async () => {
    const scope = new TaskScope();
    const tasks = [scope.spawn(waits), scope.spawn(waits)];
    await cancelAndWait(tasks, { reason: "deploy" });
    expect(tasks.map(({ error }) => (error as CancelledError).reason)).toEqual(["deploy", "deploy"]);
    await scope.join();
  });

  it("tasks are cancelled when the body is interrupted (the Supervisor of 2023)", async () => {
    const outer = new CancellationSource();
    let task: Task<never> | undefined;
    const run = TaskScope.run(
      (scope) => {
        task = scope.spawn(waits);
        return waits(scope.token);
      },
      { token: outer.token },
    );
    outer.cancel("outer");
    await rejection(run);
    expect(task!.status).toBe("cancelled");
  });

  it("the body's error is not lost when a cancel meets an outer cancellation (CPython main)", async () => {
    const outer = new CancellationSource();
    const run = TaskScope.run(
      (scope) => {
        scope.cancel("own");
        outer.cancel("outer");
        throw boom;
      },
      { token: outer.token },
    );
    expect(await rejection(run)).toBe(boom);
  });

  it("a done callback can look at a cancelled task without an exception of its own (the spawn idiom)", async () => {
    using reports = captureReports();
    const scope = new TaskScope();
    const seen: unknown[] = [];
    scope.spawn(waits).onDone((task) => seen.push(task.status, isCancellation(task.error)));
    await scope.stop();
    expect(seen).toEqual(["cancelled", true]);
    expect(reports).toHaveLength(0);
  });
});
