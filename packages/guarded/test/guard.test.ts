import { FatalError, TaskScope, backgroundSpawner, type Task } from "@scope/core";
import {
  ExitError,
  SafeExitError,
  backgroundTasks,
  exitOnError,
  spawn,
  spawnGuarded,
  stopBackgroundTasks,
} from "@scope/guarded";
import {
  Deferred,
  captureReports,
  flushMicrotasks,
  macrotask,
  needs,
  rejection,
  waits,
} from "@scope/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Exits, FakeProcess, Lines } from "./stand-ins.ts";

let lines: Lines;
let exits: Exits;
let options: { logger: Lines["logger"]; exit: Exits["exit"] };

beforeEach(() => {
  lines = new Lines();
  exits = new Exits();
  options = { logger: lines.logger, exit: exits.exit };
});

afterEach(() => {
  vi.unstubAllGlobals();
  expect(backgroundTasks().size).toBe(0);
});

describe("spawnGuarded", () => {
  describe("a failure", () => {
    it("is logged, first its traceback, then a line with the task's name, and exits with 1", async () => {
      needs("util.inspect", globalThis.process?.getBuiltinModule !== undefined);
      using reports = captureReports();
      const order: string[] = [];
      const error = new Error("disk full", { cause: new RangeError("no space left") });
      const task = spawnGuarded(() => Promise.reject(error), {
        name: "save",
        logger: {
          error: (...args) => {
            order.push("logged");
            lines.logger.error(...args);
          },
        },
        exit: (code) => order.push(`exit ${code}`),
      });
      expect(await rejection(task)).toBe(error);
      expect(order).toEqual(["logged", "logged", "exit 1"]);
      const [[traceback], [line]] = lines.entries as [[string], [string]];
      expect(traceback).toMatch(/^Error: disk full\n {4}at .*guard\.test/);
      expect(traceback).toContain("[cause]: RangeError: no space left");
      expect(line).toBe('Exception in background task (name="save"): Error: disk full');
      expect(lines.entries.map(({ length }) => length)).toEqual([1, 1]);
      expect(reports).toHaveLength(0);
    });

    it("is told at once, while nobody waits for the task, and before anybody who does", async () => {
      const order: string[] = [];
      const task = spawnGuarded(() => Promise.reject(new Error("boom")), {
        logger: lines.logger,
        exit: () => order.push("exit"),
      });
      task.onDone(() => order.push("done"));
      void task.catch(() => order.push("awaited"));
      expect(order).toEqual([]);
      await flushMicrotasks();
      expect(order).toEqual(["exit", "done", "awaited"]);
    });

    it("of a function that throws at once does not end the process inside the call (L6)", async () => {
      const task = spawnGuarded(() => {
        throw new Error("at once");
      }, options);
      expect(exits.codes).toEqual([]);
      await rejection(task);
      expect(exits.codes).toEqual([1]);
    });

    it("may be a fatal one", async () => {
      await rejection(spawnGuarded(() => Promise.reject(new FatalError("the end")), options));
      expect(exits.codes).toEqual([1]);
      expect(lines.texts.at(-1)).toContain("FatalError: the end");
    });

    it("may be somebody else's cancellation (L4)", async () => {
      const foreign = new DOMException("gone", "AbortError");
      const task = spawnGuarded(() => Promise.reject(foreign), options);
      await rejection(task);
      expect(exits.codes).toEqual([1]);
      expect(task.status).toBe("failed");
    });

    it("while it is being cancelled is one all the same", async () => {
      const task = spawnGuarded(
        (token) =>
          waits(token).finally(() => {
            throw new Error("while cleaning up");
          }),
        options,
      );
      task.cancel();
      await rejection(task);
      expect(exits.codes).toEqual([1]);
    });

    it.each<[string, unknown, string]>([
      ["a text", "no", "no"],
      ["undefined", undefined, "undefined"],
      ["an object", { code: 7 }, "[object Object]"],
      ["an error of several lines", new Error("one\ntwo"), "Error: one"],
      ["an error without a stack", Object.assign(new Error("bare"), { stack: undefined }), "Error: bare"],
      ["what cannot be printed", Object.create(null), "an unprintable object"],
      [
        "what throws when it is looked at",
        new Proxy(new Error(), {
          get() {
            throw new Error("hostile");
          },
        }),
        "an unprintable object",
      ],
    ])("may be anything: %s", async (_, error, shown) => {
      await spawnGuarded(() => Promise.reject(error), { ...options, name: "odd" }).catch(() => undefined);
      expect(lines.texts.at(-1)).toBe(`Exception in background task (name="odd"): ${shown}`);
      expect(lines.entries).toHaveLength(2);
      expect(exits.codes).toEqual([1]);
    });

    it("goes to the console, unless there is a logger", async () => {
      const print = vi.spyOn(console, "error").mockImplementation(() => {});
      try {
        await rejection(
          spawnGuarded(() => Promise.reject(new Error("boom")), { name: "job", exit: exits.exit }),
        );
        expect(print.mock.calls).toEqual([
          [expect.stringContaining("at ")],
          ['Exception in background task (name="job"): Error: boom'],
        ]);
      } finally {
        print.mockRestore();
      }
    });

    it("leaves the other tasks alone when `exit` returns", async () => {
      const open = new Deferred<string>();
      const other = spawnGuarded(() => open.promise, options);
      await rejection(spawnGuarded(() => Promise.reject(new Error("boom")), options));
      expect(other.cancelRequested).toBe(false);
      open.resolve("unharmed");
      await expect(other).resolves.toBe("unharmed");
      expect(exits.codes).toEqual([1]);
    });
  });

  describe("does not end the process", () => {
    it("when the task succeeds", async () => {
      await expect(spawnGuarded(() => "value", options)).resolves.toBe("value");
      expect([exits.codes, lines.entries]).toEqual([[], []]);
    });

    it("when it is cancelled, whoever asks", async () => {
      const source = new AbortController();
      const tasks = [
        spawnGuarded(waits, options),
        spawnGuarded(waits, { ...options, token: source.signal }),
        spawnGuarded(waits, options),
      ];
      tasks[0]!.cancel();
      source.abort();
      await stopBackgroundTasks();
      expect(tasks.map(({ status }) => status)).toEqual(["cancelled", "cancelled", "cancelled"]);
      expect([exits.codes, lines.entries]).toEqual([[], []]);
    });

    it("when its token is cancelled already: it is never called", async () => {
      using reports = captureReports();
      const fn = vi.fn();
      const task = spawnGuarded(fn, { ...options, token: AbortSignal.abort(), name: "late" });
      await rejection(task);
      expect([task.name, task.status]).toEqual(["late", "cancelled"]);
      expect(fn).not.toHaveBeenCalled();
      expect([exits.codes, lines.entries, [...reports]]).toEqual([[], [], []]);
    });

    it("when it fails with a SafeExitError, which is nobody's to report, and the awaiter's to see", async () => {
      using reports = captureReports();
      const error = new SafeExitError("nothing left to do");
      const task = spawnGuarded(() => Promise.reject(error), options);
      expect(await rejection(task)).toBe(error);
      expect(task.status).toBe("failed");
      expect([exits.codes, lines.entries, [...reports]]).toEqual([[], [], []]);
    });
  });

  describe("an ExitError", () => {
    it("exits with its own code, and logs its message alone", async () => {
      await rejection(spawnGuarded(() => Promise.reject(new ExitError(78, "no configuration")), options));
      expect(exits.codes).toEqual([78]);
      expect(lines.entries).toEqual([["no configuration"]]);
    });

    it("without a message logs nothing", async () => {
      await rejection(spawnGuarded(() => Promise.reject(new ExitError(0)), options));
      expect(exits.codes).toEqual([0]);
      expect(lines.entries).toEqual([]);
    });

    it("yields to the `exitCode` that was given", async () => {
      await rejection(spawnGuarded(() => Promise.reject(new ExitError(78)), { ...options, exitCode: 5 }));
      expect(exits.codes).toEqual([5]);
    });
  });

  it("exits with the `exitCode` that was given", async () => {
    await rejection(spawnGuarded(() => Promise.reject(new Error("boom")), { ...options, exitCode: 70 }));
    expect(exits.codes).toEqual([70]);
  });

  it("starts a background task like any other: listed, named, and stopped with the rest", async () => {
    const task = spawnGuarded(waits, { ...options, name: "relay" });
    expect([...backgroundTasks()]).toEqual([task]);
    expect(task.name).toBe("relay");
    await stopBackgroundTasks();
    expect(task.status).toBe("cancelled");
  });

  it("does not depend on its logger: what that throws is reported with the failure, and the process exits (L9)", async () => {
    using reports = captureReports();
    const [broken, failure] = [new Error("transport closed"), new Error("boom")];
    const logger = {
      error() {
        throw broken;
      },
    };
    await rejection(spawnGuarded(() => Promise.reject(failure), { ...options, name: "job", logger }));
    expect(exits.codes).toEqual([1]);
    expect(reports.map(({ error }) => error)).toEqual([broken, failure]);
    expect(reports[1]?.message).toContain('Exception in background task (name="job"): Error: boom');
  });

  it("has what `exit` throws reported, once, and not the failure again (L2, L9)", async () => {
    using reports = captureReports();
    const refusal = new Error("not in tests");
    const exit = (): void => {
      throw refusal;
    };
    await rejection(spawnGuarded(() => Promise.reject(new Error("boom")), { ...options, exit }));
    expect(reports.map(({ error }) => error)).toEqual([refusal]);
    expect(lines.entries).toHaveLength(2);
  });

  it("calls the logger's method as a method", async () => {
    class Logger {
      readonly #texts: string[] = [];

      error(text: string): void {
        this.#texts.push(text);
      }

      get count(): number {
        return this.#texts.length;
      }
    }
    const logger = new Logger();
    await rejection(spawnGuarded(() => Promise.reject(new Error("boom")), { ...options, logger }));
    expect(logger.count).toBe(2);
  });

  describe("refuses, before it calls anything (L11)", () => {
    it.each<[string, object, typeof TypeError, RegExp]>([
      ["an exit code that is none", { exitCode: 256 }, RangeError, /`exitCode`.*0 to 255.*256/],
      ["a text as an exit code", { exitCode: "1" }, TypeError, /`exitCode`/],
      ["a logger without `error`", { logger: { log() {} } }, TypeError, /`logger\.error`.*a function/],
      ["null as a logger", { logger: null }, TypeError, /`logger\.error`/],
      ["an `exit` that is no function", { exit: 1 }, TypeError, /`exit`.*a function.*1/],
      ["a token that is none", { token: 5 }, TypeError, /`token`/],
      ["a name that is no string", { name: 5 }, TypeError, /`name`/],
    ])("%s", (_, bad, type, message) => {
      const fn = vi.fn();
      const call = (): unknown => spawnGuarded(fn, bad);
      expect(call).toThrow(type);
      expect(call).toThrow(message);
      expect(fn).not.toHaveBeenCalled();
    });

    it("what is no function", () => {
      expect(() => spawnGuarded(undefined as never)).toThrow(/`fn`.*a function/);
    });
  });
});

