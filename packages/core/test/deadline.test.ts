import {
  CancellationSource,
  CancelledError,
  FatalError,
  type Task,
  TaskScope,
  type TaskScopeOptions,
  TimeoutError,
  failAfter,
  moveOnAfter,
} from "@scope/core";
import { captureReports, Deferred, flushMicrotasks, waits } from "@scope/test-utils";
import { beforeEach, describe, expect, it, vi } from "vitest";

type Body = (scope: TaskScope) => unknown;
type Options = Omit<TaskScopeOptions, "timeout">;
type Deadline = (ms: number, body: Body, options?: Options) => Promise<unknown>;

const deadlines: [string, Deadline][] = [
  ["moveOnAfter", moveOnAfter],
  ["failAfter", failAfter],
];

/** What became of a promise by the time that so many milliseconds have passed. */
async function after(
  ms: number,
  promise: Promise<unknown>,
): Promise<PromiseSettledResult<unknown> | "waits"> {
  let result: PromiseSettledResult<unknown> | "waits" = "waits";
  void Promise.allSettled([promise]).then(([settled]) => {
    result = settled;
  });
  await vi.advanceTimersByTimeAsync(ms);
  return result;
}

const boom = new Error("boom");

beforeEach(() => {
  vi.useFakeTimers();
});

/** What comes of `deadline(100, body, options)` when the clock has been moved on, written as verdicts. */
interface Situation {
  perform(deadline: Deadline): Promise<PromiseSettledResult<unknown> | "waits">;
  /** The same for both, or one verdict each. */
  verdict: string | { moveOnAfter: string; failAfter: string };
  reports?: string[];
}

const ran = { moveOnAfter: "undefined", failAfter: "the scope's TimeoutError" };

