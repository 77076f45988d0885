import {
  CancellationSource,
  CancelledError,
  FatalError,
  InvalidStateError,
  TaskGroupError,
  sleep,
  type CancellationToken,
} from "@scope/core";
import {
  ExitError,
  SafeExitError,
  backgroundTasks,
  exitOnError,
  runMain,
  spawn,
  spawnGuarded,
  type MainOptions,
} from "@scope/guarded";
import {
  Deferred,
  EventLog,
  captureReports,
  flushMicrotasks,
  macrotask,
  needs,
  rejection,
  waits,
} from "@scope/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Exits, FakeProcess, Lines } from "./stand-ins.ts";

// SIGUSR2 stands for every signal: nobody but these tests listens to it. What it is elsewhere is the process tests' matter.
const SIGNAL = "SIGUSR2";
const SIGNAL_CODE = 128 + 12;
const events = [SIGNAL, "SIGINT", "SIGTERM", "uncaughtException", "unhandledRejection"];
const countListeners = (): number[] => events.map((event) => process.listenerCount(event));
const raise = (): boolean => process.emit(SIGNAL, SIGNAL);

function refusesListeners(signal: NodeJS.Signals): boolean {
  try {
    process.on(signal, vi.fn()).removeAllListeners(signal);
    return false;
  } catch {
    return true;
  }
}

let lines: Lines;
let exits: Exits;
let options: MainOptions;
let listenersBefore: number[];

beforeEach(() => {
  lines = new Lines();
  exits = new Exits();
  options = { logger: lines.logger, exit: exits.exit, signals: [SIGNAL] };
  listenersBefore = countListeners();
});

afterEach(() => {
  vi.unstubAllGlobals();
  expect(backgroundTasks().size).toBe(0);
  expect(countListeners()).toEqual(listenersBefore);
});

