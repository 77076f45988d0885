import {
  CancellationSource,
  type CancellationToken,
  FatalError,
  InvalidStateError,
  type Task,
  TaskGroupError,
  TimeoutError,
} from "@scope/core";
import { type Service, ServiceBase, type ServiceBaseOptions } from "@scope/persistent";
import { captureReports, Deferred, EventLog, flushMicrotasks, rejection, waits } from "@scope/test-utils";
import { afterEach, describe, expect, it, vi } from "vitest";

const boom = new Error("boom");
const bang = new Error("bang");

const quiet = { logError: false };

/** Does in `main` what it is given. */
class Worker extends ServiceBase {
  readonly #main: (token: CancellationToken, worker: Worker) => unknown;
  calls = 0;

  constructor(
    main: (token: CancellationToken, worker: Worker) => unknown = waits,
    options?: ServiceBaseOptions,
  ) {
    super(options);
    this.#main = main;
  }

  protected override async main(token: CancellationToken): Promise<void> {
    this.calls++;
    await this.#main(token, this);
  }
}

async function groupError(promise: Promise<unknown>): Promise<TaskGroupError> {
  const error = await rejection(promise);
  if (!(error instanceof TaskGroupError)) throw error;
  return error;
}

afterEach(() => {
  vi.useRealTimers();
});

