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
  sleep,
} from "@scope/core";
import { ExitError, backgroundTasks, runMain, spawn, spawnGuarded } from "@scope/guarded";
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

console.log("ok");
