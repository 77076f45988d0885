/** The supervisor as an owner: one-shot children, what it tells of itself, and how it ends. */
import { AsyncLocalStorage } from "node:async_hooks";
import {
  CancellationSource,
  type CancellationToken,
  CancelledError,
  FatalError,
  InvalidStateError,
  type Task,
  type TaskErrorContext,
  TimeoutError,
} from "@scope/core";
import { type ChildSpec, Supervisor, type SupervisorEvent, type SupervisorOptions } from "@scope/supervisor";
import {
  captureReports,
  Deferred,
  EventLog,
  flushMicrotasks,
  macrotask,
  rejection,
  waits,
  watch,
} from "@scope/test-utils";
import { afterEach, describe, expect, it, vi } from "vitest";

/** As a log line shows it. */
function repr(value: unknown): string {
  return String(value);
}

const boom = new Error("boom");
const bang = new Error("bang");

afterEach(() => {
  vi.useRealTimers();
});

describe("one-shot children", () => {
  it("run inside spawn up to their first await, with a token of their own below the supervisor's", async () => {
    const supervisor = new Supervisor();
    let token: CancellationToken | undefined;
    const task = supervisor.spawn(
      (own) => {
        token = own;
        return "value";
      },
      { name: "child" },
    );
    expect(token).toBe(task.token);
    expect(task.status).toBe("running");
    expect(task.name).toBe("child");
    await expect(task).resolves.toBe("value");
    const waiting = supervisor.spawn(waits);
    supervisor.cancel("enough");
    expect(waiting.cancelRequested).toBe(true);
    await supervisor.join();
  });

  it("fail without touching siblings, body or supervised children, and are told of once (L2)", async () => {
    using reports = captureReports();
    const gate = new Deferred();
    const run = Supervisor.run(async (supervisor) => {
      const child = supervisor.supervise(waits, { name: "supervised" });
      const sibling = supervisor.spawn(() => gate.promise.then(() => "sibling"));
      const failing = supervisor.spawn(() => Promise.reject(boom), { name: "failing" });
      await flushMicrotasks();
      expect(failing.status).toBe("failed");
      expect(supervisor.cancelRequested).toBe(false);
      expect(child.task?.cancelRequested).toBe(false);
      gate.resolve();
      const value = await sibling;
      supervisor.cancel();
      return value;
    });
    await expect(run).resolves.toBe("sibling");
    await macrotask();
    expect(reports.map(({ error, task }) => [error, task?.name])).toEqual([[boom, "failing"]]);
  });

  it("leave nothing behind: size and tasks are those of the live ones", async () => {
    using reports = captureReports();
    const supervisor = new Supervisor();
    for (let i = 0; i < 100; i++) {
      supervisor.spawn(() => (i % 2 === 0 ? Promise.resolve(i) : Promise.reject(boom)));
    }
    expect(supervisor.size).toBe(100);
    await flushMicrotasks();
    expect(supervisor.size).toBe(0);
    expect(supervisor.tasks.size).toBe(0);
    expect([...supervisor.children()]).toEqual([]);
    expect(reports).toHaveLength(50);
    await supervisor.join();
  });
});

