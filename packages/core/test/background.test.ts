import { FatalError, InvalidStateError, Task, backgroundSpawner, sleep, type TaskSpawner } from "@scope/core";
import { Deferred, captureReports, collectGarbage, flushMicrotasks } from "@scope/test-utils";
import { describe, expect, it } from "vitest";

describe("backgroundSpawner", () => {
  it("starts tasks as every owner does: at once, with a name and a token", async () => {
    const spawner: TaskSpawner = backgroundSpawner;
    let started = false;
    const task = spawner.spawn(
      async (token) => {
        started = true;
        await Promise.resolve();
        return token;
      },
      { name: "flush" },
    );
    expect(started).toBe(true);
    expect(task).toBeInstanceOf(Task);
    expect(task.name).toBe("flush");
    await expect(task).resolves.toBe(task.token);
  });

  it("has every failure told to the process-wide handler, awaited or not, once (L2)", async () => {
    using reports = captureReports();
    const [first, second] = [new Error("first"), new Error("second")];
    const unawaited = backgroundSpawner.spawn(() => Promise.reject(first), { name: "lost" });
    const awaited = backgroundSpawner.spawn(() => {
      throw second;
    });
    await expect(awaited).rejects.toBe(second);
    await flushMicrotasks();
    expect(reports.map(({ error }) => error)).toHaveLength(2);
    expect(new Set(reports.map(({ error }) => error))).toEqual(new Set([first, second]));
    const told = reports.find(({ error }) => error === first);
    expect(told?.task).toBe(unawaited);
    expect(told?.message).toContain('"lost"');
  });

  it("goes on after failures, fatal ones too: there is no scope for those to leave", async () => {
    using reports = captureReports();
    const fatal = new FatalError("the end");
    const bystander = new Deferred<string>();
    const other = backgroundSpawner.spawn(() => bystander.promise);
    const task = backgroundSpawner.spawn(() => Promise.reject(fatal));
    await expect(task).rejects.toBe(fatal);
    expect(reports.map(({ error }) => error)).toEqual([fatal]);
    expect(other.cancelRequested).toBe(false);
    bystander.resolve("unharmed");
    await expect(other).resolves.toBe("unharmed");
    await expect(backgroundSpawner.spawn(() => "still open")).resolves.toBe("still open");
  });

  it("has tasks that are cancelled one by one, which is nothing to report", async () => {
    using reports = captureReports();
    const [one, other] = [0, 1].map(() => backgroundSpawner.spawn((token) => sleep(Infinity, token)));
    one!.cancel("enough");
    await expect(one).rejects.toMatchObject({ reason: "enough" });
    expect(other!.cancelRequested).toBe(false);
    other!.cancel();
    await expect(other).rejects.toBe(other!.token.error);
    expect(reports).toHaveLength(0);
  });

  it("lets tasks spawn more tasks", async () => {
    const outer = backgroundSpawner.spawn(() => backgroundSpawner.spawn(() => "inner"));
    await expect(outer).resolves.toBe("inner");
  });

  it("refuses results of tasks that still run", async () => {
    const open = new Deferred();
    const task = backgroundSpawner.spawn(() => open.promise);
    expect(() => {
      task.result();
    }).toThrow(InvalidStateError);
    open.resolve();
    await task;
  });

  it("keeps a task until it is done, though nobody refers to it, and not longer", async () => {
    const open = new Deferred();
    const { task, local } = ((): { task: WeakRef<object>; local: WeakRef<object> } => {
      const held = {};
      const spawned = backgroundSpawner.spawn(async () => {
        await open.promise;
        return held;
      });
      return { task: new WeakRef(spawned), local: new WeakRef(held) };
    })();
    await collectGarbage();
    expect(task.deref()).toBeInstanceOf(Task);
    expect((task.deref() as Task<unknown>).status).toBe("running");
    open.resolve();
    await flushMicrotasks();
    await collectGarbage();
    expect(task.deref()).toBeUndefined();
    expect(local.deref()).toBeUndefined();
  });

  it("keeps a task that waits for something nobody else refers to", async () => {
    const spawnOne = (): WeakRef<object> =>
      new WeakRef(backgroundSpawner.spawn((token) => sleep(Infinity, token)));
    const task = spawnOne();
    // Others that come and go do not take its place.
    await backgroundSpawner.spawn(() => undefined);
    await collectGarbage();
    const kept = task.deref() as Task<void> | undefined;
    expect(kept?.status).toBe("running");
    kept?.cancel();
    await kept?.catch(() => undefined);
  });
});
