/** The hook that owners of other kinds are built on: a scope with a policy of its own. */
import {
  CancellationSource,
  FatalError,
  InvalidStateError,
  type ScopePolicy,
  type Task,
  TaskGroupError,
  TaskScope,
  type TaskScopeOptions,
  TimeoutError,
} from "@scope/core";
import { captureReports, Deferred, flushMicrotasks, rejection, waits } from "@scope/test-utils";
import { describe, expect, it, vi } from "vitest";

/** Collects every failure; cancels the siblings or not, as it is told. */
class Collecting implements ScopePolicy {
  readonly kind = "Collection";
  readonly failures: [error: unknown, task: Task<unknown> | undefined][] = [];
  readonly labels: string[] = [];
  readonly #failFast: boolean;

  constructor(failFast = false) {
    this.#failFast = failFast;
  }

  failed(error: unknown, task: Task<unknown> | undefined): boolean {
    this.failures.push([error, task]);
    return this.#failFast;
  }

  outcome(label: () => string): unknown {
    this.labels.push(label());
    if (this.failures.length === 0) return undefined;
    const taken = this.failures.splice(0);
    return new TaskGroupError(
      taken.map(([error]) => error),
      `failures in ${label()}`,
      taken.map(([, task]) => task),
    );
  }
}

const boom = new Error("boom");
const bang = new Error("bang");

