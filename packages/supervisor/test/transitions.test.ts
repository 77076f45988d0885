/**
 * The table at the top of `src/team.ts`, cell by cell: a child in every state meets every event. For a cell that says
 * "cannot be" the test does what would bring it about, and sees that nothing comes of it.
 */
import type { CancellationToken } from "@scope/core";
import { type Child, type ChildSpec, Supervisor, type SupervisorOptions } from "@scope/supervisor";
import { Deferred, flushMicrotasks } from "@scope/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

const boom = new Error("boom");

/** A supervisor with the children "first", "child" and "last"; what happens is looked at in "child". */
class Scene {
  readonly supervisor: Supervisor;
  readonly events: string[] = [];
  readonly first: Child;
  readonly child: Child;
  readonly last: Child;
  starts = 0;
  running = 0;
  /** Told by the first child: "child" has its turn. */
  readonly turn: () => void;
  /** Ends an attempt of "child" by itself. */
  gate = new Deferred();
  /** Lets an attempt of "child" that was asked end. */
  leave = new Deferred();
  /** Fails the running attempt of "first". */
  failFirst!: (error: unknown) => void;

  constructor(spec: Partial<ChildSpec> = {}, options: SupervisorOptions = {}, slow = false) {
    this.supervisor = new Supervisor({
      onError: "ignore",
      ...options,
      onEvent: ({ type, child }) => {
        if (child.name === "child") this.events.push(type);
      },
    });
    let turn!: () => void;
    this.first = this.supervisor.supervise(
      (token, { ready }) => {
        turn = ready;
        const gate = new Deferred();
        this.failFirst = gate.reject;
        return token.race(gate.promise);
      },
      { name: "first" },
    );
    this.turn = () => {
      turn();
    };
    this.child = this.supervisor.supervise(
      async (token) => {
        this.starts++;
        this.running++;
        this.gate = new Deferred();
        this.leave = new Deferred();
        try {
          await token.race(this.gate.promise);
        } finally {
          if (slow && token.cancelRequested) await this.leave.promise;
          this.running--;
        }
      },
      { name: "child", ...spec },
    );
    this.last = this.supervisor.supervise(waits, { name: "last" });
  }

  /** What is to be seen of "child". */
  get seen(): { status: Child["status"]; starts: number; running: number; task: boolean } {
    const { status, task } = this.child;
    return { status, starts: this.starts, running: this.running, task: task !== undefined };
  }

  async end(): Promise<void> {
    this.supervisor.cancel();
    await flushMicrotasks();
    this.leave.resolve();
    await flushMicrotasks(200);
    await this.supervisor.join();
  }
}

function waits(token: CancellationToken): Promise<never> {
  return token.race(new Promise<never>(() => undefined));
}

/** Scenes in which "child" is in a certain state. */
const states = {
  waiting: (spec?: Partial<ChildSpec>, options?: SupervisorOptions) =>
    Promise.resolve(new Scene(spec, options)),
  running: async (spec?: Partial<ChildSpec>, options?: SupervisorOptions, slow = false) => {
    const scene = new Scene(spec, options, slow);
    scene.turn();
    await flushMicrotasks();
    scene.events.length = 0;
    return scene;
  },
  stopping: async (by: "stop" | "restart", spec?: Partial<ChildSpec>, options?: SupervisorOptions) => {
    const scene = await states.running(spec, options, true);
    void scene.child[by]();
    await flushMicrotasks();
    expect(scene.child.task?.cancelRequested).toBe(true);
    return scene;
  },
  "backing-off": async (options?: SupervisorOptions) => {
    const scene = await states.running({ backoff: { initial: 1000 } }, options);
    scene.gate.reject(boom);
    await flushMicrotasks();
    scene.events.length = 0;
    return scene;
  },
  stopped: async (options?: SupervisorOptions) => {
    const scene = await states.running({}, options);
    await scene.child.stop();
    await flushMicrotasks();
    scene.events.length = 0;
    return scene;
  },
  failed: async (options?: SupervisorOptions) => {
    const scene = await states.running({ restart: "temporary" }, options);
    scene.gate.reject(boom);
    await flushMicrotasks();
    scene.events.length = 0;
    return scene;
  },
};