describe("ServiceBase", () => {
  describe("start", () => {
    it("calls main, once however often it is called, and is running from then on", async () => {
      const worker = new Worker();
      expect([worker.isRunning, worker.calls]).toEqual([false, 0]);
      worker.start();
      worker.start();
      expect([worker.isRunning, worker.calls]).toEqual([true, 1]);
      await flushMicrotasks();
      worker.start();
      expect(worker.calls).toBe(1);
      await worker.stop();
      expect(worker.isRunning).toBe(false);
    });

    it("starts it again after it has been stopped, has returned, or has failed", async () => {
      using reports = captureReports();
      const ends = [waits, () => undefined, () => Promise.reject(boom), waits];
      let n = 0;
      const worker = new Worker((token) => ends[n++]!(token));
      worker.start();
      await worker.stop();
      for (let again = 0; again < 2; again++) {
        worker.start();
        await worker.ended();
        expect(worker.isRunning).toBe(false);
      }
      worker.start();
      expect([worker.isRunning, worker.calls]).toEqual([true, 4]);
      expect((await groupError(worker.stop())).errors).toEqual([boom]);
      expect(reports.map(({ error }) => error)).toEqual([boom]);
    });

    it("is refused once the outer token is cancelled", async () => {
      const outer = new CancellationSource();
      const worker = new Worker(waits, { token: outer.token });
      worker.start();
      outer.cancel("outer");
      expect(await rejection(worker.join())).toBe(outer.token.error);
      expect(() => {
        worker.start();
      }).toThrow(InvalidStateError);
      expect(worker.calls).toBe(1);
    });

    it("during stop starts nothing, and stop ends", async () => {
      const worker: Worker = new Worker((token) =>
        waits(token).finally(() => {
          worker.start();
        }),
      );
      worker.start();
      const stop = worker.stop();
      worker.start();
      await stop;
      worker.start();
      expect(worker.calls).toBe(2);
      await worker.stop();
    });
  });

  describe("names", () => {
    it("main after its class and its id, and tasks after them too", async () => {
      using reports = captureReports();
      const worker = new Worker(() => Promise.reject(boom), { uniqueId: "north" });
      worker.start();
      expect(worker.uniqueId).toBe("north");
      expect(worker.spawn(() => 1, { name: "tick" }).name).toBe("Worker:north:tick");
      expect(worker.taskGroup.spawn(() => 1, { name: "tock" }).name).toBe("Worker:north:tock");
      await flushMicrotasks();
      expect(reports.map(({ message, error }) => [message, error])).toEqual([
        ['Error in task "Worker:north"', boom],
      ]);
      await rejection(worker.stop());
    });

    it("itself in text", async () => {
      const worker = new Worker(waits, { uniqueId: "x" });
      worker.spawn(waits);
      worker.spawn(() => 1);
      await flushMicrotasks();
      expect(String(worker)).toMatchInlineSnapshot(`"Worker:x (running: 1, waiting: 1)"`);
      worker.start();
      expect(String(worker)).toMatchInlineSnapshot(`"Worker:x (running: 2, waiting: 1)"`);
      await worker.stop();
      expect(String(worker)).toBe("Worker:x (running: 0, waiting: 0)");
    });
  });

  describe("main", () => {
    it("that fails is logged, and leaves tasks running; join and stop tell of it", async () => {
      using reports = captureReports();
      const worker = new Worker(() => Promise.reject(boom), { uniqueId: "x" });
      const task = worker.spawn(waits);
      worker.start();
      await worker.ended();
      expect([worker.isRunning, task.status]).toEqual([false, "running"]);
      expect(reports.map(({ message }) => message)).toEqual(['Error in task "Worker:x"']);
      const error = await groupError(worker.stop());
      expect(error.errors).toEqual([boom]);
      expect(error.tasks.map((each) => each?.name)).toEqual(["Worker:x"]);
      expect(error.message).toMatch(/^Error while stopping Worker:x \(1 sub-error\)/);
      await expect(worker.join()).resolves.toBeUndefined();
    });

    it("that throws synchronously fails like any other", async () => {
      using reports = captureReports();
      class Broken extends ServiceBase {
        protected override main(): Promise<void> {
          throw boom;
        }
      }
      const broken = new Broken();
      broken.start();
      expect(broken.isRunning).toBe(true);
      await broken.ended();
      expect(broken.isRunning).toBe(false);
      expect((await groupError(broken.join())).errors).toEqual([boom]);
      expect(reports).toHaveLength(1);
    });

    it("is no task of the task group: it is not iterated, listed or waited for there", async () => {
      const log = new EventLog();
      const worker = new Worker(async (_, own) => {
        own.spawn(() => flushMicrotasks(), { name: "a" });
        const tasks = own.taskGroup.asCompleted();
        for (let step = await tasks.next(); step.done !== true; step = await tasks.next())
          log.add(step.value.name);
        await own.taskGroup.join();
        await own.taskGroup.stop();
        log.add("main goes on");
      });
      worker.start();
      expect(worker.taskGroup.tasks.size).toBe(1);
      await worker.join();
      expect(log.take()).toEqual([`Worker:${worker.uniqueId}:a`, "main goes on"]);
    });

    it("that fails with the error of a task that it awaited is listed once (L2)", async () => {
      using reports = captureReports();
      let task!: Task<unknown>;
      const worker = new Worker(async (_, own) => {
        task = own.spawn(() => Promise.reject(boom), quiet);
        await task;
      });
      worker.start();
      await worker.ended();
      const error = await groupError(worker.stop());
      expect([error.errors, error.tasks]).toEqual([[boom], [task]]);
      expect(reports).toHaveLength(1);
    });
  });

  describe("stop", () => {
    it("before start has nothing to do, and is not remembered", async () => {
      const worker = new Worker();
      await worker.stop();
      await worker.join();
      await worker.ended();
      worker.cancel();
      worker.start();
      await flushMicrotasks();
      expect(worker.isRunning).toBe(true);
      await worker.stop();
    });

    it("cancels main and the tasks with the reason, in two phases, and waits for all (L1, L8)", async () => {
      const log = new EventLog();
      const seen: unknown[] = [];
      const end = async (token: CancellationToken): Promise<void> => {
        token.onCancel(() => seen.push(task.cancelRequested));
        await waits(token).catch(() => undefined);
        await flushMicrotasks();
        log.add("ended");
        token.throwIfCancelled();
      };
      const worker = new Worker(end);
      worker.start();
      const task: Task<void> = worker.spawn(end);
      await worker.stop({ reason: "enough" });
      expect(log.take()).toEqual(["ended", "ended"]);
      expect(seen).toEqual([true, true]);
      expect(task.error).toMatchObject({ source: "shutdown", reason: "enough" });
    });

    it("rejects with one TaskGroupError of main's failure and the tasks', without cancellations", async () => {
      using reports = captureReports();
      const worker = new Worker((token) => waits(token).catch(() => Promise.reject(boom)), { uniqueId: "x" });
      worker.start();
      worker.spawn(waits);
      const task = worker.spawn((token) => waits(token).catch(() => Promise.reject(bang)), quiet);
      const error = await groupError(worker.stop());
      expect(error.errors).toEqual([boom, bang]);
      expect(error.tasks[1]).toBe(task);
      expect(reports.map(({ error: reported }) => reported)).toEqual([boom]);
    });

    it("tells what the task group kept, but not what was acknowledged there", async () => {
      const worker = new Worker();
      worker.start();
      const seen = worker.spawn(() => Promise.reject(boom), quiet);
      worker.spawn(() => Promise.reject(bang), quiet);
      await flushMicrotasks();
      expect(worker.taskGroup.acknowledge(seen)).toBe(true);
      expect((await groupError(worker.stop())).errors).toEqual([bang]);
    });

    it("ends though main spawns in its clean-up: that ends cancelled, uncalled", async () => {
      const fn = vi.fn();
      let late: Task<unknown> | undefined;
      const worker: Worker = new Worker((token) =>
        waits(token).finally(() => {
          late = worker.spawn(fn);
        }),
      );
      worker.start();
      await worker.stop();
      await flushMicrotasks();
      expect([late?.status, fn.mock.calls.length]).toEqual(["cancelled", 0]);
    });

    it("names what still runs when its time is up", async () => {
      vi.useFakeTimers();
      const gate = new Deferred();
      const worker = new Worker(() => gate.promise, { uniqueId: "x" });
      worker.start();
      worker.spawn(() => gate.promise, { name: "slow" });
      const stop = rejection(worker.stop({ timeout: 100 }));
      await vi.advanceTimersByTimeAsync(100);
      const error = (await stop) as TimeoutError;
      expect(error).toBeInstanceOf(TimeoutError);
      expect(error.message).toMatchInlineSnapshot(
        `"Stopping Worker:x, Worker:x:slow took longer than 100 ms"`,
      );
      expect(worker.isRunning).toBe(true);
      gate.resolve();
      await worker.join();
      expect(vi.getTimerCount()).toBe(0);
    });

    it("during start, inside main's synchronous part, ends it", async () => {
      let stopped: Promise<void> | undefined;
      const worker: Worker = new Worker((token) => {
        stopped = worker.stop();
        return waits(token);
      });
      worker.start();
      await stopped;
      expect([worker.isRunning, worker.calls]).toEqual([false, 1]);
    });
  });

  describe("join", () => {
    it("waits for main and all tasks, and cancels nothing", async () => {
      const [main, task] = [new Deferred(), new Deferred()];
      const log = new EventLog();
      const worker = new Worker(() => main.promise);
      worker.start();
      worker.spawn(() => task.promise);
      const join = worker.join().then(log.note("joined"));
      main.resolve();
      await flushMicrotasks();
      expect([worker.isRunning, log.take()]).toEqual([false, []]);
      task.resolve();
      await join;
    });

    it("tells cancellations, unlike stop", async () => {
      const worker = new Worker();
      worker.start();
      worker.cancel("enough");
      const { errors } = await groupError(worker.join());
      expect(errors).toMatchObject([{ source: "explicit", reason: "enough" }]);
    });

    it("of several waits only the first to settle tells", async () => {
      using reports = captureReports();
      const worker = new Worker(() => Promise.reject(boom));
      worker.start();
      const settled = await Promise.allSettled([worker.join(), worker.stop()]);
      expect(settled.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
      expect(reports).toHaveLength(1);
    });
  });

  it("is cancelled with the outer token, tasks included", async () => {
    const outer = new CancellationSource();
    const worker = new Worker(waits, { token: outer.token });
    worker.start();
    const task = worker.spawn(waits);
    outer.cancel("outer");
    expect(await rejection(worker.join())).toBe(outer.token.error);
    expect([worker.isRunning, task.status]).toEqual([false, "cancelled"]);
    await expect(worker.stop()).resolves.toBeUndefined();
  });

  it("ends with a FatalError of main or of a task, which comes out bare", async () => {
    using reports = captureReports();
    const end = new FatalError("end");
    const [failing, waiting] = [new Worker(() => Promise.reject(end)), new Worker()];
    const task = failing.spawn(waits);
    failing.start();
    expect(await rejection(failing.join())).toBe(end);
    expect(task.status).toBe("cancelled");
    waiting.start();
    waiting.spawn(() => Promise.reject(end), quiet);
    // The one thing that it rejects with: who watches is to know.
    expect(await rejection(waiting.ended())).toBe(end);
    expect(await rejection(waiting.stop())).toBe(end);
    expect(reports.map(({ error }) => error)).toEqual([end]);
  });

  it("keeps failures alone with retain: failures", async () => {
    const worker = new Worker(waits, { retain: "failures" });
    worker.start();
    worker.spawn(() => 1);
    await flushMicrotasks();
    expect(worker.taskGroup.tasks.size).toBe(0);
    await worker.stop();
  });

  it("is disposed of by stopping, and is told by instanceof in subclasses", async () => {
    class Other extends Worker {}
    const worker: Service = new Other();
    expect(worker).toBeInstanceOf(ServiceBase);
    expect(new Worker()).not.toBeInstanceOf(Other);
    const block = async (): Promise<void> => {
      await using service = worker;
      service.start();
      await flushMicrotasks();
    };
    await block();
    expect(worker.isRunning).toBe(false);
  });

  it("cannot be started again once it was disposed of", async () => {
    const worker = new Worker();
    await worker[Symbol.asyncDispose]();
    expect(() => {
      worker.start();
    }).toThrow(InvalidStateError);
    expect(worker.calls).toBe(0);
  });

  it("ended() resolves when main has ended, whichever way, and tasks run on", async () => {
    using reports = captureReports();
    const worker = new Worker(() => Promise.reject(boom));
    const task = worker.spawn(waits);
    worker.start();
    await expect(worker.ended()).resolves.toBeUndefined();
    expect([worker.isRunning, task.status]).toEqual([false, "running"]);
    await rejection(worker.stop());
    expect(reports).toHaveLength(1);
  });

  it("refuses a token that is none (L11)", () => {
    expect(() => new Worker(waits, { token: 1 as never })).toThrow(/`token`.*CancellationToken/);
  });
});
