import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as platformSleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { inspect } from "node:util";
import * as core from "@scope/core";
import {
  CancellationSource,
  CancelledError,
  FatalError,
  InvalidStateError,
  TaskGroupError,
  TaskScope,
  TimeoutError,
  isCancellation,
  setDebug,
  type CancelSource,
} from "@scope/core";
import * as groups from "@scope/taskgroup";
import { captureReports, needs } from "@scope/test-utils";
import { build } from "esbuild";
import { afterAll, beforeEach, describe, expect, it } from "vitest";

/** Reading it is what asks. */
const asksForPermissions = "permissions" in ((globalThis as { Deno?: object }).Deno ?? {});

/** Whether a stack that was captured with a limit of 0 has the error's text. */
function hasStacksWithoutFrames(): boolean {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return new Error("text").stack !== undefined;
  } finally {
    Error.stackTraceLimit = limit;
  }
}

describe("CancelledError", () => {
  it("is an error with the platform's name and code", () => {
    const error = new CancelledError();
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe("AbortError");
    expect(error.code).toBe("ABORT_ERR");
    expect(String(error)).toMatch(/^AbortError: ./);
  });

  it("was asked for explicitly, unless it says otherwise", () => {
    expect(new CancelledError("reason").source).toBe("explicit");
    for (const source of ["explicit", "timeout", "signal", "sibling", "shutdown"] satisfies CancelSource[]) {
      expect(new CancelledError("reason", { source }).source).toBe(source);
    }
  });

  it("takes a string as its message", () => {
    const error = new CancelledError("Ctrl-C");
    expect(error.message).toBe("Ctrl-C");
    expect(error.reason).toBe("Ctrl-C");
    expect(error).not.toHaveProperty("cause");
  });

  it("takes an error's message, and the error as its cause", () => {
    const reason = new RangeError("too far");
    const error = new CancelledError(reason);
    expect(error.message).toBe("too far");
    expect(error.reason).toBe(reason);
    expect(error.cause).toBe(reason);
  });

  it.each<[string, unknown]>([
    ["nothing", undefined],
    ["null", null],
    ["a number", 7],
    ["an object with a message", { message: "not an error" }],
    ["a symbol", Symbol("reason")],
  ])("keeps any other reason, with a message of its own and no cause: %s", (_, reason) => {
    const error = new CancelledError(reason);
    expect(error.reason).toBe(reason);
    expect(error.message).toBe(new CancelledError().message);
    expect(error).not.toHaveProperty("cause");
  });

  it("keeps an empty string as the message", () => {
    expect(new CancelledError("").message).toBe("");
  });

  it("given as a reason is used as it is, source and all", () => {
    const error = new CancelledError("first", { source: "timeout" });
    expect(new CancelledError(error)).toBe(error);
    expect(new CancelledError(error, { source: "shutdown" })).toBe(error);
    expect(error.source).toBe("timeout");
  });

  it("captures who asked once debugging is on, and no stack frames before", () => {
    needs("stacks without frames", hasStacksWithoutFrames());
    setDebug(true);
    try {
      const source = new CancellationSource();
      source.cancel("who asked?");
      expect(source.token.error?.stack).toContain("errors.test");
    } finally {
      setDebug(false);
    }
    expect(new CancelledError("quiet again").stack).not.toContain("errors.test");
  });

  it("captures the frames of other errors again after a reason that cannot be read", () => {
    const limit = Error.stackTraceLimit;
    const reason = Object.defineProperty(new Error(), "message", {
      get(): string {
        throw new RangeError("unreadable");
      },
    });
    try {
      try {
        new CancellationSource().cancel(reason);
      } catch {
        // Whether that may throw is another test's question.
      }
      expect(Error.stackTraceLimit).toBe(limit);
    } finally {
      Error.stackTraceLimit = limit;
    }
  });

  it("can be made where Error is frozen", () => {
    const property = Object.getOwnPropertyDescriptor(Error, "stackTraceLimit")!;
    Object.defineProperty(Error, "stackTraceLimit", { writable: false });
    try {
      expect(new CancelledError("hardened").message).toBe("hardened");
    } finally {
      Object.defineProperty(Error, "stackTraceLimit", property);
    }
  });

  it("can be subclassed", () => {
    class Refused extends CancelledError {
      readonly by = "the server";
    }
    const refused = new Refused("reason", { source: "shutdown" });
    expect(refused.by).toBe("the server");
    expect(refused.source).toBe("shutdown");
    expect(isCancellation(refused)).toBe(true);
  });
});