const idle = { running: 0, task: false };
const busy = { running: 1, task: true };

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe("a waiting child", () => {
  it("its turn: runs", async () => {
    const scene = await states.waiting();
    expect(scene.seen).toEqual({ status: "backing-off", starts: 0, ...idle });
    scene.turn();
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "running", starts: 1, ...busy });
    expect(scene.events).toEqual(["started", "ready"]);
    await scene.end();
  });

  it("ended, by itself or asked: cannot be, it has no attempt", async () => {
    const scene = await states.waiting();
    scene.gate.reject(boom);
    scene.leave.resolve();
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "backing-off", starts: 0, ...idle });
    expect(scene.events).toEqual([]);
    await scene.end();
  });

  it("back-off over: cannot be, it waits for its turn however long", async () => {
    const scene = await states.waiting({ backoff: { initial: 1000 } });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(scene.seen).toEqual({ status: "backing-off", starts: 0, ...idle });
    expect(vi.getTimerCount()).toBe(0);
    await scene.end();
  });

  it("stop(): stopped, and the next need not wait for it", async () => {
    const scene = await states.waiting();
    await scene.child.stop();
    expect(scene.seen).toEqual({ status: "stopped", starts: 0, ...idle });
    scene.turn();
    await flushMicrotasks();
    expect(scene.starts).toBe(0);
    expect(scene.last.status).toBe("running");
    expect(scene.events).toEqual(["stopped"]);
    await scene.end();
  });

  it("restart(): goes on waiting; the call resolves when it runs", async () => {
    const scene = await states.waiting();
    const resolved = vi.fn();
    const restart = scene.child.restart().then(resolved);
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "backing-off", starts: 0, ...idle });
    expect(resolved).not.toHaveBeenCalled();
    scene.turn();
    await restart;
    expect(scene.seen).toEqual({ status: "running", starts: 1, ...busy });
    await scene.end();
  });

  it("a strategy's stop: goes on waiting", async () => {
    const scene = await states.waiting({}, { strategy: "one-for-all" });
    scene.failFirst(boom);
    await flushMicrotasks(200);
    expect(scene.seen).toEqual({ status: "backing-off", starts: 0, ...idle });
    expect(scene.first.restarts).toBe(1);
    scene.turn();
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "running", starts: 1, ...busy });
    await scene.end();
  });

  it("shutdown: stopped at once, never called", async () => {
    const scene = await states.waiting();
    scene.supervisor.cancel();
    expect(scene.seen).toEqual({ status: "stopped", starts: 0, ...idle });
    await scene.end();
    expect(scene.events).toEqual(["stopped"]);
    expect(scene.starts).toBe(0);
  });
});

