/** Situations that other libraries had to fix, by where they were learnt. */
import { FatalError, TaskScope, cancelAndWait, InvalidStateError } from "@scope/core";
import {
  ExitError,
  SafeExitError,
  backgroundTasks,
  runMain,
  spawn,
  spawnGuarded,
  stopBackgroundTasks,
} from "@scope/guarded";
import {
  Deferred,
  captureReports,
  collectGarbage,
  flushMicrotasks,
  rejection,
  waits,
} from "@scope/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Exits, Lines } from "./stand-ins.ts";

let lines: Lines;
let exits: Exits;

beforeEach(() => {
  lines = new Lines();
  exits = new Exits();
});

afterEach(() => {
  expect(backgroundTasks().size).toBe(0);
});

const exceptions = (): string[] => lines.texts.filter((text) => text.startsWith("Exception"));

describe("a fatal error leaves alone, and loses no other failure (cpython#135736)", () => {
  it("of a guarded task: those that fail while everything stops are logged or reported as well", async () => {
    using reports = captureReports();
    const guard = { logger: lines.logger };
    await runMain(
      async (token) => {
        spawnGuarded(() => Promise.reject(new ExitError(3)), guard);
        spawnGuarded((own) => waits(own).finally(() => Promise.reject(new Error("guarded"))), guard);
        spawn((own) => waits(own).finally(() => Promise.reject(new Error("background"))));
        await waits(token).finally(() => Promise.reject(new Error("main")));
      },
      { ...guard, exit: exits.exit },
    );
    expect(exits.codes).toEqual([3]);
    expect(exceptions().map((line) => line.replace(/^.*: /, ""))).toEqual(
      expect.arrayContaining(["guarded", "main"]),
    );
    expect(exceptions()).toHaveLength(2);
    expect(reports.map(({ error }) => String(error))).toEqual(["Error: background"]);
  });

  it("of a scope inside a background task: it comes out of the scope bare, and ends main with its code", async () => {
    using reports = captureReports();
    await runMain(
      async (token) => {
        spawn((own) =>
          TaskScope.run(
            (scope) => {
              scope.spawn((inner) => waits(inner).finally(() => Promise.reject(new Error("sibling"))));
              scope.spawn(() => Promise.reject(new ExitError(4)));
            },
            { token: own },
          ),
        );
        await waits(token);
      },
      { logger: lines.logger, exit: exits.exit },
    );
    expect(exits.codes).toEqual([4]);
    expect(reports.map(({ error }) => String(error))).toEqual(["Error: sibling"]);
  });

  it("of two at once: the first decides, and the second is told", async () => {
    await runMain(
      async (token) => {
        spawn(() => Promise.reject(new FatalError("first")), { name: "one" });
        spawn(() => Promise.reject(new FatalError("second")), { name: "two" });
        await waits(token);
      },
      { logger: lines.logger, exit: exits.exit },
    );
    expect(exits.codes).toEqual([1]);
    expect(exceptions()).toEqual([
      'Exception in background task (name="one"): FatalError: first',
      'Exception in background task (name="two"): FatalError: second',
    ]);
  });
});

describe("a defect surfaces where it happens, not where somebody may wait for it one day (Go #53757, #74275; conc#92)", () => {
  it("of a guarded task ends the process although nobody awaits it, and another task never ends", async () => {
    const stuck = new Deferred();
    const other = spawn(() => stuck.promise);
    const task = spawnGuarded(() => Promise.reject(new Error("boom")), {
      logger: lines.logger,
      exit: exits.exit,
    });
    await flushMicrotasks();
    expect(exits.codes).toEqual([1]);
    expect(other.status).toBe("running");
    expect(task.status).toBe("failed");
    stuck.resolve();
    await other;
  });

  it("under a main that is stuck is logged at once, and ends the process when graceMs is over", async () => {
    vi.useFakeTimers();
    const stuck = new Deferred();
    const run = runMain(
      () => {
        spawnGuarded(() => Promise.reject(new Error("boom")), { logger: lines.logger });
        return stuck.promise;
      },
      { logger: lines.logger, exit: exits.exit, graceMs: 100 },
    );
    await flushMicrotasks();
    expect(exceptions()).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(100);
    await run;
    expect(exits.codes).toEqual([1]);
    expect(lines.texts.at(-1)).toContain("still running: main");
    stuck.resolve();
    await flushMicrotasks();
  });
});

describe("an error that somebody keeps holds neither its task nor what that worked on (cpython#128552, anyio#806)", () => {
  const holds = async (start: (held: object) => PromiseLike<unknown>): Promise<WeakRef<object>[]> => {
    const held = {};
    const task = start(held);
    const refs = [new WeakRef(held), new WeakRef(task)];
    await Promise.allSettled([task]);
    return refs;
  };

  it.each<[string, (error: Error, held: object) => PromiseLike<unknown>]>([
    [
      "of a background task",
      (error, held) =>
        spawn(() => {
          void held;
          return Promise.reject(error);
        }),
    ],
    [
      "of a guarded task",
      (error, held) =>
        spawnGuarded(
          () => {
            void held;
            return Promise.reject(error);
          },
          { logger: lines.logger, exit: exits.exit },
        ),
    ],
    [
      "of a task that ends without ending the process",
      (error, held) =>
        spawnGuarded(() => {
          void held;
          return Promise.reject(new SafeExitError("done", { cause: error }));
        }),
    ],
  ])("%s", async (_, start) => {
    // Kept by the test, and not by the reports: those know the task.
    const error = new Error("kept");
    const refs = await (async () => {
      using reports = captureReports();
      const found = await holds((held) => start(error, held));
      reports.length = 0;
      return found;
    })();
    lines.entries.length = 0;
    await collectGarbage();
    expect(refs.map((ref) => ref.deref())).toEqual([undefined, undefined]);
    expect(error.message).toBe("kept");
  });
});

describe("a task that takes the request and returns is neither waited for without end nor called cancelled (aiotools #92)", () => {
  const swallows = (): Promise<string> | string => "saved";

  it("by stopBackgroundTasks", async () => {
    const task = spawn((token) => waits(token).catch(swallows));
    await stopBackgroundTasks();
    expect([task.status, task.result()]).toEqual(["succeeded", "saved"]);
  });

  it("by cancelAndWait, which tells its caller", async () => {
    const task = spawn((token) => waits(token).catch(swallows));
    expect(await rejection(cancelAndWait(task))).toBeInstanceOf(InvalidStateError);
  });

  it("by runMain: the code is still the signal's", async () => {
    await runMain(
      (token) => {
        process.emit("SIGUSR2", "SIGUSR2");
        return waits(token).catch(swallows);
      },
      { signals: ["SIGUSR2"], exit: exits.exit },
    );
    expect(exits.codes).toEqual([140]);
  });
});

describe("tasks that spawn tasks on their way out do not defeat the end", () => {
  const fn = vi.fn();
  const hydra = (): void => {
    spawn(async (token) => {
      try {
        await waits(token);
      } finally {
        hydra();
        hydra();
        spawn(fn);
      }
    });
  };

  it("of stopBackgroundTasks", async () => {
    hydra();
    await stopBackgroundTasks();
    await flushMicrotasks();
    expect(backgroundTasks().size).toBe(0);
    expect(fn).not.toHaveBeenCalled();
  });

  it("of runMain", async () => {
    await runMain(hydra, { exit: exits.exit });
    await flushMicrotasks();
    expect(exits.codes).toEqual([0]);
    expect(fn).not.toHaveBeenCalled();
  });
});
