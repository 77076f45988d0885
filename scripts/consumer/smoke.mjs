// A user's program on the packed packages. Runs on Node, Bun and Deno.
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import {
  CancellationSource,
  CancellationToken,
  CancelledError,
  TaskGroupError,
  TaskScope,
  TimeoutError,
  failAfter,
  isCancellation,
  moveOnAfter,
  setTaskErrorHandler,
  sleep,
} from "@scope/core";
import { ExitError, backgroundTasks, runMain, spawn, spawnGuarded } from "@scope/guarded";
import { expectNoTasksLeft, formatTree, inspect, snapshot, trackTasks } from "@scope/inspect";
import { mountInspector, mountTimeline } from "@scope/inspect/view";
import { PersistentTaskGroup, ServiceBase, ServiceGroup } from "@scope/persistent";
import { Supervisor, asCompleted, gather, race } from "@scope/supervisor";
import { TaskGroup } from "@scope/taskgroup";

// spawn, and the value of a task
const sum = await TaskGroup.run(async (group) => {
  const one = group.spawn(async () => 1);
  const two = group.spawn(async (token) => {
    await sleep(1, token);
    return 2;
  });
  return (await one) + (await two);
});
assert.equal(sum, 3);

// map keeps the order of its input
assert.deepEqual(await TaskGroup.map([3, 1, 2], async (n) => n * 2, { concurrency: 2 }), [6, 2, 4]);

// a failure cancels the siblings, and only the failure is told
let cancelled = false;
const failure = new Error("no such file");
await assert.rejects(
  TaskGroup.run((group) => {
    group.spawn(async (token) => {
      token.onCancel(() => {
        cancelled = true;
      });
      await sleep(60_000, token);
    });
    group.spawn(async () => {
      throw failure;
    });
  }),
  (error) => {
    assert.ok(error instanceof TaskGroupError);
    assert.deepEqual(error.errors, [failure]);
    return true;
  },
);
assert.ok(cancelled);

// cancel reaches sleep, with the reason
const source = new CancellationSource();
setTimeout(() => {
  source.cancel("enough");
}, 1);
await assert.rejects(sleep(60_000, source.token), (error) => {
  assert.ok(error instanceof CancelledError);
  assert.ok(isCancellation(error));
  assert.equal(error.reason, "enough");
  return true;
});
assert.equal(source.token.signal.aborted, true);

// an AbortSignal of the platform is followed
const controller = new AbortController();
const scoped = TaskScope.run(
  async (scope) => {
    await sleep(60_000, scope.token);
  },
  { token: controller.signal },
);
controller.abort();
await assert.rejects(scoped, (error) => isCancellation(error));
assert.equal(CancellationToken.from(controller.signal).cancelRequested, true);

// time limits
assert.equal(await moveOnAfter(5, (scope) => sleep(60_000, scope.token)), undefined);
await assert.rejects(
  failAfter(5, (scope) => sleep(60_000, scope.token)),
  (error) => error instanceof TimeoutError,
);

// a supervised child is restarted, its sibling goes on
let attempts = 0;
await Supervisor.run(
  async (supervisor) => {
    const sibling = supervisor.spawn(async (token) => sleep(60_000, token));
    await new Promise((resolve) => {
      supervisor.supervise(
        async (token) => {
          attempts += 1;
          if (attempts < 3) throw failure;
          resolve();
          await sleep(60_000, token);
        },
        { name: "child", backoff: { initial: 1 } },
      );
    });
    assert.equal(sibling.status, "running");
    supervisor.cancel();
  },
  { onError: "ignore" },
);
assert.equal(attempts, 3);

// the combinators end what they start
const first = await race([(token) => sleep(60_000, token), async () => "first"]);
assert.deepEqual(first, { value: "first", index: 1, errors: [] });
const settled = await gather([() => 1, () => Promise.reject(failure)]);
assert.deepEqual(settled, [
  { status: "fulfilled", value: 1 },
  { status: "rejected", reason: failure },
]);
const order = [];
for await (const task of asCompleted([(token) => sleep(5, token).then(() => "slow"), async () => "quick"])) {
  order.push(task.result());
}
assert.deepEqual(order, ["quick", "slow"]);

// a persistent group keeps failures until they are looked at, and stays open
const reported = [];
const restore = setTaskErrorHandler(({ message }) => reported.push(message));
const group = new PersistentTaskGroup({ uniqueId: "smoke" });
group.spawn(() => Promise.reject(failure), { name: "fails" });
for await (const task of group.asCompleted()) assert.equal(task.error, failure);
assert.equal(group.tasks.size, 0);
group.spawn((token) => sleep(60_000, token));
await group.stop();
assert.equal(reported.length, 1);
setTaskErrorHandler(restore);

// services start in order and stop in reverse
const steps = [];
class Service extends ServiceBase {
  async main(token) {
    steps.push(`start ${this.uniqueId}`);
    await sleep(60_000, token).finally(() => steps.push(`stop ${this.uniqueId}`));
  }
}
const services = new ServiceGroup(["a", "b"].map((uniqueId) => new Service({ uniqueId })));
services.start();
await services.ready();
await services.stop();
assert.deepEqual(steps, ["start a", "start b", "stop b", "stop a"]);

// the context is the spawner's, also when the start was delayed
const storage = new AsyncLocalStorage();
const seen = await TaskGroup.run(
  async (group) => {
    const tasks = ["a", "b", "c"].map((name) =>
      storage.run(name, () =>
        group.spawn(async (token) => {
          await sleep(1, token);
          return storage.getStore();
        }),
      ),
    );
    return Promise.all(tasks);
  },
  { concurrency: 1 },
);
assert.deepEqual(seen, ["a", "b", "c"]);

// a guarded failure ends main in the orderly way
const ended = [];
await runMain(
  async (token) => {
    spawn((own) => sleep(60_000, own).finally(() => ended.push("cleaned up")));
    spawnGuarded(() => Promise.reject(new ExitError(78)));
    await sleep(60_000, token);
  },
  { exit: (code) => ended.push(code) },
);
assert.deepEqual(ended, ["cleaned up", 78]);
assert.equal(backgroundTasks().size, 0);

// the live tree
const inspected = inspect({ waits: true, sites: true });
trackTasks();
const watched = new TaskGroup({ name: "seen" });
watched.spawn((token) => sleep(60_000, token), { name: "sleeper" });
assert.match(
  formatTree(await inspected.snapshot()),
  /TaskGroup "seen" open .*, 1 task\n.*at .*smoke\.mjs.*\n.*"sleeper" running/,
);
await assert.rejects(expectNoTasksLeft(), /task "sleeper" of TaskGroup "seen".*\n.*smoke\.mjs/);
await watched.stop();
assert.deepEqual(snapshot().scopes, []);
await inspected[Symbol.asyncDispose]();

// A page that is rendered here is shown elsewhere.
assert.deepEqual([typeof mountInspector, typeof mountTimeline], ["function", "function"]);

console.log("ok");