describe("a running child", () => {
  it("its turn: cannot be, a second word of readiness starts nobody twice", async () => {
    const scene = await states.running();
    scene.turn();
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "running", starts: 1, ...busy });
    await scene.end();
  });

  it("ended by itself, to be restarted, one-for-one: backing-off", async () => {
    const scene = await states.running({ backoff: { initial: 1000 } });
    scene.gate.resolve();
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "backing-off", starts: 1, ...idle });
    expect(scene.events).toEqual(["restarting"]);
    expect(scene.last.task?.cancelRequested).toBe(false);
    await scene.end();
  });

  it("ended by itself, to be restarted, one-for-all: waits until the others have stopped", async () => {
    const scene = await states.running({}, { strategy: "one-for-all" });
    const { task } = scene.last;
    scene.gate.reject(boom);
    await flushMicrotasks(200);
    expect(task?.status).toBe("cancelled");
    expect(scene.first.task?.cancelRequested).toBe(false);
    expect(scene.seen).toEqual({ status: "backing-off", starts: 1, ...idle });
    scene.turn();
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "running", starts: 2, ...busy });
    await scene.end();
  });

  it("ended by itself, past the limit: failed, and the supervisor gives up", async () => {
    const scene = await states.running({}, { maxRestarts: 0 });
    const join = scene.supervisor.join();
    join.catch(() => undefined);
    scene.gate.reject(boom);
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "failed", starts: 1, ...idle });
    expect(scene.events).toEqual(["failed", "gave-up"]);
    await expect(join).rejects.toMatchObject({ name: "RestartLimitError", cause: boom });
  });

  it("ended by itself, not to be restarted: failed if it failed, else stopped", async () => {
    const failed = await states.running({ restart: "temporary" });
    failed.gate.reject(boom);
    await flushMicrotasks();
    expect(failed.seen).toEqual({ status: "failed", starts: 1, ...idle });
    expect(failed.events).toEqual(["failed"]);
    const stopped = await states.running({ restart: "transient" });
    stopped.gate.resolve();
    await flushMicrotasks();
    expect(stopped.seen).toEqual({ status: "stopped", starts: 1, ...idle });
    expect(stopped.events).toEqual(["stopped"]);
    expect([failed, stopped].map(({ supervisor }) => supervisor.cancelRequested)).toEqual([false, false]);
    await failed.end();
    await stopped.end();
  });

  it("ended by itself, not to be restarted, significant: the supervisor stops", async () => {
    const scene = await states.running({ restart: "transient", significant: true });
    scene.gate.resolve();
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "stopped", starts: 1, ...idle });
    expect(scene.supervisor.cancelRequested).toBe(true);
    await scene.supervisor.join();
  });

  it("ended because it was asked: cannot be, one that was asked is stopping", async () => {
    const scene = await states.running({}, {}, true);
    scene.leave.resolve();
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "running", starts: 1, ...busy });
    await scene.end();
  });

  it("back-off over: cannot be, it has no timer", async () => {
    const scene = await states.running({ backoff: { initial: 1000 } });
    expect(vi.getTimerCount()).toBe(0);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(scene.seen).toEqual({ status: "running", starts: 1, ...busy });
    await scene.end();
  });

  it("stop(): stopping, asked before the call returns; then stopped", async () => {
    const scene = await states.running({}, {}, true);
    const { task } = scene.child;
    const stop = scene.child.stop();
    expect(task?.cancelRequested).toBe(true);
    expect(scene.seen).toEqual({ status: "running", starts: 1, ...busy });
    scene.leave.resolve();
    await stop;
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "stopped", starts: 1, ...idle });
    expect(scene.events).toEqual(["stopped"]);
    await scene.end();
  });

  it("restart(): stopping, then begins", async () => {
    const scene = await states.running({ backoff: { initial: 1000 } }, {}, true);
    const { task } = scene.child;
    const restart = scene.child.restart();
    expect(task?.cancelRequested).toBe(true);
    expect(scene.seen).toEqual({ status: "running", starts: 1, ...busy });
    scene.leave.resolve();
    await restart;
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "running", starts: 2, ...busy });
    expect(scene.events).toEqual(["restarting", "started", "ready"]);
    await scene.end();
  });

  it("a strategy's stop: stopping, then waits", async () => {
    const scene = await states.running({}, { strategy: "one-for-all" }, true);
    const { task } = scene.child;
    scene.failFirst(boom);
    await flushMicrotasks(200);
    expect(task?.cancelRequested).toBe(true);
    expect(scene.seen).toEqual({ status: "running", starts: 1, ...busy });
    scene.leave.resolve();
    await flushMicrotasks(200);
    expect(scene.seen).toEqual({ status: "backing-off", starts: 1, ...idle });
    scene.turn();
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "running", starts: 2, ...busy });
    await scene.end();
  });

  it("shutdown: stopping in its turn, then stopped", async () => {
    const scene = await states.running({}, {}, true);
    const { task } = scene.child;
    scene.supervisor.cancel();
    expect(scene.last.task?.cancelRequested).toBe(true);
    expect(task?.cancelRequested).toBe(false);
    await flushMicrotasks();
    expect(task?.cancelRequested).toBe(true);
    expect(scene.seen).toEqual({ status: "running", starts: 1, ...busy });
    scene.leave.resolve();
    await scene.supervisor.join();
    expect(scene.seen).toEqual({ status: "stopped", starts: 1, ...idle });
    expect(scene.events).toEqual(["stopped"]);
  });
});