describe("concurrency", () => {
  it("lets so many one-shot children run, and the others wait first come first served", async () => {
    const log = new EventLog();
    const gates = Array.from({ length: 5 }, () => new Deferred());
    const supervisor = new Supervisor({ concurrency: 2 });
    const tasks = gates.map((gate, index) =>
      supervisor.spawn(async () => {
        log.add(`${index} starts`);
        await gate.promise;
      }),
    );
    expect(tasks.map(({ status }) => status)).toEqual([
      "running",
      "running",
      "pending",
      "pending",
      "pending",
    ]);
    expect(supervisor.size).toBe(5);
    expect([...supervisor.tasks]).toEqual(tasks);
    for (const gate of gates) {
      gate.resolve();
      await flushMicrotasks();
    }
    expect(log.take()).toEqual(["0 starts", "1 starts", "2 starts", "3 starts", "4 starts"]);
    expect(supervisor.size).toBe(0);
    await supervisor.join();
    expect(supervisor.state).toBe("closed");
  });

  it("leaves supervised children out: they are always there", async () => {
    const supervisor = new Supervisor({ concurrency: 1 });
    const one = supervisor.supervise(waits, { name: "one" });
    const two = supervisor.supervise(waits, { name: "two" });
    const shot = supervisor.spawn(waits);
    const pending = supervisor.spawn(waits);
    await flushMicrotasks();
    expect([one.status, two.status, shot.status, pending.status]).toEqual([
      "running",
      "running",
      "running",
      "pending",
    ]);
    expect(supervisor.size).toBe(4);
    await supervisor.stop();
    expect(pending.status).toBe("cancelled");
  });

  it("holds again after the pool has run empty", async () => {
    const supervisor = new Supervisor({ concurrency: 1 });
    await supervisor.spawn(() => "first");
    await macrotask();
    const gate = new Deferred();
    const running = supervisor.spawn(() => gate.promise);
    const pending = supervisor.spawn(() => "pending");
    expect([running.status, pending.status]).toEqual(["running", "pending"]);
    gate.resolve();
    await expect(pending).resolves.toBe("pending");
    await supervisor.join();
  });

  it("holds for a child that another spawns in its synchronous part", async () => {
    const supervisor = new Supervisor({ concurrency: 1 });
    const gate = new Deferred();
    let inner: Task<string> | undefined;
    let size: number | undefined;
    supervisor.spawn(async () => {
      inner = supervisor.spawn(() => "inner");
      size = supervisor.size;
      await gate.promise;
    });
    expect(inner?.status).toBe("pending");
    expect(size).toBe(2);
    gate.resolve();
    await expect(inner).resolves.toBe("inner");
    await supervisor.join();
  });

  it("does not hold a fatal error back: body and supervised children are asked at once", async () => {
    const gate = new Deferred();
    const end = new FatalError("end");
    const supervisor = new Supervisor({ concurrency: 2 });
    const child = supervisor.supervise(waits, { name: "supervised" });
    supervisor.spawn(() => gate.promise);
    supervisor.spawn(() => Promise.reject(end));
    await flushMicrotasks();
    const asked = [supervisor.cancelRequested, child.status];
    gate.resolve();
    expect(await rejection(supervisor.join())).toBe(end);
    expect(asked).toEqual([true, "stopped"]);
  });

  it("cancels a pending child alone, and tells onTaskDone of one-shot children only by their own tasks", async () => {
    const done: string[] = [];
    const supervisor = new Supervisor({ concurrency: 1, onTaskDone: ({ name }) => done.push(name) });
    const gate = new Deferred();
    supervisor.spawn(() => gate.promise, { name: "running" });
    const pending = supervisor.spawn(() => "never", { name: "pending" });
    supervisor.supervise(() => undefined, { name: "supervised", restart: "temporary" });
    pending.cancel();
    await flushMicrotasks();
    expect(pending.status).toBe("cancelled");
    gate.resolve();
    await supervisor.join();
    expect(done.sort()).toEqual(["pending", "running", "supervised"]);
  });
});

describe("what it tells of itself", () => {
  it("size and tasks count one-shot children and the running attempts of supervised ones", async () => {
    vi.useFakeTimers();
    const supervisor = new Supervisor({ onError: "ignore" });
    const gate = new Deferred();
    const a = supervisor.supervise(waits, { name: "a" });
    const b = supervisor.supervise(() => gate.promise, { name: "b", backoff: { initial: 100 } });
    const shot = supervisor.spawn(waits);
    expect(supervisor.size).toBe(3);
    expect(supervisor.tasks).toEqual(new Set([shot, a.task, b.task]));
    gate.reject(boom);
    await flushMicrotasks();
    expect(b.status).toBe("backing-off");
    expect(supervisor.size).toBe(2);
    expect(supervisor.tasks).toEqual(new Set([shot, a.task]));
    const stop = supervisor.stop();
    await flushMicrotasks();
    await stop;
    expect(supervisor.size).toBe(0);
  });

  it("tasks is a snapshot", async () => {
    const supervisor = new Supervisor();
    supervisor.spawn(waits);
    const { tasks } = supervisor;
    await supervisor.stop();
    expect(tasks.size).toBe(1);
    expect(supervisor.tasks.size).toBe(0);
  });

  it("children are listed in the order of their supervise calls", async () => {
    const supervisor = new Supervisor();
    const made = ["c", "a", "b"].map((name) => supervisor.supervise(waits, { name }));
    const children = supervisor.children();
    expect([...children]).toEqual(made);
    await made[0]!.restart();
    expect(Array.from(supervisor.children(), ({ name }) => name)).toEqual(["c", "a", "b"]);
    await supervisor.stop();
  });

  it("states go from open over closing to closed", async () => {
    const supervisor = new Supervisor({ name: "shop" });
    expect([supervisor.name, supervisor.state]).toEqual(["shop", "open"]);
    const child = supervisor.supervise((token) => waits(token), { name: "child" });
    const join = supervisor.join();
    expect(supervisor.state).toBe("closing");
    expect(supervisor.cancelRequested).toBe(false);
    await child.stop();
    await join;
    expect(supervisor.state).toBe("closed");
  });

  it("reprs name object, state and counts", async () => {
    const supervisor = new Supervisor({ name: "shop" });
    const child = supervisor.supervise(waits, { name: "till" });
    supervisor.spawn(waits);
    expect(repr(supervisor)).toMatchInlineSnapshot(`"Supervisor "shop" (open, tasks: 2, children: 1)"`);
    expect(repr(child)).toMatchInlineSnapshot(`"Child "till" (running, restarts: 0)"`);
    await supervisor.stop();
    expect(repr(supervisor)).toContain('Supervisor "shop" (closed, tasks: 0');
    expect(repr(child)).toMatchInlineSnapshot(`"Child "till" (stopped, restarts: 0)"`);
  });

  it("instanceof knows it by its brand", () => {
    expect(new Supervisor()).toBeInstanceOf(Supervisor);
    expect({}).not.toBeInstanceOf(Supervisor);
    expect(Object.hasOwn(Supervisor, Symbol.hasInstance)).toBe(true);
  });
});