/** L5: fatal error > errors > timeout > outer cancellation > value. */
const priorities: Record<string, Situation> = {
  "the body returns in time": {
    perform: (deadline) =>
      after(
        0,
        deadline(100, () => "value"),
      ),
    verdict: "value",
  },
  "the body returns undefined in time": {
    perform: (deadline) =>
      after(
        0,
        deadline(100, () => undefined),
      ),
    verdict: "undefined",
  },
  "the time runs out while the body waits": {
    perform: (deadline) =>
      after(
        100,
        deadline(100, ({ token }) => waits(token)),
      ),
    verdict: ran,
  },
  "the time has almost run out": {
    perform: (deadline) =>
      after(
        99,
        deadline(100, ({ token }) => waits(token)),
      ),
    verdict: "waits",
  },
  "the body returns a value after the time ran out": {
    perform: (deadline) =>
      after(
        100,
        deadline(100, ({ token }) => waits(token).catch(() => "late")),
      ),
    verdict: ran,
  },
  "the body ignores the deadline": {
    perform: (deadline) => {
      const gate = new Deferred<string>();
      setTimeout(gate.resolve, 500, "late");
      return after(
        500,
        deadline(100, () => gate.promise),
      );
    },
    verdict: ran,
  },
  "the body ignores the deadline, and has not ended": {
    perform: (deadline) =>
      after(
        5_000,
        deadline(100, () => new Promise(() => undefined)),
      ),
    verdict: "waits",
  },
  "the time runs out while a task lives on after the body": {
    perform: (deadline) =>
      after(
        100,
        deadline(100, (scope) => {
          scope.spawn(waits);
          return "value";
        }),
      ),
    verdict: ran,
  },
  "the body joins its own scope, which tells it that the time ran out": {
    perform: (deadline) =>
      after(
        100,
        deadline(100, async (scope) => {
          scope.spawn(waits);
          await scope.join();
        }),
      ),
    verdict: ran,
  },
  "the body joins its own scope, does not mind that the time ran out, and returns": {
    perform: (deadline) =>
      after(
        100,
        deadline(100, async (scope) => {
          scope.spawn(waits);
          await scope.join().catch(() => undefined);
          return "value";
        }),
      ),
    verdict: ran,
  },
  "the body fails in time": {
    perform: (deadline) =>
      after(
        0,
        deadline(100, () => Promise.reject(boom)),
      ),
    verdict: "boom",
  },
  "the body fails after the time ran out (errors > timeout)": {
    perform: (deadline) =>
      after(
        100,
        deadline(100, ({ token }) => waits(token).catch(() => Promise.reject(boom))),
      ),
    verdict: "boom",
  },
  "a task fails after the time ran out, which its scope reports": {
    perform: (deadline) =>
      after(
        100,
        deadline(100, (scope) => {
          scope.spawn((token) => waits(token).catch(() => Promise.reject(boom)));
        }),
      ),
    verdict: ran,
    reports: ["boom"],
  },
  "a task fails in time, which its scope reports": {
    perform: (deadline) =>
      after(
        0,
        deadline(100, (scope) => {
          scope.spawn(() => Promise.reject(boom));
          return "value";
        }),
      ),
    verdict: "value",
    reports: ["boom"],
  },
  "a fatal error comes after the time ran out (fatal > timeout)": {
    perform: (deadline) =>
      after(
        100,
        deadline(100, (scope) => {
          scope.spawn((token) => waits(token).catch(() => Promise.reject(new FatalError("end"))));
          return waits(scope.token);
        }),
      ),
    verdict: "end",
  },
  "a fatal error outranks the body's error, which is reported": {
    perform: (deadline) =>
      after(
        0,
        deadline(100, async (scope) => {
          scope.spawn(() => Promise.reject(new FatalError("end")));
          await flushMicrotasks();
          throw boom;
        }),
      ),
    verdict: "end",
    reports: ["boom"],
  },
  "the body fails with a TimeoutError of its own": {
    perform: (deadline) =>
      after(
        0,
        deadline(100, () => Promise.reject(new TimeoutError(5, "the body's own"))),
      ),
    verdict: "the body's own",
  },
  "the body fails with a TimeoutError of its own after the time ran out": {
    perform: (deadline) =>
      after(
        100,
        deadline(100, ({ token }) =>
          waits(token).catch(() => Promise.reject(new TimeoutError(5, "the body's own"))),
        ),
      ),
    verdict: "the body's own",
  },
  "the outer token was cancelled before": {
    perform: (deadline) => {
      const outer = new CancellationSource();
      outer.cancel("outer");
      return after(
        0,
        deadline(100, () => "never called", { token: outer.token }),
      );
    },
    verdict: "outer",
  },
  "the outer token is cancelled in time": {
    perform: async (deadline) => {
      const outer = new CancellationSource();
      const result = deadline(100, ({ token }) => waits(token), { token: outer.token });
      setTimeout(() => {
        outer.cancel("outer");
      }, 50);
      return after(50, result);
    },
    verdict: "outer",
  },
  "the outer token is cancelled in time, and the time runs out before all has ended": {
    perform: async (deadline) => {
      const outer = new CancellationSource();
      const gate = new Deferred();
      const result = deadline(100, ({ token }) => waits(token).finally(() => gate.promise), {
        token: outer.token,
      });
      setTimeout(() => {
        outer.cancel("outer");
      }, 50);
      setTimeout(gate.resolve, 150);
      return after(150, result);
    },
    verdict: "outer",
  },
  "the outer token is cancelled after the time ran out (timeout > outer cancellation)": {
    perform: async (deadline) => {
      const outer = new CancellationSource();
      const gate = new Deferred();
      const result = deadline(100, ({ token }) => waits(token).finally(() => gate.promise), {
        token: outer.token,
      });
      setTimeout(() => {
        outer.cancel("outer");
        gate.resolve();
      }, 150);
      return after(150, result);
    },
    verdict: ran,
  },
  "the outer token is cancelled, and the body returns all the same (outer cancellation > value)": {
    perform: async (deadline) => {
      const outer = new CancellationSource();
      const result = deadline(100, ({ token }) => waits(token).catch(() => "late"), { token: outer.token });
      outer.cancel("outer");
      return after(0, result);
    },
    verdict: "outer",
  },
  "the outer token of a shielded one is cancelled, and the body returns": {
    perform: async (deadline) => {
      const outer = new CancellationSource();
      outer.cancel("outer");
      return after(
        0,
        deadline(100, () => "value", { token: outer.token, shield: true }),
      );
    },
    verdict: "outer",
  },
  "the outer token of a shielded one is cancelled, and the time runs out": {
    perform: async (deadline) => {
      const outer = new CancellationSource();
      outer.cancel("outer");
      return after(
        100,
        deadline(100, ({ token }) => waits(token), { token: outer.token, shield: true }),
      );
    },
    verdict: ran,
  },
  "it is cancelled from within, and the body returns": {
    perform: (deadline) =>
      after(
        0,
        deadline(100, (scope) => {
          scope.spawn(waits);
          scope.cancel("own");
          return "value";
        }),
      ),
    verdict: "value",
  },
  "it is cancelled from within, which interrupts the body": {
    perform: (deadline) =>
      after(
        0,
        deadline(100, (scope) => {
          scope.cancel("own");
          return waits(scope.token);
        }),
      ),
    verdict: "own",
  },
  "it is cancelled from within, and the time runs out before all has ended": {
    perform: (deadline) => {
      const gate = new Deferred();
      setTimeout(gate.resolve, 150);
      return after(
        150,
        deadline(100, (scope) => {
          scope.spawn(() => gate.promise);
          scope.cancel("own");
          return "value";
        }),
      );
    },
    verdict: "value",
  },
  "there is no time": {
    perform: (deadline) =>
      after(
        0,
        deadline(0, () => Promise.reject(new Error("the body was called"))),
      ),
    verdict: ran,
  },
  "there is no time, and the outer token was cancelled before": {
    perform: (deadline) => {
      const outer = new CancellationSource();
      outer.cancel("outer");
      return after(
        0,
        deadline(0, () => "never called", { token: outer.token }),
      );
    },
    verdict: "outer",
  },
  "there is no limit": {
    perform: (deadline) =>
      after(
        0,
        deadline(Infinity, () => flushMicrotasks().then(() => "value")),
      ),
    verdict: "value",
  },
  "the limit is longer than the platform's timers hold": {
    perform: (deadline) =>
      after(
        2 ** 31 + 99,
        deadline(2 ** 31 + 100, ({ token }) => waits(token)),
      ),
    verdict: "waits",
  },
  "a limit that is longer than the platform's timers hold runs out": {
    perform: (deadline) =>
      after(
        2 ** 31 + 100,
        deadline(2 ** 31 + 100, ({ token }) => waits(token)),
      ),
    verdict: ran,
  },
};