describe("a stopping child", () => {
  it("its turn: cannot be, no second copy starts beside the first", async () => {
    const scene = await states.stopping("restart");
    scene.turn();
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "running", starts: 1, ...busy });
    await scene.end();
  });

  it("ended by itself: cannot be, however it ends is the end it was asked for", async () => {
    const scene = await states.running({}, {}, false);
    const stop = scene.child.stop();
    scene.gate.reject(boom);
    await stop;
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "stopped", starts: 1, ...idle });
    expect(scene.child.restarts).toBe(0);
    await scene.end();
  });

  it("ended: stopped after stop()", async () => {
    const scene = await states.stopping("stop");
    scene.leave.resolve();
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "stopped", starts: 1, ...idle });
    expect(scene.events).toEqual(["stopped"]);
    await scene.end();
  });

  it("ended: begins after restart()", async () => {
    const scene = await states.stopping("restart");
    scene.leave.resolve();
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "running", starts: 2, ...busy });
    expect(scene.child.restarts).toBe(0);
    await scene.end();
  });

  it("ended: waits after a strategy's stop; a failure over it is told and not counted", async () => {
    const onError = vi.fn();
    const supervisor = new Supervisor({ strategy: "one-for-all", maxRestarts: 1, onError });
    const gate = new Deferred();
    const leave = new Deferred();
    let calls = 0;
    const slow = supervisor.supervise(
      (token) => (++calls === 1 ? waits(token).catch(() => leave.promise) : waits(token)),
      { name: "child" },
    );
    let failures = 0;
    const failing = supervisor.supervise((token) => (++failures === 1 ? gate.promise : waits(token)), {
      name: "failing",
    });
    await flushMicrotasks();
    gate.reject(boom);
    await flushMicrotasks();
    leave.reject(boom);
    await flushMicrotasks(200);
    expect([slow.status, calls, failing.status, failures]).toEqual(["running", 2, "running", 2]);
    expect([slow.restarts, supervisor.cancelRequested]).toEqual([0, false]);
    // One of each, and no more restarts than the limit of 1 allows.
    expect(onError).toHaveBeenCalledTimes(2);
    await supervisor.stop();
  });

  it("back-off over: cannot be, however long it takes to stop", async () => {
    const scene = await states.stopping("restart", { backoff: { initial: 1000 } });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(scene.seen).toEqual({ status: "running", starts: 1, ...busy });
    await scene.end();
  });

  it.each(["stop", "restart"] as const)("stop(), after %s(): then stopped", async (by) => {
    const scene = await states.stopping(by);
    const stop = scene.child.stop();
    scene.leave.resolve();
    await stop;
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "stopped", starts: 1, ...idle });
    await scene.end();
  });

  it.each(["stop", "restart"] as const)("restart(), after %s(): then begins", async (by) => {
    const scene = await states.stopping(by);
    const restart = scene.child.restart();
    scene.leave.resolve();
    await restart;
    expect(scene.seen).toEqual({ status: "running", starts: 2, ...busy });
    await scene.end();
  });

  it("restart(), while a strategy waits for it: begins with the others", async () => {
    const scene = await states.running({}, { strategy: "one-for-all" }, true);
    scene.failFirst(boom);
    await flushMicrotasks(200);
    const restart = scene.child.restart();
    scene.leave.resolve();
    await flushMicrotasks(200);
    expect(scene.seen).toEqual({ status: "backing-off", starts: 1, ...idle });
    scene.turn();
    await restart;
    expect(scene.seen).toEqual({ status: "running", starts: 2, ...busy });
    await scene.end();
  });

  it("restart() before a strategy comes to wait for it: begins with the others", async () => {
    const scene = await states.stopping("restart", {}, { strategy: "one-for-all" });
    scene.failFirst(boom);
    await flushMicrotasks(200);
    scene.leave.resolve();
    await flushMicrotasks(200);
    expect(scene.seen).toEqual({ status: "backing-off", starts: 1, ...idle });
    scene.turn();
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "running", starts: 2, ...busy });
    await scene.end();
  });

  it("a strategy's stop: stays stopping, and a stop() by hand stays for good", async () => {
    const scene = await states.stopping("stop", {}, { strategy: "one-for-all" });
    scene.failFirst(boom);
    await flushMicrotasks(200);
    expect(scene.seen).toEqual({ status: "running", starts: 1, ...busy });
    scene.leave.resolve();
    await flushMicrotasks(200);
    scene.turn();
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "stopped", starts: 1, ...idle });
    expect([scene.first.status, scene.last.status]).toEqual(["running", "running"]);
    await scene.end();
  });

  it.each(["stop", "restart"] as const)("shutdown, after %s(): then stopped", async (by) => {
    const scene = await states.stopping(by);
    scene.supervisor.cancel();
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "running", starts: 1, ...busy });
    scene.leave.resolve();
    await scene.supervisor.join();
    expect(scene.seen).toEqual({ status: "stopped", starts: 1, ...idle });
  });
});