describe("isCancellation", () => {
  class NamedAbort extends Error {
    override readonly name = "AbortError";
  }
  class Refused extends CancelledError {}

  it.each<[string, unknown]>([
    ["a CancelledError", new CancelledError()],
    ["a subclass of it", new Refused()],
    ["the platform's abort", new DOMException("aborted", "AbortError")],
    ["the reason of an aborted signal", AbortSignal.abort().reason],
    ["an error of that name", new NamedAbort()],
    ["an error that was given the name", Object.assign(new Error("aborted"), { name: "AbortError" })],
  ])("holds for %s", (_, error) => {
    expect(isCancellation(error)).toBe(true);
  });

  it("holds for what Node's own functions reject with", async () => {
    const error: unknown = await platformSleep(1000, undefined, { signal: AbortSignal.abort() }).catch(
      (caught: unknown) => caught,
    );
    expect(error).toMatchObject({ code: "ABORT_ERR" });
    expect(isCancellation(error)).toBe(true);
  });

  it.each<[string, unknown]>([
    ["an error", new Error("AbortError")],
    ["a TimeoutError", new TimeoutError(1)],
    ["the platform's timeout", new DOMException("late", "TimeoutError")],
    ["another DOMException", new DOMException("gone", "NetworkError")],
    ["a FatalError", new FatalError()],
    ["an InvalidStateError", new InvalidStateError()],
    ["a group of cancellations", new TaskGroupError([new CancelledError()])],
    ["an error caused by a cancellation", new Error("wrapped", { cause: new CancelledError() })],
    ["the name", "AbortError"],
    ["undefined", undefined],
    ["null", null],
    ["a number", 20],
    ["a function", () => undefined],
    ["the class", CancelledError],
    ["an empty object", {}],
    ["an object without a prototype", Object.create(null)],
  ])("does not hold for %s", (_, error) => {
    expect(isCancellation(error)).toBe(false);
  });

  const refuse = (): never => {
    throw new Error("trap");
  };
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  it.each<[string, object]>([
    ["a revoked proxy", { value: proxy }],
    ["a name that cannot be read", { value: Object.defineProperty({}, "name", { get: refuse }) }],
    [
      "a proxy that refuses everything",
      { value: new Proxy({}, { get: refuse, has: refuse, getPrototypeOf: refuse }) },
    ],
  ])("does not hold for, nor trip over, %s", (_, hostile) => {
    expect(isCancellation((hostile as { value: unknown }).value)).toBe(false);
  });
});

describe("TimeoutError", () => {
  it("is an error that knows its limit, and says it", () => {
    const error = new TimeoutError(250);
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe("TimeoutError");
    expect(error.timeout).toBe(250);
    expect(error.message).toMatchInlineSnapshot(`"Timed out after 250 ms"`);
  });

  it("takes a message", () => {
    expect(new TimeoutError(1, "the probe was late").message).toBe("the probe was late");
  });
});

describe("stack frames", () => {
  const made: [name: string, make: () => Error, quiet: boolean][] = [
    ["CancelledError", () => new CancelledError("stored"), true],
    ["TimeoutError", () => new TimeoutError(5, "stored"), true],
    ["TaskGroupError", () => new TaskGroupError([], "stored"), true],
    ["InvalidStateError", () => new InvalidStateError("stored"), false],
    ["FatalError", () => new FatalError("stored"), false],
  ];

  it.each(made)(
    "of a %s are captured only where they tell something, or while debugging",
    (_, make, quiet) => {
      needs("stacks without frames", hasStacksWithoutFrames());
      const limit = Error.stackTraceLimit;
      const { stack } = make();
      expect(stack).toContain("stored");
      expect(stack?.includes("    at ")).toBe(!quiet);
      expect(Error.stackTraceLimit).toBe(limit);
      expect(new Error("other").stack).toContain("errors.test");
      setDebug(true);
      try {
        expect(make().stack).toContain("errors.test");
      } finally {
        setDebug(false);
      }
      expect(make().stack?.includes("    at ")).toBe(!quiet);
    },
  );

  it.each(made)("are no concern of what %s looks like when it is printed", (name, make) => {
    const printed = inspect(make());
    expect(printed).toContain("stored");
    expect(printed).toContain(name);
  });
});

describe("InvalidStateError", () => {
  it("is an error of that name, with message and cause", () => {
    const cause = new Error("cause");
    const error = new InvalidStateError("misuse", { cause });
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toBe("InvalidStateError: misuse");
    expect(error.cause).toBe(cause);
  });
});

describe("FatalError", () => {
  it("is an error of that name, with message and cause", () => {
    const cause = new Error("cause");
    const error = new FatalError("the end", { cause });
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toBe("FatalError: the end");
    expect(error.cause).toBe(cause);
  });
});

