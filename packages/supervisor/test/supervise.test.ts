/** Supervised children: when they are restarted, in which order, and what stops that. */
import { type CancellationToken, CancelledError, InvalidStateError, TimeoutError } from "@scope/core";
import {
  type Backoff,
  type Child,
  type ChildFunction,
  type ChildSpec,
  RestartLimitError,
  type Strategy,
  Supervisor,
  type SupervisorOptions,
} from "@scope/supervisor";
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
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

/** A supervised child whose every attempt ends as the test says; its log says when it starts, is asked and ends. */
class Actor {
  readonly name: string;
  readonly child: Child;
  /** Ends the running attempt by itself. */
  gate = new Deferred();
  /** Lets an attempt that was asked end; a quick actor does not wait for that. */
  leave = new Deferred();
  ready: (() => void) | undefined;
  starts = 0;
  running = 0;
  most = 0;

  constructor(
    supervisor: Supervisor,
    log: EventLog,
    name: string,
    spec: Partial<ChildSpec> & { slow?: boolean; gated?: boolean } = {},
  ) {
    const { slow = false, gated = false, ...rest } = spec;
    this.name = name;
    const attempt = async (token: CancellationToken): Promise<void> => {
      this.starts++;
      this.most = Math.max(this.most, ++this.running);
      this.gate = new Deferred();
      this.leave = new Deferred();
      log.add(`${name} starts`);
      const forget = token.onCancel(log.note(`${name} is asked`));
      try {
        await token.race(this.gate.promise);
      } finally {
        forget();
        if (slow && token.cancelRequested) await this.leave.promise;
        this.running--;
        log.add(`${name} ends`);
      }
    };
    const fn: ChildFunction = gated
      ? (token, { ready }) => {
          this.ready = ready;
          return attempt(token);
        }
      : (token) => attempt(token);
    this.child = supervisor.supervise(fn, { name, ...rest });
  }

  async fail(error: unknown = boom): Promise<void> {
    this.gate.reject(error);
    await flushMicrotasks();
  }

  async finish(): Promise<void> {
    this.gate.resolve();
    await flushMicrotasks();
  }
}

const boom = new Error("boom");
const bang = new Error("bang");

let log: EventLog;