describe("join", () => {
  it("waits for supervised children and asks nobody", async () => {
    const supervisor = new Supervisor();
    const gate = new Deferred();
    const child = supervisor.supervise(() => gate.promise, { name: "child", restart: "transient" });
    const join = supervisor.join();
    const watched = watch(join);
    await macrotask();
    expect(watched.settled).toBe(false);
    expect(child.task?.cancelRequested).toBe(false);
    gate.resolve();
    await join;
    expect(child.status).toBe("stopped");
  });

  it("waits for a child that is backing off", async () => {
    vi.useFakeTimers();
    const supervisor = new Supervisor({ onError: "ignore" });
    let calls = 0;
    supervisor.supervise(() => (++calls === 1 ? Promise.reject(boom) : Promise.resolve()), {
      name: "child",
      restart: "transient",
      backoff: { initial: 1000 },
    });
    const join = supervisor.join();
    const watched = watch(join);
    await vi.advanceTimersByTimeAsync(999);
    expect(watched.settled).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await join;
    expect(calls).toBe(2);
  });
});

describe("stop", () => {
  it("called from a one-shot child interrupts body and children, and is waited for by run", async () => {
    const run = Supervisor.run(async (supervisor) => {
      supervisor.supervise(waits, { name: "child" });
      supervisor.spawn(() => {
        void supervisor.stop({ reason: "SIGTERM" });
      });
      await waits(supervisor.token);
    });
    const error = await rejection(run);
    expect(error).toBeInstanceOf(CancelledError);
    expect(error).toMatchObject({ reason: "SIGTERM", source: "shutdown" });
  });

  it("from outside lets run resolve with the value of a body that returned one", async () => {
    let supervisor!: Supervisor;
    const run = Supervisor.run((opened) => {
      supervisor = opened;
      opened.supervise(waits, { name: "child" });
      return "value";
    });
    await flushMicrotasks();
    await supervisor.stop();
    await expect(run).resolves.toBe("value");
  });

  it("names the children that still run when its own time limit runs out, and join waits for them (L1)", async () => {
    vi.useFakeTimers();
    const supervisor = new Supervisor({ name: "shop", concurrency: 3 });
    const gate = new Deferred();
    supervisor.supervise(() => gate.promise, { name: "late child" });
    supervisor.supervise(waits, { name: "quick child" });
    supervisor.spawn(() => gate.promise, { name: "late shot" });
    supervisor.spawn(waits, { name: "quick shot" });
    const stop = rejection(supervisor.stop({ timeout: 100 }));
    await vi.advanceTimersByTimeAsync(100);
    const error = (await stop) as TimeoutError;
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error.timeout).toBe(100);
    expect(error.message).toContain('Supervisor "shop" did not stop within 100 ms');
    expect(error.message).toContain('"late child"');
    expect(error.message).toContain('"late shot"');
    expect(error.message).not.toContain("quick");
    expect(error.message).not.toContain("supervised children");
    expect(error.message).not.toContain("one-shot children");
    const join = supervisor.join();
    const watched = watch(join);
    await flushMicrotasks();
    expect(watched.settled).toBe(false);
    gate.resolve();
    await join;
    expect(supervisor.size).toBe(0);
  });

  it("names late children as they are called, whatever the characters", async () => {
    vi.useFakeTimers();
    const supervisor = new Supervisor();
    const gate = new Deferred();
    supervisor.supervise(() => gate.promise, { name: "costs $& or $' or $1" });
    const stop = rejection(supervisor.stop({ timeout: 100 }));
    await vi.advanceTimersByTimeAsync(100);
    const { message } = (await stop) as Error;
    gate.resolve();
    await supervisor.join();
    expect(message).toContain(`still running: "costs $& or $' or $1"`);
  });

  it("names a one-shot child that has the name of something inside", async () => {
    vi.useFakeTimers();
    const supervisor = new Supervisor();
    const gate = new Deferred();
    supervisor.spawn(() => gate.promise, { name: "supervised children" });
    const stop = rejection(supervisor.stop({ timeout: 100 }));
    await vi.advanceTimersByTimeAsync(100);
    const { message } = (await stop) as Error;
    gate.resolve();
    await supervisor.join();
    expect(message).toContain('still running: "supervised children"');
  });

  it("refuses a time limit that is none (L11), and stops nobody", async () => {
    const supervisor = new Supervisor();
    supervisor.spawn(waits);
    expect(await rejection(supervisor.stop({ timeout: -1 }))).toBeInstanceOf(RangeError);
    expect(supervisor.cancelRequested).toBe(false);
    await supervisor.stop();
  });

  it("is what disposal does", async () => {
    let status: string | undefined;
    {
      await using supervisor = new Supervisor();
      const child = supervisor.supervise(
        (token) =>
          waits(token).finally(() => {
            status = token.error?.source;
          }),
        { name: "child" },
      );
      expect(child.status).toBe("running");
    }
    expect(status).toBe("shutdown");
  });

  it("twice at once ends both, and asks every child once", async () => {
    const asked = vi.fn();
    const supervisor = new Supervisor();
    supervisor.supervise(
      (token) => {
        token.onCancel(asked);
        return waits(token);
      },
      { name: "child" },
    );
    await Promise.all([supervisor.stop(), supervisor.stop()]);
    expect(asked).toHaveBeenCalledTimes(1);
  });
});

