import {
  CancellationSource,
  type CancellationToken,
  CancelledError,
  FatalError,
  InvalidStateError,
  TaskGroupError,
  TimeoutError,
} from "@scope/core";
import { type Service, ServiceBase, ServiceGroup } from "@scope/persistent";
import { captureReports, Deferred, EventLog, flushMicrotasks, rejection, waits } from "@scope/test-utils";
import { afterEach, describe, expect, it, vi } from "vitest";

const boom = new Error("boom");
const bang = new Error("bang");

interface Script {
  /** In place of waiting for the cancellation. */
  main?: (token: CancellationToken, call: number) => unknown;
  ready?: () => Promise<void>;
  /** What its clean-up waits for. */
  ending?: () => Promise<unknown>;
  token?: CancellationToken;
}

/** Notes when it starts, is asked, and ends. */
class Actor extends ServiceBase {
  calls = 0;
  ready?: () => Promise<void>;
  readonly #script: Script;
  readonly #log: EventLog;

  constructor(log: EventLog, uniqueId: string, script: Script = {}) {
    super({ uniqueId, token: script.token });
    this.#log = log;
    this.#script = script;
    if (script.ready !== undefined) this.ready = script.ready;
  }

  protected override async main(token: CancellationToken): Promise<void> {
    const { main = waits, ending } = this.#script;
    this.#log.add(`${this.uniqueId} starts`);
    const forget = token.onCancel(this.#log.note(`${this.uniqueId} is asked`));
    try {
      await main(token, ++this.calls);
    } finally {
      forget();
      await ending?.();
      this.#log.add(`${this.uniqueId} ends`);
    }
  }
}

/** A service that has nothing but what the interface asks for, and hangs or fails as it is told. */
class Foreign implements Service {
  readonly uniqueId: string;
  isRunning = false;
  end = new Deferred();
  stops = 0;
  readonly #onStop: (end: Deferred) => void;

  constructor(
    uniqueId: string,
    onStop: (end: Deferred) => void = (end) => {
      end.resolve();
    },
  ) {
    this.uniqueId = uniqueId;
    this.#onStop = onStop;
  }

  start(): void {
    this.isRunning = true;
    this.end = new Deferred();
  }

  cancel(): void {
    this.#onStop(this.end);
  }

  async stop(): Promise<void> {
    this.stops++;
    this.cancel();
    await this.join();
  }

