import { CancellationSource, FatalError, TaskGroupError, TimeoutError, TaskScope, sleep } from "@scope/core";
import { PersistentTaskGroup, ServiceBase, ServiceGroup } from "@scope/persistent";
import { Deferred, captureReports, flushMicrotasks, rejection, waits } from "@scope/test-utils";
import { expect, it } from "vitest";

it("acknowledges", async () => {
  using reports = captureReports();
  const group = new PersistentTaskGroup({ uniqueId: "x" });
  const a = group.spawn(() => Promise.reject(new Error("boom")), { name: "a" });
  expect(a.name).toBe("PersistentTaskGroup:x:a");
  const b = group.spawn((t) => waits(t), { name: "b" });
  for await (const task of group.asCompleted()) {
    expect(task).toBe(a);
    break;
  }
  expect([...group.tasks]).toEqual([a, b]);
  const seen: unknown[] = [];
  for await (const task of group.asCompleted({ timeout: 0 })) seen.push(task);
  expect(seen).toEqual([a]);
  expect([...group.tasks]).toEqual([b]);
  expect(String(group)).toMatchInlineSnapshot(`"PersistentTaskGroup:x (running: 1, waiting: 0)"`);
  expect(reports.length).toBe(1);
  await group.stop();
  expect(group.tasks.size).toBe(0);
});
it("stop with hydra", async () => {
  const group = new PersistentTaskGroup();
  let late: any;
  group.spawn(async (t) => {
    try {
      await waits(t);
    } finally {
      late = group.spawn(() => { throw new Error("called") });
    }
  });
  await group.stop();
  expect(late.status).toBe("cancelled");
  const again = group.spawn(() => 1);
  await again;
  await group.join();
  const error = (await rejection((async () => { group.spawn(waits).cancel(); await group.join(); })())) as TaskGroupError;
  expect(error).toBeInstanceOf(TaskGroupError);
  expect(error.message).toMatchInlineSnapshot(`
    "Error while stopping PersistentTaskGroup:1 (1 sub-error)
    Cancelled"
  `);
});
it("lent", async () => {
  using _ = captureReports();
  const scope = new TaskScope({ concurrency: 1 });
  const outer = new CancellationSource();
  const group = new PersistentTaskGroup({ spawner: scope, token: outer.token });
  const log: unknown[] = [];
  const a = group.spawn((t) => { t.onCancel(() => log.push(b.cancelRequested)); return waits(t); });
  const b = group.spawn(waits);
  expect(b.status).toBe("pending");
  group.cancel();
  await flushMicrotasks();
  expect([a.status, b.status, log]).toEqual(["cancelled", "cancelled", [true]]);
  const c = group.spawn((t) => { t.onCancel(() => log.push(d.cancelRequested)); return waits(t); });
  const d = group.spawn(waits);
  outer.cancel();
  await flushMicrotasks();
  expect([c.status, d.status, log]).toEqual(["cancelled", "cancelled", [true, true]]);
  expect(() => group.spawn(waits)).toThrow("is");
  await expect(group.join()).rejects.toBe(outer.token.error);
});
it("run", async () => {
  using _ = captureReports();
  await expect(PersistentTaskGroup.run(async (g) => { g.spawn(() => { throw new FatalError("f") }); await waits(g.token); })).rejects.toThrow("f");
  await expect(PersistentTaskGroup.run(async (g) => { g.spawn(waits); return 5; })).resolves.toBe(5);
  const e = await rejection(PersistentTaskGroup.run(async (g) => { const t = g.spawn(() => { throw new Error("f") }); await flushMicrotasks(); throw new Error("body"); }));
  expect((e as TaskGroupError).errors.map(String)).toEqual(["Error: body", "Error: f"]);
  expect((e as TaskGroupError).tasks[0]).toBe(undefined);
});
it("services", async () => {
  using _ = captureReports();
  const log: string[] = [];
  class S extends ServiceBase {
    protected async main(token: any) { log.push("start " + this.uniqueId); try { await waits(token); } finally { log.push("stop " + this.uniqueId); } }
  }
  const group = new ServiceGroup(["a", "b", "c"].map((uniqueId) => new S({ uniqueId })));
  group.start();
  await group.ready();
  await group.stop();
  expect(log).toEqual(["start a", "start b", "start c", "stop c", "stop b", "stop a"]);
  group.start();
  await group.ready();
  group.cancel();
  await group.join();
  expect(log.slice(6)).toEqual(["start a", "start b", "start c", "stop c", "stop b", "stop a"]);
});