describe("exitOnError", () => {
  it("is a callback for `onDone`", async () => {
    using reports = captureReports();
    const process = new FakeProcess();
    const print = vi.spyOn(console, "error").mockImplementation(() => {});
    try {
      const task = spawn(() => Promise.reject(new Error("boom")), { name: "job" });
      task.onDone(exitOnError);
      await rejection(task);
      expect(print.mock.calls.at(-1)).toEqual(['Exception in background task (name="job"): Error: boom']);
      await vi.waitFor(() => expect(process.codes).toEqual([1]));
      expect(reports).toHaveLength(1);
    } finally {
      print.mockRestore();
    }
  });

  it("ends the process for a task of any owner, that has failed before", async () => {
    const task = await TaskScope.run(
      async (scope) => {
        const failed = scope.spawn(() => Promise.reject(new Error("boom")), { name: "heartbeat" });
        await rejection(failed);
        return { failed };
      },
      { onError: "ignore" },
    );
    exitOnError(task.failed, { ...options, exitCode: 4 });
    expect(exits.codes).toEqual([4]);
    expect(lines.texts.at(-1)).toBe('Exception in background task (name="heartbeat"): Error: boom');
  });

  it("waits for a task that still runs", async () => {
    using reports = captureReports();
    const open = new Deferred();
    const task = backgroundSpawner.spawn(() => open.promise);
    exitOnError(task, { ...options, name: "renamed" });
    expect(exits.codes).toEqual([]);
    open.reject(new Error("boom"));
    await rejection(task);
    expect(exits.codes).toEqual([1]);
    expect(lines.texts.at(-1)).toBe('Exception in background task (name="renamed"): Error: boom');
    expect(reports).toHaveLength(1);
  });

  it.each<[string, () => Task<unknown>]>([
    ["has succeeded", () => spawn(() => 1)],
    ["was cancelled", () => spawn(() => 1, { token: AbortSignal.abort() })],
    ["has ended with a SafeExitError", () => spawnGuarded(() => Promise.reject(new SafeExitError()))],
  ])("does nothing for a task that %s", async (_, start) => {
    const task = start();
    await Promise.allSettled([task]);
    exitOnError(task, options);
    expect([exits.codes, lines.entries]).toEqual([[], []]);
  });

  it.each([undefined, null, Promise.resolve(), { status: "failed", done: true }])(
    "refuses %s as a task (L11)",
    (task) => {
      expect(() => {
        exitOnError(task as never);
      }).toThrow(/`task`.*a task/);
    },
  );

  it("refuses bad options, also for a task that has succeeded (L11)", async () => {
    const task = spawn(() => 1);
    await task;
    expect(() => {
      exitOnError(task, { exitCode: -1 });
    }).toThrow(RangeError);
    expect(() => {
      exitOnError(task, { logger: {} as never });
    }).toThrow(/`logger\.error`/);
  });
});