describe("a backing-off child", () => {
  it("its turn: cannot be, nobody is before it", async () => {
    const scene = await states["backing-off"]();
    scene.turn();
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "backing-off", starts: 1, ...idle });
    await scene.end();
  });

  it("ended, by itself or asked: cannot be, it has no attempt", async () => {
    const scene = await states["backing-off"]();
    scene.gate.resolve();
    scene.leave.resolve();
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "backing-off", starts: 1, ...idle });
    expect(scene.events).toEqual([]);
    await scene.end();
  });

  it("back-off over: runs", async () => {
    const scene = await states["backing-off"]();
    await vi.advanceTimersByTimeAsync(999);
    expect(scene.seen).toEqual({ status: "backing-off", starts: 1, ...idle });
    await vi.advanceTimersByTimeAsync(1);
    expect(scene.seen).toEqual({ status: "running", starts: 2, ...busy });
    expect(scene.events).toEqual(["started", "ready"]);
    await scene.end();
  });

  it("stop(): stopped", async () => {
    const scene = await states["backing-off"]();
    await scene.child.stop();
    expect(scene.seen).toEqual({ status: "stopped", starts: 1, ...idle });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(scene.starts).toBe(1);
    expect(scene.events).toEqual(["stopped"]);
    await scene.end();
  });

  it("restart(): runs", async () => {
    const scene = await states["backing-off"]();
    await scene.child.restart();
    expect(scene.seen).toEqual({ status: "running", starts: 2, ...busy });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(scene.starts).toBe(2);
    await scene.end();
  });

  it("a strategy's stop: waits with the others", async () => {
    const scene = await states["backing-off"]({ strategy: "one-for-all" });
    scene.failFirst(boom);
    await flushMicrotasks(200);
    expect(scene.seen).toEqual({ status: "backing-off", starts: 1, ...idle });
    await vi.advanceTimersByTimeAsync(1000);
    scene.turn();
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "running", starts: 2, ...busy });
    await scene.end();
  });

  it("shutdown: stopped at once", async () => {
    const scene = await states["backing-off"]();
    scene.supervisor.cancel();
    expect(scene.seen).toEqual({ status: "stopped", starts: 1, ...idle });
    await scene.end();
    expect(vi.getTimerCount()).toBe(0);
    expect(scene.starts).toBe(1);
  });
});

describe.each(["stopped", "failed"] as const)("a %s child", (status) => {
  const over = { status, starts: 1, ...idle };

  it("its turn: cannot be, it is in no line", async () => {
    const scene = await states[status]();
    const restart = scene.first.restart();
    await flushMicrotasks();
    scene.turn();
    await restart;
    await flushMicrotasks();
    expect(scene.seen).toEqual(over);
    expect(scene.events).toEqual([]);
    await scene.end();
  });

  it("ended, by itself or asked: cannot be, it has no attempt", async () => {
    const scene = await states[status]();
    scene.gate.resolve();
    scene.leave.resolve();
    await flushMicrotasks();
    expect(scene.seen).toEqual(over);
    expect(scene.events).toEqual([]);
    await scene.end();
  });

  it("back-off over: cannot be, it has no timer", async () => {
    const scene = await states[status]();
    expect(vi.getTimerCount()).toBe(0);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(scene.seen).toEqual(over);
    await scene.end();
  });

  it("stop(): nothing", async () => {
    const scene = await states[status]();
    await scene.child.stop();
    await flushMicrotasks();
    expect(scene.seen).toEqual(over);
    expect(scene.events).toEqual([]);
    await scene.end();
  });

  it("restart(): runs", async () => {
    const scene = await states[status]();
    await scene.child.restart();
    await flushMicrotasks();
    expect(scene.seen).toEqual({ status: "running", starts: 2, ...busy });
    expect(scene.events.slice(-2)).toEqual(["started", "ready"]);
    await scene.end();
    expect(scene.running).toBe(0);
  });

  it("a strategy's stop: nothing", async () => {
    const scene = await states[status]({ strategy: "one-for-all" });
    scene.failFirst(boom);
    await flushMicrotasks(200);
    scene.turn();
    await flushMicrotasks();
    expect(scene.seen).toEqual(over);
    expect([scene.first.status, scene.last.status]).toEqual(["running", "running"]);
    await scene.end();
  });

  it("shutdown: nothing", async () => {
    const scene = await states[status]();
    await scene.end();
    expect(scene.seen).toEqual(over);
    expect(scene.events).toEqual([]);
  });
});