describe("cancel", () => {
  it("asks one-shot children before it returns, and the newest supervised one", async () => {
    const supervisor = new Supervisor();
    const shot = supervisor.spawn(waits);
    const old = supervisor.supervise(waits, { name: "old" });
    const young = supervisor.supervise(waits, { name: "young" });
    const [oldTask, youngTask] = [old.task!, young.task!];
    supervisor.cancel("enough");
    expect(shot.cancelRequested).toBe(true);
    expect(youngTask.cancelRequested).toBe(true);
    expect(oldTask.cancelRequested).toBe(false);
    await supervisor.join();
    expect([oldTask.status, youngTask.status]).toEqual(["cancelled", "cancelled"]);
  });

  it("called by a supervised function in its synchronous part ends that child too (L6)", async () => {
    const supervisor = new Supervisor();
    const exit = new Deferred();
    const child = supervisor.supervise(
      (token) => {
        supervisor.cancel("enough");
        return Promise.race([waits(token), exit.promise]);
      },
      { name: "child" },
    );
    const { task } = child;
    await macrotask();
    const asked = task?.cancelRequested;
    exit.resolve();
    await supervisor.join();
    expect(asked).toBe(true);
  });

  it("hands the reason on to every child", async () => {
    const supervisor = new Supervisor();
    const seen: unknown[] = [];
    const fn = (token: CancellationToken): Promise<void> =>
      waits(token).finally(() => {
        seen.push(token.error?.reason);
      });
    supervisor.spawn(fn);
    supervisor.supervise(fn, { name: "a" });
    supervisor.supervise(fn, { name: "b" });
    supervisor.cancel("enough");
    await supervisor.join();
    expect(seen).toEqual(["enough", "enough", "enough"]);
  });

  it("refuses what comes after it: supervise and spawn say that it is shutting down, and call nothing", async () => {
    const supervisor = new Supervisor({ name: "shop" });
    const child = supervisor.supervise(waits, { name: "child" });
    supervisor.cancel();
    const fn = vi.fn();
    expect(() => supervisor.supervise(fn, { name: "late" })).toThrow(InvalidStateError);
    expect(() => supervisor.supervise(fn, { name: "late" })).toThrow(/"shop" is shutting down/);
    expect(() => supervisor.spawn(fn)).toThrow(/"shop" is shutting down/);
    await supervisor.join();
    expect(() => supervisor.supervise(fn, { name: "late" })).toThrow(/"shop" is closed/);
    expect(() => supervisor.spawn(fn)).toThrow(/"shop" is closed/);
    expect(await rejection(child.restart())).toBeInstanceOf(InvalidStateError);
    expect(fn).not.toHaveBeenCalled();
    expect(Array.from(supervisor.children(), ({ name }) => name)).not.toContain("late");
  });

  it("under concurrency refuses spawn as well", async () => {
    const supervisor = new Supervisor({ concurrency: 1 });
    supervisor.spawn(waits);
    supervisor.cancel();
    const fn = vi.fn();
    expect(() => supervisor.spawn(fn)).toThrow(/is shutting down/);
    await supervisor.join();
    expect(() => supervisor.spawn(fn)).toThrow(/is closed/);
    expect(fn).not.toHaveBeenCalled();
  });
});

