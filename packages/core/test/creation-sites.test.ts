/** While debugging, the stack of an error goes on with where the task that it ended was spawned. */
import { TaskScope, setDebug } from "@scope/core";
import { captureReports, flushMicrotasks, waits } from "@scope/test-utils";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

/** Spawned by a function whose name is to be found again. */
function spawnLeaf(scope: TaskScope, error: unknown): void {
  scope.spawn(
    async () => {
      await Promise.resolve();
      throw error;
    },
    { name: "leaf" },
  );
}

function spawnMiddle(scope: TaskScope, error: unknown): void {
  scope.spawn(
    (token) =>
      TaskScope.run(
        (inner) => {
          spawnLeaf(inner, error);
        },
        { token, name: "inner" },
      ),
    { name: "middle" },
  );
}

function spawnRoot(scope: TaskScope, error: unknown): void {
  scope.spawn(
    async (token) => {
      // In the midst of the task, when nothing on the stack tells of the spawner any more.
      await flushMicrotasks(3);
      using source = token.child();
      const middle = new TaskScope({ token: source.token, name: "middle scope" });
      spawnMiddle(middle, error);
      await middle.join();
    },
    { name: "root" },
  );
}

function unreadable(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

async function failThreeLevelsDown(error: unknown): Promise<void> {
  await TaskScope.run(
    (scope) => {
      spawnRoot(scope, error);
    },
    { name: "outer" },
  );
}

describe("the stack of a failed task", () => {
  describe("while debugging", () => {
    beforeEach(() => {
      setDebug(true);
    });
    afterEach(() => {
      setDebug(false);
    });

    it("shows where the task was spawned, and each task around it, three levels up", async () => {
      using reports = captureReports();
      const boom = new Error("boom");
      const own = boom.stack;
      await failThreeLevelsDown(boom);
      expect(reports.map(({ error }) => error)).toEqual([boom]);
      expect(boom.stack?.startsWith(`${own}\n`)).toBe(true);
      const told = boom.stack!.slice(own!.length).split(/\n(?=Task .* was spawned\n)/);
      // Each engine has its own way to go on after the spawner.
      expect(
        told.filter(Boolean).map((site) => [/^.*/.exec(site)?.[0], /at (spawn[A-Z]\w+)/.exec(site)?.[1]]),
      ).toEqual([
        ['Task "leaf" of TaskScope "inner" was spawned', "spawnLeaf"],
        ['Task "middle" of TaskScope "middle scope" was spawned', "spawnMiddle"],
        ['Task "root" of TaskScope "outer" was spawned', "spawnRoot"],
      ]);
    });

    it("is told once, by the first of the tasks that fail with the error", async () => {
      using reports = captureReports();
      const boom = new Error("boom");
      await TaskScope.run((scope) => {
        const first = scope.spawn(() => Promise.reject(boom), { name: "first" });
        scope.spawn(() => first, { name: "second" });
      });
      expect(reports.map(({ error }) => error)).toEqual([boom, boom]);
      expect(boom.stack?.match(/Task "\w+" of/g)).toEqual(['Task "first" of']);
    });

    it("leaves a cancellation, which is many tasks' error, as it is", async () => {
      using reports = captureReports();
      const scope = new TaskScope();
      const task = scope.spawn(waits);
      scope.cancel();
      const { stack } = task.token.error!;
      await scope.join();
      expect(task.error).toHaveProperty("stack", stack);
      expect([...reports]).toEqual([]);
    });

    it.each<[string, unknown]>([
      ["frozen", Object.freeze(new Error("boom"))],
      ["without a stack", Object.assign(new Error("boom"), { stack: undefined })],
      ["that is no error", "boom"],
      ["that is nothing", undefined],
      ["that cannot be looked at", unreadable()],
    ])("leaves an error alone: one %s", async (_, error) => {
      using reports = captureReports();
      await TaskScope.run((scope) => void scope.spawn(() => Promise.reject(error)));
      expect(reports.length).toBe(1);
      expect(reports[0]?.error).toBe(error);
    });
  });

  it("is the error's own otherwise", async () => {
    using reports = captureReports();
    const boom = new Error("boom");
    const { stack } = boom;
    await failThreeLevelsDown(boom);
    expect(reports.map(({ error }) => error)).toEqual([boom]);
    expect(boom.stack).toBe(stack);
  });
});
