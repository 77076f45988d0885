import { AsyncLocalStorage } from "node:async_hooks";
import { getEventListeners } from "node:events";
import {
  CancellationSource,
  CancelledError,
  FatalError,
  Task,
  TimeoutError,
  setTaskErrorHandler,
  sleep,
  type CancellationToken,
} from "@scope/core";
import { backgroundTasks, spawn, stopBackgroundTasks } from "@scope/guarded";
import {
  Deferred,
  EventLog,
  captureReports,
  collectGarbage,
  flushMicrotasks,
  growth,
  inBatches,
  needsCollector,
  rejection,
  waits,
} from "@scope/test-utils";
import { afterEach, describe, expect, it, vi } from "vitest";

afterEach(() => {
  expect(backgroundTasks().size).toBe(0);
});

describe("spawn", () => {
  it("calls the function at once, with a token, and gives a task of that name", async () => {
    let own: CancellationToken | undefined;
    const task = spawn(
      (token) => {
        own = token;
        return Promise.resolve("value");
      },
      { name: "flush" },
    );
    expect(own).toBe(task.token);
    expect(task).toBeInstanceOf(Task);
    expect(task.name).toBe("flush");
    expect(task.status).toBe("running");
    await expect(task).resolves.toBe("value");
  });

  it("has the failure told at once to the process-wide handler, with its name and stack, awaited or not, once (L2)", async () => {
    using reports = captureReports();
    const lost = spawn(() => Promise.reject(new Error("disk full")), { name: "save" });
    const awaited = spawn(
      () => {
        throw new Error("thrown at once");
      },
      { name: "load" },
    );
    expect(reports).toHaveLength(0);
    await expect(awaited).rejects.toThrow("thrown at once");
    await flushMicrotasks();
    expect(reports.map(({ task }) => task)).toEqual([lost, awaited]);
    const [first, second] = reports;
    expect(first?.message).toContain('"save"');
    expect((first?.error as Error).stack).toContain("background.test");
    expect(second?.message).toContain('"load"');
    expect(second?.error).toBe(awaited.error);
  });

  it("prints name and stack where nobody has set a handler", async () => {
    const print = vi.spyOn(console, "error").mockImplementation(() => {});
    try {
      const error = new Error("disk full");
      await rejection(spawn(() => Promise.reject(error), { name: "save" }));
      expect(print.mock.calls).toEqual([[expect.stringContaining('"save"'), error]]);
    } finally {
      print.mockRestore();
    }
  });

  it("runs nothing that follows from an end inside the call (L6)", async () => {
    using reports = captureReports();
    const log = new EventLog();
    const task = spawn(() => {
      throw new Error("at once");
    });
    task.onDone(log.note("done"));
    log.add("spawned");
    expect(reports).toHaveLength(0);
    await flushMicrotasks();
    expect(log.events).toEqual(["spawned", "done"]);
    expect(reports).toHaveLength(1);
  });

  it("disturbs nobody with a failure, not even with a fatal one: there is no main to end", async () => {
    using reports = captureReports();
    const open = new Deferred<string>();
    const other = spawn(() => open.promise);
    const fatal = new FatalError("the end");
    await rejection(spawn(() => Promise.reject(fatal)));
    expect(reports.map(({ error }) => error)).toEqual([fatal]);
    expect(other.cancelRequested).toBe(false);
    open.resolve("unharmed");
    await expect(other).resolves.toBe("unharmed");
  });

  it("has a failure that follows from nobody's token told, whatever it is called (L4)", async () => {
    using reports = captureReports();
    const foreign = new CancelledError("somebody else's");
    const task = spawn(() => Promise.reject(foreign));
    await rejection(task);
    expect(task.status).toBe("failed");
    expect(reports.map(({ error }) => error)).toEqual([foreign]);
  });

  it("goes on working after a handler that throws", async () => {
    const previous = setTaskErrorHandler(() => {
      throw new Error("handler");
    });
    const strays: unknown[] = [];
    const listeners = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", (error) => strays.push(error));
    try {
      await rejection(spawn(() => Promise.reject(new Error("task"))));
      await new Promise((resolve) => setImmediate(resolve));
      expect(strays.map(String)).toEqual(["Error: handler"]);
      await expect(spawn(() => "still works")).resolves.toBe("still works");
    } finally {
      setTaskErrorHandler(previous);
      process.removeAllListeners("uncaughtException");
      for (const listener of listeners) process.on("uncaughtException", listener);
    }
  });

  it("sees the async context of the code that spawns (L10)", async () => {
    const storage = new AsyncLocalStorage<string>();
    const source = new CancellationSource();
    const seen = [{}, { token: source.token }].map((options) =>
      storage.run("request 1", () =>
        spawn(async () => {
          await Promise.resolve();
          return storage.getStore();
        }, options),
      ),
    );
    expect(await Promise.all(seen)).toEqual(["request 1", "request 1"]);
  });

  describe("with a token", () => {
    it("makes the task's token a descendant: no callback sees one without the other (L8)", async () => {
      const source = new CancellationSource();
      const seen: boolean[] = [];
      const [first, second] = [0, 1].map(() =>
        spawn(
          (token) => {
            token.onCancel(() => seen.push(first!.cancelRequested && second!.cancelRequested));
            return waits(token);
          },
          { token: source.token },
        ),
      );
      source.cancel("enough");
      expect(seen).toEqual([true, true]);
      expect(first!.token.error).toBe(source.token.error);
      await flushMicrotasks();
      expect([first!.status, second!.status]).toEqual(["cancelled", "cancelled"]);
    });

    it("follows an AbortSignal", async () => {
      const controller = new AbortController();
      const task = spawn(waits, { token: controller.signal });
      const reason = new Error("closed");
      controller.abort(reason);
      const error = (await rejection(task)) as CancelledError;
      expect(error).toBeInstanceOf(CancelledError);
      expect(error.reason).toBe(reason);
      expect(error.source).toBe("signal");
    });

    it("that is cancelled already never calls the function: the task ends cancelled, for the same reason", async () => {
      using reports = captureReports();
      const source = new CancellationSource();
      source.cancel("too late");
      const fn = vi.fn();
      const task = spawn(fn, { token: source.token, name: "late" });
      expect(task.name).toBe("late");
      expect(await rejection(task)).toBe(source.token.error);
      expect(task.status).toBe("cancelled");
      expect(fn).not.toHaveBeenCalled();
      const aborted = spawn(fn, { token: AbortSignal.abort("gone") });
      expect(await rejection(aborted)).toMatchObject({ source: "signal", reason: "gone" });
      expect(fn).not.toHaveBeenCalled();
      expect(reports).toHaveLength(0);
    });

    it("that is cancelled while tasks clean up takes no further ones", async () => {
      const source = new CancellationSource();
      const cleaning = new Deferred();
      const first = spawn((token) => waits(token).finally(() => cleaning.promise), { token: source.token });
      source.cancel();
      const fn = vi.fn();
      const late = spawn(fn, { token: source.token });
      await rejection(late);
      expect(fn).not.toHaveBeenCalled();
      cleaning.resolve();
      await rejection(first);
    });

    it("leaves tasks of other tokens alone", async () => {
      const [one, other] = [new CancellationSource(), new CancellationSource()];
      const first = spawn(waits, { token: one.token });
      const second = spawn(waits, { token: other.token });
      const third = spawn(waits);
      one.cancel();
      await rejection(first);
      expect([second.cancelRequested, third.cancelRequested]).toEqual([false, false]);
      other.cancel();
      await rejection(second);
      third.cancel();
      await rejection(third);
    });

    it("leaves nothing on the token: a million tasks on a long-lived one do not grow the heap (L7)", async () => {
      const { token } = new CancellationSource();
      const grown = await growth(1_000_000, (count) =>
        inBatches(count, () => spawn(() => undefined, { token })),
      );
      expect(grown).toBeLessThan(100_000);
    }, 60_000);

    it("keeps nothing of a token that is gone", async () => {
      const spawnOne = async (): Promise<WeakRef<object>> => {
        const source = new CancellationSource();
        await spawn(() => undefined, { token: source.token });
        return new WeakRef(source.token);
      };
      const token = await spawnOne();
      await collectGarbage();
      expect(token.deref()).toBeUndefined();
    });
  });

  describe("refuses", () => {
    it.each<[string, () => unknown, typeof TypeError, RegExp]>([
      ["what is no function", () => spawn("fn" as never), TypeError, /`fn`.*a function.*fn \(string\)/],
      ["a name that is no string", () => spawn(() => 1, { name: 5 as never }), TypeError, /`name`.*5/],
      ["what is no token", () => spawn(() => 1, { token: {} as never }), TypeError, /`token`/],
      ["null as a token", () => spawn(() => 1, { token: null as never }), TypeError, /`token`.*null/],
      ["a text as a token", () => spawn(() => 1, { token: "stop" as never }), TypeError, /`token`.*stop/],
    ])("%s (L11)", (_, call, type, message) => {
      expect(call).toThrow(type);
      expect(call).toThrow(message);
    });

    it("a bad name with a token, and leaves nothing behind (L11)", async () => {
      const source = new CancellationSource();
      expect(() => spawn(() => 1, { token: source.token, name: 5 as never })).toThrow(TypeError);
      const task = spawn(waits, { token: source.token });
      expect([...backgroundTasks()]).toEqual([task]);
      source.cancel();
      await rejection(task);
      await flushMicrotasks();
    });
  });
});

