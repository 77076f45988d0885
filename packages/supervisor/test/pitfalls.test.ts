/**
 * Situations that other projects had to mend, as far as they concern the supervisor and the combinators. The rest, the
 * numbers that apply to nothing yet and why, are in `packages/core/test/pitfalls.test.ts`.
 */
import { CancellationSource, type CancellationToken, CancelledError, Task } from "@scope/core";
import {
  type Child,
  RestartLimitError,
  Supervisor,
  type SupervisorOptions,
  asCompleted,
  gather,
  race,
} from "@scope/supervisor";
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
import { afterEach, describe, expect, it, vi } from "vitest";

const boom = new Error("boom");

afterEach(() => {
  vi.useRealTimers();
});

describe("where cancellation meets errors", () => {
  it("9. a cancellation between a result and its delivery: the value is handed over or disposed of, never lost (Kotlin#1813, anyio#728)", async () => {
    for (const turns of [0, 1, 2, 3, 4, 5, 6, 8, 12]) {
      const outer = new CancellationSource();
      const gate = new Deferred();
      const dispose = vi.fn();
      const connection = { [Symbol.asyncDispose]: () => Promise.resolve(dispose()) };
      const racing = race([() => gate.promise.then(() => connection), waits], { token: outer.token });
      await flushMicrotasks();
      gate.resolve();
      await flushMicrotasks(turns);
      outer.cancel("outer");
      const [settled] = await Promise.allSettled([racing]);
      const delivered = settled.status === "fulfilled" && settled.value.value === connection;
      expect([delivered, dispose.mock.calls.length], `after ${turns} turns`).toEqual([
        delivered,
        delivered ? 0 : 1,
      ]);
      if (settled.status === "rejected") expect(settled.reason).toBe(outer.token.error);
    }
  });

  it("9. two that are ready in the same tick: one wins, and the other's value is disposed of before race resolves", async () => {
    const gate = new Deferred();
    const log = new EventLog();
    const fns = [0, 1].map((index) => async () => {
      await gate.promise;
      return { index, [Symbol.dispose]: log.note(`${index} is disposed of`) };
    });
    const racing = race(fns);
    gate.resolve();
    const { value, index } = await racing;
    expect([value.index, index]).toEqual([0, 0]);
    expect(log.take()).toEqual(["1 is disposed of"]);
  });

  it("15. another scope's cancellation that a child ends in is a failure: a transient child is restarted, and told of (suture#77)", async () => {
    using reports = captureReports();
    const elsewhere = new CancelledError("elsewhere");
    const supervisor = new Supervisor();
    let calls = 0;
    const child = supervisor.supervise(
      (token) => (++calls === 1 ? Promise.reject(elsewhere) : waits(token)),
      { name: "child", restart: "transient" },
    );
    await flushMicrotasks();
    expect([calls, child.restarts, child.status]).toEqual([2, 1, "running"]);
    expect(reports.map(({ error }) => error)).toEqual([elsewhere]);
    await supervisor.stop();
  });

  it("15. another scope's cancellation is no cancellation of a combinator either", async () => {
    const elsewhere = new CancelledError("elsewhere");
    const [settled] = await gather([() => Promise.reject(elsewhere)]);
    expect(settled).toEqual({ status: "rejected", reason: elsewhere });
    expect(await rejection(race([() => Promise.reject(elsewhere), waits]))).toBe(elsewhere);
    const statuses: string[] = [];
    for (const failing = asCompleted([() => Promise.reject(elsewhere)]); ;) {
      const step = await failing.next();
      if (step.done === true) break;
      statuses.push(step.value.status);
    }
    expect(statuses).toEqual(["failed"]);
  });

  it("18. a loop that is left inside a supervisor: the rest is cancelled and awaited, and nobody else notices (cpython#135736)", async () => {
    using reports = captureReports();
    const log = new EventLog();
    const run = Supervisor.run(async (supervisor) => {
      const sibling = supervisor.supervise(waits, { name: "sibling" });
      const first = () => Promise.resolve("first");
      const slow = async (token: CancellationToken): Promise<string> => {
        try {
          return await waits(token);
        } finally {
          await macrotask();
          log.add("slow has cleaned up");
        }
      };
      for await (const task of asCompleted([first, slow], { token: supervisor.token })) {
        expect(task).toBeInstanceOf(Task);
        log.add("got one");
        break;
      }
      log.add("after the loop");
      expect([sibling.status, supervisor.cancelRequested]).toEqual(["running", false]);
      await sibling.stop();
      return "value";
    });
    await expect(run).resolves.toBe("value");
    expect(log.take()).toEqual(["got one", "slow has cleaned up", "after the loop"]);
    expect(reports).toHaveLength(0);
  });
});