describe("an outer token", () => {
  it("cancels the supervisor; run rejects with that cancellation after all children have ended", async () => {
    const outer = new CancellationSource();
    const log = new EventLog();
    const run = Supervisor.run(
      (supervisor) => {
        for (const name of ["a", "b"]) {
          supervisor.supervise((token) => waits(token).finally(log.note(name)), { name });
        }
      },
      { token: outer.token },
    );
    await flushMicrotasks();
    outer.cancel("outer");
    expect(await rejection(run)).toBe(outer.token.error);
    expect(log.take()).toEqual(["b", "a"]);
  });

  it("that is cancelled already keeps run from calling the body", async () => {
    const outer = new CancellationSource();
    outer.cancel("before");
    const body = vi.fn();
    expect(await rejection(Supervisor.run(body, { token: outer.token }))).toBe(outer.token.error);
    expect(body).not.toHaveBeenCalled();
  });

  it("is no parent of a supervised child's token: that one is asked in its turn", async () => {
    const outer = new CancellationSource();
    const supervisor = new Supervisor({ token: outer.token });
    const gate = new Deferred();
    const old = supervisor.supervise(waits, { name: "old" }).task!;
    supervisor.supervise(() => gate.promise, { name: "young" });
    outer.cancel();
    await macrotask();
    expect(old.cancelRequested).toBe(false);
    gate.resolve();
    expect(await rejection(supervisor.join())).toBe(outer.token.error);
    expect(old.status).toBe("cancelled");
  });
});

describe("a timeout", () => {
  it("stops supervised children in reverse order, and run rejects with TimeoutError", async () => {
    vi.useFakeTimers();
    const log = new EventLog();
    const run = rejection(
      Supervisor.run(
        (supervisor) => {
          for (const name of ["a", "b", "c"]) {
            supervisor.supervise((token) => waits(token).finally(log.note(name)), { name });
          }
        },
        { timeout: 100 },
      ),
    );
    await vi.advanceTimersByTimeAsync(100);
    expect(await run).toBeInstanceOf(TimeoutError);
    expect(log.take()).toEqual(["c", "b", "a"]);
  });
});

describe("onEvent", () => {
  const type = ({ type: kind, child }: SupervisorEvent): string => `${child.name} ${kind}`;

  it("is told in order, in microtasks, and never inside supervise, spawn or cancel (L6)", async () => {
    const log = new EventLog();
    const supervisor = new Supervisor({ onEvent: (event) => log.add(type(event)), onError: "ignore" });
    supervisor.supervise(waits, { name: "a" });
    log.add("supervised a");
    supervisor.supervise(waits, { name: "b" });
    log.add("supervised b");
    await flushMicrotasks();
    supervisor.cancel();
    log.add("cancelled");
    await supervisor.join();
    expect(log.take()).toEqual([
      "supervised a",
      "supervised b",
      "a started",
      "a ready",
      "b started",
      "b ready",
      "cancelled",
      "b stopped",
      "a stopped",
    ]);
  });

  it("is told of a failure, the restart with its delay, and the new start", async () => {
    vi.useFakeTimers();
    const events: SupervisorEvent[] = [];
    const supervisor = new Supervisor({ onEvent: (event) => events.push(event), onError: "ignore" });
    let calls = 0;
    const child = supervisor.supervise((token) => (++calls === 1 ? Promise.reject(boom) : waits(token)), {
      name: "a",
      backoff: { initial: 70 },
    });
    await vi.advanceTimersByTimeAsync(70);
    await supervisor.stop();
    expect(events).toEqual([
      { type: "started", child },
      { type: "ready", child },
      { type: "failed", child, error: boom },
      { type: "restarting", child, delay: 70, error: boom },
      { type: "started", child },
      { type: "ready", child },
      { type: "stopped", child },
    ]);
    expect(events.every((event) => event.child === child)).toBe(true);
  });

  it("is told that the supervisor gave up, with the failure", async () => {
    const log = new EventLog();
    const errors: unknown[] = [];
    const supervisor = new Supervisor({
      maxRestarts: 1,
      onError: "ignore",
      onEvent: (event) => {
        log.add(type(event));
        if (event.type === "gave-up") errors.push(event.error);
      },
    });
    supervisor.supervise(waits, { name: "a" });
    supervisor.supervise(() => Promise.reject(boom), { name: "b" });
    await rejection(supervisor.join());
    await macrotask();
    expect(log.take().slice(2)).toEqual([
      "b started",
      "b ready",
      "b failed",
      "b restarting",
      "b started",
      "b ready",
      "b failed",
      "b gave-up",
      "a stopped",
    ]);
    expect(errors).toEqual([boom]);
  });

  it("is told of siblings that a strategy restarts, too", async () => {
    const log = new EventLog();
    const gate = new Deferred();
    let calls = 0;
    const supervisor = new Supervisor({
      strategy: "one-for-all",
      onError: "ignore",
      onEvent: (event) => log.add(type(event)),
    });
    supervisor.supervise(waits, { name: "sibling" });
    supervisor.supervise((token) => (++calls === 1 ? gate.promise : waits(token)), { name: "failing" });
    await flushMicrotasks();
    log.take();
    gate.reject(boom);
    await flushMicrotasks(200);
    const events = log.take();
    await supervisor.stop();
    expect(events.filter((event) => event.startsWith("failing"))).toEqual([
      "failing failed",
      "failing restarting",
      "failing started",
      "failing ready",
    ]);
    // A transition like any other: it does not just start a second time.
    expect(events.filter((event) => event.startsWith("sibling"))).toEqual([
      "sibling restarting",
      "sibling started",
      "sibling ready",
    ]);
  });

  it("that throws stops nothing: the process-wide handler is told (L9)", async () => {
    using reports = captureReports();
    const seen: string[] = [];
    const supervisor = new Supervisor({
      onEvent: (event) => {
        seen.push(event.type);
        throw bang;
      },
    });
    const child = supervisor.supervise(waits, { name: "a" });
    await flushMicrotasks();
    expect(child.status).toBe("running");
    await supervisor.stop();
    await macrotask();
    expect(seen).toEqual(["started", "ready", "stopped"]);
    expect(reports.map(({ error }) => error)).toEqual([bang, bang, bang]);
  });
});