describe("a ScopePolicy", () => {
  describe("kind", () => {
    it("names the owner in place of TaskScope: repr, default name, refusals, timeouts", async () => {
      vi.useFakeTimers();
      const scope = new TaskScope({ name: "ingest", timeout: 100 }, { kind: "Crew" });
      expect(String(scope)).toMatch(/^Crew "ingest"/);
      expect(new TaskScope({}, { kind: "Crew" }).name).toMatch(/^crew/);
      const gate = new Deferred();
      scope.spawn(() => gate.promise, { name: "slow" });
      const stop = rejection(scope.stop({ timeout: 10 }));
      expect(() => scope.spawn(() => undefined)).toThrow(/^Crew "ingest" is shutting down/);
      await vi.advanceTimersByTimeAsync(10);
      expect(((await stop) as Error).message).toContain('Crew "ingest"');
      gate.resolve();
      await scope.join();
      expect(() => scope.spawn(() => undefined)).toThrow(/^Crew "ingest" is closed/);
      const late = new TaskScope({ name: "late", timeout: 0 }, { kind: "Crew" });
      expect(((await rejection(late.join())) as Error).message).toContain('Crew "late"');
      expect(((await rejection(late.run(() => undefined))) as Error).message).toContain('Crew "late"');
    });

    it("alone changes nothing else: failures go to onError", async () => {
      using reports = captureReports();
      const scope = new TaskScope({}, { kind: "Crew" });
      scope.spawn(() => Promise.reject(boom));
      await scope.join();
      expect(reports.map(({ error }) => error)).toEqual([boom]);
      expect(reports[0]!.message).toContain("Crew");
    });
  });

  describe("failed", () => {
    it("takes each failure over, with its task, in the order in which they happened", async () => {
      using reports = captureReports();
      const onError = vi.fn();
      const policy = new Collecting();
      const scope = new TaskScope({ onError }, policy);
      const first = scope.spawn(() => Promise.reject(boom));
      const second = scope.spawn(() => Promise.reject(bang));
      scope.spawn(() => "value");
      scope.spawn(waits).cancel();
      await flushMicrotasks();
      expect(policy.failures).toEqual([
        [boom, first],
        [bang, second],
      ]);
      expect(scope.hasErrors).toBe(true);
      await rejection(scope.join());
      expect(onError).not.toHaveBeenCalled();
      expect(reports).toHaveLength(0);
    });

    it("leaves the siblings alone by returning false", async () => {
      const scope = new TaskScope({}, new Collecting(false));
      scope.spawn(() => Promise.reject(boom));
      const sibling = scope.spawn(() => flushMicrotasks().then(() => "value"));
      await rejection(scope.join());
      expect(sibling.result()).toBe("value");
    });

    it("has them cancelled, as by a sibling, by returning true", async () => {
      const scope = new TaskScope({}, new Collecting(true));
      scope.spawn(() => Promise.reject(boom));
      const sibling = scope.spawn(waits);
      await rejection(scope.join());
      expect(sibling.error).toMatchObject({ source: "sibling", reason: boom });
    });

    it("is told of the body's failure without a task, and all is cancelled whatever it returns", async () => {
      const policy = new Collecting(false);
      const scope = new TaskScope({}, policy);
      let task: Task<never> | undefined;
      const error = await rejection(
        scope.run(() => {
          task = scope.spawn(waits);
          throw boom;
        }),
      );
      expect(error).toBeInstanceOf(TaskGroupError);
      expect((error as TaskGroupError).errors).toEqual([boom]);
      expect((error as TaskGroupError).tasks).toEqual([undefined]);
      expect(task!.status).toBe("cancelled");
    });

    it("is not told of an interrupted body, nor of cancelled tasks", async () => {
      const policy = new Collecting();
      const scope = new TaskScope({}, policy);
      const run = scope.run(() => {
        scope.spawn(waits);
        scope.cancel("enough");
        return waits(scope.token);
      });
      expect(await rejection(run)).toMatchObject({ reason: "enough" });
      expect(policy.failures).toEqual([]);
    });

    it("is not told of fatal errors", async () => {
      const policy = new Collecting();
      const end = new FatalError("end");
      const scope = new TaskScope({}, policy);
      scope.spawn(() => Promise.reject(end));
      expect(await rejection(scope.join())).toBe(end);
      expect(policy.failures).toEqual([]);
    });

    it("may spawn: the scope does not close before that has ended", async () => {
      const retried = vi.fn();
      const scope: TaskScope = new TaskScope(
        {},
        {
          kind: "Retry",
          failed: () => {
            scope.spawn(retried);
            return false;
          },
        },
      );
      scope.spawn(() => Promise.reject(boom));
      await scope.join();
      expect(retried).toHaveBeenCalledOnce();
      expect(scope.state).toBe("closed");
    });
  });

  describe("outcome", () => {
    it("is what join, stop and disposal reject with", async () => {
      for (const wait of ["join", "stop", Symbol.asyncDispose] as const) {
        const scope = new TaskScope({ name: "ingest" }, new Collecting());
        scope.spawn(() => Promise.reject(boom));
        await flushMicrotasks();
        const error = await rejection(scope[wait]());
        expect(error).toBeInstanceOf(TaskGroupError);
        expect((error as TaskGroupError).errors).toEqual([boom]);
        expect((error as TaskGroupError).message).toContain('failures in Collection "ingest" (1 sub-error)');
      }
    });

    it("is asked for once, when the scope closes, however many wait", async () => {
      const policy = new Collecting();
      const scope = new TaskScope({ name: "ingest" }, policy);
      scope.spawn(() => Promise.reject(boom));
      const waiters = [scope.join(), scope.join(), scope.stop()].map(rejection);
      expect(policy.labels).toEqual([]);
      const errors = await Promise.all(waiters);
      expect(new Set(errors).size).toBe(1);
      expect(policy.labels).toEqual(['Collection "ingest"']);
      await scope.join();
      await scope.stop();
      expect(policy.labels).toHaveLength(1);
    });

    it("of nothing is no error", async () => {
      const scope = new TaskScope({}, new Collecting());
      scope.spawn(() => "value");
      await expect(scope.join()).resolves.toBe(undefined);
      await expect(new TaskScope({}, new Collecting()).run(() => "value")).resolves.toBe("value");
    });

    it("counts more than a timeout and an outer cancellation (L5)", async () => {
      const outer = new CancellationSource();
      const scope = new TaskScope({ token: outer.token }, new Collecting());
      scope.spawn(() => Promise.reject(boom));
      await flushMicrotasks();
      outer.cancel();
      expect(await rejection(scope.join())).toBeInstanceOf(TaskGroupError);

      vi.useFakeTimers();
      const timed = new TaskScope({ timeout: 10 }, new Collecting());
      timed.spawn(() => Promise.reject(boom));
      await vi.advanceTimersByTimeAsync(10);
      expect(await rejection(timed.join())).toBeInstanceOf(TaskGroupError);

      const empty = new TaskScope({ timeout: 10 }, new Collecting());
      await vi.advanceTimersByTimeAsync(10);
      expect(await rejection(empty.join())).toBeInstanceOf(TimeoutError);
    });

    it("that a fatal error outranks goes to the process-wide handler, member by member (L5)", async () => {
      using reports = captureReports();
      const end = new FatalError("end");
      const scope = new TaskScope({}, new Collecting());
      const tasks = [boom, end, bang].map((error) => scope.spawn(() => Promise.reject(error)));
      expect(await rejection(scope.join())).toBe(end);
      expect(reports.map(({ error, task }) => [error, task])).toEqual([
        [boom, tasks[0]],
        [bang, tasks[2]],
      ]);
    });

    it("that a fatal error outranks may be any error, which is then reported as it is", async () => {
      using reports = captureReports();
      const end = new FatalError("end");
      const scope = new TaskScope({}, { kind: "Crew", failed: () => false, outcome: () => boom });
      scope.spawn(() => Promise.reject(end));
      expect(await rejection(scope.join())).toBe(end);
      expect(reports.map(({ error }) => error)).toEqual([boom]);
    });

    it("may be any error, and comes out as that object", async () => {
      const scope = new TaskScope({}, { kind: "Crew", outcome: () => boom });
      expect(await rejection(scope.run(() => "value"))).toBe(boom);
    });

    it("of a policy that leaves failures to onError is not lost when the body fails too (L2)", async () => {
      using reports = captureReports();
      const scope = new TaskScope({}, { kind: "Crew", outcome: () => boom });
      const error = await rejection(scope.run(() => Promise.reject(bang)));
      const told = [error, ...reports.map((report) => report.error)];
      expect(told).toHaveLength(2);
      expect(told).toContain(boom);
      expect(told).toContain(bang);
    });

    it("is told to run in place of the interruption that it led to", async () => {
      const scope = new TaskScope({}, new Collecting(true));
      const run = scope.run((entered) => {
        entered.spawn(() => Promise.reject(boom));
        return waits(entered.token);
      });
      expect(await rejection(run)).toBeInstanceOf(TaskGroupError);
    });

    it("is asked for again after the body when a join has closed the scope meanwhile", async () => {
      const policy = new Collecting(true);
      const scope = new TaskScope({}, policy);
      let joined: unknown;
      const error = await rejection(
        scope.run(async () => {
          scope.spawn(() => Promise.reject(boom));
          joined = await rejection(scope.join());
          throw bang;
        }),
      );
      expect((joined as TaskGroupError).errors).toEqual([boom]);
      expect((error as TaskGroupError).errors).toEqual([bang]);
      expect((error as TaskGroupError).tasks).toEqual([undefined]);
    });
  });

  describe("beside the options of the scope", () => {
    it("leaves onTaskDone, isFatal, concurrency and the rest as they are", async () => {
      const onTaskDone = vi.fn();
      const options: TaskScopeOptions = { onTaskDone, isFatal: (error) => error === bang, concurrency: 1 };
      const scope = new TaskScope(options, new Collecting(true));
      scope.spawn(() => Promise.reject(bang));
      const pending = scope.spawn(() => "never called");
      expect(pending.status).toBe("pending");
      expect(await rejection(scope.join())).toBe(bang);
      expect(onTaskDone).toHaveBeenCalledTimes(2);
    });
  });

  it("does not let a scope be entered twice: the body gets the scope itself", async () => {
    const scope = new TaskScope({}, new Collecting());
    let passed: unknown;
    await scope.run((entered) => {
      passed = entered;
    });
    expect(passed).toBe(scope);
    expect(await rejection(scope.run(() => undefined))).toBeInstanceOf(InvalidStateError);
  });
});