describe("backgroundTasks", () => {
  it("lists the tasks that have not ended, in a snapshot of its own each time", async () => {
    const open = new Deferred();
    const source = new CancellationSource();
    const tasks = [
      spawn(() => open.promise),
      spawn(() => open.promise, { token: source.token }),
      spawn(() => open.promise),
    ];
    const snapshot = backgroundTasks();
    expect(new Set(snapshot)).toEqual(new Set(tasks));
    expect(backgroundTasks()).not.toBe(snapshot);
    open.resolve();
    await Promise.all(tasks);
    expect(snapshot.size).toBe(3);
    expect(backgroundTasks().size).toBe(0);
  });

  it("lists a task while the synchronous part of its function runs", async () => {
    const names = await spawn(() => Array.from(backgroundTasks(), ({ name }) => name), { name: "itself" });
    expect(names).toEqual(["itself"]);
  });

  it("no longer lists a task whose end is being told", async () => {
    using reports = captureReports();
    let listed: boolean | undefined;
    const task = spawn(() => Promise.reject(new Error("boom")));
    task.onDone(() => (listed = backgroundTasks().has(task)));
    await rejection(task);
    expect(listed).toBe(false);
    expect(reports).toHaveLength(1);
  });

  it("keeps a task that nobody refers to, until it is done, and not longer (L1)", async () => {
    needsCollector();
    const open = new Deferred();
    const spawnOne = (options?: { token: CancellationToken }): WeakRef<object>[] => {
      const held = {};
      const task = spawn(async () => {
        await open.promise;
        return held;
      }, options);
      return [new WeakRef(task), new WeakRef(held)];
    };
    const refs = [...spawnOne(), ...spawnOne({ token: new CancellationSource().token })];
    await collectGarbage();
    expect(backgroundTasks().size).toBe(2);
    open.resolve();
    await flushMicrotasks();
    await collectGarbage();
    expect(refs.map((ref) => ref.deref())).toEqual([undefined, undefined, undefined, undefined]);
  });

  it("keeps a task that waits for what only it refers to", async () => {
    needsCollector();
    (() => void spawn((token) => sleep(Infinity, token), { token: new CancellationSource().token }))();
    (() => void spawn((token) => sleep(Infinity, token)))();
    await collectGarbage();
    expect(Array.from(backgroundTasks(), ({ status }) => status)).toEqual(["running", "running"]);
    await stopBackgroundTasks();
  });

  it("keeps nothing of a million tasks (L7)", async () => {
    const grown = await growth(1_000_000, (count) => inBatches(count, () => spawn(() => undefined)));
    expect(grown).toBeLessThan(100_000);
  }, 60_000);
});