  async join(): Promise<void> {
    try {
      await this.end.promise;
    } finally {
      this.isRunning = false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

async function groupError(promise: Promise<unknown>): Promise<TaskGroupError> {
  const error = await rejection(promise);
  if (!(error instanceof TaskGroupError)) throw error;
  return error;
}

const ORDER = ["c is asked", "c ends", "b is asked", "b ends", "a is asked", "a ends"];

function trio(log: EventLog, script?: Script): Actor[] {
  return ["a", "b", "c"].map((name) => new Actor(log, name, script));
}

afterEach(() => {
  vi.useRealTimers();
});

describe("ServiceGroup", () => {
  it("starts in order and stops in reverse, one after another", async () => {
    const log = new EventLog();
    const services = trio(log, { ending: () => flushMicrotasks() });
    const group = new ServiceGroup(services);
    expect(group.isRunning).toBe(false);
    group.start();
    await group.ready();
    expect(log.take()).toEqual(["a starts", "b starts", "c starts"]);
    expect([group.isRunning, ...services.map(({ isRunning }) => isRunning)]).toEqual([
      true,
      true,
      true,
      true,
    ]);
    await group.stop();
    expect(log.take()).toEqual(ORDER);
    expect([group.isRunning, ...services.map(({ isRunning }) => isRunning)]).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });

  it("starts a service when the one before it is ready", async () => {
    const log = new EventLog();
    const gate = new Deferred();
    const group = new ServiceGroup([
      new Actor(log, "a", { ready: () => gate.promise }),
      new Actor(log, "b"),
      new Foreign("c"),
    ]);
    group.start();
    const ready = group.ready().then(log.note("ready"));
    await flushMicrotasks();
    expect(log.take()).toEqual(["a starts"]);
    gate.resolve();
    await ready;
    expect(log.take()).toEqual(["b starts", "ready"]);
    await group.stop();
  });

  it("can be started again after a stop, and starting it while it runs does nothing", async () => {
    const log = new EventLog();
    const group = new ServiceGroup(trio(log));
    for (let round = 0; round < 2; round++) {
      group.start();
      group.start();
      await group.ready();
      group.start();
      await group.stop();
      expect(log.take()).toEqual(["a starts", "b starts", "c starts", ...ORDER]);
    }
  });

  it("has the life of each service as a task, which ends in its turn when all tasks are asked", async () => {
    const log = new EventLog();
    const group = new ServiceGroup(trio(log), { uniqueId: "x" });
    group.start();
    await group.ready();
    expect([...group.taskGroup.tasks].map(({ name }) => name)).toEqual(
      ["a", "b", "c"].map((name) => `ServiceGroup:x:${name}`),
    );
    log.take();
    await group.taskGroup.stop();
    expect(log.take()).toEqual(ORDER);
    await group.stop();
    expect([group.isRunning, group.taskGroup.tasks.size]).toEqual([false, 0]);
  });

  it("without services is ready at once, and stops", async () => {
    const group = new ServiceGroup([]);
    group.start();
    await group.ready();
    expect(group.isRunning).toBe(true);
    await group.stop();
  });

  it("stop before start has nothing to do, and ready before start is refused", async () => {
    const log = new EventLog();
    const group = new ServiceGroup(trio(log), { uniqueId: "x" });
    await group.stop();
    await group.join();
    const error = await rejection(group.ready());
    expect(error).toBeInstanceOf(InvalidStateError);
    expect((error as Error).message).toMatch(/^start\(\) it$/);
    expect(log.take()).toEqual([]);
  });

  it("stop during start starts no more, and stops only what was started", async () => {
    const log = new EventLog();
    const gate = new Deferred();
    const group = new ServiceGroup([
      new Actor(log, "a"),
      new Actor(log, "b", { ready: () => gate.promise }),
      new Actor(log, "c"),
    ]);
    group.start();
    const ready = rejection(group.ready());
    await flushMicrotasks();
    await group.stop();
    expect(await ready).toBeInstanceOf(CancelledError);
    gate.resolve();
    await flushMicrotasks();
    expect(log.take()).toEqual(["a starts", "b starts", "b is asked", "b ends", "a is asked", "a ends"]);
  });

  describe("stops in the same order", () => {
    const endings: Record<string, (group: ServiceGroup, outer: CancellationSource) => unknown> = {
      "by stop": (group) => group.stop(),
      "by cancel": (group) => {
        group.cancel("enough");
      },
      "by disposal": (group) => group[Symbol.asyncDispose](),
      "by the outer token": (_, outer) => {
        outer.cancel("outer");
      },
    };

    it.each(Object.entries(endings))("%s", async (_, end) => {
      const log = new EventLog();
      const outer = new CancellationSource();
      const group = new ServiceGroup(trio(log, { ending: () => flushMicrotasks() }), { token: outer.token });
      group.start();
      await group.ready();
      log.take();
      await end(group, outer);
      await group.join().catch((error: unknown) => {
        expect(error).toBe(outer.token.error);
      });
      expect(log.take()).toEqual(ORDER);
    });

    it.each(["ends", "fails"])("when a service %s out of turn", async (way) => {
      using reports = captureReports();
      const log = new EventLog();
      const gate = new Deferred();
      const group = new ServiceGroup([
        new Actor(log, "a"),
        new Actor(log, "b", { main: (token) => token.race(gate.promise) }),
        new Actor(log, "c"),
      ]);
      group.start();
      await group.ready();
      log.take();
      if (way === "ends") gate.resolve();
      else gate.reject(boom);
      const [joined] = await Promise.allSettled([group.join()]);
      expect(log.take()).toEqual(["b ends", "c is asked", "c ends", "a is asked", "a ends"]);
      expect(group.isRunning).toBe(false);
      if (joined.status === "fulfilled") expect(way).toBe("ends");
      else expect((joined.reason as TaskGroupError).leaves()).toEqual([boom]);
      expect(reports).toHaveLength(way === "ends" ? 0 : 1);
    });
  });

  it("hands the reason of its cancellation to each service", async () => {
    const reasons: unknown[] = [];
    const log = new EventLog();
    const main = (token: CancellationToken): Promise<unknown> =>
      waits(token).finally(() => reasons.push(token.error?.reason));
    const group = new ServiceGroup(trio(log, { main }));
    group.start();
    await group.ready();
    await group.stop({ reason: "deploy" });
    expect(reasons).toEqual(["deploy", "deploy", "deploy"]);
  });

  describe("a start", () => {
    const broken = (log: EventLog, script: Script): ServiceGroup =>
      new ServiceGroup(
        [new Actor(log, "a"), new Actor(log, "b"), new Actor(log, "broken", script), new Actor(log, "d")],
        {
          uniqueId: "x",
          startTimeout: 100,
        },
      );

    it("that fails stops what had started, in reverse; ready and join tell why", async () => {
      const log = new EventLog();
      const group = broken(log, { ready: () => Promise.reject(boom) });
      group.start();
      expect(await rejection(group.ready())).toBe(boom);
      const error = await groupError(group.join());
      expect(error.message).toMatch(/^Error while stopping ServiceGroup:x \(1 sub-error\)/);
      expect(error.errors).toEqual([boom]);
      expect(log.take()).toEqual([
        ...["a starts", "b starts", "broken starts", "broken is asked", "broken ends"],
        ...["b is asked", "b ends", "a is asked", "a ends"],
      ]);
      await expect(group.stop()).resolves.toBeUndefined();
    });

    it("that fails as main does is told once, with all else that failed (L2)", async () => {
      using reports = captureReports();
      class Port extends ServiceBase {
        #opening: Promise<void> = Promise.resolve();

        ready(): Promise<void> {
          return this.#opening;
        }

        protected override async main(): Promise<void> {
          this.spawn(() => Promise.reject(bang), { logError: false });
          this.#opening = Promise.reject(boom);
          await this.#opening;
        }
      }
      const group = new ServiceGroup([new Port({ uniqueId: "port" })], { uniqueId: "x" });
      group.start();
      expect(await rejection(group.ready())).toBe(boom);
      const error = await groupError(group.join());
      expect(error.leaves().map(String).sort()).toEqual(["Error: bang", "Error: boom"]);
      expect(reports.map(({ message }) => message)).toEqual(['Error in task "Port:port"']);
    });

    it("of something that is no service does the same, and is not taken for the end", async () => {
      const log = new EventLog();
      const services = [new Actor(log, "a"), undefined as unknown as Service, new Actor(log, "c")];
      const group = new ServiceGroup(services, { uniqueId: "x" });
      group.start();
      const error = await rejection(group.ready());
      expect(error).toBeInstanceOf(TypeError);
      expect((await groupError(group.join())).errors).toEqual([error]);
      expect(log.take()).toEqual(["a starts", "a is asked", "a ends"]);
    });

    it("that throws does the same, and that service is not stopped", async () => {
      const log = new EventLog();
      const thrower = new Foreign("broken");
      thrower.start = () => {
        throw boom;
      };
      const group = new ServiceGroup([new Actor(log, "a"), thrower, new Actor(log, "c")]);
      group.start();
      expect(await rejection(group.ready())).toBe(boom);
      expect((await groupError(group.join())).errors).toEqual([boom]);
      expect(log.take()).toEqual(["a starts", "a is asked", "a ends"]);
      expect(thrower.stops).toBe(0);
    });

    it("that is late does the same: a TimeoutError that names the service", async () => {
      vi.useFakeTimers();
      const log = new EventLog();
      const group = broken(log, { ready: () => new Promise(() => undefined) });
      group.start();
      const [ready, join] = [rejection(group.ready()), rejection(group.join())];
      await vi.advanceTimersByTimeAsync(99);
      expect(log.take()).toEqual(["a starts", "b starts", "broken starts"]);
      await vi.advanceTimersByTimeAsync(1);
      const error = (await ready) as TimeoutError;
      expect(error).toBeInstanceOf(TimeoutError);
      expect([error.timeout, error.message]).toMatchInlineSnapshot(`
        [
          100,
          "Starting broken took longer than 100 ms",
        ]
      `);
      expect(await join).toMatchObject({ errors: [error] });
      expect(log.take()).toEqual([
        ...["broken is asked", "broken ends"],
        ...["b is asked", "b ends", "a is asked", "a ends"],
      ]);
      expect(vi.getTimerCount()).toBe(0);
    });

    it.each(["ends", "fails"])("of a service that %s before it is ready has failed", async (way) => {
      using reports = captureReports();
      const log = new EventLog();
      const group = broken(log, {
        ready: () => new Promise(() => undefined),
        main: () => (way === "ends" ? undefined : Promise.reject(boom)),
      });
      group.start();
      const error = await rejection(group.ready());
      expect(error).toBeInstanceOf(CancelledError);
      expect((error as Error).message).toBe("broken has ended");
      const [joined] = await Promise.allSettled([group.join()]);
      if (joined.status === "fulfilled") expect(way).toBe("ends");
      else expect((joined.reason as TaskGroupError).leaves()).toEqual([boom]);
      expect(log.take()).toEqual([
        ...["a starts", "b starts", "broken starts", "broken ends"],
        ...["b is asked", "b ends", "a is asked", "a ends"],
      ]);
      expect(reports).toHaveLength(way === "ends" ? 0 : 1);
    });

    it("meanwhile another service fails: what had started is stopped", async () => {
      using reports = captureReports();
      const log = new EventLog();
      const gate = new Deferred();
      const group = new ServiceGroup([
        new Actor(log, "a", { main: (token) => token.race(gate.promise) }),
        new Actor(log, "b", { ready: () => new Promise(() => undefined) }),
        new Actor(log, "c"),
      ]);
      group.start();
      const ready = rejection(group.ready());
      await flushMicrotasks();
      gate.reject(boom);
      expect((await groupError(group.join())).leaves()).toEqual([boom]);
      expect(log.take()).toEqual(["a starts", "b starts", "a ends", "b is asked", "b ends"]);
      expect(await ready).toBeInstanceOf(CancelledError);
      expect(reports).toHaveLength(1);
    });

    it("with a startTimeout of 0 or beyond 2 ** 31 gives a service its chance", async () => {
      for (const startTimeout of [0, 2 ** 40]) {
        const group = new ServiceGroup([new Foreign("a"), new Foreign("b")], { startTimeout });
        group.start();
        await group.ready();
        await group.stop();
      }
    });
  });

  describe("a stop", () => {
    it("that a service does not follow in time leaves it behind and named, after the others have stopped", async () => {
      vi.useFakeTimers();
      const log = new EventLog();
      const gate = new Deferred();
      const group = new ServiceGroup(
        [
          new Actor(log, "a"),
          new Actor(log, "b", { ending: () => gate.promise }),
          new Actor(log, "c", { ending: () => gate.promise }),
          new Actor(log, "d"),
        ],
        { uniqueId: "x", stopTimeout: 100 },
      );
      group.start();
      await group.ready();
      log.take();
      const stop = rejection(group.stop());
      await vi.advanceTimersByTimeAsync(99);
      expect(log.take()).toEqual(["d is asked", "d ends", "c is asked"]);
      await vi.advanceTimersByTimeAsync(1);
      expect(log.take()).toEqual(["b is asked"]);
      await vi.advanceTimersByTimeAsync(100);
      expect(log.take()).toEqual(["a is asked", "a ends"]);
      const error = await stop;
      expect(error).toBeInstanceOf(TimeoutError);
      expect((error as Error).message).toMatchInlineSnapshot(`"Stopping c, b took longer than 100 ms"`);
      gate.resolve();
      await flushMicrotasks();
      expect(log.take().sort()).toEqual(["b ends", "c ends"]);
      expect(vi.getTimerCount()).toBe(0);
    });

    it("leaves behind what knows no time limit, too", async () => {
      vi.useFakeTimers();
      const stuck = new Foreign("stuck", () => undefined);
      const group = new ServiceGroup([new Foreign("a"), stuck], { stopTimeout: 100 });
      group.start();
      await group.ready();
      const stop = rejection(group.stop());
      await vi.advanceTimersByTimeAsync(100);
      const error = (await stop) as TimeoutError;
      expect(error).toBeInstanceOf(TimeoutError);
      expect(error.message).toBe("Stopping stuck took longer than 100 ms");
    });

    it("has a time limit for all of them together, which names those that still run", async () => {
      vi.useFakeTimers();
      const log = new EventLog();
      const gate = new Deferred();
      const group = new ServiceGroup(
        [new Actor(log, "a"), new Actor(log, "b", { ending: () => gate.promise }), new Actor(log, "c")],
        {
          uniqueId: "x",
        },
      );
      group.start();
      await group.ready();
      const stop = rejection(group.stop({ timeout: 50 }));
      await vi.advanceTimersByTimeAsync(50);
      const error = (await stop) as TimeoutError;
      expect(error).toBeInstanceOf(TimeoutError);
      expect(error.timeout).toBe(50);
      expect(error.message).toBe(
        "Stopping ServiceGroup:x, ServiceGroup:x:a, ServiceGroup:x:b took longer than 50 ms",
      );
      // It goes on, in order.
      gate.resolve();
      await group.join();
      expect(log.take().slice(-3)).toEqual(["b ends", "a is asked", "a ends"]);
    });

    it("collects what fails, in the order of the stops, and goes on", async () => {
      using reports = captureReports();
      const log = new EventLog();
      const fail = (error: Error) => (token: CancellationToken) =>
        waits(token).catch(() => Promise.reject(error));
      const group = new ServiceGroup(
        [
          new Actor(log, "a", { main: fail(boom) }),
          new Actor(log, "b"),
          new Foreign("c", (end) => {
            end.reject(bang);
          }),
        ],
        { uniqueId: "x" },
      );
      group.start();
      await group.ready();
      const error = await groupError(group.stop());
      expect(error.message).toMatch(/^Error while stopping ServiceGroup:x \(2 sub-errors\)/);
      expect(error.leaves()).toEqual([bang, boom]);
      expect(log.take().slice(-2)).toEqual(["a is asked", "a ends"]);
      // The service's own line; the group adds none.
      expect(reports.map(({ message }) => message)).toEqual(['Error in task "Actor:a"']);
    });

    it("with failures and lateness tells both", async () => {
      vi.useFakeTimers();
      const group = new ServiceGroup(
        [
          new Foreign("stuck", () => undefined),
          new Foreign("failing", (end) => {
            end.reject(boom);
          }),
        ],
        { stopTimeout: 100 },
      );
      group.start();
      await group.ready();
      const stop = groupError(group.stop());
      await vi.advanceTimersByTimeAsync(100);
      const { errors } = await stop;
      expect(errors).toEqual([expect.any(TimeoutError), boom]);
    });

    it("meanwhile another service ends or fails: it is not taken for the one being stopped, and is not asked", async () => {
      using reports = captureReports();
      const log = new EventLog();
      const [leave, fail] = [new Deferred(), new Deferred()];
      const onEnd = vi.fn(() => "restart" as const);
      const group = new ServiceGroup(
        [
          new Actor(log, "a"),
          new Actor(log, "b", { main: (token) => token.race(fail.promise) }),
          new Actor(log, "c", { ending: () => leave.promise }),
        ],
        { onEnd, restartDelay: 0 },
      );
      group.start();
      await group.ready();
      log.take();
      const stop = groupError(group.stop());
      fail.reject(boom);
      await flushMicrotasks();
      expect(log.take().sort()).toEqual(["b ends", "c is asked"]);
      leave.resolve();
      expect((await stop).leaves()).toEqual([boom]);
      expect(log.take()).toEqual(["c ends", "a is asked", "a ends"]);
      expect(onEnd).not.toHaveBeenCalled();
      expect(reports).toHaveLength(1);
    });

    it("is told once: to whoever waits at that moment first", async () => {
      const group = new ServiceGroup([
        new Foreign("a", (end) => {
          end.reject(boom);
        }),
      ]);
      group.start();
      await group.ready();
      const settled = await Promise.allSettled([group.stop(), group.join()]);
      expect(settled.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
      await expect(group.join()).resolves.toBeUndefined();
    });

    it("of nothing but cancellations resolves, by join after cancel too", async () => {
      const log = new EventLog();
      const group = new ServiceGroup(trio(log));
      group.start();
      await group.ready();
      group.cancel();
      await expect(group.join()).resolves.toBeUndefined();
    });

    it("with a stopTimeout of 0 or beyond 2 ** 31 gives a service its chance", async () => {
      for (const stopTimeout of [0, 2 ** 40]) {
        const group = new ServiceGroup([new Foreign("a"), new Foreign("b")], { stopTimeout });
        group.start();
        await group.ready();
        await expect(group.stop()).resolves.toBeUndefined();
      }
    });
  });

  it("rejects with the outer cancellation from join, not from stop", async () => {
    const outer = new CancellationSource();
    const log = new EventLog();
    const group = new ServiceGroup(trio(log), { token: outer.token });
    group.start();
    await group.ready();
    outer.cancel("outer");
    expect(await rejection(group.join())).toBe(outer.token.error);
    await expect(group.stop()).resolves.toBeUndefined();
    expect(() => {
      group.start();
    }).toThrow(InvalidStateError);
  });

  describe("policy", () => {
    /** Fails or ends at its first call, and waits at later ones. */
    const once = (end: () => unknown) => (token: CancellationToken, call: number) =>
      call === 1 ? end() : waits(token);

    it("ignore leaves the others running, and tells the failure in the end", async () => {
      using reports = captureReports();
      const log = new EventLog();
      const gate = new Deferred();
      const group = new ServiceGroup(
        [
          new Actor(log, "a"),
          new Actor(log, "b", { main: (token) => token.race(gate.promise) }),
          new Foreign("c"),
        ],
        { onEnd: () => "ignore" },
      );
      group.start();
      await group.ready();
      gate.reject(boom);
      await flushMicrotasks();
      expect(group.isRunning).toBe(true);
      log.take();
      expect((await groupError(group.stop())).leaves()).toEqual([boom]);
      expect(log.take()).toEqual(["a is asked", "a ends"]);
      expect(reports).toHaveLength(1);
    });

    it("ignore tells the failure of a service that has nothing but join, once", async () => {
      const foreign = new Foreign("a");
      const group = new ServiceGroup([foreign, new Foreign("b")], { onEnd: () => "ignore" });
      group.start();
      await group.ready();
      foreign.end.reject(boom);
      await flushMicrotasks();
      expect((await groupError(group.stop())).errors).toEqual([boom]);
    });

    it("ignore leaves the tasks of a service running whose main has ended", async () => {
      class Spawner extends ServiceBase {
        protected override async main(): Promise<void> {
          this.spawn(waits, { name: "goes on" });
          await flushMicrotasks();
        }
      }
      const service = new Spawner();
      const group = new ServiceGroup([service], { onEnd: () => "ignore" });
      group.start();
      await group.ready();
      await flushMicrotasks();
      await flushMicrotasks();
      expect([service.isRunning, service.taskGroup.isRunning, group.isRunning]).toEqual([false, true, true]);
      await group.stop();
      expect(service.taskGroup.isRunning).toBe(false);
    });

    it.each(["ends", "fails"])("restart starts a service that %s again after restartDelay", async (way) => {
      vi.useFakeTimers();
      using reports = captureReports();
      const log = new EventLog();
      const actor = new Actor(log, "b", {
        main: once(() => (way === "ends" ? undefined : Promise.reject(boom))),
      });
      const group = new ServiceGroup([new Actor(log, "a"), actor, new Actor(log, "c")], {
        onEnd: () => "restart",
        restartDelay: 200,
      });
      group.start();
      await group.ready();
      await vi.advanceTimersByTimeAsync(199);
      expect([actor.isRunning, actor.calls]).toEqual([false, 1]);
      await vi.advanceTimersByTimeAsync(1);
      expect([actor.isRunning, actor.calls, group.isRunning]).toEqual([true, 2, true]);
      log.take();
      await group.stop();
      expect(log.take()).toEqual(ORDER);
      const told = reports.flatMap(({ error }) =>
        error instanceof TaskGroupError ? error.leaves() : [error],
      );
      // The service's own line, and the group's, since nobody is thrown it.
      expect(told).toEqual(way === "ends" ? [] : [boom, boom]);
      expect(vi.getTimerCount()).toBe(0);
    });

    it("restart waits 1,000 ms unless told otherwise", async () => {
      vi.useFakeTimers();
      const foreign = new Foreign("a");
      const start = vi.spyOn(foreign, "start");
      const group = new ServiceGroup([foreign], { onEnd: () => "restart" });
      group.start();
      await group.ready();
      foreign.end.resolve();
      await vi.advanceTimersByTimeAsync(999);
      expect(start).toHaveBeenCalledTimes(1);
      await vi.advanceTimersByTimeAsync(1);
      expect(start).toHaveBeenCalledTimes(2);
      await group.stop();
    });

    it("restart first stops what is left of the service, so that no second one runs beside it", async () => {
      vi.useFakeTimers();
      using reports = captureReports();
      const log = new EventLog();
      class Spawner extends Actor {
        protected override async main(token: CancellationToken): Promise<void> {
          this.spawn((own) => waits(own).finally(log.note("left-over ends")));
          await super.main(token);
        }
      }
      const group = new ServiceGroup([new Spawner(log, "a", { main: once(() => Promise.reject(boom)) })], {
        onEnd: () => "restart",
        restartDelay: 10,
      });
      group.start();
      await group.ready();
      await vi.advanceTimersByTimeAsync(10);
      expect(log.take()).toEqual(["a starts", "a ends", "left-over ends", "a starts"]);
      await group.stop();
      expect(reports.length).toBeGreaterThan(0);
    });

    it("restart goes on until the service is ready again, each failure reported, none thrown", async () => {
      vi.useFakeTimers();
      using reports = captureReports();
      const log = new EventLog();
      let starts = 0;
      const foreign = new Foreign("a");
      const start = foreign.start.bind(foreign);
      foreign.start = () => {
        log.add(`start ${++starts}`);
        if (starts === 2 || starts === 3) throw bang;
        start();
      };
      const group = new ServiceGroup([foreign], { onEnd: () => "restart", restartDelay: 10 });
      group.start();
      await group.ready();
      foreign.end.reject(boom);
      await vi.advanceTimersByTimeAsync(30);
      expect(log.take()).toEqual(["start 1", "start 2", "start 3", "start 4"]);
      expect([foreign.isRunning, group.isRunning]).toEqual([true, true]);
      expect(reports.map(({ error }) => error)).toEqual([boom, bang, bang]);
      await expect(group.stop()).resolves.toBeUndefined();
    });

    it("a stop during the delay of a restart ends it at once, and nothing is started", async () => {
      vi.useFakeTimers();
      using reports = captureReports();
      const log = new EventLog();
      const group = new ServiceGroup(
        [new Actor(log, "a"), new Actor(log, "b", { main: once(() => Promise.reject(boom)) })],
        { onEnd: () => "restart", restartDelay: 60_000 },
      );
      group.start();
      await group.ready();
      await vi.advanceTimersByTimeAsync(5);
      log.take();
      await expect(group.stop()).resolves.toBeUndefined();
      await vi.advanceTimersByTimeAsync(120_000);
      expect(log.take()).toEqual(["a is asked", "a ends"]);
      expect(vi.getTimerCount()).toBe(0);
      expect(reports.length).toBe(2);
    });

    it("a function is asked each time, with the service", async () => {
      vi.useFakeTimers();
      const log = new EventLog();
      const asked: string[] = [];
      const answers = ["restart", "stop"] as const;
      const actor = new Actor(log, "b", { main: () => flushMicrotasks() });
      const group = new ServiceGroup([new Actor(log, "a"), actor], {
        onEnd: (service) => {
          asked.push(service.uniqueId);
          return answers[asked.length - 1]!;
        },
        restartDelay: 10,
      });
      group.start();
      await group.ready();
      const join = group.join();
      await vi.advanceTimersByTimeAsync(20);
      await join;
      expect(asked).toEqual(["b", "b"]);
      expect(actor.calls).toBe(2);
      expect(group.isRunning).toBe(false);
    });

    it("a function that throws ends the group with that error", async () => {
      const log = new EventLog();
      const group = new ServiceGroup([new Actor(log, "a"), new Actor(log, "b", { main: () => undefined })], {
        onEnd: () => {
          throw boom;
        },
      });
      group.start();
      expect((await groupError(group.join())).errors).toEqual([boom]);
      expect(log.take().slice(-2)).toEqual(["a is asked", "a ends"]);
    });
  });

  describe("a FatalError", () => {
    const end = new FatalError("end");

    it.each(["stop", "ignore", "restart"] as const)(
      "of a service stops all, whatever the policy (%s), and comes out bare",
      async (onEnd) => {
        using reports = captureReports();
        const log = new EventLog();
        const gate = new Deferred();
        const group = new ServiceGroup(
          [
            new Actor(log, "a"),
            new Actor(log, "b", { main: (token) => token.race(gate.promise) }),
            new Actor(log, "c"),
          ],
          { onEnd: () => onEnd, restartDelay: 0 },
        );
        group.start();
        await group.ready();
        log.take();
        gate.reject(end);
        expect(await rejection(group.join())).toBe(end);
        expect(log.take()).toEqual(["b ends", "c is asked", "c ends", "a is asked", "a ends"]);
        expect(new Set(reports.map(({ error }) => error))).toEqual(new Set([end]));
        await expect(group.stop()).resolves.toBeUndefined();
      },
    );

    it("outranks the failures of others, which are reported", async () => {
      using reports = captureReports();
      const group = new ServiceGroup([
        new Foreign("a", (done) => {
          done.reject(end);
        }),
        new Foreign("b", (done) => {
          done.reject(boom);
        }),
      ]);
      group.start();
      await group.ready();
      expect(await rejection(group.stop())).toBe(end);
      expect(reports.map(({ error }) => error).filter((error) => error !== end)).toEqual([boom]);
    });
  });

  describe("in a group", () => {
    it("starts and stops with its turn", async () => {
      const log = new EventLog();
      const inner = new ServiceGroup([new Actor(log, "b1"), new Actor(log, "b2")], { uniqueId: "b" });
      const group = new ServiceGroup([new Actor(log, "a"), inner, new Actor(log, "c")]);
      group.start();
      await group.ready();
      expect(log.take()).toEqual(["a starts", "b1 starts", "b2 starts", "c starts"]);
      expect(inner.isRunning).toBe(true);
      await group.stop();
      expect(log.take().filter((event) => event.endsWith("ends"))).toEqual([
        "c ends",
        "b2 ends",
        "b1 ends",
        "a ends",
      ]);
    });

    it("is ready when all of its services are, and its failure is the outer one's", async () => {
      using reports = captureReports();
      const log = new EventLog();
      const ready = new Deferred();
      const fail = new Deferred();
      const inner = new ServiceGroup([
        new Actor(log, "b1", { ready: () => ready.promise, main: (token) => token.race(fail.promise) }),
      ]);
      const group = new ServiceGroup([inner, new Actor(log, "c")]);
      group.start();
      await flushMicrotasks();
      expect(log.take()).toEqual(["b1 starts"]);
      ready.resolve();
      await group.ready();
      expect(log.take()).toEqual(["c starts"]);
      fail.reject(boom);
      expect((await groupError(group.join())).leaves()).toEqual([boom]);
      expect(log.take()).toEqual(["b1 ends", "c is asked", "c ends"]);
      // The service's own line; no group adds one.
      expect(reports).toHaveLength(1);
    });

    it("that does not stop in time is named", async () => {
      vi.useFakeTimers();
      const inner = new ServiceGroup([new Foreign("stuck", () => undefined)], { uniqueId: "inner" });
      const group = new ServiceGroup([new Foreign("a"), inner], { stopTimeout: 100 });
      group.start();
      await group.ready();
      const stop = rejection(group.stop());
      await vi.advanceTimersByTimeAsync(100);
      const error = (await stop) as TimeoutError;
      expect(error).toBeInstanceOf(TimeoutError);
      expect(error.message).toContain("inner");
    });
  });

  it("serves as any service does: names, text, disposal, instanceof", async () => {
    class App extends ServiceGroup {}
    const app = new App([new Foreign("a")], { uniqueId: "x" });
    expect(app).toBeInstanceOf(ServiceGroup);
    expect(app).toBeInstanceOf(ServiceBase);
    expect(String(app)).toMatch(/^App:x/);
    expect(new ServiceGroup([]).uniqueId).not.toBe("");
    const block = async (): Promise<void> => {
      await using group = app;
      group.start();
      await group.ready();
    };
    await block();
    expect(app.isRunning).toBe(false);
  });

  it.each([
    [{ startTimeout: -1 }, /`startTimeout`.*milliseconds/],
    [{ stopTimeout: Number.NaN }, /`stopTimeout`.*milliseconds/],
    [{ restartDelay: "1" as never }, /`restartDelay`.*milliseconds/],
    [{ token: {} as never }, /`token`/],
  ])("refuses %o at the door (L11)", (options, message) => {
    expect(() => new ServiceGroup([], options)).toThrow(message);
  });
});