describe("instanceof", () => {
  class Exit extends FatalError {}
  class HardExit extends Exit {}

  it("tells subclasses apart from their branded base and from each other", () => {
    const [fatal, exit, hard] = [new FatalError(), new Exit(), new HardExit()];
    expect([fatal, exit, hard].map((error) => error instanceof FatalError)).toEqual([true, true, true]);
    expect([fatal, exit, hard].map((error) => error instanceof Exit)).toEqual([false, true, true]);
    expect([fatal, exit, hard].map((error) => error instanceof HardExit)).toEqual([false, false, true]);
  });

  it("tells the classes apart", () => {
    const errors = [
      new CancelledError(),
      new TimeoutError(1),
      new InvalidStateError(),
      new FatalError(),
      new TaskGroupError([]),
    ];
    const classes = [CancelledError, TimeoutError, InvalidStateError, FatalError, TaskGroupError];
    expect(errors.map((error) => classes.map((each) => error instanceof each))).toEqual(
      errors.map((_, index) => classes.map((_, column) => column === index)),
    );
  });

  it.each<[string, unknown]>([
    ["undefined", undefined],
    ["null", null],
    ["a string", "AbortError"],
    ["a plain object", { name: "AbortError" }],
    ["a function", () => undefined],
    ["another error", new Error()],
  ])("does not hold for %s", (_, value) => {
    for (const each of [
      CancelledError,
      TimeoutError,
      InvalidStateError,
      FatalError,
      TaskGroupError,
      TaskScope,
      CancellationSource,
      core.CancellationToken,
      core.Task,
    ]) {
      expect(value instanceof each).toBe(false);
    }
  });
});