describe("where something is spawned at an odd moment", () => {
  it("24. after a cancellation spawn and supervise are refused, and the function is never called (Swift#80789)", async () => {
    const supervisor = new Supervisor();
    const child = supervisor.supervise(waits, { name: "child" });
    supervisor.cancel();
    const fn = vi.fn();
    expect(() => supervisor.spawn(fn)).toThrow(/is shutting down/);
    expect(() => supervisor.supervise(fn, { name: "late" })).toThrow(/is shutting down/);
    await expect(child.restart()).rejects.toThrow(/is shutting down/);
    await supervisor.join();
    expect(fn).not.toHaveBeenCalled();
  });

  it("25. children that spawn and supervise children in their clean-up do not defeat the stop (the hydra)", async () => {
    let grown = 0;
    let refused = 0;
    const supervisor = new Supervisor({ onError: "ignore" });
    const hydra = async (token: CancellationToken): Promise<void> => {
      grown++;
      try {
        await waits(token);
      } finally {
        for (const grow of [
          () => supervisor.spawn(hydra),
          () => supervisor.supervise(hydra, { name: `head ${grown}` }),
        ]) {
          try {
            grow();
          } catch {
            refused++;
          }
        }
      }
    };
    supervisor.spawn(hydra);
    supervisor.supervise(hydra, { name: "a" });
    supervisor.supervise(hydra, { name: "b" });
    await supervisor.stop();
    expect([grown, refused, supervisor.size]).toEqual([3, 6, 0]);
  });

  it("25. a child that fails in its clean-up is not restarted over and over", async () => {
    const onError = vi.fn();
    let calls = 0;
    const supervisor = new Supervisor({ onError, maxRestarts: Infinity });
    supervisor.supervise(
      (token) => {
        calls++;
        return waits(token).catch(() => Promise.reject(boom));
      },
      { name: "a" },
    );
    await supervisor.stop();
    expect(calls).toBe(1);
    expect(onError).toHaveBeenCalledTimes(1);
  });

  it("27. a stop before or while children start is remembered, and what never started is not stopped (swift-service-lifecycle#20)", async () => {
    const log = new EventLog();
    const supervisor = new Supervisor({
      onEvent: ({ type, child }) => {
        if (type === "started") log.add(`${child.name} started`);
      },
    });
    const starting = supervisor.supervise(
      // It never gets ready.
      (token, { ready }) => {
        token.onCancel(log.note("starting is asked"));
        return waits(token).finally(ready);
      },
      { name: "starting" },
    );
    const never = vi.fn();
    const behind = supervisor.supervise(never, { name: "behind" });
    await flushMicrotasks();
    await supervisor.stop();
    await flushMicrotasks();
    expect(log.take()).toEqual(["starting started", "starting is asked"]);
    expect([starting.status, behind.status]).toEqual(["stopped", "stopped"]);
    expect(never).not.toHaveBeenCalled();
  });

  it("27. a child's stop() before its turn is remembered", async () => {
    const supervisor = new Supervisor();
    let first!: () => void;
    supervisor.supervise(
      (token, { ready }) => {
        first = ready;
        return waits(token);
      },
      { name: "first" },
    );
    const never = vi.fn();
    const child = supervisor.supervise(never, { name: "child" });
    await child.stop();
    first();
    await flushMicrotasks();
    expect(never).not.toHaveBeenCalled();
    await supervisor.stop();
  });

  it("28. a child that ends out of turn during the shutdown is not taken for the one being stopped (swift-service-lifecycle#171)", async () => {
    using reports = captureReports();
    const log = new EventLog();
    const [leave, gate] = [new Deferred(), new Deferred()];
    const supervisor = new Supervisor();
    const child = (name: string, end: (token: CancellationToken) => Promise<unknown>): Child =>
      supervisor.supervise(
        async (token) => {
          token.onCancel(log.note(`${name} is asked`));
          try {
            await end(token);
          } finally {
            log.add(`${name} ends`);
          }
        },
        { name },
      );
    child("a", waits);
    const middle = child("b", (token) => token.race(gate.promise));
    child("c", (token) => waits(token).catch(() => leave.promise));
    await flushMicrotasks();
    const stop = supervisor.stop();
    gate.reject(boom);
    await macrotask();
    // c is still being stopped: a has to wait, and b does not come back.
    expect(log.take()).toEqual(["c is asked", "b ends"]);
    leave.resolve();
    await stop;
    expect(log.take()).toEqual(["c ends", "a is asked", "a ends"]);
    expect([middle.restarts, middle.task]).toEqual([0, undefined]);
    expect(reports.map(({ error }) => error)).toEqual([boom]);
  });

  const endings: Record<string, (supervisor: Supervisor, outer: CancellationSource) => unknown> = {
    "stop()": (supervisor) => void supervisor.stop().catch(() => undefined),
    "cancel()": (supervisor) => {
      supervisor.cancel();
    },
    disposal: (supervisor) => void supervisor[Symbol.asyncDispose]().catch(() => undefined),
    "an outer cancellation": (_, outer) => {
      outer.cancel();
    },
    "a body that fails": () => Promise.reject(boom),
    "giving up": (supervisor) => {
      supervisor.supervise(() => Promise.reject(boom), { name: "failing" });
    },
    "a significant child": (supervisor) => {
      supervisor.supervise(() => undefined, { name: "main", restart: "temporary", significant: true });
    },
    "a timeout": () => vi.advanceTimersByTime(1000),
  };
  it.each(Object.entries(endings))(
    "29. %s stops children in the same order (swift-service-lifecycle#232)",
    async (_, end) => {
      vi.useFakeTimers();
      const log = new EventLog();
      const outer = new CancellationSource();
      const options: SupervisorOptions = {
        token: outer.token,
        maxRestarts: 0,
        timeout: 1000,
        onError: "ignore",
      };
      const run = Supervisor.run(async (supervisor) => {
        for (const name of ["a", "b", "c"]) {
          supervisor.supervise(
            async (token) => {
              token.onCancel(log.note(`${name} is asked`));
              await waits(token).catch(() => undefined);
              await macrotask();
              log.add(`${name} ends`);
            },
            { name },
          );
        }
        await end(supervisor, outer);
      }, options);
      await Promise.allSettled([run]);
      expect(log.take()).toEqual(["c is asked", "c ends", "b is asked", "b ends", "a is asked", "a ends"]);
    },
  );
});