describe("onError", () => {
  const failOnce = (supervisor: Supervisor): void => {
    supervisor.supervise(() => Promise.reject(boom), { name: "supervised", restart: "temporary" });
    supervisor.spawn(() => Promise.reject(bang), { name: "shot" });
  };

  it("is told once of each failure, with task and owner, supervised or not", async () => {
    using reports = captureReports();
    const contexts: TaskErrorContext[] = [];
    await Supervisor.run(failOnce, { name: "shop", onError: (context) => contexts.push(context) });
    await macrotask();
    const told = contexts.map(({ error, task, scope, message }) => ({
      error,
      task: task?.name,
      scope,
      message,
    }));
    // Two that fail in one moment are told in either order.
    expect(told.sort((one, other) => (one.message < other.message ? 1 : -1))).toEqual([
      {
        error: boom,
        task: "supervised",
        scope: "shop",
        message: 'Error in task "supervised" of Supervisor "shop"',
      },
      { error: bang, task: "shot", scope: "shop", message: 'Error in task "shot" of Supervisor "shop"' },
    ]);
    expect(reports).toHaveLength(0);
  });

  it("by default is the process-wide handler", async () => {
    using reports = captureReports();
    await Supervisor.run(failOnce);
    await macrotask();
    expect(new Map(reports.map(({ error, task }) => [task?.name, error]))).toEqual(
      new Map([
        ["supervised", boom],
        ["shot", bang],
      ]),
    );
    expect(reports).toHaveLength(2);
  });

  it('"ignore" tells nobody', async () => {
    using reports = captureReports();
    await Supervisor.run(failOnce, { onError: "ignore" });
    await macrotask();
    expect(reports).toHaveLength(0);
  });

  it("that throws: its error and the original go to the process-wide handler, and the child is restarted", async () => {
    using reports = captureReports();
    let calls = 0;
    const supervisor = new Supervisor({
      onError: () => {
        throw bang;
      },
    });
    const child = supervisor.supervise((token) => (++calls === 1 ? Promise.reject(boom) : waits(token)), {
      name: "a",
    });
    await flushMicrotasks();
    expect([child.status, child.restarts]).toEqual(["running", 1]);
    await supervisor.stop();
    await macrotask();
    expect(new Set(reports.map(({ error }) => error))).toEqual(new Set([boom, bang]));
    expect(reports).toHaveLength(2);
  });

  it("under concurrency is told once, too", async () => {
    const onError = vi.fn();
    await Supervisor.run(failOnce, { concurrency: 1, onError });
    await macrotask();
    expect(onError).toHaveBeenCalledTimes(2);
  });
});

