import { AsyncLocalStorage } from "node:async_hooks";
import { inspect } from "node:util";
import {
  CancellationSource,
  CancellationToken,
  CancelledError,
  FatalError,
  InvalidStateError,
  type Task,
  type TaskErrorContext,
  TaskScope,
  type TaskScopeOptions,
  TimeoutError,
  setDebug,
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
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

/** How a promise settled, or that it has not. */
function watch(promise: Promise<unknown>): () => string {
  let settled = "waits";
  promise.then(
    (value) => {
      settled = value === undefined ? "resolves" : "resolves with a value";
    },
    (error: unknown) => {
      settled = `rejects: ${(error as Error).constructor.name}`;
    },
  );
  return () => settled;
}

/** The rejection of a promise that has to reject. */
/** What a function throws that has to throw. */
function thrown(fn: () => unknown): unknown {
  try {
    fn();
  } catch (error) {
    return error;
  }
  throw new Error("it was to throw");
}

describe("the state machine of TaskScope", () => {
  /** A scope in some state, and the hands that move it on. */
  interface Situation {
    scope: TaskScope;
    /** Cancels the outer token. */
    outer: CancellationSource;
    /** Lets the one live task end. */
    gate: Deferred;
    /** Lets the body return, if one is running; `run` is its outcome. */
    body?: Deferred;
    run?: () => string;
  }

  /** Has a deadline in 1,000 ms, and one task that ignores every cancellation until its gate opens. */
  function open(task = true): Situation {
    const outer = new CancellationSource();
    const gate = new Deferred();
    const scope = new TaskScope({ name: "s", token: outer.token, timeout: 1_000 });
    if (task) scope.spawn(() => gate.promise, { name: "child" });
    return { scope, outer, gate };
  }

  function entered(task = true): Situation {
    const situation = open(task);
    const body = new Deferred();
    return { ...situation, body, run: watch(situation.scope.run(() => body.promise)) };
  }

  const states = {
    open: async () => open(),
    "open, without a task": async () => open(false),
    "open, in its body": async () => entered(),
    "open, in its body, without a task": async () => entered(false),
    "closing: joined": async () => {
      const situation = open();
      watch(situation.scope.join());
      return situation;
    },
    "closing: its body has returned": async () => {
      const situation = entered();
      situation.body!.resolve();
      await flushMicrotasks();
      delete situation.body;
      return situation;
    },
    "closing: cancelled": async () => {
      const situation = open();
      situation.scope.cancel();
      return situation;
    },
    "closing: cancelled, without a task": async () => {
      const situation = open(false);
      situation.scope.cancel();
      return situation;
    },
    "closing: cancelled, in its body": async () => {
      const situation = entered();
      situation.scope.cancel();
      return situation;
    },
    "closing: cancelled from outside": async () => {
      const situation = open();
      situation.outer.cancel();
      return situation;
    },
    "closing: out of time": async () => {
      const situation = open();
      await vi.advanceTimersByTimeAsync(1_000);
      return situation;
    },
    "closing: stopped in vain": async () => {
      const situation = open();
      watch(situation.scope.stop({ timeout: 10 }));
      await vi.advanceTimersByTimeAsync(10);
      return situation;
    },
    "closing: stopped in vain, ended since": async () => {
      const situation = open();
      watch(situation.scope.stop({ timeout: 10 }));
      await vi.advanceTimersByTimeAsync(10);
      situation.gate.resolve();
      await flushMicrotasks();
      return situation;
    },
    "closed by join": async () => {
      const situation = open(false);
      await situation.scope.join();
      return situation;
    },
    "closed by stop": async () => {
      const situation = open(false);
      await situation.scope.stop();
      return situation;
    },
    "closed, in its body": async () => {
      const situation = entered(false);
      await situation.scope.join();
      return situation;
    },
    "closed by run": async () => {
      const situation = entered(false);
      situation.body!.resolve();
      await flushMicrotasks();
      delete situation.body;
      return situation;
    },
  } satisfies Record<string, () => Promise<Situation>>;

  const operations = {
    spawn: ({ scope }: Situation) => {
      let called = false;
      const fn = (): void => {
        called = true;
      };
      try {
        scope.spawn(fn);
        return `taken, ${called ? "called" : "not called"}`;
      } catch (error) {
        const { message } = error as InvalidStateError;
        return `${/is (closed|shutting down)/.exec(message)![0]}${called ? ", and called" : ""}`;
      }
    },
    cancel: ({ scope }: Situation) => {
      scope.cancel();
      return "";
    },
    join: ({ scope }: Situation) => watch(scope.join()),
    stop: ({ scope }: Situation) => watch(scope.stop()),
    "stop in 10 ms": async ({ scope }: Situation) => {
      const settled = watch(scope.stop({ timeout: 10 }));
      await vi.advanceTimersByTimeAsync(10);
      return settled;
    },
    dispose: ({ scope }: Situation) => watch(scope[Symbol.asyncDispose]()),
    run: async ({ scope }: Situation) => {
      let called = "not called";
      const settled = watch(
        scope.run(() => {
          called = "called";
        }),
      );
      await flushMicrotasks();
      return `${called}, ${settled()}`;
    },
    "outer cancel": ({ outer }: Situation) => {
      outer.cancel();
      return "";
    },
    "time passes": async () => {
      await vi.advanceTimersByTimeAsync(1_000);
      return "";
    },
    "the task ends": ({ scope, gate }: Situation) => {
      if (scope.size === 0) return "impossible";
      gate.resolve();
      return "";
    },
    "the body returns": ({ body, run }: Situation) => {
      if (body === undefined) return "impossible";
      body.resolve();
      return run!;
    },
  } satisfies Record<string, (situation: Situation) => unknown>;

  type State = keyof typeof states;
  type Operation = keyof typeof operations;

  /** What comes of it, and the state afterwards, "!" for one that is cancelled. */
  const expected: Record<State, Record<Operation, string>> = {
    open: {
      spawn: "taken, called → open",
      cancel: "→ closing!",
      join: "waits → closing",
      stop: "waits → closing!",
      "stop in 10 ms": "rejects: TimeoutError → closing!",
      dispose: "waits → closing!",
      run: "called, waits → closing",
      "outer cancel": "→ closing!",
      "time passes": "→ closing!",
      "the task ends": "→ open",
      "the body returns": "impossible → open",
    },
    "open, without a task": {
      spawn: "taken, called → open",
      cancel: "→ closing!",
      join: "resolves → closed",
      stop: "resolves → closed!",
      "stop in 10 ms": "resolves → closed!",
      dispose: "resolves → closed!",
      run: "called, resolves → closed",
      "outer cancel": "→ closing!",
      "time passes": "→ closing!",
      "the task ends": "impossible → open",
      "the body returns": "impossible → open",
    },
    "open, in its body": {
      spawn: "taken, called → open",
      cancel: "→ closing!",
      join: "waits → closing",
      stop: "waits → closing!",
      "stop in 10 ms": "rejects: TimeoutError → closing!",
      dispose: "waits → closing!",
      run: "not called, rejects: InvalidStateError → open",
      "outer cancel": "→ closing!",
      "time passes": "→ closing!",
      "the task ends": "→ open",
      "the body returns": "waits → closing",
    },
    "open, in its body, without a task": {
      spawn: "taken, called → open",
      cancel: "→ closing!",
      join: "resolves → closed",
      stop: "resolves → closed!",
      "stop in 10 ms": "resolves → closed!",
      dispose: "resolves → closed!",
      run: "not called, rejects: InvalidStateError → open",
      "outer cancel": "→ closing!",
      "time passes": "→ closing!",
      "the task ends": "impossible → open",
      "the body returns": "resolves → closed",
    },
    "closing: joined": {
      spawn: "taken, called → closing",
      cancel: "→ closing!",
      join: "waits → closing",
      stop: "waits → closing!",
      "stop in 10 ms": "rejects: TimeoutError → closing!",
      dispose: "waits → closing!",
      run: "not called, rejects: InvalidStateError → closing",
      "outer cancel": "→ closing!",
      "time passes": "→ closing!",
      "the task ends": "→ closed",
      "the body returns": "impossible → closing",
    },
    "closing: its body has returned": {
      spawn: "taken, called → closing",
      cancel: "→ closing!",
      join: "waits → closing",
      stop: "waits → closing!",
      "stop in 10 ms": "rejects: TimeoutError → closing!",
      dispose: "waits → closing!",
      run: "not called, rejects: InvalidStateError → closing",
      "outer cancel": "→ closing!",
      "time passes": "→ closing!",
      "the task ends": "→ closed",
      "the body returns": "impossible → closing",
    },
    "closing: cancelled": {
      spawn: "is shutting down → closing!",
      cancel: "→ closing!",
      join: "waits → closing!",
      stop: "waits → closing!",
      "stop in 10 ms": "rejects: TimeoutError → closing!",
      dispose: "waits → closing!",
      run: "not called, waits → closing!",
      "outer cancel": "→ closing!",
      "time passes": "→ closing!",
      "the task ends": "→ closing!",
      "the body returns": "impossible → closing!",
    },
    "closing: cancelled, without a task": {
      spawn: "is shutting down → closing!",
      cancel: "→ closing!",
      join: "resolves → closed!",
      stop: "resolves → closed!",
      "stop in 10 ms": "resolves → closed!",
      dispose: "resolves → closed!",
      run: "not called, rejects: CancelledError → closed!",
      "outer cancel": "→ closing!",
      "time passes": "→ closing!",
      "the task ends": "impossible → closing!",
      "the body returns": "impossible → closing!",
    },
    "closing: cancelled, in its body": {
      spawn: "is shutting down → closing!",
      cancel: "→ closing!",
      join: "waits → closing!",
      stop: "waits → closing!",
      "stop in 10 ms": "rejects: TimeoutError → closing!",
      dispose: "waits → closing!",
      run: "not called, rejects: InvalidStateError → closing!",
      "outer cancel": "→ closing!",
      "time passes": "→ closing!",
      "the task ends": "→ closing!",
      "the body returns": "waits → closing!",
    },
    "closing: cancelled from outside": {
      spawn: "is shutting down → closing!",
      cancel: "→ closing!",
      join: "waits → closing!",
      stop: "waits → closing!",
      "stop in 10 ms": "rejects: TimeoutError → closing!",
      dispose: "waits → closing!",
      run: "not called, waits → closing!",
      "outer cancel": "→ closing!",
      "time passes": "→ closing!",
      "the task ends": "→ closing!",
      "the body returns": "impossible → closing!",
    },
    "closing: out of time": {
      spawn: "is shutting down → closing!",
      cancel: "→ closing!",
      join: "waits → closing!",
      stop: "waits → closing!",
      "stop in 10 ms": "rejects: TimeoutError → closing!",
      dispose: "waits → closing!",
      run: "not called, waits → closing!",
      "outer cancel": "→ closing!",
      "time passes": "→ closing!",
      "the task ends": "→ closing!",
      "the body returns": "impossible → closing!",
    },
    "closing: stopped in vain": {
      spawn: "is shutting down → closing!",
      cancel: "→ closing!",
      join: "waits → closing!",
      stop: "waits → closing!",
      "stop in 10 ms": "rejects: TimeoutError → closing!",
      dispose: "waits → closing!",
      run: "not called, rejects: InvalidStateError → closing!",
      "outer cancel": "→ closing!",
      "time passes": "→ closing!",
      "the task ends": "→ closing!",
      "the body returns": "impossible → closing!",
    },
    "closing: stopped in vain, ended since": {
      spawn: "is shutting down → closing!",
      cancel: "→ closing!",
      join: "resolves → closed!",
      stop: "resolves → closed!",
      "stop in 10 ms": "resolves → closed!",
      dispose: "resolves → closed!",
      run: "not called, rejects: InvalidStateError → closing!",
      "outer cancel": "→ closing!",
      "time passes": "→ closing!",
      "the task ends": "impossible → closing!",
      "the body returns": "impossible → closing!",
    },
    "closed by join": {
      spawn: "is closed → closed",
      cancel: "→ closed",
      join: "resolves → closed",
      stop: "resolves → closed",
      "stop in 10 ms": "resolves → closed",
      dispose: "resolves → closed",
      run: "not called, rejects: InvalidStateError → closed",
      "outer cancel": "→ closed",
      "time passes": "→ closed",
      "the task ends": "impossible → closed",
      "the body returns": "impossible → closed",
    },
    "closed by stop": {
      spawn: "is closed → closed!",
      cancel: "→ closed!",
      join: "resolves → closed!",
      stop: "resolves → closed!",
      "stop in 10 ms": "resolves → closed!",
      dispose: "resolves → closed!",
      run: "not called, rejects: InvalidStateError → closed!",
      "outer cancel": "→ closed!",
      "time passes": "→ closed!",
      "the task ends": "impossible → closed!",
      "the body returns": "impossible → closed!",
    },
    // The body is still to be asked, so here the scope can be cancelled after it has closed.
    "closed, in its body": {
      spawn: "is closed → closed",
      cancel: "→ closed!",
      join: "resolves → closed",
      stop: "resolves → closed!",
      "stop in 10 ms": "resolves → closed!",
      dispose: "resolves → closed!",
      run: "not called, rejects: InvalidStateError → closed",
      "outer cancel": "→ closed!",
      "time passes": "→ closed!",
      "the task ends": "impossible → closed",
      "the body returns": "resolves → closed",
    },
    "closed by run": {
      spawn: "is closed → closed",
      cancel: "→ closed",
      join: "resolves → closed",
      stop: "resolves → closed",
      "stop in 10 ms": "resolves → closed",
      dispose: "resolves → closed",
      run: "not called, rejects: InvalidStateError → closed",
      "outer cancel": "→ closed",
      "time passes": "→ closed",
      "the task ends": "impossible → closed",
      "the body returns": "impossible → closed",
    },
  };

  beforeEach(() => {
    vi.useFakeTimers();
  });

  for (const state of Object.keys(states) as State[]) {
    describe(`when ${state}`, () => {
      it.each(Object.entries(expected[state]))("%s: %s", async (operation, outcome) => {
        const situation = await states[state]();
        const { scope, gate, body } = situation;
        const before = state.split(/[:, ]/, 1)[0];
        expect(scope.state).toBe(before);

        const result: unknown = await operations[operation as Operation](situation);
        await flushMicrotasks();
        const told = typeof result === "function" ? (result as () => string)() : (result as string);
        expect(`${told} → ${scope.state}${scope.cancelRequested ? "!" : ""}`.trim()).toBe(outcome);

        // From everywhere the scope can be brought to its end, and holds nothing then.
        gate.resolve();
        body?.resolve();
        await Promise.allSettled([scope.stop()]);
        await flushMicrotasks();
        expect(scope.state).toBe("closed");
        expect(scope.size).toBe(0);
        expect(vi.getTimerCount()).toBe(0);
      });
    });
  }
});

describe("TaskScope", () => {
  describe("state", () => {
    it("stays open when the outer token of a shielded scope is cancelled", async () => {
      const outer = new CancellationSource();
      const scope = new TaskScope({ token: outer.token, shield: true });
      outer.cancel();
      expect(scope.state).toBe("open");
      expect(scope.cancelRequested).toBe(false);
      await expect(scope.spawn(() => "taken")).resolves.toBe("taken");
      await expect(scope.join()).rejects.toBe(outer.token.error);
    });

    it("is closing from the moment of the outer cancellation on, also without a task", () => {
      const controller = new AbortController();
      const scope = new TaskScope({ token: controller.signal });
      expect(scope.state).toBe("open");
      controller.abort();
      expect(scope.state).toBe("closing");
    });

    it("is closing while the last task is being told of", async () => {
      const states: string[] = [];
      const scope: TaskScope = new TaskScope({
        onTaskDone: () => {
          states.push(scope.state);
        },
      });
      scope.spawn(() => undefined).onDone(() => states.push(scope.state));
      await scope.join();
      expect([...states, scope.state]).toEqual(["closing", "closing", "closed"]);
    });

    it("stays open when the last task ends and nobody waits", async () => {
      const scope = new TaskScope();
      await scope.spawn(() => undefined);
      expect(scope.state).toBe("open");
      await expect(scope.spawn(() => "again")).resolves.toBe("again");
      await scope.join();
    });
  });

  describe("size, tasks and hasErrors", () => {
    it("counts the live tasks, pending ones included", async () => {
      const scope = new TaskScope({ concurrency: 1 });
      const gate = new Deferred();
      scope.spawn(() => gate.promise);
      scope.spawn(() => undefined);
      scope.spawn(() => undefined).cancel();
      expect(scope.size).toBe(3);
      await flushMicrotasks();
      expect(scope.size).toBe(2);
      gate.resolve();
      await scope.join();
      expect(scope.size).toBe(0);
    });

    it("counts a task that was cancelled until its function has settled (L1)", async () => {
      const scope = new TaskScope();
      const gate = new Deferred();
      const task = scope.spawn(() => gate.promise);
      scope.cancel();
      await flushMicrotasks();
      expect(scope.size).toBe(1);
      expect([...scope.tasks]).toEqual([task]);
      gate.resolve();
      await scope.join();
      expect(scope.tasks.size).toBe(0);
    });

    it("gives a fresh snapshot of the live tasks, in the order of spawning", async () => {
      const scope = new TaskScope({ concurrency: 2 });
      const gates = [new Deferred(), new Deferred(), new Deferred()];
      const tasks = gates.map((gate) => scope.spawn(() => gate.promise));
      const before = scope.tasks;
      expect([...before]).toEqual(tasks);
      expect(scope.tasks).not.toBe(before);
      gates[1]!.resolve();
      await tasks[1];
      expect([...scope.tasks]).toEqual([tasks[0], tasks[2]]);
      expect([...before]).toEqual(tasks);
      for (const gate of gates) gate.resolve();
      await scope.join();
    });

    it("lists tasks only: no callback and no child token of its token", async () => {
      const scope = new TaskScope();
      scope.token.onCancel(() => undefined);
      const child = scope.token.child();
      const task = scope.spawn(waits);
      expect([...scope.tasks]).toEqual([task]);
      child[Symbol.dispose]();
      await scope.stop();
    });

    it("contains the task already while its function begins", async () => {
      const scope = new TaskScope();
      let seen = -1;
      scope.spawn(() => {
        seen = scope.size;
      });
      expect(seen).toBe(1);
      await scope.join();
    });

    it("has errors once a task has failed, and not because of a cancellation or a success", async () => {
      const scope = new TaskScope({ onError: "ignore" });
      await scope.spawn(() => undefined);
      const cancelled = scope.spawn(waits);
      cancelled.cancel();
      await cancelled.catch(() => undefined);
      expect(scope.hasErrors).toBe(false);
      await scope.spawn(() => Promise.reject(new Error("boom"))).catch(() => undefined);
      expect(scope.hasErrors).toBe(true);
      await scope.join();
      expect(scope.hasErrors).toBe(true);
    });

    it("has errors when its body has failed", async () => {
      let scope: TaskScope | undefined;
      const run = TaskScope.run((entered) => {
        scope = entered;
        throw new Error("boom");
      });
      await expect(run).rejects.toThrow("boom");
      expect(scope!.hasErrors).toBe(true);
    });

    it("keeps neither results nor errors of finished tasks", async () => {
      const scope = new TaskScope({ onError: "ignore" });
      const refs = ((): WeakRef<object>[] => {
        const value = { big: new Array(100) };
        const error = new Error("boom");
        scope.spawn(() => value);
        scope.spawn(() => Promise.reject(error));
        return [value, error].map((object) => new WeakRef(object));
      })();
      await macrotask();
      await collectGarbage();
      expect(refs.map((ref) => ref.deref())).toEqual([undefined, undefined]);
      expect(scope.hasErrors).toBe(true);
      await scope.join();
    });
  });

  describe("name and repr", () => {
    it("has the name that it was given", () => {
      expect(new TaskScope({ name: "ingest" }).name).toBe("ingest");
    });

    it("has a name of its own by default, which does not change", () => {
      const [first, second] = [new TaskScope(), new TaskScope()];
      expect(first.name).not.toBe(second.name);
      expect(first.name).toBe(first.name);
      expect(first.name).not.toBe("");
    });

    it("tells name, state and counts", async () => {
      const scope = new TaskScope({ name: "ingest", concurrency: 1 });
      expect(String(scope)).toMatch(/TaskScope "ingest" \(open.*\b0\b/);
      const gate = new Deferred();
      for (let count = 0; count < 3; count++) scope.spawn(() => gate.promise);
      expect(String(scope)).toMatch(/TaskScope "ingest" \(open.*\b3\b.*\b2\b/);
      const join = scope.join();
      expect(String(scope)).toMatch(/TaskScope "ingest" \(closing.*\b3\b.*\b2\b/);
      gate.resolve();
      await join;
      expect(String(scope)).toMatch(/TaskScope "ingest" \(closed.*\b0\b/);
    });

    it("is inspected as what String() gives", () => {
      const scope = new TaskScope({ name: "ingest" });
      expect(inspect(scope)).toBe(String(scope));
      expect(inspect({ scope })).toContain('TaskScope "ingest"');
    });
  });

  describe("spawn", () => {
    it("runs the synchronous part of the function at once, and no more (L6)", async () => {
      const log = new EventLog();
      await TaskScope.run((scope) => {
        scope.spawn(async () => {
          log.add("begins");
          await Promise.resolve();
          log.add("goes on");
        });
        log.add("spawned");
      });
      expect(log.events).toEqual(["begins", "spawned", "goes on"]);
    });

    it.each([
      ["returns", () => "value", "succeeded"],
      [
        "throws",
        () => {
          throw new Error("boom");
        },
        "failed",
      ],
      ["resolves", () => Promise.resolve("value"), "succeeded"],
      ["rejects", () => Promise.reject(new Error("boom")), "failed"],
    ])(
      "lets a function that %s at once end a microtask later, its owner told after spawn (L6)",
      async (_, fn, status) => {
        const log = new EventLog();
        let spawning = false;
        const note = (event: string) => () => {
          log.add(`${event}${spawning ? " inside spawn" : ""}`);
        };
        const scope = new TaskScope({ onTaskDone: note("onTaskDone"), onError: note("onError") });
        spawning = true;
        const task = scope.spawn<unknown>(fn);
        task.onDone(note("onDone"));
        expect(task.status).toBe("running");
        expect(task.done).toBe(false);
        spawning = false;
        await scope.join();
        expect(task.status).toBe(status);
        const onError = status === "failed" ? ["onError"] : [];
        expect(log.events).toEqual(["onTaskDone", ...onError, "onDone"]);
      },
    );

    it("calls no owner callback inside cancel (L6)", async () => {
      const log = new EventLog();
      let cancelling = false;
      const note = (event: string) => () => {
        log.add(`${event}${cancelling ? " inside cancel" : ""}`);
      };
      const scope = new TaskScope({ onTaskDone: note("onTaskDone"), concurrency: 1 });
      scope.spawn(waits).onDone(note("onDone"));
      scope.spawn(waits).onDone(note("onDone of the pending one"));
      cancelling = true;
      scope.cancel();
      cancelling = false;
      await scope.join();
      expect([...log.events].sort()).toEqual([
        "onDone",
        "onDone of the pending one",
        "onTaskDone",
        "onTaskDone",
      ]);
    });

    it("has a cancel() in the synchronous part of the function act at once (L6)", async () => {
      const scope = new TaskScope();
      const sibling = scope.spawn(waits);
      const seen: unknown[] = [];
      scope.spawn((token) => {
        scope.cancel("enough");
        seen.push(token.cancelRequested, sibling.cancelRequested);
      });
      expect(seen).toEqual([true, true]);
      await scope.join();
      expect(sibling.status).toBe("cancelled");
    });

    it("gives each task a token of its own below the scope's", async () => {
      const scope = new TaskScope();
      const [first, second] = [scope.spawn(waits), scope.spawn(waits)];
      expect(first.token).not.toBe(second.token);
      first.cancel("alone");
      expect(second.cancelRequested).toBe(false);
      expect(scope.cancelRequested).toBe(false);
      scope.cancel("all");
      expect(second.token.error).toBe(scope.token.error);
      expect(first.token.error).not.toBe(scope.token.error);
      await scope.join();
    });

    it("passes the task's own token to the function", async () => {
      const scope = new TaskScope();
      let passed: CancellationToken | undefined;
      const task = scope.spawn((token) => {
        passed = token;
      });
      expect(passed).toBe(task.token);
      await scope.join();
    });

    it("names the scope, its state and the way out when it refuses", async () => {
      const scope = new TaskScope({ name: "ingest" });
      scope.spawn(waits);
      scope.cancel();
      const refused = thrown(() => scope.spawn(() => undefined));
      expect(refused).toBeInstanceOf(InvalidStateError);
      expect((refused as Error).message).toMatch(/^TaskScope "ingest" is shutting down\b.{10,}/);
      await scope.join();
      expect((thrown(() => scope.spawn(() => undefined)) as Error).message).toMatch(
        /^TaskScope "ingest" is closed\b.{10,}/,
      );
    });

    it("leaves nothing behind of a refused spawn", async () => {
      const scope = new TaskScope();
      scope.cancel();
      const fn = vi.fn();
      expect(() => scope.spawn(fn)).toThrow(InvalidStateError);
      expect(scope.size).toBe(0);
      await scope.join();
      expect(fn).not.toHaveBeenCalled();
    });

    it.each([undefined, null, 42, "fn", {}, Promise.resolve()])(
      "refuses what is no function: %o (L11)",
      async (fn) => {
        const scope = new TaskScope();
        const error = thrown(() => scope.spawn(fn as never));
        expect(error).toBeInstanceOf(TypeError);
        expect((error as Error).message).toMatch(/fn.*function.*(undefined|object|number|string)/);
        expect(scope.size).toBe(0);
        await scope.join();
      },
    );

    it("refuses a name that is no string (L11)", async () => {
      const scope = new TaskScope();
      const fn = vi.fn();
      expect(() => scope.spawn(fn, { name: 42 as never })).toThrow(TypeError);
      expect(fn).not.toHaveBeenCalled();
      await scope.join();
    });
  });

  describe("concurrency", () => {
    it("hands a slot on in the order of spawning, to no newcomer first", async () => {
      const log = new EventLog();
      const gates = [new Deferred(), new Deferred(), new Deferred()];
      const scope = new TaskScope({ concurrency: 1 });
      const [first] = gates.map((gate, index) =>
        scope.spawn(() => {
          log.add(`${index} begins`);
          return gate.promise;
        }),
      );
      first!.onDone(() => {
        scope.spawn(() => {
          log.add("newcomer begins");
        });
      });
      for (const gate of gates) {
        gate.resolve();
        await flushMicrotasks();
      }
      await scope.join();
      expect(log.events).toEqual(["0 begins", "1 begins", "2 begins", "newcomer begins"]);
    });

    it("starts a pending task in the context of its spawner (L10)", async () => {
      const storage = new AsyncLocalStorage<string>();
      const gate = new Deferred();
      const seen: unknown[] = [];
      await TaskScope.run(
        (scope) => {
          storage.run("first", () => scope.spawn(() => gate.promise));
          for (const context of ["second", "third"]) {
            storage.run(context, () =>
              scope.spawn(async () => {
                seen.push(storage.getStore());
                await Promise.resolve();
                seen.push(storage.getStore());
              }),
            );
          }
          storage.run("somebody else", () => {
            gate.resolve();
          });
        },
        { concurrency: 1 },
      );
      expect(seen).toEqual(["second", "second", "third", "third"]);
    });

    it("gives back the slot of a task that failed or was cancelled", async () => {
      const scope = new TaskScope({ concurrency: 1, onError: "ignore" });
      scope.spawn(() => Promise.reject(new Error("boom")));
      const second = scope.spawn(waits);
      const third = scope.spawn(() => "value");
      await flushMicrotasks();
      expect([second.status, third.status]).toEqual(["running", "pending"]);
      second.cancel();
      await expect(third).resolves.toBe("value");
      await scope.join();
    });

    it.each([0, 1, 2, 3, 4, 5])(
      "passes on the slot of a task that is cancelled %d microtasks after one was freed for it (anyio#1145)",
      async (turns) => {
        const scope = new TaskScope({ concurrency: 1 });
        const called = new EventLog();
        const first = scope.spawn(() => undefined);
        const second = scope.spawn(async (token) => {
          called.add("second");
          await waits(token);
        });
        const third = scope.spawn(called.note("third"));
        first.onDone(() => {
          void flushMicrotasks(turns).then(() => second.cancel("late"));
        });
        await scope.join();
        expect(second.status).toBe("cancelled");
        expect(third.status).toBe("succeeded");
        expect(called.events.at(-1)).toBe("third");
      },
    );

    it("never runs more than the limit, however tasks come and go", async () => {
      let running = 0;
      let most = 0;
      await TaskScope.run(
        (scope) => {
          for (let count = 0; count < 50; count++) {
            const task = scope.spawn(async () => {
              most = Math.max(most, ++running);
              await flushMicrotasks(count % 7);
              running--;
            });
            if (count % 5 === 4) task.cancel();
          }
        },
        { concurrency: 3 },
      );
      expect(most).toBe(3);
      expect(running).toBe(0);
    });

    it("holds the slot of a task that awaits a pending sibling: a deadline is the way out", async () => {
      vi.useFakeTimers();
      const run = TaskScope.run(
        (scope) => {
          scope.spawn((token) => token.race(scope.spawn(() => "never called")));
        },
        { concurrency: 1, timeout: 100 },
      );
      const settled = watch(run);
      await vi.advanceTimersByTimeAsync(99);
      expect(settled()).toBe("waits");
      await vi.advanceTimersByTimeAsync(1);
      await expect(run).rejects.toBeInstanceOf(TimeoutError);
    });

    it("ends a pending task that is cancelled alone as cancelled, with its reason, and never calls it", async () => {
      const scope = new TaskScope({ concurrency: 1 });
      const gate = new Deferred();
      scope.spawn(() => gate.promise);
      const fn = vi.fn();
      const pending = scope.spawn(fn);
      expect(pending.cancel("alone")).toBe(true);
      expect(await rejection(pending)).toMatchObject({ reason: "alone", source: "explicit" });
      expect(pending.cancel("again")).toBe(false);
      expect(fn).not.toHaveBeenCalled();
      gate.resolve();
      await scope.join();
    });

    it("may be Infinity, which is no limit", async () => {
      const scope = new TaskScope({ concurrency: Infinity });
      const tasks = Array.from({ length: 10 }, () => scope.spawn(() => undefined));
      expect(tasks.map(({ status }) => status)).toEqual(Array(10).fill("running"));
      await scope.join();
    });
  });

  describe("onTaskDone", () => {
    it("is called once with every task, whichever way it ended, pending ones too", async () => {
      const ended: string[] = [];
      const scope = new TaskScope({
        concurrency: 3,
        onError: "ignore",
        onTaskDone: ({ name, status, done }) => {
          ended.push(`${name} ${status} ${done}`);
        },
      });
      scope.spawn(() => "value", { name: "a" });
      scope.spawn(() => Promise.reject(new Error("boom")), { name: "b" });
      scope.spawn(waits, { name: "c" }).cancel();
      scope.spawn(() => undefined, { name: "d" }).cancel();
      await scope.join();
      expect([...ended].sort()).toEqual([
        "a succeeded true",
        "b failed true",
        "c cancelled true",
        "d cancelled true",
      ]);
    });

    it("finds the task gone from the live ones, and may spawn the next", async () => {
      const sizes: number[] = [];
      const scope: TaskScope = new TaskScope({
        onTaskDone: () => {
          sizes.push(scope.size);
          if (sizes.length < 3) scope.spawn(() => undefined);
        },
      });
      scope.spawn(() => undefined);
      await scope.join();
      expect(sizes).toEqual([0, 0, 0]);
      expect(scope.state).toBe("closed");
    });

    it("that throws stops nothing; its error goes to the process-wide handler (L9)", async () => {
      using reports = captureReports();
      const failure = new Error("callback");
      const scope = new TaskScope({
        name: "s",
        onTaskDone: () => {
          throw failure;
        },
      });
      const done = vi.fn();
      const task = scope.spawn(() => "value");
      task.onDone(done);
      await scope.join();
      expect(task.result()).toBe("value");
      expect(done).toHaveBeenCalledOnce();
      expect(reports.map(({ error }) => error)).toEqual([failure]);
      expect(reports[0]!.message).toContain('TaskScope "s"');
    });

    it("may cancel the scope", async () => {
      const scope: TaskScope = new TaskScope({
        onTaskDone: () => {
          scope.cancel("first wins");
        },
      });
      scope.spawn(() => "value");
      const other = scope.spawn(waits);
      await scope.join();
      expect(other.error).toMatchObject({ reason: "first wins" });
    });
  });

  describe("onError", () => {
    it("is told the error, the task and the scope's name", async () => {
      const contexts: TaskErrorContext[] = [];
      const scope = new TaskScope({ name: "ingest", onError: (context) => contexts.push(context) });
      const boom = new Error("boom");
      const task = scope.spawn(() => Promise.reject(boom), { name: "reader" });
      await scope.join();
      expect(contexts).toHaveLength(1);
      const [context] = contexts;
      expect(context!.error).toBe(boom);
      expect(context!.task).toBe(task);
      expect(context!.scope).toBe("ingest");
      expect(context!.message).toContain("reader");
      expect(context!.message).toContain("ingest");
    });

    it("is not told of cancellations and successes, nor of the body's error", async () => {
      const onError = vi.fn();
      const run = TaskScope.run(
        (scope) => {
          scope.spawn(() => "value");
          scope.spawn(waits).cancel();
          throw new Error("boom");
        },
        { onError },
      );
      await expect(run).rejects.toThrow("boom");
      expect(onError).not.toHaveBeenCalled();
    });

    it("takes the place of the process-wide handler", async () => {
      using reports = captureReports();
      const onError = vi.fn();
      const scope = new TaskScope({ onError });
      scope.spawn(() => Promise.reject(new Error("boom")));
      await scope.join();
      expect(onError).toHaveBeenCalledOnce();
      expect(reports).toHaveLength(0);
    });

    it('"report" tells the process-wide handler the same', async () => {
      using reports = captureReports();
      const scope = new TaskScope({ name: "ingest", onError: "report" });
      const boom = new Error("boom");
      const task = scope.spawn(() => Promise.reject(boom), { name: "reader" });
      await scope.join();
      expect(reports).toHaveLength(1);
      expect(reports[0]!.error).toBe(boom);
      expect(reports[0]!.task).toBe(task);
      expect(reports[0]!.scope).toBe("ingest");
    });

    it('"ignore" tells nobody, not even as an unhandled rejection', async () => {
      using reports = captureReports();
      const scope = new TaskScope({ onError: "ignore" });
      scope.spawn(() => Promise.reject(new Error("boom")));
      await scope.join();
      await macrotask();
      expect(reports).toHaveLength(0);
      expect(scope.hasErrors).toBe(true);
    });

    it("that throws has its own error and the original told to the process-wide handler", async () => {
      using reports = captureReports();
      const [own, boom] = [new Error("own"), new Error("boom")];
      const scope = new TaskScope({
        onError: () => {
          throw own;
        },
      });
      const task = scope.spawn(() => Promise.reject(boom));
      const sibling = scope.spawn(() => flushMicrotasks().then(() => "value"));
      await scope.join();
      expect(reports.map(({ error }) => error)).toEqual([own, boom]);
      expect(reports[1]!.task).toBe(task);
      expect(sibling.result()).toBe("value");
    });

    it("of the last task may still spawn", async () => {
      let scope: TaskScope | undefined;
      const retried = vi.fn();
      await TaskScope.run(
        (entered) => {
          scope = entered;
          entered.spawn(() => Promise.reject(new Error("boom")));
        },
        {
          onError: () => {
            scope!.spawn(retried);
          },
        },
      );
      expect(retried).toHaveBeenCalledOnce();
    });

    it("is told of each failure when one error object fails several tasks", async () => {
      const contexts: TaskErrorContext[] = [];
      const scope = new TaskScope({ onError: (context) => contexts.push(context) });
      const boom = new Error("boom");
      const tasks = [0, 1].map(() => scope.spawn(() => Promise.reject(boom)));
      await scope.join();
      expect(contexts.map(({ task }) => task)).toEqual(tasks);
    });
  });

  describe("isFatal", () => {
    class Stop extends Error {}
    const isFatal = (error: unknown): boolean => error instanceof Stop;

    it("decides which errors cancel everything and come out bare", async () => {
      const stop = new Stop("stop");
      let sibling: Task<never> | undefined;
      const run = TaskScope.run(
        (scope) => {
          sibling = scope.spawn(waits);
          scope.spawn(() => Promise.reject(stop));
          return waits(scope.token);
        },
        { isFatal },
      );
      expect(await rejection(run)).toBe(stop);
      expect(sibling!.error).toMatchObject({ source: "sibling", reason: stop });
    });

    it("takes the place of the default, so that a FatalError is then an ordinary failure", async () => {
      using reports = captureReports();
      const fatal = new FatalError("end");
      const run = TaskScope.run(
        (scope) => {
          scope.spawn(() => Promise.reject(fatal));
          return "value";
        },
        { isFatal },
      );
      await expect(run).resolves.toBe("value");
      expect(reports.map(({ error }) => error)).toEqual([fatal]);
    });

    it("holds for subclasses of FatalError by default", async () => {
      class Exit extends FatalError {}
      const exit = new Exit("exit");
      const scope = new TaskScope();
      scope.spawn(() => Promise.reject(exit));
      expect(await rejection(scope.join())).toBe(exit);
    });

    it("is asked about the body's error too", async () => {
      const seen: unknown[] = [];
      const boom = new Error("boom");
      const run = TaskScope.run(() => Promise.reject(boom), {
        isFatal: (error) => {
          seen.push(error);
          return false;
        },
      });
      expect(await rejection(run)).toBe(boom);
      expect(seen).toEqual([boom]);
    });

    it("is not asked about cancellations", async () => {
      const ask = vi.fn(() => true);
      const scope = new TaskScope({ isFatal: ask });
      scope.spawn(waits);
      await scope.stop();
      expect(ask).not.toHaveBeenCalled();
    });

    it("that throws is reported, and the failure an ordinary one (L9)", async () => {
      using reports = captureReports();
      const [own, boom] = [new Error("own"), new Error("boom")];
      const scope = new TaskScope({
        isFatal: () => {
          throw own;
        },
      });
      scope.spawn(() => Promise.reject(boom));
      const sibling = scope.spawn(() => flushMicrotasks().then(() => "value"));
      await scope.join();
      expect(reports.map(({ error }) => error)).toEqual([own, boom]);
      expect(sibling.result()).toBe("value");
    });

    it("may hold for undefined", async () => {
      const run = TaskScope.run(
        (scope) => {
          scope.spawn(() => Promise.reject(undefined));
          return "value";
        },
        { isFatal: (error) => error === undefined },
      );
      expect(await rejection(run)).toBe(undefined);
    });

    it("does not tell onError of a fatal error: run does", async () => {
      const onError = vi.fn();
      const scope = new TaskScope({ onError });
      scope.spawn(() => Promise.reject(new FatalError("end")));
      await expect(scope.join()).rejects.toThrow("end");
      expect(onError).not.toHaveBeenCalled();
    });

    it("leaves siblings' errors to onError, and the outranked second fatal error to the process-wide handler (L5)", async () => {
      using reports = captureReports();
      const onError = vi.fn<(context: TaskErrorContext) => void>();
      const [boom, end, fin] = [new Error("boom"), new FatalError("end"), new FatalError("fin")];
      const scope = new TaskScope({ onError });
      for (const error of [boom, end, fin]) scope.spawn(() => Promise.reject(error));
      expect(await rejection(scope.join())).toBe(end);
      expect(onError.mock.calls.map(([{ error }]) => error)).toEqual([boom]);
      expect(reports.map(({ error }) => error)).toEqual([fin]);
    });

    it("reports nothing when the same fatal error comes twice", async () => {
      using reports = captureReports();
      const end = new FatalError("end");
      const run = TaskScope.run(async (scope) => {
        await scope.spawn(() => Promise.reject(end));
      });
      expect(await rejection(run)).toBe(end);
      expect(reports).toHaveLength(0);
    });

    it("cancels the body, which may be in the middle of something", async () => {
      const seen: unknown[] = [];
      const end = new FatalError("end");
      const run = TaskScope.run(async (scope) => {
        scope.spawn(() => Promise.reject(end));
        await waits(scope.token).catch((error: unknown) => seen.push((error as CancelledError).source));
        return "value";
      });
      expect(await rejection(run)).toBe(end);
      expect(seen).toEqual(["sibling"]);
    });

    it("comes out of run although a join in the meantime was told as well", async () => {
      const end = new FatalError("end");
      const gate = new Deferred();
      let joined: unknown;
      const run = TaskScope.run(async (scope) => {
        scope.spawn(() => Promise.reject(end));
        joined = await rejection(scope.join());
        await gate.promise;
        return "value";
      });
      await flushMicrotasks();
      expect(joined).toBe(end);
      gate.resolve();
      expect(await rejection(run)).toBe(end);
    });
  });

  describe("a body that fails", () => {
    it("is thrown by run alone: a join from outside waits for the tasks, and resolves", async () => {
      const boom = new Error("body");
      let joined: Promise<void> | undefined;
      const run = TaskScope.run((scope) => {
        scope.spawn((token) => sleep(Infinity, token));
        joined = scope.join();
        throw boom;
      });
      await expect(run).rejects.toBe(boom);
      await expect(joined).resolves.toBeUndefined();
    });
  });

  describe("the end of a task", () => {
    it("is told in one order: live set, onTaskDone, onError, onDone, the next in line, the close; and awaiters after onDone", async () => {
      const log = new EventLog();
      const scope: TaskScope = new TaskScope({
        concurrency: 1,
        onTaskDone: ({ name }) => {
          log.add(`onTaskDone ${name}, size ${scope.size}, errors ${scope.hasErrors}`);
        },
        onError: ({ task }) => {
          log.add(`onError ${task!.name}, size ${scope.size}, errors ${scope.hasErrors}`);
        },
      });
      const first = scope.spawn(() => Promise.reject(new Error("boom")), { name: "first" });
      first.onDone(log.note("onDone first"));
      first.onDone(log.note("onDone first, second listener"));
      first.catch(log.note("await first"));
      scope.spawn(log.note("second begins"), { name: "second" });
      scope.join().then(log.note("joined"), log.note("not joined"));
      await flushMicrotasks();
      const { events } = log;
      expect(events.indexOf("await first")).toBeGreaterThan(events.indexOf("onDone first, second listener"));
      expect(events.filter((event) => event !== "await first")).toEqual([
        "onTaskDone first, size 1, errors true",
        "onError first, size 1, errors true",
        "onDone first",
        "onDone first, second listener",
        "second begins",
        "onTaskDone second, size 0, errors true",
        "joined",
      ]);
    });

    it("is told to the end before a join that begins meanwhile may close the scope", async () => {
      const log = new EventLog();
      let join: Promise<void> | undefined;
      const scope: TaskScope = new TaskScope({
        onTaskDone: ({ name }) => {
          log.add(`onTaskDone ${name}`);
          join ??= scope.join().then(log.note("joined"));
        },
        onError: () => {
          scope.spawn(log.note("spawned by onError"), { name: "second" });
        },
      });
      const first = scope.spawn(() => Promise.reject(new Error("boom")), { name: "first" });
      first.onDone(() => {
        log.add(`onDone first, ${scope.state}`);
      });
      await flushMicrotasks();
      await join;
      expect(log.events).toEqual([
        "onTaskDone first",
        "spawned by onError",
        "onDone first, closing",
        "onTaskDone second",
        "joined",
      ]);
    });

    it("is told for tasks in the order in which they ended", async () => {
      const log = new EventLog();
      const scope = new TaskScope({ onTaskDone: ({ name }) => log.add(name) });
      const gates = ["a", "b", "c"].map((name) => {
        const gate = new Deferred();
        scope.spawn(() => gate.promise, { name });
        return gate;
      });
      gates[2]!.resolve();
      gates[0]!.resolve();
      gates[1]!.resolve();
      await scope.join();
      expect(log.events).toEqual(["c", "a", "b"]);
    });
  });

  describe("run", () => {
    it("gives the body the scope, open, inside the call", async () => {
      let seen: unknown;
      const run = TaskScope.run(
        (scope) => {
          seen = [scope instanceof TaskScope, scope.name, scope.state, scope.size];
        },
        { name: "ingest" },
      );
      expect(seen).toEqual([true, "ingest", "open", 0]);
      await run;
    });

    it("refuses to be entered twice, and says so (anyio#1109)", async () => {
      const scope = new TaskScope({ name: "ingest" });
      const gate = new Deferred();
      const run = scope.run(() => gate.promise);
      const second = vi.fn();
      const error = await rejection(scope.run(second));
      expect(error).toBeInstanceOf(InvalidStateError);
      expect((error as Error).message).toContain('TaskScope "ingest"');
      gate.resolve();
      await run;
      expect(await rejection(scope.run(second))).toBeInstanceOf(InvalidStateError);
      expect(second).not.toHaveBeenCalled();
    });

    it("rejects for bad arguments, before anything has started (L11)", async () => {
      const body = vi.fn();
      await expect(TaskScope.run(undefined as never)).rejects.toThrow(/body.*function.*undefined/);
      await expect(TaskScope.run(body, { timeout: -1 })).rejects.toThrow(/timeout.*-1/);
      await expect(TaskScope.run(body, { concurrency: 0 })).rejects.toThrow(RangeError);
      expect(body).not.toHaveBeenCalled();
    });

    it("leaves no timer behind when it refuses its body", async () => {
      vi.useFakeTimers();
      await expect(TaskScope.run(null as never, { timeout: 1_000 })).rejects.toThrow(TypeError);
      expect(vi.getTimerCount()).toBe(0);
    });

    it("rejects with the outer cancellation rather than a reason of its own when that was there before", async () => {
      const reason = new Error("why");
      const body = vi.fn();
      const error = await rejection(TaskScope.run(body, { token: AbortSignal.abort(reason) }));
      expect(error).toBeInstanceOf(CancelledError);
      expect(error).toMatchObject({ source: "signal", reason });
      expect(body).not.toHaveBeenCalled();
    });

    it("does not call the body when there is no time at all", async () => {
      const body = vi.fn();
      const error = await rejection(TaskScope.run(body, { timeout: 0 }));
      expect(error).toBeInstanceOf(TimeoutError);
      expect(error).toMatchObject({ timeout: 0 });
      expect(body).not.toHaveBeenCalled();
    });

    it("rejects with a TimeoutError that tells the time and names the scope", async () => {
      vi.useFakeTimers();
      const run = TaskScope.run((scope) => waits(scope.token), { timeout: 250, name: "ingest" });
      const settled = rejection(run);
      await vi.advanceTimersByTimeAsync(250);
      const error = await settled;
      expect(error).toBeInstanceOf(TimeoutError);
      expect(error).toMatchObject({ timeout: 250 });
      expect((error as Error).message).toContain('TaskScope "ingest"');
    });

    it("tells tasks of a timeout by the source, the reason being that TimeoutError", async () => {
      vi.useFakeTimers();
      let task: Task<never> | undefined;
      const run = TaskScope.run(
        (scope) => {
          task = scope.spawn(waits);
        },
        { timeout: 250 },
      );
      const settled = rejection(run);
      await vi.advanceTimersByTimeAsync(250);
      expect(task!.error).toMatchObject({ source: "timeout", reason: await settled });
    });

    it("holds a timeout that is longer than the platform's timers", async () => {
      vi.useFakeTimers();
      const long = 2 ** 31 + 1_000;
      const run = TaskScope.run((scope) => waits(scope.token), { timeout: long });
      const settled = watch(run);
      await vi.advanceTimersByTimeAsync(long - 1);
      expect(settled()).toBe("waits");
      await vi.advanceTimersByTimeAsync(1);
      expect(settled()).toBe("rejects: TimeoutError");
      expect(vi.getTimerCount()).toBe(0);
    });

    it("makes no timer for an infinite timeout (L7)", async () => {
      vi.useFakeTimers();
      await TaskScope.run(
        () => {
          expect(vi.getTimerCount()).toBe(0);
        },
        { timeout: Infinity },
      );
    });

    it("counts the timeout from opening, not from the body", async () => {
      vi.useFakeTimers();
      const scope = new TaskScope({ timeout: 100 });
      await vi.advanceTimersByTimeAsync(60);
      const settled = watch(scope.run(() => waits(scope.token)));
      await vi.advanceTimersByTimeAsync(39);
      expect(settled()).toBe("waits");
      await vi.advanceTimersByTimeAsync(1);
      expect(settled()).toBe("rejects: TimeoutError");
    });

    it("waits for what tasks spawn, and what those spawn", async () => {
      const log = new EventLog();
      await TaskScope.run((scope) => {
        const descend = (depth: number) => async (): Promise<void> => {
          await flushMicrotasks(3);
          log.add(`depth ${depth}`);
          if (depth < 4) scope.spawn(descend(depth + 1));
        };
        scope.spawn(descend(1));
      });
      expect(log.events).toEqual(["depth 1", "depth 2", "depth 3", "depth 4"]);
    });

    it("waits for a body that goes on after its scope was joined from outside, and gives its value", async () => {
      const scope = new TaskScope();
      const gate = new Deferred<string>();
      const run = scope.run(() => gate.promise);
      await scope.join();
      const settled = watch(run);
      await flushMicrotasks();
      expect(settled()).toBe("waits");
      gate.resolve("value");
      await expect(run).resolves.toBe("value");
    });

    it("asks a body that goes on after a join when the time runs out", async () => {
      vi.useFakeTimers();
      const scope = new TaskScope({ timeout: 100 });
      const run = scope.run(() => waits(scope.token));
      const settled = rejection(run);
      await scope.join();
      await vi.advanceTimersByTimeAsync(100);
      expect(await settled).toBeInstanceOf(TimeoutError);
    });

    it("is interrupted by a join of the body's own that rejects: that very error comes out, once", async () => {
      using reports = captureReports();
      const outer = new CancellationSource();
      const run = TaskScope.run(
        async (scope) => {
          scope.spawn(waits);
          await scope.join();
        },
        { token: outer.token },
      );
      const settled = rejection(run);
      await flushMicrotasks();
      outer.cancel("outer");
      expect(await settled).toBe(outer.token.error);
      expect(reports).toHaveLength(0);
    });

    it("ends by priority (L5) in what interrupts the body after a join has been told something less", async () => {
      vi.useFakeTimers();
      const outer = new CancellationSource();
      outer.cancel("outer");
      let joined: unknown;
      const run = TaskScope.run(
        async (scope) => {
          joined = await rejection(scope.join());
          await waits(scope.token);
        },
        { token: outer.token, shield: true, timeout: 100 },
      );
      const settled = rejection(run);
      await vi.advanceTimersByTimeAsync(100);
      expect(joined).toBe(outer.token.error);
      expect(await settled).toBeInstanceOf(TimeoutError);
    });

    it("adopts a thenable that the body returns", async () => {
      const thenable = {
        then(resolve: (value: string) => void) {
          resolve("value");
        },
      };
      await expect(TaskScope.run(() => thenable as PromiseLike<string>)).resolves.toBe("value");
    });

    it("hangs nobody who returns the scope itself: scopes are not thenable", async () => {
      const scope = await TaskScope.run((entered) => entered);
      expect(scope.state).toBe("closed");
      expect("then" in scope).toBe(false);
    });
  });

  describe("the body's cancellation (L4)", () => {
    it("is its own when the scope is cancelled, whatever cancellation it throws", async () => {
      const run = TaskScope.run(async (scope) => {
        scope.cancel("enough");
        await Promise.reject(new DOMException("aborted", "AbortError"));
      });
      expect(await rejection(run)).toMatchObject({ reason: "enough", source: "explicit" });
    });

    it("is a failure when the scope is not cancelled", async () => {
      const foreign = new CancelledError("elsewhere");
      let scope: TaskScope | undefined;
      const run = TaskScope.run((entered) => {
        scope = entered;
        throw foreign;
      });
      expect(await rejection(run)).toBe(foreign);
      expect(scope!.hasErrors).toBe(true);
    });

    it("is a failure when only the outer token of a shielded scope is cancelled", async () => {
      const outer = new CancellationSource();
      outer.cancel("outer");
      let scope: TaskScope | undefined;
      const run = TaskScope.run(
        (entered) => {
          scope = entered;
          outer.token.throwIfCancelled();
        },
        { token: outer.token, shield: true },
      );
      expect(await rejection(run)).toBe(outer.token.error);
      expect(scope!.hasErrors).toBe(true);
    });
  });

  describe("cancel", () => {
    it("asks the tasks and the body before it returns, and waits for nobody", async () => {
      const scope = new TaskScope();
      const task = scope.spawn(waits);
      expect(scope.cancel("enough")).toBe(undefined);
      expect(task.cancelRequested).toBe(true);
      expect(task.done).toBe(false);
      expect(scope.token.error).toMatchObject({ reason: "enough", source: "explicit" });
      await scope.join();
    });

    it("is idempotent: the first reason stays", async () => {
      const scope = new TaskScope();
      scope.cancel("first");
      const { error } = scope.token;
      scope.cancel("second");
      await scope.stop({ reason: "third" });
      expect(scope.token.error).toBe(error);
      expect(error).toMatchObject({ reason: "first" });
    });

    it("uses a CancelledError given as the reason as it is", async () => {
      const scope = new TaskScope();
      const reason = new CancelledError("why");
      scope.cancel(reason);
      expect(scope.token.error).toBe(reason);
      await scope.join();
    });

    it("stops at its scope: neither the outer token nor a neighbour is cancelled", async () => {
      const outer = new CancellationSource();
      const [one, other] = [new TaskScope({ token: outer.token }), new TaskScope({ token: outer.token })];
      one.cancel();
      expect(outer.token.cancelRequested).toBe(false);
      expect(other.cancelRequested).toBe(false);
      await Promise.all([one.join(), other.join()]);
    });

    it("does nothing after the scope has closed", async () => {
      const scope = new TaskScope();
      const callback = vi.fn();
      scope.token.onCancel(callback);
      await scope.join();
      scope.cancel();
      expect(scope.cancelRequested).toBe(false);
      expect(callback).not.toHaveBeenCalled();
    });

    it("goes on when a callback throws, and reports its error (L9)", async () => {
      using reports = captureReports();
      const scope = new TaskScope();
      const own = new Error("callback");
      const task = scope.spawn((token) => {
        token.onCancel(() => {
          throw own;
        });
        return waits(token);
      });
      expect(() => {
        scope.cancel();
      }).not.toThrow();
      await scope.join();
      expect(task.status).toBe("cancelled");
      expect(reports.map(({ error }) => error)).toEqual([own]);
    });
  });

  describe("join", () => {
    it("waits for the tasks, not for a running body", async () => {
      const log = new EventLog();
      const gate = new Deferred();
      await TaskScope.run(async (scope) => {
        scope.spawn(() => gate.promise);
        const joined = scope.join().then(log.note("joined"));
        await flushMicrotasks();
        log.add("the task ends");
        gate.resolve();
        await joined;
        log.add("the body goes on");
      });
      expect(log.events).toEqual(["the task ends", "joined", "the body goes on"]);
    });

    it("cancels nothing", async () => {
      const scope = new TaskScope();
      const gate = new Deferred<string>();
      const task = scope.spawn((token) => token.race(gate.promise));
      const join = scope.join();
      await flushMicrotasks();
      expect(scope.cancelRequested).toBe(false);
      gate.resolve("value");
      await join;
      expect(task.result()).toBe("value");
    });

    it("tells a fatal error to everybody waiting, as one object, and to nobody later", async () => {
      const scope = new TaskScope();
      const end = new FatalError("end");
      scope.spawn(() => Promise.reject(end));
      const told = await Promise.all([scope.join(), scope.stop(), scope.join()].map(rejection));
      expect(told).toEqual([end, end, end]);
      expect(new Set(told).size).toBe(1);
      await expect(scope.join()).resolves.toBe(undefined);
      await expect(scope.stop()).resolves.toBe(undefined);
      await expect(scope[Symbol.asyncDispose]()).resolves.toBe(undefined);
    });

    it("tells the outer cancellation to who joins, and not to who stops", async () => {
      const outer = new CancellationSource();
      const scope = new TaskScope({ token: outer.token });
      scope.spawn(waits);
      const [join, stop] = [rejection(scope.join()), scope.stop()];
      outer.cancel("outer");
      await expect(stop).resolves.toBe(undefined);
      // It was the stop that cancelled the scope, and the outer token that was cancelled meanwhile.
      expect(await join).toBe(outer.token.error);
    });

    it("resolves after a cancel of its own, which is no error", async () => {
      const scope = new TaskScope();
      scope.spawn(waits);
      scope.cancel("enough");
      await expect(scope.join()).resolves.toBe(undefined);
    });

    it("gives a task that joins its own scope a way out by cancel", async () => {
      const scope = new TaskScope();
      const task = scope.spawn(async (token) => {
        await token.race(scope.join());
      });
      await flushMicrotasks();
      expect(task.done).toBe(false);
      scope.cancel("a task that waits for itself");
      await scope.join();
      expect(task.status).toBe("cancelled");
    });
  });

  describe("stop", () => {
    it("cancels with source shutdown and the reason given", async () => {
      const scope = new TaskScope();
      const task = scope.spawn(waits);
      await scope.stop({ reason: "deploy" });
      expect(task.error).toMatchObject({ source: "shutdown", reason: "deploy" });
    });

    it("rejects, when its time is up, with a TimeoutError that names the scope and the tasks still running", async () => {
      vi.useFakeTimers();
      const scope = new TaskScope({ name: "ingest" });
      const gate = new Deferred();
      scope.spawn(waits, { name: "quick" });
      for (const name of ["slow 1", "slow 2"]) scope.spawn(() => gate.promise, { name });
      const stop = rejection(scope.stop({ timeout: 250 }));
      await vi.advanceTimersByTimeAsync(250);
      const error = (await stop) as TimeoutError;
      expect(error).toBeInstanceOf(TimeoutError);
      expect(error.timeout).toBe(250);
      expect(error.message).toContain('TaskScope "ingest"');
      expect(error.message).toContain("slow 1");
      expect(error.message).toContain("slow 2");
      expect(error.message).not.toContain("quick");
      expect(vi.getTimerCount()).toBe(0);
      gate.resolve();
      await scope.join();
      expect(scope.state).toBe("closed");
    });

    it("that is out of time leaves the other waiters waiting", async () => {
      vi.useFakeTimers();
      const scope = new TaskScope();
      const gate = new Deferred();
      scope.spawn(() => gate.promise);
      const [join, short, long] = [
        scope.join(),
        scope.stop({ timeout: 10 }),
        scope.stop({ timeout: 100 }),
      ].map(watch);
      await vi.advanceTimersByTimeAsync(10);
      expect([join!(), short!(), long!()]).toEqual(["waits", "rejects: TimeoutError", "waits"]);
      gate.resolve();
      await flushMicrotasks();
      expect([join!(), short!(), long!()]).toEqual(["resolves", "rejects: TimeoutError", "resolves"]);
      expect(vi.getTimerCount()).toBe(0);
    });

    it("with no time at all gives the tasks the microtasks that are due", async () => {
      vi.useFakeTimers();
      const scope = new TaskScope();
      scope.spawn(waits);
      const stop = scope.stop({ timeout: 0 });
      await vi.advanceTimersByTimeAsync(0);
      await expect(stop).resolves.toBe(undefined);
    });

    it.each([-1, NaN])("refuses the timeout %d and cancels nothing (L11)", async (timeout) => {
      const scope = new TaskScope();
      await expect(scope.stop({ timeout })).rejects.toThrow(RangeError);
      expect(scope.cancelRequested).toBe(false);
      expect(scope.state).toBe("open");
      await scope.join();
    });

    it("refuses a timeout that is no number (L11)", async () => {
      const scope = new TaskScope();
      await expect(scope.stop({ timeout: "100" as never })).rejects.toThrow(TypeError);
      expect(scope.cancelRequested).toBe(false);
      await scope.join();
    });

    it("interrupts a body, whose run then rejects with that cancellation", async () => {
      let scope: TaskScope | undefined;
      const run = TaskScope.run((entered) => {
        scope = entered;
        return waits(entered.token);
      });
      const settled = rejection(run);
      await scope!.stop({ reason: "deploy" });
      expect(await settled).toMatchObject({ source: "shutdown", reason: "deploy" });
    });

    it("never ends while a task runs that another stop has given up on", async () => {
      vi.useFakeTimers();
      const scope = new TaskScope();
      const gate = new Deferred();
      scope.spawn(() => gate.promise);
      const impatient = rejection(scope.stop({ timeout: 10 }));
      await vi.advanceTimersByTimeAsync(10);
      await impatient;
      const patient = watch(scope.stop());
      await vi.advanceTimersByTimeAsync(10_000);
      expect(patient()).toBe("waits");
      gate.resolve();
      await flushMicrotasks();
      expect(patient()).toBe("resolves");
    });
  });

  describe("disposal", () => {
    it("is stop: it cancels, and waits", async () => {
      const scope = new TaskScope();
      const task = scope.spawn(waits);
      await scope[Symbol.asyncDispose]();
      expect(task.error).toMatchObject({ source: "shutdown" });
      expect(scope.state).toBe("closed");
    });

    it("does not throw again what a join has thrown", async () => {
      const end = new FatalError("end");
      const block = async (): Promise<void> => {
        await using scope = new TaskScope();
        scope.spawn(() => Promise.reject(end));
        await scope.join();
      };
      // A disposal that threw too would make it a SuppressedError.
      expect(await rejection(block())).toBe(end);
    });
  });

  describe("the outer token", () => {
    /** The listeners of a signal, counted from outside. */
    function counted(): { controller: AbortController; listeners: () => number } {
      const controller = new AbortController();
      const add = vi.spyOn(controller.signal, "addEventListener");
      const remove = vi.spyOn(controller.signal, "removeEventListener");
      return { controller, listeners: () => add.mock.calls.length - remove.mock.calls.length };
    }

    it("has nothing of a scope that has ended (L7)", async () => {
      const { controller, listeners } = counted();
      const scope = new TaskScope({ token: controller.signal });
      expect(listeners()).toBe(1);
      scope.spawn(() => flushMicrotasks());
      await scope.join();
      expect(listeners()).toBe(0);
    });

    it("has one listener for many scopes", async () => {
      const { controller, listeners } = counted();
      const scopes = Array.from({ length: 20 }, () => new TaskScope({ token: controller.signal }));
      expect(listeners()).toBe(1);
      await Promise.all(scopes.map((scope) => scope.join()));
      expect(listeners()).toBe(0);
    });

    it("is followed until the body has ended, also when a join has closed the scope", async () => {
      const { controller, listeners } = counted();
      const scope = new TaskScope({ token: controller.signal });
      const run = scope.run(() => waits(scope.token));
      const settled = rejection(run);
      await scope.join();
      expect(listeners()).toBe(1);
      controller.abort("outer");
      expect(await settled).toMatchObject({ source: "signal", reason: "outer" });
    });

    it("may be CancellationToken.none", async () => {
      await expect(TaskScope.run(() => "value", { token: CancellationToken.none })).resolves.toBe("value");
    });

    it("may be a task's token: the scope ends with the task", async () => {
      const outer = new TaskScope();
      let inner: TaskScope | undefined;
      const task = outer.spawn((token) =>
        TaskScope.run(
          (scope) => {
            inner = scope;
            return waits(scope.token);
          },
          { token },
        ),
      );
      task.cancel("alone");
      await outer.join();
      expect(inner!.token.error).toBe(task.token.error);
      expect(task.status).toBe("cancelled");
    });

    it("cancels everything below before any callback looks (L8)", async () => {
      const outer = new CancellationSource();
      const scope = new TaskScope({ token: outer.token });
      const task = scope.spawn(waits);
      const seen: boolean[] = [];
      outer.token.onCancel(() => seen.push(scope.cancelRequested, task.cancelRequested));
      outer.cancel();
      expect(seen).toEqual([true, true]);
      await scope.stop();
    });
  });

  describe("the options (L11)", () => {
    const refused: [keyof TaskScopeOptions, unknown, typeof TypeError | typeof RangeError][] = [
      ["name", 42, TypeError],
      ["token", "token", TypeError],
      ["token", null, TypeError],
      ["token", new AbortController(), TypeError],
      ["token", new CancellationSource(), TypeError],
      ["timeout", -1, RangeError],
      ["timeout", NaN, RangeError],
      ["timeout", "100", TypeError],
      ["timeout", null, TypeError],
      ["timeout", 100n, TypeError],
      ["concurrency", 0, RangeError],
      ["concurrency", -1, RangeError],
      ["concurrency", 1.5, RangeError],
      ["concurrency", NaN, RangeError],
      ["concurrency", "2", TypeError],
      ["onError", "log", TypeError],
      ["onError", 42, TypeError],
      ["isFatal", "yes", TypeError],
      ["onTaskDone", {}, TypeError],
    ];
    it.each(refused)("refuses %s: %o, naming what was expected and what came", (option, value, kind) => {
      vi.useFakeTimers();
      const error = thrown(() => new TaskScope({ timeout: 100, [option]: value })) as Error;
      expect(error).toBeInstanceOf(kind);
      expect(error.constructor).toBe(kind);
      expect(error.message).toContain(option);
      expect(error.message).toMatch(/Expected .* to be .*, got /);
      expect(vi.getTimerCount()).toBe(0);
    });

    it.each(refused)("has run reject for %s: %o", async (option, value, kind) => {
      const body = vi.fn();
      expect(await rejection(TaskScope.run(body, { [option]: value }))).toBeInstanceOf(kind);
      expect(body).not.toHaveBeenCalled();
    });

    it("may be undefined, each and together", async () => {
      const none = Object.fromEntries(
        ["name", "token", "shield", "timeout", "concurrency", "onError", "isFatal", "onTaskDone"].map(
          (key) => [key, undefined],
        ),
      );
      await expect(TaskScope.run(() => "value", none)).resolves.toBe("value");
      await expect(TaskScope.run(() => "value", undefined)).resolves.toBe("value");
    });

    it("are read once: changing the object afterwards changes nothing", async () => {
      using reports = captureReports();
      const options: TaskScopeOptions = { onError: "ignore" };
      const scope = new TaskScope(options);
      options.onError = "report";
      scope.spawn(() => Promise.reject(new Error("boom")));
      await scope.join();
      expect(reports).toHaveLength(0);
    });
  });

  describe("a dropped scope, while debugging", () => {
    afterEach(() => {
      setDebug(false);
      vi.restoreAllMocks();
    });

    function dropped(name: string): void {
      const scope = new TaskScope({ name });
      scope.spawn(() => undefined);
    }

    async function warnings(name: string): Promise<string[]> {
      const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
      dropped(name);
      await macrotask();
      // Scopes that other tests have dropped are named, too.
      const lines = (): string[] =>
        warn.mock.calls.map(([line]) => String(line)).filter((line) => line.includes(name));
      for (let round = 0; round < 10 && lines().length === 0; round++) await collectGarbage();
      return lines();
    }

    it("is named in one warning with the place where it was created", async () => {
      setDebug(true);
      const [warning, ...others] = await warnings("dropped with a site");
      expect(others).toEqual([]);
      expect(warning).toContain('TaskScope "dropped with a site"');
      expect(warning).toMatch(/dropped.*task-scope\.test\.ts:\d+/s);
    });

    it("is named without the place when debugging is off, which costs no stack", async () => {
      const prepare = vi.fn();
      const { prepareStackTrace } = Error;
      Error.prepareStackTrace = prepare;
      const scope = new TaskScope();
      Error.prepareStackTrace = prepareStackTrace;
      expect(prepare).not.toHaveBeenCalled();
      await scope.join();
      const [warning] = await warnings("dropped without a site");
      expect(warning).toContain('TaskScope "dropped without a site"');
      expect(warning).not.toContain("task-scope.test.ts");
    });
  });

  it("is recognised by instanceof, also as a subclass of its own", async () => {
    class Special extends TaskScope {}
    const [plain, special] = [new TaskScope(), new Special()];
    expect(plain).toBeInstanceOf(TaskScope);
    expect(special).toBeInstanceOf(TaskScope);
    expect(special).toBeInstanceOf(Special);
    expect(plain).not.toBeInstanceOf(Special);
    expect({}).not.toBeInstanceOf(TaskScope);
    await Promise.all([plain.join(), special.join()]);
  });
});