describe("the end of the process", () => {
  const fail = (extra?: object): Promise<unknown> =>
    rejection(
      spawnGuarded(() => Promise.reject(new Error("boom")), { logger: lines.logger, exitCode: 7, ...extra }),
    );

  it("comes after a turn for the logger and after both outputs are flushed; the code is set meanwhile (E1)", async () => {
    const process = new FakeProcess();
    await fail({
      logger: {
        error: () => void setTimeout(() => process.events.push("the logger writes")),
      },
    });
    expect(process.events).toEqual(["exitCode = 7"]);
    await vi.waitFor(() => expect(process.codes).toEqual([7]));
    expect(process.events).toEqual([
      "exitCode = 7",
      "the logger writes",
      "the logger writes",
      "flush stdout",
      "flush stderr",
      "stdout flushed",
      "stderr flushed",
      "exit 7",
    ]);
  });

  it("waits for the slower output", async () => {
    let read!: () => void;
    const process = new FakeProcess({ stderr: (flushed) => (read = flushed) });
    await fail();
    await vi.waitFor(() => expect(process.events).toContain("stdout flushed"));
    await macrotask();
    expect(process.codes).toEqual([]);
    read();
    await flushMicrotasks();
    expect(process.codes).toEqual([7]);
  });

  it("does not wait for a pipe that is closed (E2)", async () => {
    const process = new FakeProcess({ stdout: (_, broken) => broken(), stderr: (_, broken) => broken() });
    await fail();
    await vi.waitFor(() => expect(process.codes).toEqual([7]));
    expect(process.events).not.toContain("stdout flushed");
  });

  it("does not wait for an output that cannot be written to at all (E2)", async () => {
    const broken = (): void => {
      throw new Error("EBADF");
    };
    const process = new FakeProcess({ stdout: broken, stderr: broken });
    await fail();
    await vi.waitFor(() => expect(process.codes).toEqual([7]));
  });

  it("waits five seconds for a reader that does not read (E2)", async () => {
    vi.useFakeTimers();
    const process = new FakeProcess({ stdout: () => {} });
    await fail();
    await vi.advanceTimersByTimeAsync(4_990);
    expect(process.codes).toEqual([]);
    await vi.advanceTimersByTimeAsync(20);
    expect(process.codes).toEqual([7]);
  });

  describe("where there is none", () => {
    it.each([undefined, { env: {} }])("is a report to the platform: process is %j", async (process) => {
      vi.stubGlobal("process", process);
      const reported: unknown[] = [];
      vi.stubGlobal("reportError", (error: unknown) => reported.push(error));
      const error = new Error("boom");
      await rejection(spawnGuarded(() => Promise.reject(error), { logger: lines.logger, name: "job" }));
      vi.unstubAllGlobals();
      expect(reported).toEqual([error]);
      expect(lines.texts).toEqual([
        expect.stringContaining("guard.test"),
        'Exception in background task (name="job"): Error: boom',
      ]);
    });

    it("is what `exit` makes of it", async () => {
      vi.stubGlobal("process", undefined);
      vi.stubGlobal("reportError", vi.fn());
      await rejection(spawnGuarded(() => Promise.reject(new Error("boom")), options));
      expect(reportError).not.toHaveBeenCalled();
      vi.unstubAllGlobals();
      expect(exits.codes).toEqual([1]);
    });

    it("shows texts and odd errors as they are", async () => {
      vi.stubGlobal("process", undefined);
      vi.stubGlobal("reportError", vi.fn());
      for (const error of ["no", undefined, null]) {
        await rejection(spawnGuarded(() => Promise.reject(error), { ...options, name: "odd" }));
      }
      vi.unstubAllGlobals();
      expect(lines.texts).toEqual([
        "no",
        'Exception in background task (name="odd"): no',
        "undefined",
        'Exception in background task (name="odd"): undefined',
        "null",
        'Exception in background task (name="odd"): null',
      ]);
    });
  });
});