describe("a second copy of the packages", () => {
  type Copy = typeof core & typeof groups;
  const first: Copy = { ...core, ...groups };
  let folder: string | undefined;
  let file: string;
  let second: Copy;

  beforeEach(async () => {
    if (folder !== undefined) return;
    const { outputFiles } = await build({
      stdin: {
        contents: 'export * from "@scope/core"; export * from "@scope/taskgroup";',
        resolveDir: import.meta.dirname,
      },
      bundle: true,
      write: false,
      format: "esm",
      target: "es2022",
      platform: "neutral",
      conditions: ["@scope/source"],
    });
    folder = await mkdtemp(path.join(tmpdir(), "scope-copy-"));
    file = path.join(folder, "copy.mjs");
    await writeFile(file, outputFiles[0]!.contents);
    second = (await import(pathToFileURL(file).href)) as Copy;
  });

  afterAll(async () => {
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  const kinds: { kind: keyof Copy; make: (copy: Copy) => unknown }[] = [
    { kind: "CancelledError", make: (copy) => new copy.CancelledError() },
    { kind: "TimeoutError", make: (copy) => new copy.TimeoutError(1) },
    { kind: "InvalidStateError", make: (copy) => new copy.InvalidStateError() },
    { kind: "FatalError", make: (copy) => new copy.FatalError() },
    { kind: "TaskGroupError", make: (copy) => new copy.TaskGroupError([]) },
    { kind: "CancellationToken", make: (copy) => copy.CancellationToken.none },
    { kind: "CancellationSource", make: (copy) => new copy.CancellationSource() },
    { kind: "Task", make: (copy) => copy.backgroundSpawner.spawn(() => 1) },
    { kind: "TaskScope", make: (copy) => new copy.TaskScope() },
    { kind: "TaskGroup", make: (copy) => new copy.TaskGroup() },
  ];

  it.each(kinds)("has instances of $kind that both copies know", ({ kind, make }) => {
    const classes = [first[kind], second[kind]] as (new (...args: never) => unknown)[];
    expect(classes[0]).not.toBe(classes[1]);
    for (const copy of [first, second]) {
      const instance = make(copy);
      expect(classes.map((each) => instance instanceof each)).toEqual([true, true]);
    }
  });

  it("knows subclasses of the other's classes as instances of its own, and of no subclass of its own", () => {
    class Exit extends first.FatalError {}
    class OtherExit extends second.FatalError {}
    expect(new Exit() instanceof second.FatalError).toBe(true);
    expect(new OtherExit() instanceof first.FatalError).toBe(true);
    expect(new Exit() instanceof OtherExit).toBe(false);
    expect(new second.FatalError() instanceof Exit).toBe(false);
  });

  it("recognises the other's cancellations", () => {
    expect(first.isCancellation(new second.CancelledError())).toBe(true);
    expect(second.isCancellation(new first.CancelledError())).toBe(true);
    const error = new second.CancelledError("theirs");
    expect(new first.CancelledError(error)).toBe(error);
  });

  it("shares the process-wide handler", async () => {
    using reports = captureReports();
    const error = new Error("nobody's");
    await second.backgroundSpawner
      .spawn(() => {
        throw error;
      })
      .catch(() => undefined);
    expect(reports.map((report) => report.error)).toEqual([error]);
    const handler = (): void => undefined;
    const previous = second.setTaskErrorHandler(handler);
    expect(first.setTaskErrorHandler(previous)).toBe(handler);
  });

  it("takes the other's tokens as parents, and has the same error", () => {
    for (const [ours, theirs] of [
      [first, second],
      [second, first],
    ] as const) {
      const outer = new theirs.CancellationSource();
      const source = new ours.CancellationSource({ parent: outer.token });
      const several = new ours.CancellationSource({
        parent: [new ours.CancellationSource().token, outer.token],
      });
      const grandchild = new theirs.CancellationSource({ parent: source.token });
      outer.cancel("across");
      for (const { token } of [source, several, grandchild]) expect(token.error).toBe(outer.token.error);
    }
  });

  it("takes the other's cancelled tokens, and its never-cancelled one", () => {
    const cancelled = new second.CancellationSource();
    cancelled.cancel("before");
    const born = new first.CancellationSource({ parent: cancelled.token });
    expect(born.token.error).toBe(cancelled.token.error);
    using free = new first.CancellationSource({ parent: second.CancellationToken.none });
    expect(free.token.cancelRequested).toBe(false);
    expect(first.CancellationToken.from(second.CancellationToken.none).cancelRequested).toBe(false);
  });

  it("returns the other's token from `from` as it is", () => {
    const { token } = new second.CancellationSource();
    expect(first.CancellationToken.from(token)).toBe(token);
  });

  it("cancels scopes, groups and sleeps through the other's token; the tasks end cancelled (L4)", async () => {
    for (const [ours, theirs] of [
      [first, second],
      [second, first],
    ] as const) {
      const outer = new theirs.CancellationSource();
      const tasks: core.Task<void>[] = [];
      const run = ours.TaskScope.run(
        async (scope) => {
          tasks.push(scope.spawn((token) => theirs.sleep(60_000, token)));
          tasks.push(scope.spawn((token) => ours.sleep(60_000, token)));
          await ours.sleep(60_000, outer.token);
        },
        { token: outer.token },
      );
      const group = theirs.TaskGroup.run(
        (inner) => {
          tasks.push(inner.spawn((token) => ours.sleep(60_000, token)));
        },
        { token: ours.CancellationToken.from(outer.token) },
      );
      outer.cancel("across");
      await expect(run).rejects.toBe(outer.token.error);
      await expect(group).rejects.toBe(outer.token.error);
      expect(tasks.map(({ status }) => status)).toEqual(["cancelled", "cancelled", "cancelled"]);
    }
  });

  it("contains no FatalError of the other's", async () => {
    const fatal = new second.FatalError("the end");
    const run = first.TaskScope.run((scope) => {
      scope.spawn(() => {
        throw fatal;
      });
    });
    await expect(run).rejects.toBe(fatal);
  });

  it("opens the other's groups of errors", () => {
    const leaves = [new Error("a"), new TimeoutError(1)];
    const outer = new first.TaskGroupError([new second.TaskGroupError(leaves)]);
    expect(outer.leaves()).toEqual(leaves);
    const [timeouts, rest] = outer.split(second.TimeoutError);
    expect(timeouts?.leaves()).toEqual([leaves[1]]);
    expect(rest?.leaves()).toEqual([leaves[0]]);
  });

  it("cancels and waits for the other's tasks", async () => {
    const scope = new second.TaskScope();
    const tasks = [1, 2].map(() => scope.spawn((token) => second.sleep(60_000, token)));
    await first.cancelAndWait(tasks[0]!, { reason: "across" });
    await first.cancelAndWait(tasks);
    expect(tasks.map(({ status }) => status)).toEqual(["cancelled", "cancelled"]);
    await scope.join();
  });

  it("debugs from the start when SCOPE_DEBUG is set", async () => {
    needs("an environment that is read without a permission", !asksForPermissions);
    needs("stacks without frames", hasStacksWithoutFrames());
    process.env["SCOPE_DEBUG"] = "1";
    try {
      const debugging = (await import(`${pathToFileURL(file).href}?debug`)) as Copy;
      expect(debugging.CancelledError).not.toBe(second.CancelledError);
      expect(new debugging.CancelledError("here").stack).toContain("errors.test");
    } finally {
      delete process.env["SCOPE_DEBUG"];
    }
    const quiet = (await import(`${pathToFileURL(file).href}?quiet`)) as Copy;
    expect(new quiet.CancelledError("here").stack).not.toContain("errors.test");
  });
});