beforeEach(() => {
  vi.useFakeTimers();
  log = new EventLog();
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

function open(options: SupervisorOptions = {}): Supervisor {
  return new Supervisor({ onError: "ignore", ...options });
}

/** The actors a, b, c, ..., all running. */
async function team(
  supervisor: Supervisor,
  names: string,
  spec: ConstructorParameters<typeof Actor>[3] = {},
): Promise<Actor[]> {
  const actors = Array.from(names, (name) => new Actor(supervisor, log, name, spec));
  await flushMicrotasks();
  log.take();
  return actors;
}

describe("a restart policy", () => {
  const ways: Record<string, (actor: Actor) => unknown> = {
    "that fails": (actor) => {
      actor.gate.reject(boom);
    },
    "that returns": (actor) => {
      actor.gate.resolve();
    },
    "whose attempt is cancelled": (actor) => actor.child.task?.cancel("alone"),
    "that fails with somebody else's cancellation": (actor) => {
      actor.gate.reject(new CancelledError("elsewhere"));
    },
  };
  const verdicts: [NonNullable<ChildSpec["restart"]> | undefined, keyof typeof ways, Child["status"]][] = [
    [undefined, "that fails", "running"],
    [undefined, "that returns", "running"],
    [undefined, "whose attempt is cancelled", "running"],
    ["permanent", "that fails", "running"],
    ["permanent", "that returns", "running"],
    ["permanent", "whose attempt is cancelled", "running"],
    ["permanent", "that fails with somebody else's cancellation", "running"],
    ["transient", "that fails", "running"],
    ["transient", "that returns", "stopped"],
    ["transient", "whose attempt is cancelled", "stopped"],
    ["transient", "that fails with somebody else's cancellation", "running"],
    ["temporary", "that fails", "failed"],
    ["temporary", "that returns", "stopped"],
    ["temporary", "whose attempt is cancelled", "stopped"],
    ["temporary", "that fails with somebody else's cancellation", "failed"],
  ];
  it.each(verdicts)("%s: a child %s is then %s", async (restart, way, status) => {
    const supervisor = open();
    const actor = new Actor(supervisor, log, "a", restart === undefined ? {} : { restart });
    const sibling = new Actor(supervisor, log, "sibling");
    const first = actor.child.task;
    await flushMicrotasks();
    ways[way]!(actor);
    await flushMicrotasks();
    const goesOn = status === "running";
    expect(actor.child.status).toBe(status);
    expect(actor.starts).toBe(goesOn ? 2 : 1);
    expect(actor.child.restarts).toBe(goesOn ? 1 : 0);
    if (goesOn) expect(actor.child.task).not.toBe(first);
    else expect(actor.child.task).toBeUndefined();
    expect(sibling.starts).toBe(1);
    expect(supervisor.cancelRequested).toBe(false);
    await supervisor.stop();
  });

  it("applies to a function that throws at once as well", async () => {
    const supervisor = open();
    let calls = 0;
    const child = supervisor.supervise(
      (token) => {
        if (++calls <= 2) throw boom;
        return waits(token);
      },
      { name: "a" },
    );
    expect(child.status).toBe("running");
    expect(calls).toBe(1);
    await flushMicrotasks();
    expect([calls, child.restarts, child.status]).toEqual([3, 2, "running"]);
    await supervisor.stop();
  });
});

describe("one-for-one", () => {
  it("restarts the failed child alone", async () => {
    const supervisor = open({ strategy: "one-for-one" });
    const [, b] = await team(supervisor, "abc");
    await b!.fail();
    expect(log.take()).toEqual(["b ends", "b starts"]);
    await supervisor.stop();
    expect(log.take()).toEqual(["c is asked", "c ends", "b is asked", "b ends", "a is asked", "a ends"]);
  });
});

describe("one-for-all", () => {
  it("stops the others in reverse order, one after another, and starts all in order", async () => {
    const supervisor = open({ strategy: "one-for-all" });
    const [, b] = await team(supervisor, "abcd");
    await b!.fail();
    await flushMicrotasks(200);
    expect(log.take()).toEqual([
      "b ends",
      "d is asked",
      "d ends",
      "c is asked",
      "c ends",
      "a is asked",
      "a ends",
      "a starts",
      "b starts",
      "c starts",
      "d starts",
    ]);
    expect(supervisor.cancelRequested).toBe(false);
    await supervisor.stop();
  });

  it("waits for each before it asks the next, and starts nobody before all have ended", async () => {
    const supervisor = open({ strategy: "one-for-all" });
    const [a, b, c] = await team(supervisor, "abc", { slow: true });
    await a!.fail();
    expect(log.take()).toEqual(["a ends", "c is asked"]);
    c!.leave.resolve();
    await flushMicrotasks();
    expect(log.take()).toEqual(["c ends", "b is asked"]);
    expect(a!.child.status).toBe("backing-off");
    b!.leave.resolve();
    await flushMicrotasks(200);
    expect(log.take()).toEqual(["b ends", "a starts", "b starts", "c starts"]);
    const stop = supervisor.stop();
    for (const actor of [c!, b!, a!]) {
      await flushMicrotasks();
      actor.leave.resolve();
    }
    await stop;
  });

  it("keeps that order after several rounds", async () => {
    const supervisor = open({ strategy: "one-for-all" });
    const actors = await team(supervisor, "abc");
    for (const index of [2, 0, 1]) {
      log.take();
      await actors[index]!.fail();
      await flushMicrotasks(200);
      expect(log.take().filter((event) => event.endsWith("starts"))).toEqual([
        "a starts",
        "b starts",
        "c starts",
      ]);
    }
    await supervisor.stop();
  });

  it("waits for readiness in the new round, too", async () => {
    const supervisor = open({ strategy: "one-for-all" });
    const a = new Actor(supervisor, log, "a", { gated: true });
    const b = new Actor(supervisor, log, "b");
    a.ready!();
    await flushMicrotasks();
    log.take();
    await b.fail();
    await flushMicrotasks(200);
    expect(log.take()).toEqual(["b ends", "a is asked", "a ends", "a starts"]);
    a.ready!();
    await flushMicrotasks();
    expect(log.take()).toEqual(["b starts"]);
    await supervisor.stop();
  });

  it("waits the failed child's back-off once all have stopped", async () => {
    const supervisor = open({ strategy: "one-for-all" });
    const [, b] = await team(supervisor, "ab", { backoff: { initial: 100 } });
    await b!.fail();
    await vi.advanceTimersByTimeAsync(99);
    expect(log.take()).toEqual(["b ends", "a is asked", "a ends"]);
    await vi.advanceTimersByTimeAsync(1);
    expect(log.take()).toEqual(["a starts", "b starts"]);
    await supervisor.stop();
  });
});

describe("rest-for-one", () => {
  it("restarts the failed child and those after it, and leaves those before it alone", async () => {
    const supervisor = open({ strategy: "rest-for-one" });
    const [, b] = await team(supervisor, "abcd");
    await b!.fail();
    await flushMicrotasks(200);
    expect(log.take()).toEqual([
      "b ends",
      "d is asked",
      "d ends",
      "c is asked",
      "c ends",
      "b starts",
      "c starts",
      "d starts",
    ]);
    await supervisor.stop();
  });

  it("restarts the last alone", async () => {
    const supervisor = open({ strategy: "rest-for-one" });
    const [, , c] = await team(supervisor, "abc");
    await c!.fail();
    expect(log.take()).toEqual(["c ends", "c starts"]);
    await supervisor.stop();
  });

  it("lets an earlier child that fails meanwhile join in", async () => {
    const supervisor = open({ strategy: "rest-for-one" });
    const [a, b, c] = await team(supervisor, "abc", { slow: true });
    await b!.fail();
    expect(log.take()).toEqual(["b ends", "c is asked"]);
    await a!.fail();
    c!.leave.resolve();
    await flushMicrotasks(200);
    expect(log.take()).toEqual(["a ends", "c ends", "a starts", "b starts", "c starts"]);
    expect([a!.most, b!.most, c!.most]).toEqual([1, 1, 1]);
    const stop = supervisor.stop();
    for (const actor of [c!, b!, a!]) {
      await flushMicrotasks();
      actor.leave.resolve();
    }
    await stop;
  });
});

describe("rest-for-one with a back-off", () => {
  it("stops the children after an earlier one that fails meanwhile without waiting for the back-off to end", async () => {
    const supervisor = open({ strategy: "rest-for-one" });
    const a = new Actor(supervisor, log, "a");
    new Actor(supervisor, log, "b");
    const c = new Actor(supervisor, log, "c", { backoff: { initial: 60_000 } });
    await flushMicrotasks();
    log.take();
    await c.fail();
    await flushMicrotasks(200);
    await a.fail();
    await flushMicrotasks(200);
    expect(log.take()).toEqual(["c ends", "a ends", "b is asked", "b ends"]);
    await supervisor.stop();
  });
});

describe.each<Strategy>(["one-for-all", "rest-for-one"])("%s", (strategy) => {
  it("stops running temporary children and does not start them again; their names are free", async () => {
    const supervisor = open({ strategy });
    const a = new Actor(supervisor, log, "a");
    const t = new Actor(supervisor, log, "t", { restart: "temporary" });
    new Actor(supervisor, log, "c");
    await flushMicrotasks();
    log.take();
    await a.fail();
    await flushMicrotasks(200);
    expect(log.take()).toEqual([
      "a ends",
      "c is asked",
      "c ends",
      "t is asked",
      "t ends",
      "a starts",
      "c starts",
    ]);
    expect(t.child.status).toBe("stopped");
    expect(Array.from(supervisor.children(), ({ name }) => name)).toEqual(["a", "c"]);
    await supervisor.stop();
  });

  it("leaves a child that has finished as it is", async () => {
    const supervisor = open({ strategy });
    const a = new Actor(supervisor, log, "a");
    const done = new Actor(supervisor, log, "done", { restart: "transient" });
    const stopped = new Actor(supervisor, log, "stopped");
    await done.finish();
    await stopped.child.stop();
    log.take();
    await a.fail();
    await flushMicrotasks(200);
    expect(log.take()).toEqual(["a ends", "a starts"]);
    expect([done.child.status, stopped.child.status]).toEqual(["stopped", "stopped"]);
    await supervisor.stop();
  });

  it("asks the next when a stopTimeout has passed, reports who was late, and starts no second copy beside it", async () => {
    using reports = captureReports();
    const supervisor = open({ strategy, name: "shop" });
    const a = new Actor(supervisor, log, "a");
    new Actor(supervisor, log, "b");
    const late = new Actor(supervisor, log, "late", { slow: true, stopTimeout: 100 });
    await flushMicrotasks();
    log.take();
    await a.fail();
    await vi.advanceTimersByTimeAsync(99);
    expect(log.take()).toEqual(["a ends", "late is asked"]);
    await vi.advanceTimersByTimeAsync(1);
    expect(log.take()).toEqual(["b is asked", "b ends"]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(log.take()).toEqual([]);
    expect(reports.map(({ error }) => (error as Error).message)).toEqual([
      expect.stringContaining('"late"') as string,
    ]);
    late.leave.resolve();
    await flushMicrotasks(200);
    expect(log.take()).toEqual(["late ends", "a starts", "b starts", "late starts"]);
    expect(late.most).toBe(1);
    const stop = supervisor.stop();
    await flushMicrotasks();
    late.leave.resolve();
    await stop;
  });

  it("is given up when the supervisor is stopped meanwhile: nobody starts again", async () => {
    const supervisor = open({ strategy });
    const [a, b, c] = await team(supervisor, "abc", { slow: true });
    await a!.fail();
    log.take();
    const stop = supervisor.stop();
    for (const actor of [c!, b!]) {
      await flushMicrotasks();
      actor.leave.resolve();
    }
    await stop;
    await flushMicrotasks(200);
    expect(log.take()).toEqual(["c ends", "b is asked", "b ends"]);
    expect([a!, b!, c!].map(({ child }) => child.status)).toEqual(["stopped", "stopped", "stopped"]);
  });

  it("has a child that was supervised meanwhile start after the others", async () => {
    const supervisor = open({ strategy });
    const [a, b] = await team(supervisor, "ab", { slow: true });
    await a!.fail();
    const late = new Actor(supervisor, log, "late");
    await flushMicrotasks();
    expect(late.child.status).toBe("backing-off");
    b!.leave.resolve();
    await flushMicrotasks(200);
    expect(log.take()).toEqual(["a ends", "b is asked", "b ends", "a starts", "b starts", "late starts"]);
    const stop = supervisor.stop();
    for (const actor of [b!, a!]) {
      await flushMicrotasks();
      actor.leave.resolve();
    }
    await stop;
  });

  it("ends although a child that it is stopping is stopped and restarted by hand", async () => {
    const supervisor = open({ strategy });
    const [a, b] = await team(supervisor, "ab", { slow: true });
    await a!.fail();
    void b!.child.stop();
    const restart = b!.child.restart();
    b!.leave.resolve();
    await vi.advanceTimersByTimeAsync(1000);
    expect([a!.child.status, b!.child.status]).toEqual(["running", "running"]);
    await restart;
    const stop = supervisor.stop();
    for (const actor of [b!, a!]) {
      await flushMicrotasks();
      actor.leave.resolve();
    }
    await stop;
  });

  it("has restart() of a child wait for no back-off", async () => {
    const supervisor = open({ strategy });
    const [a] = await team(supervisor, "a", { backoff: { initial: 1000 } });
    await a!.fail();
    expect(a!.child.status).toBe("backing-off");
    const restart = a!.child.restart();
    await flushMicrotasks(200);
    expect(a!.child.status).toBe("running");
    await restart;
    await vi.advanceTimersByTimeAsync(2000);
    expect(a!.starts).toBe(2);
    await supervisor.stop();
  });
});

describe("readiness", () => {
  it("lets the next child start only when the one before has said that it is ready", async () => {
    const supervisor = open();
    const a = new Actor(supervisor, log, "a", { gated: true });
    const b = new Actor(supervisor, log, "b", { gated: true });
    const c = new Actor(supervisor, log, "c");
    await macrotask();
    expect(log.take()).toEqual(["a starts"]);
    expect([b.child.status, b.child.task, c.child.status]).toEqual(["backing-off", undefined, "backing-off"]);
    a.ready!();
    // Not inside `ready`: its caller goes on first.
    expect(log.take()).toEqual([]);
    await flushMicrotasks();
    expect(log.take()).toEqual(["b starts"]);
    b.ready!();
    await flushMicrotasks();
    expect(log.take()).toEqual(["c starts"]);
    await supervisor.stop();
  });

  it("of a function with one parameter comes with its call", async () => {
    const supervisor = open();
    new Actor(supervisor, log, "a");
    new Actor(supervisor, log, "b");
    expect(log.take()).toEqual(["a starts", "b starts"]);
    await supervisor.stop();
  });

  it("may be told at once, twice, and too late", async () => {
    const events = vi.fn();
    const supervisor = open({
      onEvent: ({ type, child }) => {
        if (type === "ready") events(child.name);
      },
    });
    let first: (() => void) | undefined;
    let calls = 0;
    supervisor.supervise(
      (token, { ready }) => {
        first ??= ready;
        ready();
        ready();
        return ++calls === 1 ? Promise.reject(boom) : waits(token);
      },
      { name: "a" },
    );
    await flushMicrotasks();
    first!();
    await flushMicrotasks();
    expect(events.mock.calls).toEqual([["a"], ["a"]]);
    await supervisor.stop();
  });

  it("a child that fails before it is ready counts as a failed start, and the next goes on waiting", async () => {
    const supervisor = open();
    const a = new Actor(supervisor, log, "a", { gated: true });
    new Actor(supervisor, log, "b");
    await a.fail();
    expect(log.take()).toEqual(["a starts", "a ends", "a starts"]);
    expect(a.child.restarts).toBe(1);
    a.ready!();
    await flushMicrotasks();
    expect(log.take()).toEqual(["b starts"]);
    await supervisor.stop();
  });

  it("a child that never gets ready breaks the restart limit; who waited is never called", async () => {
    const supervisor = open({ maxRestarts: 2 });
    let calls = 0;
    supervisor.supervise(
      // eslint-disable-next-line @typescript-eslint/no-unused-vars
      (_token, _context) => {
        calls++;
        return Promise.reject(boom);
      },
      { name: "a" },
    );
    const b = new Actor(supervisor, log, "b");
    expect(await rejection(supervisor.join())).toBeInstanceOf(RestartLimitError);
    expect(calls).toBe(3);
    expect([b.starts, b.child.status]).toEqual([0, "stopped"]);
  });

  it("is no more waited for once the child has ended for good", async () => {
    const supervisor = open();
    const a = new Actor(supervisor, log, "a", { gated: true, restart: "temporary" });
    const b = new Actor(supervisor, log, "b", { gated: true });
    new Actor(supervisor, log, "c");
    await a.fail();
    expect(log.take()).toEqual(["a starts", "a ends", "b starts"]);
    await b.child.stop();
    await flushMicrotasks();
    expect(log.take()).toEqual(["b is asked", "b ends", "c starts"]);
    await supervisor.stop();
  });

  it("of an attempt that is being restarted is not that of the next: restart() waits for the new one", async () => {
    const supervisor = open();
    const a = new Actor(supervisor, log, "a", { gated: true, slow: true });
    const first = a.ready!;
    const restart = a.child.restart();
    const watched = watch(restart);
    first();
    await flushMicrotasks();
    expect(watched.settled).toBe(false);
    a.leave.resolve();
    await flushMicrotasks();
    expect([a.starts, watched.settled]).toEqual([2, false]);
    a.ready!();
    await restart;
    const stop = supervisor.stop();
    await flushMicrotasks();
    a.leave.resolve();
    await stop;
  });
});

describe("a temporary child", () => {
  it("is gone after its end, and its name is free", async () => {
    const supervisor = open();
    const a = new Actor(supervisor, log, "a", { restart: "temporary" });
    const keeps = new Actor(supervisor, log, "keeps");
    await a.finish();
    expect([...supervisor.children()]).toEqual([keeps.child]);
    const again = new Actor(supervisor, log, "a", { restart: "temporary" });
    expect([...supervisor.children()]).toEqual([keeps.child, again.child]);
    await supervisor.stop();
  });

  it("that is gone and restarted by hand does not take the place of who has its name now", async () => {
    const supervisor = open();
    const first = new Actor(supervisor, log, "a", { restart: "temporary" });
    await first.finish();
    const second = new Actor(supervisor, log, "a");
    await flushMicrotasks();
    expect(await rejection(first.child.restart())).toBeInstanceOf(InvalidStateError);
    expect([...supervisor.children()]).toEqual([second.child]);
    await supervisor.stop();
    expect(second.child.status).toBe("stopped");
  });
});

describe("names", () => {
  it("are unique among the children, stopped ones included; a second is refused and changes nothing", async () => {
    const supervisor = open({ name: "shop" });
    const a = new Actor(supervisor, log, "a");
    const fn = vi.fn();
    expect(() => supervisor.supervise(fn, { name: "a" })).toThrow(InvalidStateError);
    expect(() => supervisor.supervise(fn, { name: "a" })).toThrow(/Supervisor "shop" has a child named "a"/);
    await a.child.stop();
    expect(() => supervisor.supervise(fn, { name: "a" })).toThrow(InvalidStateError);
    expect(fn).not.toHaveBeenCalled();
    expect([...supervisor.children()]).toEqual([a.child]);
    await supervisor.stop();
  });
});

describe("a significant child", () => {
  it.each<[string, ChildSpec["restart"], (actor: Actor) => Promise<void>]>([
    ["transient and returns", "transient", (actor) => actor.finish()],
    ["temporary and returns", "temporary", (actor) => actor.finish()],
    ["temporary and fails", "temporary", (actor) => actor.fail()],
  ])("that is %s stops the supervisor: siblings in reverse order, and no error", async (_, restart, end) => {
    const supervisor = open();
    new Actor(supervisor, log, "a");
    new Actor(supervisor, log, "b");
    const actor = new Actor(supervisor, log, "main", { restart, significant: true });
    await flushMicrotasks();
    log.take();
    const join = supervisor.join();
    await end(actor);
    await join;
    expect(log.take()).toEqual(["main ends", "b is asked", "b ends", "a is asked", "a ends"]);
    expect(supervisor.token.error?.source).toBe("shutdown");
  });

  it("that is restarted stops nobody", async () => {
    const supervisor = open();
    const actor = new Actor(supervisor, log, "main", { restart: "transient", significant: true });
    await flushMicrotasks();
    await actor.fail();
    expect(actor.child.status).toBe("running");
    expect(supervisor.cancelRequested).toBe(false);
    await supervisor.stop();
  });

  it("interrupts the body, too", async () => {
    const run = Supervisor.run((supervisor) => {
      supervisor.supervise(() => undefined, { name: "main", restart: "temporary", significant: true });
      return waits(supervisor.token);
    });
    const error = await rejection(run);
    expect(error).toBeInstanceOf(CancelledError);
    expect((error as CancelledError).message).toContain('"main"');
  });

  it("is none by default", async () => {
    const supervisor = open();
    const actor = new Actor(supervisor, log, "a", { restart: "temporary" });
    await actor.fail();
    expect(supervisor.cancelRequested).toBe(false);
    await supervisor.stop();
  });
});

describe("back-off", () => {
  /** How long each restart took, in milliseconds, of a child whose every attempt fails at once. */
  async function waitsOf(backoff: Backoff, count: number): Promise<number[]> {
    const delays: number[] = [];
    const starts: number[] = [];
    const supervisor = open({
      maxRestarts: Infinity,
      withinMs: Infinity,
      onEvent: ({ type, delay }) => {
        if (type === "restarting") delays.push(delay!);
      },
    });
    supervisor.supervise(
      (token) => {
        starts.push(performance.now());
        return starts.length > count ? waits(token) : Promise.reject(boom);
      },
      { name: "a", backoff },
    );
    await flushMicrotasks();
    for (let i = 0; i < count && starts.length <= count; i++) await vi.advanceTimersToNextTimerAsync();
    await supervisor.stop();
    const measured = starts.slice(1).map((start, index) => start - starts[index]!);
    expect(delays).toHaveLength(count);
    for (const [index, delay] of delays.entries()) {
      expect(Math.abs(measured[index]! - delay), `wait ${index}`).toBeLessThan(1);
    }
    return delays;
  }

  it("is none by default: the restart comes in microtasks", async () => {
    const supervisor = open();
    const actor = new Actor(supervisor, log, "a");
    await actor.fail();
    expect(actor.starts).toBe(2);
    expect(vi.getTimerCount()).toBe(0);
    await supervisor.stop();
  });

  it("doubles by default", async () => {
    expect(await waitsOf({ initial: 100 }, 5)).toEqual([100, 200, 400, 800, 1600]);
  });

  it("grows by the factor", async () => {
    expect(await waitsOf({ initial: 10, factor: 3 }, 4)).toEqual([10, 30, 90, 270]);
    expect(await waitsOf({ initial: 10, factor: 1 }, 3)).toEqual([10, 10, 10]);
  });

  it("stays below the cap, with jitter too", async () => {
    expect(await waitsOf({ initial: 100, max: 350 }, 4)).toEqual([100, 200, 350, 350]);
    vi.spyOn(Math, "random").mockReturnValue(0.999_999);
    const shaken = await waitsOf({ initial: 100, max: 350, jitter: 1 }, 3);
    expect(Math.max(...shaken)).toBeLessThanOrEqual(350);
  });

  it("is shaken by the jitter, a fraction either way", async () => {
    const random = vi.spyOn(Math, "random");
    random.mockReturnValue(0);
    expect(await waitsOf({ initial: 100, jitter: 0.5 }, 2)).toEqual([50, 100]);
    random.mockReturnValue(0.5);
    expect(await waitsOf({ initial: 100, jitter: 0.5 }, 2)).toEqual([100, 200]);
    random.mockReturnValue(0.75);
    expect(await waitsOf({ initial: 100, jitter: 0.5 }, 2)).toEqual([125, 250]);
  });

  it("of 0 stays 0 however often it grows", async () => {
    const supervisor = open({ maxRestarts: Infinity });
    let calls = 0;
    const child = supervisor.supervise((token) => (++calls <= 5 ? Promise.reject(boom) : waits(token)), {
      name: "a",
      backoff: { initial: 0, factor: 1e200 },
    });
    await flushMicrotasks(200);
    await vi.advanceTimersByTimeAsync(1000);
    expect([calls, child.status]).toEqual([6, "running"]);
    await supervisor.stop();
  });

  it("starts anew after an attempt that lasted", async () => {
    const delays: unknown[] = [];
    const supervisor = open({
      maxRestarts: Infinity,
      withinMs: 1000,
      onEvent: ({ type, delay }) => type === "restarting" && delays.push(delay),
    });
    const actor = new Actor(supervisor, log, "a", { backoff: { initial: 100 } });
    await actor.fail();
    await vi.advanceTimersByTimeAsync(100);
    await actor.fail();
    await vi.advanceTimersByTimeAsync(200);
    await vi.advanceTimersByTimeAsync(1000);
    await actor.fail();
    await vi.advanceTimersByTimeAsync(100);
    expect(delays).toEqual([100, 200, 100]);
    expect(actor.starts).toBe(4);
    await supervisor.stop();
  });

  it("ends at once when the supervisor is stopped; no timer is left (L7)", async () => {
    const supervisor = open();
    const actor = new Actor(supervisor, log, "a", { backoff: { initial: 60_000 } });
    await actor.fail();
    expect(actor.child.status).toBe("backing-off");
    expect(vi.getTimerCount()).toBe(1);
    const stop = supervisor.stop();
    expect(actor.child.status).toBe("stopped");
    await stop;
    expect(vi.getTimerCount()).toBe(0);
    expect(actor.starts).toBe(1);
  });

  it("of a shared restart ends at once when the supervisor is stopped", async () => {
    const supervisor = open({ strategy: "one-for-all" });
    const [a] = await team(supervisor, "ab", { backoff: { initial: 60_000 } });
    await a!.fail();
    await flushMicrotasks(200);
    await supervisor.stop();
    await macrotask();
    expect(vi.getTimerCount()).toBe(0);
    expect(log.take()).toEqual(["a ends", "b is asked", "b ends"]);
  });
});

describe("the restart limit", () => {
  it("by default is 3 in 5,000 ms", async () => {
    const supervisor = open({ name: "shop" });
    const actor = new Actor(supervisor, log, "a");
    const sibling = new Actor(supervisor, log, "sibling");
    for (let i = 0; i < 3; i++) await actor.fail();
    expect(actor.child.status).toBe("running");
    expect(supervisor.cancelRequested).toBe(false);
    const join = rejection(supervisor.join());
    await actor.fail(bang);
    const error = (await join) as RestartLimitError;
    expect(error).toBeInstanceOf(RestartLimitError);
    expect(error.cause).toBe(bang);
    expect(error.name).toBe("RestartLimitError");
    expect(error.message).toMatchInlineSnapshot(
      `"Supervisor "shop" gave up: more than 3 restarts within 5000 ms, last of child "a""`,
    );
    expect([actor.child.status, actor.child.restarts, sibling.child.status]).toEqual([
      "failed",
      3,
      "stopped",
    ]);
  });

  it("forgets restarts that the window has left behind", async () => {
    const supervisor = open({ maxRestarts: 1, withinMs: 1000 });
    const actor = new Actor(supervisor, log, "a");
    for (let i = 0; i < 4; i++) {
      await actor.fail();
      expect(actor.child.status).toBe("running");
      await vi.advanceTimersByTimeAsync(1001);
    }
    await actor.fail();
    await vi.advanceTimersByTimeAsync(999);
    const join = rejection(supervisor.join());
    await actor.fail();
    expect(await join).toBeInstanceOf(RestartLimitError);
  });

  it("counts all children together", async () => {
    const supervisor = open({ maxRestarts: 2 });
    const [a, b, c] = await team(supervisor, "abc");
    await a!.fail();
    await b!.fail();
    const join = rejection(supervisor.join());
    await c!.fail();
    expect(await join).toBeInstanceOf(RestartLimitError);
  });

  it("of 0 gives up at the first; of Infinity never", async () => {
    const none = open({ maxRestarts: 0 });
    const actor = new Actor(none, log, "a");
    const join = rejection(none.join());
    await actor.fail();
    expect(((await join) as Error).cause).toBe(boom);
    expect(actor.starts).toBe(1);
    const all = open({ maxRestarts: Infinity });
    const other = new Actor(all, log, "b");
    for (let i = 0; i < 50; i++) await other.fail();
    expect(other.child.restarts).toBe(50);
    await all.stop();
  });

  it("is broken by attempts that return, too; there is no cause then", async () => {
    const supervisor = open({ maxRestarts: 1 });
    supervisor.supervise(() => undefined, { name: "a" });
    const error = (await rejection(supervisor.join())) as Error;
    expect(error).toBeInstanceOf(RestartLimitError);
    expect("cause" in error).toBe(false);
  });

  it("tells onError of the cause once, and run of the limit (L2)", async () => {
    using reports = captureReports();
    const run = Supervisor.run(
      (supervisor) => {
        supervisor.supervise(() => Promise.reject(boom), { name: "a" });
      },
      { maxRestarts: 0 },
    );
    expect(((await rejection(run)) as Error).cause).toBe(boom);
    await macrotask();
    expect(reports.map(({ error }) => error)).toEqual([boom]);
  });

  it("interrupts the body and stops everything in reverse order", async () => {
    const run = Supervisor.run(
      (supervisor) => {
        new Actor(supervisor, log, "a");
        new Actor(supervisor, log, "b");
        supervisor.supervise(() => Promise.reject(boom), { name: "failing" });
        return waits(supervisor.token);
      },
      { maxRestarts: 1, onError: "ignore" },
    );
    expect(await rejection(run)).toBeInstanceOf(RestartLimitError);
    expect(log.take().slice(2)).toEqual(["b is asked", "b ends", "a is asked", "a ends"]);
  });

  it("counts one restart of a strategy once, however many children go with it", async () => {
    const supervisor = open({ strategy: "one-for-all", maxRestarts: 2 });
    const [a] = await team(supervisor, "abcde");
    await a!.fail();
    await flushMicrotasks(200);
    await a!.fail();
    await flushMicrotasks(200);
    expect(supervisor.cancelRequested).toBe(false);
    expect(a!.child.status).toBe("running");
    await supervisor.stop();
  });

  it("is thrown by stop and join as one object to all who wait, and only once", async () => {
    const supervisor = open({ maxRestarts: 0 });
    const actor = new Actor(supervisor, log, "a");
    const waiting = [rejection(supervisor.join()), rejection(supervisor.join())];
    await actor.fail();
    const [one, two] = await Promise.all(waiting);
    expect(one).toBeInstanceOf(RestartLimitError);
    expect(two).toBe(one);
    await supervisor.join();
    await supervisor.stop();
  });

  it("is not evaded by slow shutdowns: time spent stopping does not move the window (otp#1287)", async () => {
    const supervisor = open({ strategy: "one-for-all", maxRestarts: 3, withinMs: 5000 });
    const [a, slow] = await team(supervisor, "ab", { slow: true });
    const join = rejection(supervisor.join());
    for (let i = 0; i < 3; i++) {
      await a!.fail();
      // Longer than the whole window.
      await vi.advanceTimersByTimeAsync(6000);
      slow!.leave.resolve();
      await flushMicrotasks(200);
      expect(a!.child.status).toBe("running");
    }
    await a!.fail();
    slow!.leave.resolve();
    expect(await join).toBeInstanceOf(RestartLimitError);
  });

  it("has a window that time spent running does move, in the same scene", async () => {
    const supervisor = open({ strategy: "one-for-all", maxRestarts: 3, withinMs: 5000 });
    const [a, slow] = await team(supervisor, "ab", { slow: true });
    for (let i = 0; i < 6; i++) {
      await a!.fail();
      await vi.advanceTimersByTimeAsync(6000);
      slow!.leave.resolve();
      await flushMicrotasks(200);
      await vi.advanceTimersByTimeAsync(2000);
    }
    expect([a!.child.status, supervisor.cancelRequested]).toEqual(["running", false]);
    const stop = supervisor.stop();
    for (const actor of [slow!, a!]) {
      await flushMicrotasks();
      actor.leave.resolve();
    }
    await stop;
  });
});

describe("nested supervisors", () => {
  it("escalate one level at a time", async () => {
    const starts = { inner: 0, worker: 0 };
    const told: string[] = [];
    const run = Supervisor.run(
      (outer) => {
        outer.supervise(
          (token) => {
            starts.inner++;
            return Supervisor.run(
              (inner) => {
                inner.supervise(
                  () => {
                    starts.worker++;
                    return Promise.reject(boom);
                  },
                  { name: "worker" },
                );
              },
              { token, maxRestarts: 2, name: "inner", onError: "ignore" },
            );
          },
          { name: "inner" },
        );
      },
      { maxRestarts: 1, name: "outer", onError: ({ error }) => told.push((error as Error).name) },
    );
    const error = (await rejection(run)) as RestartLimitError;
    expect(error).toBeInstanceOf(RestartLimitError);
    expect(error.message).toContain('"outer"');
    expect(error.cause).toBeInstanceOf(RestartLimitError);
    expect((error.cause as Error).message).toContain('"inner"');
    expect((error.cause as Error).cause).toBe(boom);
    // Two lives of the inner one, of three attempts each.
    expect(starts).toEqual({ inner: 2, worker: 6 });
    expect(told).toEqual(["RestartLimitError", "RestartLimitError"]);
  });

  it("that are stopped from above end inside out, and are not restarted", async () => {
    const outer = open();
    outer.supervise(
      (token) =>
        Supervisor.run(
          (inner) => {
            new Actor(inner, log, "inner a");
            new Actor(inner, log, "inner b");
          },
          { token },
        ),
      { name: "inner" },
    );
    new Actor(outer, log, "last");
    await flushMicrotasks();
    log.take();
    await outer.stop();
    expect(log.take()).toEqual([
      "last is asked",
      "last ends",
      "inner b is asked",
      "inner b ends",
      "inner a is asked",
      "inner a ends",
    ]);
  });
});

describe("child.stop()", () => {
  it("ends a running child for good, and resolves after that", async () => {
    const supervisor = open();
    const [a] = await team(supervisor, "a", { slow: true });
    const sibling = new Actor(supervisor, new EventLog(), "sibling");
    const stop = a!.child.stop();
    const watched = watch(stop);
    await macrotask();
    expect(watched.settled).toBe(false);
    a!.leave.resolve();
    await stop;
    await flushMicrotasks();
    expect(log.take()).toEqual(["a is asked", "a ends"]);
    expect([a!.child.status, a!.child.task, a!.child.restarts]).toEqual(["stopped", undefined, 0]);
    expect(sibling.child.status).toBe("running");
    await supervisor.stop();
  });

  it("that fails over it is stopped all the same, and its failure is told", async () => {
    const onError = vi.fn();
    const supervisor = open({ onError });
    const child = supervisor.supervise((token) => waits(token).catch(() => Promise.reject(boom)), {
      name: "a",
    });
    await child.stop();
    expect(child.status).toBe("stopped");
    expect(onError).toHaveBeenCalledTimes(1);
    expect(supervisor.cancelRequested).toBe(false);
    await supervisor.stop();
  });

  it("ends a back-off at once", async () => {
    const supervisor = open();
    const [a] = await team(supervisor, "a", { backoff: { initial: 1000 } });
    await a!.fail();
    await a!.child.stop();
    expect([a!.child.status, vi.getTimerCount()]).toEqual(["stopped", 0]);
    await vi.advanceTimersByTimeAsync(5000);
    expect(a!.starts).toBe(1);
    await supervisor.stop();
  });

  it("rejects with TimeoutError after the stopTimeout; the child is still waited for, and not restarted", async () => {
    const supervisor = open();
    const [a] = await team(supervisor, "a", { slow: true, stopTimeout: 100 });
    const stop = rejection(a!.child.stop());
    await vi.advanceTimersByTimeAsync(100);
    const error = (await stop) as TimeoutError;
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error.message).toContain('"a"');
    const join = supervisor.join();
    const watched = watch(join);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(watched.settled).toBe(false);
    a!.leave.resolve();
    await join;
    expect([a!.child.status, a!.starts]).toEqual(["stopped", 1]);
  });

  it("called by the function in its own synchronous part is heard", async () => {
    const supervisor = open();
    const exit = new Deferred();
    let attempts = 0;
    const child: Child = supervisor.supervise(
      (token) => {
        if (++attempts === 1) return Promise.reject(boom);
        void child.stop();
        return token.race(exit.promise);
      },
      { name: "a" },
    );
    await flushMicrotasks();
    const { status } = child;
    exit.resolve();
    supervisor.cancel();
    await flushMicrotasks();
    await supervisor.join();
    expect(status).toBe("stopped");
  });

  it("of the last child lets join resolve", async () => {
    const supervisor = open();
    const [a] = await team(supervisor, "a");
    const join = supervisor.join();
    await a!.child.stop();
    await join;
    expect(supervisor.state).toBe("closed");
  });
});

describe("child.restart()", () => {
  it("stops a running child and starts it at once, without a back-off, and is not counted", async () => {
    const supervisor = open({ maxRestarts: 0 });
    const [a] = await team(supervisor, "a", { backoff: { initial: 1000 } });
    for (let i = 0; i < 10; i++) await a!.child.restart();
    expect([a!.starts, a!.child.restarts, a!.child.status]).toEqual([11, 0, "running"]);
    expect(a!.most).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
    await supervisor.stop();
  });

  it("starts no second copy before the first has ended", async () => {
    const supervisor = open();
    const [a] = await team(supervisor, "a", { slow: true, stopTimeout: 10 });
    const restart = a!.child.restart();
    const watched = watch(restart);
    await vi.advanceTimersByTimeAsync(1000);
    expect([a!.starts, watched.settled]).toEqual([1, false]);
    a!.leave.resolve();
    await restart;
    expect([a!.starts, a!.most]).toEqual([2, 1]);
    const stop = supervisor.stop();
    await flushMicrotasks();
    a!.leave.resolve();
    await stop;
  });

  it("cuts a back-off short", async () => {
    const supervisor = open();
    const [a] = await team(supervisor, "a", { backoff: { initial: 1000 } });
    await a!.fail();
    await a!.child.restart();
    expect([a!.child.status, a!.starts, vi.getTimerCount()]).toEqual(["running", 2, 0]);
    await vi.advanceTimersByTimeAsync(5000);
    expect(a!.starts).toBe(2);
    await supervisor.stop();
  });

  it("starts a stopped, finished or failed child again", async () => {
    const supervisor = open();
    const [stopped] = await team(supervisor, "a");
    const finished = new Actor(supervisor, log, "finished", { restart: "transient" });
    const failed = new Actor(supervisor, log, "failed", { restart: "temporary" });
    await flushMicrotasks();
    await stopped!.child.stop();
    await finished.finish();
    await failed.fail();
    for (const actor of [stopped!, finished, failed]) {
      await actor.child.restart();
      expect([actor.child.status, actor.starts]).toEqual(["running", 2]);
    }
    expect(new Set(supervisor.children())).toEqual(new Set([stopped!.child, finished.child, failed.child]));
    await supervisor.stop();
    expect(log.take().filter((event) => event.endsWith("ends"))).toHaveLength(6);
  });

  it("restarts whatever the policy, siblings untouched, under every strategy", async () => {
    for (const strategy of ["one-for-one", "one-for-all", "rest-for-one"] as const) {
      const supervisor = open({ strategy });
      const [a, b] = await team(supervisor, "ab", { restart: "transient" });
      await a!.child.restart();
      expect([a!.starts, b!.starts]).toEqual([2, 1]);
      await supervisor.stop();
    }
  });

  it("after stop() of an attempt that has not ended wins, and the other way round", async () => {
    const supervisor = open();
    const [a, b] = await team(supervisor, "ab", { slow: true });
    const calls = [a!.child.stop(), a!.child.restart(), b!.child.restart(), b!.child.stop()];
    a!.leave.resolve();
    b!.leave.resolve();
    await Promise.all(calls);
    expect([a!.child.status, a!.starts]).toEqual(["running", 2]);
    expect([b!.child.status, b!.starts]).toEqual(["stopped", 1]);
    const stop = supervisor.stop();
    await flushMicrotasks();
    a!.leave.resolve();
    await stop;
  });

  it("is refused while the supervisor is shutting down, and after", async () => {
    const supervisor = open();
    const [a] = await team(supervisor, "a", { slow: true });
    supervisor.cancel();
    expect(await rejection(a!.child.restart())).toBeInstanceOf(InvalidStateError);
    a!.leave.resolve();
    await supervisor.join();
    expect(await rejection(a!.child.restart())).toBeInstanceOf(InvalidStateError);
    expect(a!.starts).toBe(1);
  });

  it("is refused once a supervisor has closed by itself", async () => {
    const supervisor = open();
    const actor = new Actor(supervisor, log, "a", { restart: "transient" });
    const join = supervisor.join();
    await actor.finish();
    await join;
    expect(await rejection(actor.child.restart())).toBeInstanceOf(InvalidStateError);
    expect(actor.child.status).toBe("stopped");
    expect(actor.starts).toBe(1);
  });

  it("resolves, too, when the supervisor is stopped meanwhile", async () => {
    const supervisor = open();
    const [a] = await team(supervisor, "a", { slow: true });
    const restart = a!.child.restart();
    supervisor.cancel();
    a!.leave.resolve();
    await supervisor.join();
    await restart;
    expect([a!.starts, a!.child.status]).toEqual([1, "stopped"]);
  });
});

describe("child.restart() by the function itself", () => {
  it("in its own synchronous part asks the attempt that calls", async () => {
    const supervisor = open();
    let calls = 0;
    const child: Child = supervisor.supervise(
      (token) => {
        if (++calls === 1) return Promise.reject(boom);
        if (calls === 2) void child.restart();
        return waits(token);
      },
      { name: "a" },
    );
    await flushMicrotasks(200);
    expect([calls, child.status, child.task?.cancelRequested]).toEqual([3, "running", false]);
    await supervisor.stop();
  });
});

describe("a handle", () => {
  it("stays the same and valid over restarts; its task is that of the running attempt", async () => {
    const supervisor = open();
    const [a] = await team(supervisor, "a", { backoff: { initial: 10 } });
    const { child } = a!;
    const first = child.task!;
    expect([first.name, first.status]).toEqual(["a", "running"]);
    await a!.fail();
    expect([first.status, first.error, child.task]).toEqual(["failed", boom, undefined]);
    await vi.advanceTimersByTimeAsync(10);
    expect(child.task).not.toBe(first);
    expect(child.task!.status).toBe("running");
    expect([...supervisor.children()]).toEqual([child]);
    await child.stop();
    expect(child.status).toBe("stopped");
    await supervisor.stop();
  });
});

describe("the end of a supervisor", () => {
  it("asks children one after another, the newest first, each after the one before has ended", async () => {
    const supervisor = open();
    const [a, b, c] = await team(supervisor, "abc", { slow: true });
    const stop = supervisor.stop();
    for (const actor of [c!, b!, a!]) {
      await macrotask();
      expect(log.take()).toEqual([`${actor.name} is asked`]);
      actor.leave.resolve();
      await flushMicrotasks();
      expect(log.events.splice(0, 1)).toEqual([`${actor.name} ends`]);
    }
    await stop;
  });

  it("asks the next when a stopTimeout has passed, names who was late, and waits for it all the same (L1)", async () => {
    const supervisor = open({ name: "shop" });
    const a = new Actor(supervisor, log, "a");
    const late = new Actor(supervisor, log, "late", { slow: true, stopTimeout: 100 });
    const later = new Actor(supervisor, log, "later", { slow: true, stopTimeout: 50 });
    await flushMicrotasks();
    log.take();
    const stop = rejection(supervisor.stop());
    const watched = watch(stop);
    await vi.advanceTimersByTimeAsync(49);
    expect(log.take()).toEqual(["later is asked"]);
    await vi.advanceTimersByTimeAsync(1);
    expect(log.take()).toEqual(["late is asked"]);
    await vi.advanceTimersByTimeAsync(100);
    expect(log.take()).toEqual(["a is asked", "a ends"]);
    later.leave.resolve();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(watched.settled).toBe(false);
    late.leave.resolve();
    const error = (await stop) as TimeoutError;
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error.message).toContain('"late"');
    expect(error.message).toContain('"later"');
    expect(error.message).not.toContain('"a"');
    expect([a, late, later].map(({ running }) => running)).toEqual([0, 0, 0]);
    // Told once.
    await supervisor.stop();
  });

  it("names a late child once, also when the others before it have only just gone", async () => {
    const gone = new Deferred();
    const supervisor = open({
      onEvent: ({ type, child }) => {
        if (type !== "stopped" || child.name !== "gone") return;
        supervisor.supervise(() => gone.promise, { name: "late", stopTimeout: 10 });
        supervisor.cancel();
      },
    });
    supervisor.supervise(() => undefined, { name: "gone", restart: "temporary" });
    await flushMicrotasks();
    const join = rejection(supervisor.join());
    await vi.advanceTimersByTimeAsync(10);
    gone.resolve();
    const { message } = (await join) as Error;
    expect(message.split('"late"')).toHaveLength(2);
  });

  it("is told to run and join too, whichever way it came", async () => {
    const supervisor = open();
    const late = new Actor(supervisor, log, "late", { slow: true, stopTimeout: 10 });
    supervisor.cancel();
    const join = rejection(supervisor.join());
    await vi.advanceTimersByTimeAsync(10);
    late.leave.resolve();
    expect(((await join) as Error).message).toContain('"late"');
  });

  it("says nothing of a child that ended within its stopTimeout, and leaves no timer", async () => {
    const supervisor = open();
    const [a] = await team(supervisor, "a", { slow: true, stopTimeout: 100 });
    const stop = supervisor.stop();
    await vi.advanceTimersByTimeAsync(99);
    a!.leave.resolve();
    await stop;
    expect(vi.getTimerCount()).toBe(0);
  });

  it("does not hide a restart limit behind a late child: the lateness goes to the process-wide handler", async () => {
    using reports = captureReports();
    const supervisor = open({ maxRestarts: 0 });
    const late = new Actor(supervisor, log, "late", { slow: true, stopTimeout: 10 });
    const failing = new Actor(supervisor, log, "failing");
    await flushMicrotasks();
    const join = rejection(supervisor.join());
    await failing.fail();
    await vi.advanceTimersByTimeAsync(10);
    late.leave.resolve();
    expect(await join).toBeInstanceOf(RestartLimitError);
    expect(reports.map(({ error }) => (error as Error).message)).toEqual([
      expect.stringContaining('"late"') as string,
    ]);
  });

  it("has late joiners told nothing: they resolve", async () => {
    const supervisor = open({ maxRestarts: 0 });
    supervisor.supervise(() => Promise.reject(boom), { name: "a" });
    expect(await rejection(supervisor.join())).toBeInstanceOf(RestartLimitError);
    await expect(supervisor.join()).resolves.toBeUndefined();
    await expect(supervisor.stop()).resolves.toBeUndefined();
  });
});

describe("the reason of the signal that a supervisor follows", () => {
  it.each([0, "", null, new Error("out")])(
    "%s, thrown by a child that was asked, is a cancellation (L4)",
    async (reason) => {
      using reports = captureReports();
      const controller = new AbortController();
      const statuses: string[] = [];
      const supervised = Supervisor.run(
        async (supervisor) => {
          const answer = async (token: CancellationToken): Promise<void> => {
            await waits(token).catch(() => flushMicrotasks());
            throw reason;
          };
          supervisor.supervise(answer, { name: "asked by the shutdown" });
          void supervisor.supervise(answer, { name: "asked before" }).stop();
          await Promise.resolve();
          controller.abort(reason);
          await waits(supervisor.token);
        },
        { token: controller.signal, onTaskDone: ({ status }) => void statuses.push(status) },
      );
      expect(await rejection(supervised)).toMatchObject({ source: "signal", reason });
      expect(statuses).toEqual(["cancelled", "cancelled"]);
      expect([...reports]).toEqual([]);
    },
  );
});

describe("after all children have ended", () => {
  it("an open supervisor takes new ones, which are stopped in order as before", async () => {
    const supervisor = open();
    const [a] = await team(supervisor, "a", { restart: "temporary" });
    await a!.finish();
    await macrotask();
    expect([supervisor.state, supervisor.size]).toEqual(["open", 0]);
    await team(supervisor, "bc");
    await supervisor.stop();
    expect(log.take()).toEqual(["c is asked", "c ends", "b is asked", "b ends"]);
  });
});