describe("a fatal error", () => {
  it("of a supervised child is not restarted: everything stops in reverse order, and run rejects with it bare", async () => {
    using reports = captureReports();
    const end = new FatalError("end");
    const log = new EventLog();
    const gate = new Deferred();
    const run = Supervisor.run(
      (supervisor) => {
        supervisor.supervise((token) => waits(token).finally(log.note("a")), { name: "a" });
        supervisor.supervise((token) => waits(token).finally(log.note("b")), { name: "b" });
        supervisor.supervise(() => gate.promise, { name: "fatal" });
        return waits(supervisor.token);
      },
      { onEvent: ({ type: kind, child }) => log.add(`${child.name} ${kind}`) },
    );
    await flushMicrotasks();
    log.take();
    gate.reject(end);
    expect(await rejection(run)).toBe(end);
    await macrotask();
    expect(log.take().filter((event) => event === "a" || event === "b")).toEqual(["b", "a"]);
    expect(reports).toHaveLength(0);
  });

  it("is what isFatal says", async () => {
    const options: SupervisorOptions = { isFatal: (error) => error === boom };
    const run = Supervisor.run((supervisor) => {
      supervisor.supervise(() => Promise.reject(boom), { name: "a" });
    }, options);
    expect(await rejection(run)).toBe(boom);
  });

  it("that comes second goes to the process-wide handler (L5)", async () => {
    using reports = captureReports();
    const [end, fin] = [new FatalError("end"), new FatalError("fin")];
    const run = Supervisor.run((supervisor) => {
      supervisor.supervise(
        async (token) => {
          await waits(token).catch(() => undefined);
          throw fin;
        },
        { name: "second" },
      );
      supervisor.supervise(() => Promise.reject(end), { name: "first" });
    });
    expect(await rejection(run)).toBe(end);
    await macrotask();
    expect(reports.map(({ error }) => error)).toEqual([fin]);
  });

  it("outranks a restart limit that the same moment broke", async () => {
    using reports = captureReports();
    const end = new FatalError("end");
    const run = Supervisor.run(
      (supervisor) => {
        supervisor.supervise((token) => waits(token).catch(() => Promise.reject(end)), { name: "fatal" });
        supervisor.supervise(() => Promise.reject(boom), { name: "failing" });
      },
      { maxRestarts: 0 },
    );
    expect(await rejection(run)).toBe(end);
    await macrotask();
    expect(reports.map(({ error }) => (error as Error).name)).toEqual(["Error", "RestartLimitError"]);
  });
});

describe("the body", () => {
  it("that fails stops supervised children in reverse order; run rejects with its error", async () => {
    const log = new EventLog();
    const run = Supervisor.run((supervisor) => {
      for (const name of ["a", "b"])
        supervisor.supervise((token) => waits(token).finally(log.note(name)), { name });
      throw boom;
    });
    expect(await rejection(run)).toBe(boom);
    expect(log.take()).toEqual(["b", "a"]);
  });

  it("that returns is followed by a wait for the children", async () => {
    const gate = new Deferred();
    const run = Supervisor.run((supervisor) => {
      supervisor.supervise(() => gate.promise, { name: "a", restart: "transient" });
      return "value";
    });
    const watched = watch(run);
    await macrotask();
    expect(watched.settled).toBe(false);
    gate.resolve();
    await expect(run).resolves.toBe("value");
  });
});

describe("the async context of a supervised function (L10)", () => {
  const request = new AsyncLocalStorage<string>();

  it("is that of the supervise call, on the first start and after every kind of restart", async () => {
    vi.useFakeTimers();
    const seen: (string | undefined)[] = [];
    let gate = new Deferred();
    const supervisor = request.run("opener", () => new Supervisor({ onError: "ignore" }));
    const child = request.run("supervise", () =>
      supervisor.supervise(
        async (token) => {
          seen.push(request.getStore());
          await token.race(gate.promise);
        },
        { name: "a", backoff: { initial: 10 } },
      ),
    );
    request.run("whoever fails it", () => {
      gate.reject(boom);
    });
    await flushMicrotasks();
    gate = new Deferred();
    await vi.advanceTimersByTimeAsync(10);
    await request.run("whoever restarts it", () => child.restart());
    await child.stop();
    await request.run("whoever starts it again", () => child.restart());
    expect(seen).toEqual(["supervise", "supervise", "supervise", "supervise"]);
    await supervisor.stop();
  });

  it("is that of the supervise call for a start that an earlier child delayed, and for strategy restarts", async () => {
    const seen: string[] = [];
    let isReady!: () => void;
    const gate = new Deferred();
    let calls = 0;
    const supervisor = new Supervisor({ strategy: "one-for-all", onError: "ignore" });
    const note = (name: string) => (token: CancellationToken) => {
      seen.push(`${name}: ${request.getStore() ?? "none"}`);
      return waits(token);
    };
    request.run("first", () =>
      supervisor.supervise(
        (token, { ready }) => {
          isReady = ready;
          return ++calls === 1 ? gate.promise : note("a")(token);
        },
        { name: "a" },
      ),
    );
    request.run("second", () => supervisor.supervise(note("b"), { name: "b" }));
    request.run("third", () => supervisor.supervise(note("c"), { name: "c" }));
    request.run("whoever is ready", () => {
      isReady();
    });
    await flushMicrotasks();
    gate.reject(boom);
    await flushMicrotasks(200);
    request.run("whoever is ready", () => {
      isReady();
    });
    await flushMicrotasks();
    expect(seen).toEqual(["b: second", "c: third", "a: first", "b: second", "c: third"]);
    await supervisor.stop();
  });
});