function show(result: PromiseSettledResult<unknown> | "waits"): string {
  if (result === "waits") return "waits";
  if (result.status === "fulfilled") return String(result.value);
  const error = result.reason as Error;
  if (error instanceof TimeoutError && error.message.includes("TaskScope")) return "the scope's TimeoutError";
  return error.message;
}

describe.each(deadlines)("%s", (name, deadline) => {
  describe("settles by priority (L5) when", () => {
    it.each(Object.entries(priorities))("%s", async (_, { perform, verdict, reports: expected = [] }) => {
      using reports = captureReports();
      const result = await perform(deadline);
      expect(show(result)).toBe(typeof verdict === "string" ? verdict : verdict[name as keyof typeof ran]);
      expect(reports.map(({ error }) => (error as Error).message)).toEqual(expected);
      if (result === "waits") await vi.runAllTimersAsync();
      expect(vi.getTimerCount()).toBe(0);
    });
  });

  it("leaves a cancelled outer token cancelled, whatever it settles with itself (L3)", async () => {
    const outer = new CancellationSource();
    const gate = new Deferred();
    const result = deadline(100, ({ token }) => waits(token).finally(() => gate.promise), {
      token: outer.token,
    });
    setTimeout(() => {
      outer.cancel("outer");
      gate.resolve();
    }, 150);
    await after(150, result);
    expect(outer.token.cancelRequested).toBe(true);
  });

  it("gives the body an open scope that waits for its tasks (L1)", async () => {
    const gate = new Deferred();
    let state: string | undefined;
    let task: Task<void> | undefined;
    const result = deadline(100, (scope) => {
      ({ state } = scope);
      task = scope.spawn(() => gate.promise);
      return "value";
    });
    expect(await after(10, result)).toBe("waits");
    gate.resolve();
    await expect(result).resolves.toBe("value");
    expect(state).toBe("open");
    expect(task!.status).toBe("succeeded");
  });

  it("tells the body and the tasks of the deadline by its source", async () => {
    const seen: unknown[] = [];
    const note = (error: unknown): void => {
      seen.push((error as CancelledError).source);
    };
    const result = deadline(100, async (scope) => {
      scope.spawn((token) => waits(token).catch(note));
      await waits(scope.token).catch(note);
    });
    await after(100, result);
    expect(seen).toEqual(["timeout", "timeout"]);
  });

  it("passes its other options on to the scope", async () => {
    const onError = vi.fn();
    const onTaskDone = vi.fn();
    let name: string | undefined;
    let statuses: string[] = [];
    await deadline(
      100,
      (scope) => {
        ({ name } = scope);
        const tasks = [scope.spawn(() => Promise.reject(boom)), scope.spawn(() => undefined)];
        statuses = tasks.map(({ status }) => status);
      },
      { name: "ingest", concurrency: 1, onError, onTaskDone },
    );
    expect(name).toBe("ingest");
    expect(statuses).toEqual(["running", "pending"]);
    expect(onError).toHaveBeenCalledOnce();
    expect(onTaskDone).toHaveBeenCalledTimes(2);
  });

  it("keeps its own limit when the options smuggle in a timeout", async () => {
    const result = deadline(100, ({ token }) => waits(token), { timeout: 10 } as Options);
    expect(await after(99, result)).toBe("waits");
    expect(show(await after(1, result))).toBe(ran[name as keyof typeof ran]);
  });

  it("makes no timer when there is no limit (L7)", async () => {
    await deadline(Infinity, () => {
      expect(vi.getTimerCount()).toBe(0);
    });
  });

  it.each([
    [-1, RangeError],
    [NaN, RangeError],
    ["100", TypeError],
    [undefined, TypeError],
    [null, TypeError],
    [100n, TypeError],
  ])("rejects for the limit %o, naming it, before anything has started (L11)", async (ms, kind) => {
    const body = vi.fn();
    const [result] = await Promise.allSettled([deadline(ms as never, body)]);
    const error = (result as PromiseRejectedResult).reason as Error;
    expect(error).toBeInstanceOf(kind);
    expect(error.message).toMatch(/ms.*milliseconds/);
    expect(body).not.toHaveBeenCalled();
  });

  it("rejects for a body that is no function, and leaves no timer (L11)", async () => {
    await expect(deadline(100, "body" as never)).rejects.toThrow(/body.*function/);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("rejects for a bad option, and leaves no timer (L11)", async () => {
    const body = vi.fn();
    await expect(deadline(100, body, { concurrency: 0 })).rejects.toThrow(RangeError);
    expect(body).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("works below the platform's own deadlines: their reason comes out as the outer cancellation", async () => {
    const controller = new AbortController();
    const reason = new DOMException("too slow", "TimeoutError");
    const result = deadline(100, ({ token }) => waits(token), { token: controller.signal });
    controller.abort(reason);
    const settled = (await after(0, result)) as PromiseRejectedResult;
    expect(settled.reason).toBeInstanceOf(CancelledError);
    expect(settled.reason).toMatchObject({ source: "signal", reason });
  });
});

describe("nested deadlines", () => {
  it("let the shorter, inner one move on alone", async () => {
    const result = failAfter(200, async (outer) => {
      const inner = await moveOnAfter(100, ({ token }) => waits(token), { token: outer.token });
      return [inner, outer.cancelRequested];
    });
    expect(await after(100, result)).toEqual({ status: "fulfilled", value: [undefined, false] });
  });

  it("do not take the outer one's time limit for the inner one's", async () => {
    const result = moveOnAfter(100, async (outer) => {
      await moveOnAfter(200, ({ token }) => waits(token), { token: outer.token });
      return "the inner one swallowed the outer deadline";
    });
    expect(await after(100, result)).toEqual({ status: "fulfilled", value: undefined });
  });

  it("let an inner failAfter's TimeoutError pass through an outer moveOnAfter", async () => {
    const result = moveOnAfter(200, (outer) =>
      failAfter(100, ({ token }) => waits(token), { token: outer.token, name: "inner" }),
    );
    const settled = (await after(100, result)) as PromiseRejectedResult;
    expect(settled.reason).toBeInstanceOf(TimeoutError);
    expect(settled.reason).toMatchObject({ timeout: 100 });
  });

  it("let both run out in the same tick: the outer one decides", async () => {
    const inner = vi.fn();
    const result = failAfter(100, async (outer) => {
      await moveOnAfter(100, ({ token }) => waits(token), { token: outer.token }).then(inner, inner);
      return "value";
    });
    const settled = (await after(100, result)) as PromiseRejectedResult;
    expect(settled.reason).toBeInstanceOf(TimeoutError);
    expect(inner).toHaveBeenCalledOnce();
  });
});

describe("a scope with a timeout that was cancelled before", () => {
  it("keeps no timer while its tasks clean up: the deadline can change nothing any more (L7)", async () => {
    vi.useFakeTimers();
    const outer = new CancellationSource();
    const scopes = [new TaskScope({ timeout: 3_000 }), new TaskScope({ timeout: 3_000, token: outer.token })];
    expect(vi.getTimerCount()).toBe(2);
    scopes[0]!.cancel();
    outer.cancel();
    expect(vi.getTimerCount()).toBe(0);
    for (const scope of scopes) await scope.stop();
  });
});
