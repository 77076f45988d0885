import { getEventListeners } from "node:events";
import {
  CancellationSource,
  CancellationToken,
  InvalidStateError,
  TaskGroupError,
  TaskScope,
  backgroundSpawner,
  cancelAndWait,
  sleep,
  type Task,
} from "@scope/core";
import { Deferred, EventLog, captureReports, flushMicrotasks, macrotask } from "@scope/test-utils";
import { describe, expect, it, vi } from "vitest";

/** A task that, when it is asked to end, does so as told once `open` settles. */
function reluctant(scope: TaskScope, open: Deferred<unknown>, name?: string): Task<unknown> {
  return scope.spawn(
    async (token) => {
      await sleep(Infinity, token).catch(() => undefined);
      return open.promise;
    },
    { name },
  );
}

function waiting(scope: TaskScope): Task<void> {
  return scope.spawn((token) => sleep(Infinity, token));
}

/** Whether a promise has settled by now. */
function settled(promise: Promise<unknown>): { done: boolean } {
  const seen = { done: false };
  const settle = (): void => {
    seen.done = true;
  };
  promise.then(settle, settle);
  return seen;
}

describe("cancelAndWait", () => {
  it("cancels a task and resolves with nothing once it has ended", async () => {
    const scope = new TaskScope();
    const open = new Deferred<unknown>();
    const task = reluctant(scope, open);
    const waited = cancelAndWait(task, { reason: "enough" });
    const seen = settled(waited);
    expect(task.cancelRequested).toBe(true);
    expect(task.token.error).toMatchObject({ reason: "enough", source: "explicit" });
    await macrotask();
    expect(seen.done).toBe(false);
    open.reject(task.token.error);
    await expect(waited).resolves.toBeUndefined();
    expect(task.status).toBe("cancelled");
    await scope.join();
  });

  it("swallows the tasks' own cancellation only, and cancels nobody else", async () => {
    const scope = new TaskScope();
    const [task, sibling] = [waiting(scope), waiting(scope)];
    await cancelAndWait(task);
    expect(sibling.cancelRequested).toBe(false);
    expect(scope.cancelRequested).toBe(false);
    await scope.stop();
  });

  it("asks all tasks at once, and waits for all", async () => {
    const scope = new TaskScope();
    const opens = [new Deferred<unknown>(), new Deferred<unknown>()];
    const tasks = opens.map((open) => reluctant(scope, open));
    const waited = cancelAndWait(tasks);
    const seen = settled(waited);
    expect(tasks.map(({ cancelRequested }) => cancelRequested)).toEqual([true, true]);
    opens[1]!.reject(tasks[1]!.token.error);
    await macrotask();
    expect(seen.done).toBe(false);
    opens[0]!.reject(tasks[0]!.token.error);
    await waited;
    await scope.join();
  });

  it("takes any iterable: a set, the scope's tasks, a generator", async () => {
    const scope = new TaskScope();
    const spawnTwo = (): Task<void>[] => [waiting(scope), waiting(scope)];
    await cancelAndWait(new Set(spawnTwo()));
    expect(scope.size).toBe(0);
    spawnTwo();
    await cancelAndWait(scope.tasks);
    expect(scope.size).toBe(0);
    await cancelAndWait(spawnTwo().values());
    expect(scope.size).toBe(0);
    await cancelAndWait([]);
    await scope.join();
  });

  it("ends a pending task, never called", async () => {
    const scope = new TaskScope({ concurrency: 1 });
    const fn = vi.fn();
    waiting(scope);
    await cancelAndWait(scope.spawn(fn));
    expect(fn).not.toHaveBeenCalled();
    await scope.stop();
  });

  it("takes tasks of several owners", async () => {
    const scopes = [new TaskScope(), new TaskScope()];
    const tasks = [...scopes, backgroundSpawner].map((owner) =>
      owner.spawn((token) => sleep(Infinity, token)),
    );
    await cancelAndWait(tasks);
    expect(tasks.map(({ status }) => status)).toEqual(["cancelled", "cancelled", "cancelled"]);
    await Promise.all(scopes.map((scope) => scope.join()));
  });

  describe("with tasks that are done already", () => {
    it("returns, whatever their outcome was", async () => {
      const scope = new TaskScope({ onError: "ignore" });
      const tasks = [
        scope.spawn(() => 1),
        scope.spawn(() => Promise.reject(new Error("failure"))),
        waiting(scope),
      ];
      tasks[2]!.cancel();
      await scope.join();
      await expect(cancelAndWait(tasks)).resolves.toBeUndefined();
      for (const task of tasks) await expect(cancelAndWait(task)).resolves.toBeUndefined();
    });

    it("returns even if the waiter's token is cancelled", async () => {
      const scope = new TaskScope();
      const task = scope.spawn(() => 1);
      await scope.join();
      await expect(cancelAndWait(task, { token: AbortSignal.abort() })).resolves.toBeUndefined();
    });

    it("passes over them, and waits for the others", async () => {
      const scope = new TaskScope({ onError: "ignore" });
      const failed = scope.spawn(() => Promise.reject(new Error("before")));
      await flushMicrotasks();
      const live = waiting(scope);
      await expect(cancelAndWait([failed, live])).resolves.toBeUndefined();
      expect(live.status).toBe("cancelled");
      await scope.join();
    });
  });

  describe("with a task that fails", () => {
    it("throws its error, bare for one task given; the owner reports it all the same (L2)", async () => {
      using reports = captureReports();
      const scope = new TaskScope();
      const open = new Deferred<unknown>();
      const failure = new Error("while cleaning up");
      const task = reluctant(scope, open);
      open.reject(failure);
      await expect(cancelAndWait(task)).rejects.toBe(failure);
      expect(reports.map(({ error }) => error)).toEqual([failure]);
      await scope.join();
    });

    it("throws a TaskGroupError for an iterable, even of one", async () => {
      const scope = new TaskScope({ onError: "ignore" });
      const open = new Deferred<unknown>();
      const failure = new Error("while cleaning up");
      const task = reluctant(scope, open, "reader");
      open.reject(failure);
      const error = await cancelAndWait([task]).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(TaskGroupError);
      expect((error as TaskGroupError).errors).toEqual([failure]);
      expect((error as TaskGroupError).tasks).toEqual([task]);
      expect((error as TaskGroupError).message).toMatchInlineSnapshot(`
        "errors in cancelled tasks (1 sub-error)
        while cleaning up"
      `);
      await scope.join();
    });

    it("waits for the others first, and lists every failure with its task, cancellations left out", async () => {
      const scope = new TaskScope({ onError: "ignore" });
      const opens = Array.from({ length: 3 }, () => new Deferred<unknown>());
      const tasks = opens.map((open) => reluctant(scope, open));
      const quiet = waiting(scope);
      const waited = cancelAndWait([tasks[0]!, quiet, tasks[1]!, tasks[2]!]);
      const seen = settled(waited);
      const failures = [new Error("first"), new Error("second")];
      opens[0]!.reject(failures[0]);
      opens[1]!.reject(failures[1]);
      await macrotask();
      expect(seen.done).toBe(false);
      opens[2]!.reject(tasks[2]!.token.error);
      const error = (await waited.catch((caught: unknown) => caught)) as TaskGroupError;
      expect(error.errors).toEqual(failures);
      expect(error.tasks).toEqual([tasks[0], tasks[1]]);
      await scope.join();
    });

    it("throws the failure of one that failed in spite of a cancellation asked for earlier", async () => {
      const scope = new TaskScope({ onError: "ignore" });
      const open = new Deferred<unknown>();
      const failure = new Error("failure");
      const task = reluctant(scope, open);
      task.cancel("earlier");
      const waited = cancelAndWait(task, { reason: "later" });
      open.reject(failure);
      await expect(waited).rejects.toBe(failure);
      expect(task.token.error).toMatchObject({ reason: "earlier" });
      await scope.join();
    });

    it("throws undefined if that is what was thrown", async () => {
      const scope = new TaskScope({ onError: "ignore" });
      const open = new Deferred<unknown>();
      const task = reluctant(scope, open);
      open.reject(undefined);
      const outcomes = await Promise.allSettled([cancelAndWait(task)]);
      expect(outcomes).toEqual([{ status: "rejected", reason: undefined }]);
      await scope.join();
    });
  });

  describe("with a task that takes the request and returns all the same", () => {
    it("throws InvalidStateError, which names the task", async () => {
      const scope = new TaskScope();
      const open = new Deferred<unknown>();
      const task = reluctant(scope, open, "stubborn");
      open.resolve("value");
      const error: unknown = await cancelAndWait(task).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(InvalidStateError);
      expect((error as Error).message).toMatchInlineSnapshot(
        `"Task "stubborn" was cancelled, but returned a value"`,
      );
      expect(task.status).toBe("succeeded");
      await scope.join();
    });

    it("lists it among the failures of several", async () => {
      const scope = new TaskScope();
      const open = new Deferred<unknown>();
      const stubborn = reluctant(scope, open);
      open.resolve("value");
      const error = await cancelAndWait([waiting(scope), stubborn]).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(TaskGroupError);
      expect((error as TaskGroupError).tasks).toEqual([stubborn]);
      expect((error as TaskGroupError).errors[0]).toBeInstanceOf(InvalidStateError);
      await scope.join();
    });
  });

  describe("with a token", () => {
    it("rejects at once with that token's cancellation, and leaves the tasks to their clean-up", async () => {
      const scope = new TaskScope();
      const open = new Deferred<unknown>();
      const log = new EventLog();
      const task = reluctant(scope, open);
      task.token.onCancel(log.note("asked"));
      const waiter = new CancellationSource();
      const waited = cancelAndWait(task, { reason: "task", token: waiter.token });
      await macrotask();
      waiter.cancel("waiter");
      await expect(waited).rejects.toBe(waiter.token.error);
      expect(task.status).toBe("running");
      expect(task.token.error).toMatchObject({ reason: "task" });
      expect(log.events).toEqual(["asked"]);
      open.reject(task.token.error);
      await scope.join();
      expect(task.status).toBe("cancelled");
    });

    it("rejects for an AbortSignal as well, and leaves no listener on it", async () => {
      const scope = new TaskScope();
      const controller = new AbortController();
      const open = new Deferred<unknown>();
      const task = reluctant(scope, open);
      const waited = cancelAndWait(task, { token: controller.signal });
      controller.abort("waiter");
      await expect(waited).rejects.toBe(CancellationToken.from(controller.signal).error);
      expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
      open.reject(task.token.error);
      await scope.join();
      const quiet = new AbortController();
      const other = new TaskScope();
      await cancelAndWait(waiting(other), { token: quiet.signal });
      expect(getEventListeners(quiet.signal, "abort")).toHaveLength(0);
      await other.join();
    });

    it("rejects when it is cancelled already and a task is left to wait for", async () => {
      const scope = new TaskScope();
      const open = new Deferred<unknown>();
      const task = reluctant(scope, open);
      const waiter = new CancellationSource();
      waiter.cancel("before");
      await expect(cancelAndWait(task, { token: waiter.token })).rejects.toBe(waiter.token.error);
      open.resolve(undefined);
      await scope.stop();
    });

    it("leaves the failure of a task it no longer waits for to the owner (L2)", async () => {
      using reports = captureReports();
      const scope = new TaskScope();
      const open = new Deferred<unknown>();
      const task = reluctant(scope, open);
      const waiter = new CancellationSource();
      const waited = cancelAndWait(task, { token: waiter.token });
      waiter.cancel();
      await expect(waited).rejects.toBe(waiter.token.error);
      const failure = new Error("later");
      open.reject(failure);
      await scope.join();
      expect(reports.map(({ error }) => error)).toEqual([failure]);
    });

    it("tells the waiter's cancellation from the tasks': the latter is swallowed", async () => {
      const outer = new CancellationSource();
      const scope = new TaskScope();
      const task = waiting(scope);
      await expect(cancelAndWait(task, { token: outer.token })).resolves.toBeUndefined();
      outer.cancel();
      await scope.join();
    });

    it("lets a task that waits for another be cancelled itself (L4)", async () => {
      const scope = new TaskScope();
      const open = new Deferred<unknown>();
      const slow = reluctant(scope, open);
      const waiter = scope.spawn((token) => cancelAndWait(slow, { token }));
      waiter.cancel();
      await expect(waiter).rejects.toBe(waiter.token.error);
      expect(waiter.status).toBe("cancelled");
      expect(slow.status).toBe("running");
      open.reject(slow.token.error);
      await scope.join();
    });
  });
});