describe("stopBackgroundTasks", () => {
  it("resolves when there is nothing to stop, and tasks can be spawned afterwards", async () => {
    await stopBackgroundTasks();
    await expect(spawn(() => "next")).resolves.toBe("next");
    await stopBackgroundTasks();
    await expect(spawn(() => "and again")).resolves.toBe("and again");
  });

  it('cancels all tasks before it returns, with source "shutdown" and the reason', async () => {
    const tasks = [spawn(waits), spawn(waits), spawn(waits, { token: new CancellationSource().token })];
    const stopped = stopBackgroundTasks({ reason: "deploy" });
    expect(tasks.map(({ cancelRequested }) => cancelRequested)).toEqual([true, true, true]);
    expect(tasks[0]!.token.error).toMatchObject({ source: "shutdown", reason: "deploy", message: "deploy" });
    expect(new Set(tasks.map(({ token }) => token.error)).size).toBe(1);
    await stopped;
    expect(tasks.map(({ status }) => status)).toEqual(["cancelled", "cancelled", "cancelled"]);
  });

  it("waits until every function has ended, however long it cleans up (L1)", async () => {
    const log = new EventLog();
    const cleaning = new Deferred();
    spawn((token) =>
      waits(token).finally(async () => {
        await cleaning.promise;
        log.add("cleaned");
      }),
    );
    const stopped = stopBackgroundTasks().then(log.note("stopped"));
    await flushMicrotasks();
    expect(log.events).toEqual([]);
    cleaning.resolve();
    await stopped;
    expect(log.events).toEqual(["cleaned", "stopped"]);
  });

  it("ends what is spawned meanwhile without calling it, with a token of its own or without", async () => {
    const fn = vi.fn();
    const { token } = new CancellationSource();
    const late: Task<unknown>[] = [];
    spawn((own) => {
      own.onCancel(() => late.push(spawn(fn, { name: "from a callback" })));
      return waits(own).finally(() => late.push(spawn(fn), spawn(fn, { token })));
    });
    await stopBackgroundTasks({ reason: "deploy" });
    expect(late.map(({ status }) => status)).toEqual(["cancelled", "cancelled", "cancelled"]);
    expect(late.map(({ error }) => (error as CancelledError).reason)).toEqual(["deploy", "deploy", "deploy"]);
    expect(fn).not.toHaveBeenCalled();
    await expect(spawn(() => "afterwards", { token })).resolves.toBe("afterwards");
  });

  it("leaves nothing of what is spawned meanwhile on the token of a task that is not called (L7)", async () => {
    const { signal } = new AbortController();
    let listeners: number | undefined;
    spawn((own) =>
      waits(own).finally(async () => {
        await spawn(vi.fn(), { token: signal }).catch(() => undefined);
        listeners = getEventListeners(signal, "abort").length;
      }),
    );
    await stopBackgroundTasks();
    expect(listeners).toBe(0);
  });

  it("asks a task that stops everything in the synchronous part of its function, too", async () => {
    let stopped: Promise<void> | undefined;
    const task = spawn((token) => {
      stopped = stopBackgroundTasks();
      return waits(token);
    });
    expect(task.cancelRequested).toBe(true);
    await stopped;
    expect(task.status).toBe("cancelled");
  });

  it("leaves failures to their reporter, and does not throw them as well (L2)", async () => {
    using reports = captureReports();
    const failure = new Error("while cleaning up");
    spawn((token) =>
      waits(token).finally(() => {
        throw failure;
      }),
    );
    await expect(stopBackgroundTasks()).resolves.toBeUndefined();
    expect(reports.map(({ error }) => error)).toEqual([failure]);
  });

  it("is in time if the last task ends in the very moment when its time is over", async () => {
    vi.useFakeTimers();
    const open = new Deferred();
    spawn(() => open.promise, { name: "last" });
    const stopped = stopBackgroundTasks({ timeout: 5 });
    setTimeout(open.resolve, 5);
    // Without a turn of the microtask queue between the two.
    vi.advanceTimersByTime(5);
    await expect(stopped).resolves.toBeUndefined();
  });

  it("names the tasks that still run when its time is over, and can be asked to wait again", async () => {
    vi.useFakeTimers();
    const open = new Deferred();
    spawn(() => open.promise, { name: "stubborn" });
    spawn(() => open.promise, { name: "deaf", token: new CancellationSource().token });
    spawn(waits, { name: "obedient" });
    const stopped = rejection(stopBackgroundTasks({ timeout: 1_000 }));
    await vi.advanceTimersByTimeAsync(999);
    expect(backgroundTasks().size).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    const error = (await stopped) as TimeoutError;
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error.timeout).toBe(1_000);
    expect(error.message).toBe(
      'Background tasks did not stop within 1000 ms; still running: "stubborn", "deaf"',
    );
    expect(vi.getTimerCount()).toBe(0);

    // The time is over: others may start, and are not asked for what somebody else was late for.
    const next = spawn(waits, { name: "next" });
    expect(next.cancelRequested).toBe(false);

    const again = stopBackgroundTasks();
    expect(next.cancelRequested).toBe(true);
    open.resolve();
    await again;
    expect(backgroundTasks().size).toBe(0);
  });

  it("gives those who end promptly their time, even with a limit of 0", async () => {
    spawn(waits);
    spawn((token) => waits(token).finally(() => Promise.resolve()));
    await expect(stopBackgroundTasks({ timeout: 0 })).resolves.toBeUndefined();
  });

  it("leaves no timer behind when all have ended in time (L7)", async () => {
    vi.useFakeTimers();
    spawn(waits);
    await stopBackgroundTasks({ timeout: 60_000 });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("serves several callers, each with its own limit", async () => {
    vi.useFakeTimers();
    const open = new Deferred();
    const task = spawn(() => open.promise, { name: "slow" });
    const impatient = rejection(stopBackgroundTasks({ timeout: 10, reason: "first" }));
    const patient = stopBackgroundTasks({ reason: "second" });
    expect((task.token.error as CancelledError).reason).toBe("first");
    await vi.advanceTimersByTimeAsync(10);
    expect(await impatient).toBeInstanceOf(TimeoutError);
    // The patient one is still stopping.
    const fn = vi.fn();
    const late = spawn(fn);
    await flushMicrotasks();
    expect(late.status).toBe("cancelled");
    open.resolve();
    await patient;
    expect(fn).not.toHaveBeenCalled();
  });

  it("is not misled by a task that takes the request and returns", async () => {
    const task = spawn(async (token) => {
      await waits(token).catch(() => undefined);
      return "saved";
    });
    await stopBackgroundTasks();
    expect(task.status).toBe("succeeded");
    expect(task.result()).toBe("saved");
  });

  it.each([
    [-1, RangeError],
    [NaN, RangeError],
    ["5", TypeError],
    [null, TypeError],
  ])("refuses %s as a timeout before it asks anybody (L11)", async (timeout, type) => {
    const task = spawn(waits);
    const error = await rejection(stopBackgroundTasks({ timeout: timeout as number }));
    expect(error).toBeInstanceOf(type);
    expect((error as Error).message).toContain("`timeout`");
    expect(task.cancelRequested).toBe(false);
    await stopBackgroundTasks();
  });
});