describe("bad arguments (L11)", () => {
  it.each<[string, SupervisorOptions, typeof RangeError | typeof TypeError, RegExp]>([
    ["a strategy that is none", { strategy: "all" as never }, TypeError, /`strategy`/],
    ["maxRestarts below 0", { maxRestarts: -1 }, RangeError, /`maxRestarts`/],
    ["maxRestarts that is no integer", { maxRestarts: 1.5 }, RangeError, /`maxRestarts`/],
    ["maxRestarts that is no number", { maxRestarts: "3" as never }, TypeError, /`maxRestarts`/],
    ["withinMs below 0", { withinMs: -1 }, RangeError, /`withinMs`/],
    ["withinMs that is NaN", { withinMs: NaN }, RangeError, /`withinMs`/],
    ["concurrency 0", { concurrency: 0 }, RangeError, /`concurrency`/],
    ["an onEvent that is no function", { onEvent: "log" as never }, TypeError, /`onEvent`/],
    ["an onError that is none", { onError: "throw" as never }, TypeError, /`onError`/],
    ["a token that is none", { token: {} as never }, TypeError, /`token`/],
    ["a timeout below 0", { timeout: -1 }, RangeError, /`timeout`/],
  ])("refuses %s, thrown by new and as a rejection by run", async (_, options, type, names) => {
    const body = vi.fn();
    expect(() => new Supervisor(options)).toThrow(type);
    expect(() => new Supervisor(options)).toThrow(names);
    const error = await rejection(Supervisor.run(body, options));
    expect(error).toBeInstanceOf(type);
    expect((error as Error).message).toMatch(names);
    expect(body).not.toHaveBeenCalled();
  });

  it.each<[string, unknown, typeof RangeError | typeof TypeError, RegExp]>([
    ["no spec", undefined, TypeError, /`spec`/],
    ["a spec that is a string", "name", TypeError, /`spec`/],
    ["no name", {}, TypeError, /`name`/],
    ["an empty name", { name: "" }, TypeError, /`name`/],
    ["a name that is no string", { name: 1 }, TypeError, /`name`/],
    ["a restart that is none", { name: "a", restart: "always" }, TypeError, /`restart`/],
    ["a stopTimeout below 0", { name: "a", stopTimeout: -1 }, RangeError, /`stopTimeout`/],
    ["a stopTimeout that is no number", { name: "a", stopTimeout: "1" }, TypeError, /`stopTimeout`/],
    ["a significant that is no boolean", { name: "a", significant: 1 }, TypeError, /`significant`/],
    ["a backoff that is null", { name: "a", backoff: null }, TypeError, /`backoff/],
    ["a backoff without initial", { name: "a", backoff: {} }, TypeError, /`backoff.initial`/],
    ["an initial below 0", { name: "a", backoff: { initial: -1 } }, RangeError, /`backoff.initial`/],
    ["a max that is NaN", { name: "a", backoff: { initial: 1, max: NaN } }, RangeError, /`backoff.max`/],
    [
      "a factor that is no number",
      { name: "a", backoff: { initial: 1, factor: "2" } },
      TypeError,
      /`backoff.factor`/,
    ],
    [
      "a factor that is NaN",
      { name: "a", backoff: { initial: 1, factor: NaN } },
      RangeError,
      /`backoff.factor`/,
    ],
    ["a jitter above 1", { name: "a", backoff: { initial: 1, jitter: 1.1 } }, RangeError, /`backoff.jitter`/],
    [
      "a jitter below 0",
      { name: "a", backoff: { initial: 1, jitter: -0.1 } },
      RangeError,
      /`backoff.jitter`/,
    ],
  ])("supervise refuses %s, before anything has started", async (_, spec, type, names) => {
    const supervisor = new Supervisor();
    const fn = vi.fn();
    expect(() => supervisor.supervise(fn, spec as ChildSpec)).toThrow(type);
    expect(() => supervisor.supervise(fn, spec as ChildSpec)).toThrow(names);
    expect(fn).not.toHaveBeenCalled();
    expect([...supervisor.children()]).toEqual([]);
    // Nothing is left that a join would wait for.
    await supervisor.join();
  });

  it("supervise and spawn refuse what is no function", () => {
    const supervisor = new Supervisor();
    expect(() => supervisor.supervise("fn" as never, { name: "a" })).toThrow(TypeError);
    expect(() => supervisor.supervise("fn" as never, { name: "a" })).toThrow(/`fn`/);
    expect(() => supervisor.spawn(undefined as never)).toThrow(/`fn`/);
    const limited = new Supervisor({ concurrency: 1 });
    expect(() => limited.spawn(undefined as never)).toThrow(/`fn`/);
  });

  it("run refuses a body that is no function, as a rejection", async () => {
    const error = await rejection(Supervisor.run("body" as never));
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toContain("`body`");
  });

  it("a spawn option that is refused starts nothing, under concurrency too", async () => {
    const supervisor = new Supervisor({ concurrency: 1 });
    const fn = vi.fn();
    expect(() => supervisor.spawn(fn, { name: 1 as never })).toThrow(TypeError);
    await flushMicrotasks();
    expect(fn).not.toHaveBeenCalled();
    expect(supervisor.size).toBe(0);
    await supervisor.join();
  });
});