describe("where somebody waits", () => {
  it("39. a child that swallows the request and returns is stopped, and nobody hangs (aiotools#92)", async () => {
    const supervisor = new Supervisor();
    const child = supervisor.supervise((token) => waits(token).catch(() => "swallowed"), { name: "a" });
    const task = child.task!;
    await child.stop();
    expect([task.status, child.status, child.restarts]).toEqual(["succeeded", "stopped", 0]);
    await child.restart();
    await child.restart();
    expect(child.status).toBe("running");
    await supervisor.stop();
    expect(child.status).toBe("stopped");
  });

  it("45. a slow shutdown does not hide an endless loop from the restart limit (otp#1287)", async () => {
    vi.useFakeTimers();
    const supervisor = new Supervisor({
      strategy: "one-for-all",
      maxRestarts: 2,
      withinMs: 100,
      onError: "ignore",
    });
    let calls = 0;
    supervisor.supervise(
      (token) =>
        waits(token).catch(
          () =>
            // Longer than the window.
            new Promise((resolve) => setTimeout(resolve, 1000)),
        ),
      { name: "slow" },
    );
    supervisor.supervise(
      () => {
        calls++;
        return Promise.reject(boom);
      },
      { name: "failing" },
    );
    const join = rejection(supervisor.join());
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await join).toBeInstanceOf(RestartLimitError);
    expect(calls).toBe(3);
  });

  it("46. restart intensities multiply over levels (OTP's design principles)", async () => {
    let calls = 0;
    const nested = (depth: number, token?: CancellationToken): Promise<void> =>
      Supervisor.run(
        (supervisor) => {
          supervisor.supervise(
            (own) => {
              if (depth > 0) return nested(depth - 1, own);
              calls++;
              return Promise.reject(boom);
            },
            { name: `level ${depth}` },
          );
        },
        { token, maxRestarts: 2, onError: "ignore" },
      );
    let error = await rejection(nested(2));
    expect(calls).toBe(3 * 3 * 3);
    for (let level = 0; level < 3; level++) {
      expect(error).toBeInstanceOf(RestartLimitError);
      error = (error as Error).cause;
    }
    expect(error).toBe(boom);
  });

  it("47. the handle belongs to the place, the task to the attempt: who awaits an attempt is told of that one (elixir#4517)", async () => {
    const supervisor = new Supervisor({ onError: "ignore" });
    const gate = new Deferred();
    let calls = 0;
    const child = supervisor.supervise((token) => (++calls === 1 ? gate.promise : waits(token)), {
      name: "a",
    });
    const first = child.task!;
    const awaited = rejection(first.then());
    gate.reject(boom);
    expect(await awaited).toBe(boom);
    await flushMicrotasks();
    expect([first.status, child.status, child.task === first]).toEqual(["failed", "running", false]);
    // An async function may hand the handle out: it is not thenable, and hangs nobody.
    const handed = await (() => Promise.resolve(child))();
    expect(handed).toBe(child);
    await supervisor.stop();
  });

  it("48. results and errors that nobody has read are not kept: one-shot and temporary children leave nothing (tokio's TaskTracker)", async () => {
    const supervisor = new Supervisor({ onError: "ignore" });
    const limited = new Supervisor({ onError: "ignore", concurrency: 2 });
    const keeper = supervisor.supervise(waits, { name: "keeps it open" });
    const left: WeakRef<object>[] = [];
    const known = <T extends object>(value: T): T => {
      left.push(new WeakRef(value));
      return value;
    };
    for (let i = 0; i < 20; i++) {
      for (const owner of [supervisor, limited]) {
        known(owner.spawn(() => known({ result: i })));
        known(owner.spawn(() => Promise.reject(known(new Error(`failure ${i}`)))));
      }
      known(
        supervisor.supervise(() => Promise.reject(known(new Error(`failure ${i}`))), {
          name: `temporary ${i}`,
          restart: "temporary",
        }),
      );
    }
    await macrotask();
    expect(left).toHaveLength(200);
    expect([...supervisor.children()]).toEqual([keeper]);
    await collectGarbage();
    const alive = left.filter((ref) => ref.deref() !== undefined).length;
    // What a register or a stack frame still holds.
    expect(alive).toBeLessThanOrEqual(5);
    await supervisor.stop();
    await limited.stop();
  });
});
