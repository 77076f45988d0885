import {
  CancellationSource,
  TaskScope,
  backgroundSpawner,
  reportTaskError,
  setTaskErrorHandler,
  type TaskErrorContext,
} from "@scope/core";
import { flushMicrotasks, macrotask } from "@scope/test-utils";
import { afterEach, describe, expect, it, vi } from "vitest";

afterEach(() => {
  setTaskErrorHandler(undefined);
});

/** The uncaught errors of the process while `provoke` and all that follows from it runs; its own listeners look away. */
async function uncaughtDuring(provoke: () => unknown): Promise<unknown[]> {
  const others = process.listeners("uncaughtException");
  const caught: unknown[] = [];
  const remember = (error: unknown): void => {
    caught.push(error);
  };
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", remember);
  try {
    await provoke();
    await macrotask();
  } finally {
    process.off("uncaughtException", remember);
    for (const listener of others) process.on("uncaughtException", listener);
  }
  return caught;
}

describe("reportTaskError", () => {
  it("prints the message and the error to the console by default", () => {
    const print = vi.spyOn(console, "error").mockImplementation(() => undefined);
    try {
      const error = new Error("lost");
      reportTaskError({ message: "Error in somewhere", error });
      expect(print.mock.calls).toEqual([["Error in somewhere", error]]);
    } finally {
      print.mockRestore();
    }
  });

  it("hands the whole context to the handler, and prints nothing", async () => {
    const print = vi.spyOn(console, "error").mockImplementation(() => undefined);
    try {
      const handler = vi.fn();
      setTaskErrorHandler(handler);
      const task = backgroundSpawner.spawn(() => 1);
      const context: TaskErrorContext = { message: "Error", error: "odd", task, scope: "ingest" };
      reportTaskError(context);
      expect(handler.mock.calls).toEqual([[context]]);
      expect(print).not.toHaveBeenCalled();
      await task;
    } finally {
      print.mockRestore();
    }
  });

  it("tells of a failed task: who, where, and the task itself", async () => {
    const handler = vi.fn<(context: TaskErrorContext) => void>();
    setTaskErrorHandler(handler);
    const error = new Error("lost");
    const task = await TaskScope.run(
      (scope) => [
        scope.spawn(
          () => {
            throw error;
          },
          { name: "reader" },
        ),
      ],
      { name: "ingest" },
    );
    expect(handler).toHaveBeenCalledTimes(1);
    const [context] = handler.mock.calls[0]!;
    expect(context).toMatchObject({ error, scope: "ingest" });
    expect(context.task).toBe(task[0]);
    expect(context.message).toContain('"reader"');
    expect(context.message).toContain('TaskScope "ingest"');
  });

  it("never throws, whatever the handler does; what that throws is an uncaught error of the platform's, once", async () => {
    const broken = new Error("the handler is broken");
    const handler = vi.fn(() => {
      throw broken;
    });
    setTaskErrorHandler(handler);
    const uncaught = await uncaughtDuring(() => {
      expect(() => {
        reportTaskError({ message: "Error", error: new Error("lost") });
      }).not.toThrow();
    });
    expect(uncaught).toEqual([broken]);
    expect(handler).toHaveBeenCalledTimes(1);
  });

  it("rethrows the handler's error from a microtask, after the code that reported", async () => {
    setTaskErrorHandler(() => {
      throw new Error("the handler is broken");
    });
    const events: string[] = [];
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    const note = (): void => {
      events.push("uncaught");
    };
    process.on("uncaughtException", note);
    try {
      reportTaskError({ message: "Error", error: "lost" });
      events.push("reported");
      await macrotask();
    } finally {
      process.off("uncaughtException", note);
      for (const listener of others) process.on("uncaughtException", listener);
    }
    expect(events).toEqual(["reported", "uncaught"]);
  });

  it("goes on after a handler that throws: scopes close, callbacks run, every failure is told", async () => {
    const broken = new Error("the handler is broken");
    const told: unknown[] = [];
    setTaskErrorHandler(({ error }) => {
      told.push(error);
      throw broken;
    });
    const [first, second, third] = ["first", "second", "third"].map((message) => new Error(message));
    const uncaught = await uncaughtDuring(async () => {
      await TaskScope.run((scope) => {
        scope.spawn(() => {
          throw first;
        });
        scope.spawn(() => {
          throw second;
        });
      });
      const source = new CancellationSource();
      const callback = vi.fn();
      source.token.onCancel(callback);
      source.token.onCancel(() => {
        throw third;
      });
      source.cancel();
      expect(callback).toHaveBeenCalledTimes(1);
    });
    expect(told).toEqual([first, second, third]);
    expect(uncaught).toEqual([broken, broken, broken]);
  });
});

describe("setTaskErrorHandler", () => {
  it("returns the previous handler, undefined standing for the default", () => {
    const [first, second] = [(): void => undefined, (): void => undefined];
    expect(setTaskErrorHandler(first)).toBeUndefined();
    expect(setTaskErrorHandler(second)).toBe(first);
    expect(setTaskErrorHandler(undefined)).toBe(second);
    expect(setTaskErrorHandler(undefined)).toBeUndefined();
  });

  it("restores the default with undefined", () => {
    const print = vi.spyOn(console, "error").mockImplementation(() => undefined);
    try {
      const handler = vi.fn();
      setTaskErrorHandler(handler);
      setTaskErrorHandler(undefined);
      reportTaskError({ message: "Error", error: 1 });
      expect(handler).not.toHaveBeenCalled();
      expect(print).toHaveBeenCalledTimes(1);
    } finally {
      print.mockRestore();
    }
  });

  it("lets handlers be stacked: the new one may call the previous", () => {
    const told: string[] = [];
    setTaskErrorHandler(() => told.push("outer"));
    const previous = setTaskErrorHandler((context) => {
      told.push("inner");
      previous?.(context);
    });
    reportTaskError({ message: "Error", error: 1 });
    expect(told).toEqual(["inner", "outer"]);
  });

  it("refuses what is no function, and keeps the handler (L11)", () => {
    const handler = (): void => undefined;
    setTaskErrorHandler(handler);
    for (const wrong of [null, "console", {}, 1]) {
      expect(() => setTaskErrorHandler(wrong as never)).toThrow(TypeError);
      expect(() => setTaskErrorHandler(wrong as never)).toThrow(/handler/);
    }
    expect(setTaskErrorHandler(undefined)).toBe(handler);
  });

  it("takes effect for failures to come, also of tasks that run already", async () => {
    const [early, late] = [vi.fn(), vi.fn()];
    setTaskErrorHandler(early);
    const task = backgroundSpawner.spawn(async () => {
      await flushMicrotasks(3);
      throw new Error("lost");
    });
    setTaskErrorHandler(late);
    await task.catch(() => undefined);
    expect(early).not.toHaveBeenCalled();
    expect(late).toHaveBeenCalledTimes(1);
  });
});