describe("runMain", () => {
  it("calls main at once with the root token, and ends with 0 when it has returned", async () => {
    let root: CancellationToken | undefined;
    const run = runMain((token) => {
      root = token;
      return "value";
    }, options);
    expect(root).toBeDefined();
    expect(root?.cancelRequested).toBe(false);
    await expect(run).resolves.toBeUndefined();
    expect(exits.codes).toEqual([0]);
    expect(lines.entries).toEqual([]);
  });

  it("listens to its signals and to uncaught errors from before main until after the end", async () => {
    const [usr2, int, term, uncaught, rejections] = listenersBefore as [
      number,
      number,
      number,
      number,
      number,
    ];
    let during: number[] = [];
    await runMain(() => void (during = countListeners()), options);
    expect(during).toEqual([usr2 + 1, int, term, uncaught + 1, rejections + 1]);
    await runMain(() => void (during = countListeners()), { exit: exits.exit });
    expect(during).toEqual([usr2, int + 1, term + 1, uncaught + 1, rejections + 1]);
    await runMain(() => void (during = countListeners()), { ...options, uncaught: false });
    expect(during).toEqual([usr2 + 1, int, term, uncaught, rejections]);
  });

  it("has removed its listeners when `exit` is called, which is once and at the end", async () => {
    const log = new EventLog();
    await runMain(
      async (token) => {
        spawn((own) => waits(own).finally(log.note("background task cleaned up")));
        raise();
        await waits(token).finally(log.note("main cleaned up"));
      },
      {
        ...options,
        exit: (code) => {
          expect(countListeners()).toEqual(listenersBefore);
          log.add(`exit ${code}`);
        },
      },
    );
    expect(log.events).toEqual(["background task cleaned up", "main cleaned up", `exit ${SIGNAL_CODE}`]);
  });

  describe("background tasks", () => {
    it("without a token take the root token (L8)", async () => {
      await runMain((root) => {
        const task = spawn(waits);
        const guarded = spawnGuarded(waits);
        root.onCancel(() => expect([task.cancelRequested, guarded.cancelRequested]).toEqual([true, true]));
        void task.catch((error: unknown) => {
          expect(error).toBe(root.error);
        });
      }, options);
      expect(exits.codes).toEqual([0]);
    });

    it('are cancelled, with source "shutdown", and awaited when main has returned', async () => {
      const log = new EventLog();
      const cleaning = new Deferred();
      let error: CancelledError | undefined;
      const run = runMain(async () => {
        spawn((token) =>
          waits(token).finally(async () => {
            error = token.error;
            await cleaning.promise;
            log.add("cleaned up");
          }),
        );
        await Promise.resolve();
      }, options).then(log.note("run"));
      await flushMicrotasks();
      expect(error).toMatchObject({ source: "shutdown", message: "main has ended" });
      expect(exits.codes).toEqual([]);
      cleaning.resolve();
      await run;
      expect(log.events).toEqual(["cleaned up", "run"]);
    });

    it("with a token of their own are cancelled and awaited when main has ended: until then it may need them", async () => {
      const log = new EventLog();
      await runMain(async (root) => {
        const { token } = new CancellationSource();
        const writer = spawn((own) => waits(own).finally(log.note("writer stopped")), { token });
        raise();
        await waits(root).catch(() => undefined);
        await Promise.resolve();
        log.add(`main ends, writer: ${writer.status}, asked: ${writer.cancelRequested}`);
      }, options);
      expect(log.events).toEqual(["main ends, writer: running, asked: false", "writer stopped"]);
    });

    it("that are spawned when everything has been cancelled are never called", async () => {
      const fn = vi.fn();
      await runMain(async (root) => {
        spawn((token) => waits(token).finally(() => spawn(fn)));
        raise();
        await waits(root).finally(() => spawn(fn, { token: new CancellationSource().token }));
      }, options);
      await flushMicrotasks();
      expect(fn).toHaveBeenCalledTimes(1);
      expect(exits.codes).toEqual([SIGNAL_CODE]);
    });

    it("that fail disturb nobody, and are told to the process-wide handler", async () => {
      using reports = captureReports();
      await runMain(async () => {
        await rejection(spawn(() => Promise.reject(new Error("boom"))));
      }, options);
      expect(reports).toHaveLength(1);
      expect([exits.codes, lines.entries]).toEqual([[0], []]);
    });

    it("that fail while they are cleaned up are told as well, and change no code", async () => {
      using reports = captureReports();
      await runMain(() => {
        spawn((token) => waits(token).finally(() => Promise.reject(new Error("cleaning"))));
      }, options);
      expect(reports.map(({ error }) => String(error))).toEqual(["Error: cleaning"]);
      expect(exits.codes).toEqual([0]);
    });

    it("of before stop with those of the main", async () => {
      const before = spawn(waits);
      await runMain(() => {
        expect(before.cancelRequested).toBe(false);
      }, options);
      expect(before.status).toBe("cancelled");
    });

    it("take no root token afterwards", async () => {
      await runMain(() => {}, options);
      await expect(spawn(() => "called")).resolves.toBe("called");
    });
  });

  describe("a failure of main", () => {
    it("is logged and ends the program with 1, when everything below has ended", async () => {
      const log = new EventLog();
      const error = new Error("no route");
      await runMain(
        () => {
          spawn((token) =>
            waits(token).finally(() => log.add(`${token.error?.source}: ${token.error?.message}`)),
          );
          throw error;
        },
        { ...options, exit: (code) => log.add(`exit ${code}`) },
      );
      expect(log.events).toEqual(["sibling: main has failed", "exit 1"]);
      expect(lines.texts).toEqual([
        expect.stringMatching(/^Error: no route\n {4}at .*run-main\.test/),
        "Exception in main: Error: no route",
      ]);
    });

    it("may be a cancellation that is not its own (L4)", async () => {
      await runMain(() => Promise.reject(new CancelledError("somebody else's")), options);
      expect(exits.codes).toEqual([1]);
    });

    it("of several failures is one: an ExitError inside counts no more than the others", async () => {
      await runMain(() => Promise.reject(new TaskGroupError([new ExitError(3), new Error("boom")])), options);
      expect(exits.codes).toEqual([1]);
      expect(lines.texts[0]).toContain("boom");
    });

    it("that is an ExitError sets the code, and only its message is logged", async () => {
      await runMain(() => Promise.reject(new ExitError(78, "no configuration")), options);
      await runMain(() => Promise.reject(new ExitError(0)), options);
      expect(exits.codes).toEqual([78, 0]);
      expect(lines.entries).toEqual([["no configuration"]]);
    });

    it("that is a SafeExitError means 0, and is silent", async () => {
      let asked = false;
      await runMain(() => {
        spawn((token) => waits(token).finally(() => (asked = true)));
        throw new SafeExitError("nothing left to do");
      }, options);
      expect(asked).toBe(true);
      expect([exits.codes, lines.entries]).toEqual([[0], []]);
    });
  });

  describe("a signal", () => {
    it("cancels the root token, and ends the program with 128 and its number", async () => {
      let error: CancelledError | undefined;
      await runMain(async (token) => {
        raise();
        error = token.error;
        await waits(token);
      }, options);
      expect(error).toMatchObject({ source: "shutdown", reason: SIGNAL });
      expect([exits.codes, lines.entries]).toEqual([[SIGNAL_CODE], []]);
    });

    it("does so also when main returns, whatever it did about the request", async () => {
      await runMain(async (token) => {
        raise();
        await waits(token).catch(() => undefined);
        return "saved";
      }, options);
      await runMain(() => void raise(), options);
      await runMain(async (token) => {
        raise();
        await waits(token).catch(() => {
          throw new SafeExitError();
        });
      }, options);
      expect(exits.codes).toEqual([SIGNAL_CODE, SIGNAL_CODE, SIGNAL_CODE]);
    });

    it("that comes when main has returned counts, too", async () => {
      const cleaning = new Deferred();
      const run = runMain(() => {
        spawn((token) => waits(token).finally(() => cleaning.promise));
      }, options);
      await flushMicrotasks();
      raise();
      cleaning.resolve();
      await run;
      expect([exits.codes, lines.entries]).toEqual([[SIGNAL_CODE], []]);
    });

    it("is outranked by a failure while cleaning up, and that by an ExitError (L5)", async () => {
      const failing = (error: Error): Promise<void> =>
        runMain(async (token) => {
          raise();
          await waits(token).catch(() => {
            throw error;
          });
        }, options);
      await failing(new Error("disk full"));
      await failing(new ExitError(3));
      await failing(new ExitError(0));
      expect(exits.codes).toEqual([1, 3, 0]);
      expect(lines.texts.filter((text) => text.includes("disk full"))).toHaveLength(2);
    });

    it("may be any that the platform has", async () => {
      for (const name of ["SIGHUP", "SIGWINCH"]) {
        await runMain(
          async (token) => {
            process.emit(name as NodeJS.Signals, name as NodeJS.Signals);
            await waits(token);
          },
          { ...options, signals: [name] },
        );
      }
      expect(exits.codes).toEqual([129, 156]);
    });

    it("is nobody's business when none is asked for", async () => {
      await runMain(() => {}, { ...options, signals: [] });
      expect(exits.codes).toEqual([0]);
    });

    it("that comes a second time exits at once, and names what still runs", async () => {
      const open = new Deferred();
      const run = runMain(() => {
        spawn(() => open.promise, { name: "stubborn" });
        spawnGuarded(() => open.promise, { name: "deaf" });
        spawn(waits, { name: "obedient" });
        return open.promise;
      }, options);
      raise();
      await flushMicrotasks();
      expect(exits.codes).toEqual([]);
      raise();
      await run;
      expect(exits.codes).toEqual([SIGNAL_CODE]);
      expect(lines.entries).toEqual([
        [`Forced exit: a second signal, ${SIGNAL}; still running: main, "stubborn", "deaf"`],
      ]);
      open.resolve();
      await flushMicrotasks();
      expect(exits.codes).toEqual([SIGNAL_CODE]);
    });

    it("that comes once is no second one because something else has begun the end", async () => {
      const cleaning = new Deferred();
      const run = runMain(async (token) => {
        spawnGuarded(() => Promise.reject(new Error("boom")), { logger: lines.logger });
        await waits(token).finally(() => cleaning.promise);
      }, options);
      await flushMicrotasks();
      raise();
      await flushMicrotasks();
      expect(exits.codes).toEqual([]);
      cleaning.resolve();
      await run;
      expect(exits.codes).toEqual([1]);
    });
  });

  describe("graceMs", () => {
    it("after the request exits hard, and names what still runs", async () => {
      vi.useFakeTimers();
      const open = new Deferred();
      const run = runMain(() => {
        spawn(() => open.promise, { name: "stubborn" });
        return open.promise;
      }, options);
      await vi.advanceTimersByTimeAsync(60_000);
      raise();
      await vi.advanceTimersByTimeAsync(9_999);
      expect(exits.codes).toEqual([]);
      await vi.advanceTimersByTimeAsync(1);
      await run;
      expect(exits.codes).toEqual([SIGNAL_CODE]);
      expect(lines.entries).toEqual([
        ['Forced exit: Timed out after 10000 ms; still running: main, "stubborn"'],
      ]);
      expect(vi.getTimerCount()).toBe(0);
      open.resolve();
      await flushMicrotasks();
    });

    it("counts from the first request: later ones do not move it", async () => {
      vi.useFakeTimers();
      const open = new Deferred();
      const run = runMain(
        () => {
          const guard = { logger: lines.logger };
          spawnGuarded(() => Promise.reject(new Error("first")), guard);
          spawnGuarded((token) => waits(token).finally(() => open.promise), { ...guard, name: "slow" });
          return open.promise;
        },
        { ...options, graceMs: 100 },
      );
      await vi.advanceTimersByTimeAsync(90);
      raise();
      await vi.advanceTimersByTimeAsync(10);
      await run;
      expect(exits.codes).toEqual([1]);
      expect(lines.texts.at(-1)).toMatch(/^Forced exit: .*; still running: main, "slow"$/);
      open.resolve();
      await flushMicrotasks();
    });

    it("holds after the end of main as well: the code is then no longer 0", async () => {
      vi.useFakeTimers();
      const open = new Deferred();
      const run = runMain(() => void spawn(() => open.promise, { name: "stubborn" }), options);
      await vi.advanceTimersByTimeAsync(10_000);
      await run;
      expect(exits.codes).toEqual([1]);
      expect(lines.texts).toEqual(['Forced exit: Timed out after 10000 ms; still running: "stubborn"']);
      // Whoever spawns now is not stopped on behalf of a main that is over.
      const next = spawn(() => open.promise);
      expect(next.cancelRequested).toBe(false);
      open.resolve();
      await next;
    });

    it("that is over has a late main end nothing more", async () => {
      vi.useFakeTimers();
      const open = new Deferred();
      const run = runMain(() => open.promise, { ...options, graceMs: 0 });
      raise();
      await vi.advanceTimersByTimeAsync(1);
      await run;
      const next = spawn(waits);
      open.resolve();
      await flushMicrotasks();
      expect(next.cancelRequested).toBe(false);
      next.cancel();
      await rejection(next);
      expect(exits.codes).toEqual([SIGNAL_CODE]);
    });

    it("of Infinity waits for ever", async () => {
      vi.useFakeTimers();
      const open = new Deferred();
      const run = runMain(() => open.promise, { ...options, graceMs: Infinity });
      raise();
      await vi.advanceTimersByTimeAsync(1e9);
      expect(exits.codes).toEqual([]);
      open.resolve();
      await run;
      expect(exits.codes).toEqual([SIGNAL_CODE]);
    });
  });

  it("keeps the event loop alive while main waits for nothing but its token, and not longer", async () => {
    vi.useFakeTimers();
    const run = runMain((token) => sleep(Infinity, token), options);
    expect(vi.getTimerCount()).toBe(1);
    raise();
    await run;
    expect(vi.getTimerCount()).toBe(0);
  });

  describe("a failure of a guarded task", () => {
    it("takes the orderly way: it is logged, everything is cancelled and waited for, then the program ends", async () => {
      const log = new EventLog();
      const guard = { name: "relay", logger: { error: (text: string) => log.add(text.split("\n", 1)[0]!) } };
      await runMain(
        async (token) => {
          spawnGuarded(() => Promise.reject(new Error("boom")), guard);
          spawn((own) => waits(own).finally(log.note("background task cleaned up")));
          await waits(token).finally(() => {
            log.add(`main cleaned up: ${token.error?.source}, ${token.error?.message}`);
          });
        },
        { ...options, exit: (code) => log.add(`exit ${code}`) },
      );
      expect(log.events).toEqual([
        "Error: boom",
        'Exception in background task (name="relay"): Error: boom',
        'main cleaned up: sibling, background task (name="relay") has failed',
        "background task cleaned up",
        "exit 1",
      ]);
    });

    it("ends it with the guard's own code, or with that of its ExitError", async () => {
      const failing = (error: Error, exitCode?: number): Promise<void> =>
        runMain(async (token) => {
          spawnGuarded(() => Promise.reject(error), { logger: lines.logger, exitCode });
          await waits(token);
        }, options);
      await failing(new Error("boom"), 70);
      await failing(new ExitError(78));
      await failing(new ExitError(78), 5);
      expect(exits.codes).toEqual([70, 78, 5]);
    });

    it("the first of several decides, and all are logged (L2)", async () => {
      await runMain(async (token) => {
        spawnGuarded(() => Promise.reject(new Error("first")), { logger: lines.logger, exitCode: 11 });
        spawnGuarded((own) => waits(own).finally(() => Promise.reject(new Error("second"))), {
          logger: lines.logger,
          exitCode: 12,
        });
        await waits(token);
      }, options);
      expect(exits.codes).toEqual([11]);
      expect(lines.texts.filter((text) => text.startsWith("Exception"))).toHaveLength(2);
    });

    it("is outranked by an ExitError that comes later, and outranks nothing that came before (L5)", async () => {
      const failing = (first: Error, second: Error): Promise<void> =>
        runMain(async (token) => {
          spawnGuarded(() => Promise.reject(first), { logger: lines.logger });
          await waits(token).finally(() => Promise.reject(second));
        }, options);
      await failing(new Error("boom"), new ExitError(3));
      await failing(new ExitError(4), new Error("boom"));
      await failing(new ExitError(5), new ExitError(6));
      expect(exits.codes).toEqual([3, 4, 5]);
    });

    it("is not the main's business if the guard has an `exit` of its own", async () => {
      const own = new Exits();
      await runMain(async (token) => {
        await rejection(
          spawnGuarded(() => Promise.reject(new Error("boom")), { logger: lines.logger, exit: own.exit }),
        );
        expect(token.cancelRequested).toBe(false);
      }, options);
      expect([own.codes, exits.codes]).toEqual([[1], [0]]);
    });

    it("is not the end if it is a SafeExitError", async () => {
      await runMain(async (token) => {
        await rejection(spawnGuarded(() => Promise.reject(new SafeExitError())));
        expect(token.cancelRequested).toBe(false);
      }, options);
      expect([exits.codes, lines.entries]).toEqual([[0], []]);
    });

    it("of an `exitOnError` is the same", async () => {
      using reports = captureReports();
      await runMain(async (token) => {
        spawn(() => Promise.reject(new Error("boom"))).onDone((task) =>
          exitOnError(task, { logger: lines.logger, exitCode: 9 }),
        );
        await waits(token);
      }, options);
      expect(exits.codes).toEqual([9]);
      expect(reports).toHaveLength(1);
    });
  });

  describe("a fatal error of a background task that nobody guards", () => {
    it("ends the program in the orderly way, and is logged instead of reported", async () => {
      using reports = captureReports();
      await runMain(async (token) => {
        spawn(() => Promise.reject(new FatalError("the end")), { name: "job" });
        await waits(token);
      }, options);
      expect(exits.codes).toEqual([1]);
      expect(lines.texts.at(-1)).toBe('Exception in background task (name="job"): FatalError: the end');
      expect(reports).toHaveLength(0);
    });

    it("that is an ExitError sets the code", async () => {
      using reports = captureReports();
      await runMain(async (token) => {
        spawn(() => Promise.reject(new ExitError(3, "enough")), { token: new CancellationSource().token });
        await waits(token);
      }, options);
      expect([exits.codes, lines.entries, [...reports]]).toEqual([[3], [["enough"]], []]);
    });
  });

  describe("an uncaught error", () => {
    /** Tells runMain's own listener alone: vitest has some as well. */
    const uncaught = (event: string, error: unknown): void => {
      const listeners = process.listeners(event as "uncaughtException");
      for (const listener of listeners.slice(-1)) listener(error as Error, "uncaughtException");
    };

    it.each(["uncaughtException", "unhandledRejection"])(
      "of the kind %s is logged and ends the program in the orderly way",
      async (event) => {
        let cleaned = false;
        await runMain(async (token) => {
          uncaught(event, new Error("stray"));
          await waits(token).finally(() => (cleaned = true));
        }, options);
        expect(cleaned).toBe(true);
        expect(exits.codes).toEqual([1]);
        expect(lines.texts).toEqual([
          expect.stringContaining("run-main.test"),
          `Exception in ${event}: Error: stray`,
        ]);
      },
    );

    it("sets the code if it is an ExitError", async () => {
      await runMain(async (token) => {
        uncaught("uncaughtException", new ExitError(3));
        await waits(token);
      }, options);
      expect(exits.codes).toEqual([3]);
    });

    it("is none if it is a cancellation that nobody caught, once everything has been cancelled", async () => {
      await runMain(async (token) => {
        raise();
        uncaught("unhandledRejection", token.error);
        uncaught("unhandledRejection", new DOMException("aborted", "AbortError"));
        await waits(token);
      }, options);
      expect([exits.codes, lines.entries]).toEqual([[SIGNAL_CODE], []]);
    });

    it("is one if it is a cancellation of something else", async () => {
      await runMain(async (token) => {
        uncaught("unhandledRejection", new CancelledError("somebody else's"));
        await waits(token);
      }, options);
      expect(exits.codes).toEqual([1]);
    });
  });

  it("refuses a second main while one runs, and takes it afterwards", async () => {
    const fn = vi.fn();
    await runMain(async () => {
      const error = await rejection(runMain(fn, options));
      expect(error).toBeInstanceOf(InvalidStateError);
      expect((error as Error).message).toBe("runMain is running already");
    }, options);
    expect(fn).not.toHaveBeenCalled();
    await runMain(fn, options);
    expect(fn).toHaveBeenCalledTimes(1);
    expect(exits.codes).toEqual([0, 0]);
  });

  it("rejects with what `exit` throws", async () => {
    const refusal = new Error("not in tests");
    const exit = (): void => {
      throw refusal;
    };
    expect(await rejection(runMain(() => {}, { ...options, exit }))).toBe(refusal);
  });

  it("does not depend on its logger (L9)", async () => {
    using reports = captureReports();
    const logger = {
      error() {
        throw new Error("transport closed");
      },
    };
    await runMain(() => Promise.reject(new Error("boom")), { ...options, logger });
    expect(exits.codes).toEqual([1]);
    expect(reports.map(({ error }) => String(error))).toEqual(["Error: transport closed", "Error: boom"]);
  });

  describe("without an `exit`", () => {
    const withoutExit = { signals: [SIGNAL] };

    it("leaves the process to end by itself after a good end, and its exit code alone", async () => {
      const fake = new FakeProcess();
      await runMain(() => {}, withoutExit);
      await runMain(() => Promise.reject(new SafeExitError()), withoutExit);
      vi.unstubAllGlobals();
      expect(fake.events).toEqual([]);
    });

    it("exits after a failure, an ExitError and a signal, its output flushed and its listeners gone", async () => {
      const fake = new FakeProcess();
      const ends = [
        () => Promise.reject(new Error("boom")),
        () => Promise.reject(new ExitError(0)),
        (token: CancellationToken) => {
          raise();
          return waits(token);
        },
      ];
      for (const main of ends) await runMain(main, { ...withoutExit, logger: lines.logger });
      vi.unstubAllGlobals();
      expect(fake.codes).toEqual([1, 0, SIGNAL_CODE]);
      expect(fake.events.slice(0, 6)).toEqual([
        "exitCode = 1",
        "flush stdout",
        "flush stderr",
        "stdout flushed",
        "stderr flushed",
        "exit 1",
      ]);
    });

    it("has the platform report the error where there is no process", async () => {
      // Vitest puts `process.nextTick` back in a tick of its own: none may be waiting for what follows, which takes turns.
      await macrotask();
      vi.stubGlobal("process", undefined);
      const reported: unknown[] = [];
      vi.stubGlobal("reportError", (error: unknown) => reported.push(error));
      const error = new Error("boom");
      await runMain(() => Promise.reject(error), { logger: lines.logger });
      await runMain(() => {}, { logger: lines.logger });
      vi.unstubAllGlobals();
      expect(reported).toEqual([error]);
      expect(lines.texts.at(-1)).toBe("Exception in main: Error: boom");
    });
  });

  describe("refuses, before it calls main (L11)", () => {
    it.each<[string, object, typeof TypeError, RegExp]>([
      ["a negative graceMs", { graceMs: -1 }, RangeError, /`graceMs`.*-1/],
      ["a text as graceMs", { graceMs: "5" }, TypeError, /`graceMs`/],
      ["signals that are no array", { signals: "SIGTERM" }, TypeError, /`signals`.*SIGTERM/],
      ["a signal that there is not", { signals: ["SIGTERM", "SIGFOO"] }, TypeError, /`signals`.*SIGFOO/],
      ["a signal's number", { signals: [15] }, TypeError, /`signals`.*15/],
      ["the name of no signal", { signals: ["constructor"] }, TypeError, /`signals`/],
      ["a logger without `error`", { logger: {} }, TypeError, /`logger\.error`/],
      ["an `exit` that is no function", { exit: true }, TypeError, /`exit`/],
    ])("%s", async (_, bad, type, message) => {
      const main = vi.fn();
      const error = await rejection(runMain(main, { ...options, ...bad }));
      expect(error).toBeInstanceOf(type);
      expect((error as Error).message).toMatch(message);
      expect(main).not.toHaveBeenCalled();
      expect(exits.codes).toEqual([]);
    });

    it("what is no function", async () => {
      expect(await rejection(runMain("main" as never))).toBeInstanceOf(TypeError);
    });

    it("a signal that cannot be listened to, and leaves nothing behind", async () => {
      needs("signals that refuse listeners", refusesListeners("SIGKILL"));
      const main = vi.fn();
      const run = runMain(main, { ...options, signals: [SIGNAL, "SIGKILL"] });
      expect(await rejection(run)).toBeInstanceOf(Error);
      expect(main).not.toHaveBeenCalled();
      await runMain(() => {}, options);
      expect(exits.codes).toEqual([0]);
    });
  });
});
