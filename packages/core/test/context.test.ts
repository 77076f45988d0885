import { AsyncLocalStorage } from "node:async_hooks";
import {
  CancellationSource,
  TaskScope,
  backgroundSpawner,
  failAfter,
  moveOnAfter,
  setTaskErrorHandler,
  sleep,
  type TaskSpawner,
} from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";
import { Deferred, EventLog, macrotask } from "@scope/test-utils";
import { describe, expect, it } from "vitest";

const request = new AsyncLocalStorage<string>();

/** Spawns, in a context of that name, a task that tells the contexts it sees, before and after waiting. */
function spawnIn(context: string, owner: TaskSpawner, open?: Deferred): Promise<(string | undefined)[]> {
  return request.run(context, () =>
    owner
      .spawn(async () => {
        const seen = [request.getStore()];
        await (open === undefined ? macrotask() : open.promise);
        seen.push(request.getStore());
        return seen;
      })
      .then(),
  );
}

describe("the async context of a task function (L10)", () => {
  it("is that of the code that called spawn, whoever opened the owner", async () => {
    const owners = request.run("opener", () => [new TaskScope(), new TaskGroup()] as const);
    for (const owner of [...owners, backgroundSpawner]) {
      await expect(spawnIn("first", owner)).resolves.toEqual(["first", "first"]);
      await expect(spawnIn("second", owner)).resolves.toEqual(["second", "second"]);
      await expect(owner.spawn(() => [request.getStore()])).resolves.toEqual([undefined]);
    }
    for (const owner of owners) await owner.join();
  });

  it("is the spawner's for a start that a concurrency limit delayed", async () => {
    const scope = new TaskScope({ concurrency: 1 });
    const open = new Deferred();
    const first = spawnIn("first", scope, open);
    const others = ["second", "third", "fourth"].map((context) => spawnIn(context, scope));
    const outside = request.exit(() => scope.spawn(() => [request.getStore()]));
    request.run("whoever frees the slot", open.resolve);
    await expect(first).resolves.toEqual(["first", "first"]);
    await expect(Promise.all(others)).resolves.toEqual([
      ["second", "second"],
      ["third", "third"],
      ["fourth", "fourth"],
    ]);
    await expect(outside).resolves.toEqual([undefined]);
    await scope.join();
  });

  it("is the spawner's for a delayed start after tasks that were cancelled, or that failed", async () => {
    const scope = new TaskScope({ concurrency: 1, onError: "ignore" });
    const holder = request.run("holder", () => scope.spawn((token) => sleep(Infinity, token)));
    const withdrawn = request.run("withdrawn", () => scope.spawn(() => undefined));
    const failing = request.run("failing", () => scope.spawn(() => Promise.reject(new Error("failure"))));
    const last = spawnIn("last", scope);
    request.run("canceller", () => {
      withdrawn.cancel();
      holder.cancel();
    });
    await expect(last).resolves.toEqual(["last", "last"]);
    expect([holder, withdrawn, failing].map(({ status }) => status)).toEqual([
      "cancelled",
      "cancelled",
      "failed",
    ]);
    await scope.join();
  });

  it("is the spawner's for hundreds of delayed starts that free one another's slots", async () => {
    const contexts = Array.from({ length: 300 }, (_, index) => `request ${index}`);
    const seen = await TaskScope.run(
      (scope) => Promise.all(contexts.map((context) => spawnIn(context, scope))),
      { concurrency: 3 },
    );
    expect(seen).toEqual(contexts.map((context) => [context, context]));
  });

  it("is the task's own for what it spawns in turn", async () => {
    await TaskScope.run(
      async (scope) => {
        const inner = request.run("outer task", () =>
          scope.spawn(() => [
            scope.spawn(() => request.getStore()),
            request.run("narrower", () => scope.spawn(() => request.getStore())),
          ]),
        );
        const seen = await inner;
        await expect(Promise.all(seen)).resolves.toEqual(["outer task", "narrower"]);
      },
      { concurrency: 1 },
    );
  });

  it("is the caller's for the body of a scope, before and after it waits for tasks", async () => {
    const body = async (scope: TaskSpawner): Promise<(string | undefined)[]> => {
      const seen = [request.getStore()];
      await request.run("inner", () => scope.spawn(() => macrotask()));
      seen.push(request.getStore());
      return seen;
    };
    for (const run of [
      () => TaskScope.run(body),
      () => TaskScope.run(body, { concurrency: 1 }),
      () => TaskGroup.run(body),
      () => moveOnAfter(60_000, body),
      () => failAfter(60_000, body),
    ]) {
      await expect(request.run("caller", run)).resolves.toEqual(["caller", "caller"]);
    }
  });

  it("does not leak: who awaits keeps the context it had", async () => {
    await request.run("awaiter", async () => {
      const scope = new TaskScope({ concurrency: 1 });
      const tasks = ["first", "second"].map((context) => spawnIn(context, scope));
      await tasks[1];
      expect(request.getStore()).toBe("awaiter");
      const task = request.run("third", () => scope.spawn(() => macrotask()));
      await task;
      expect(request.getStore()).toBe("awaiter");
      await scope.stop();
      expect(request.getStore()).toBe("awaiter");
      const source = new CancellationSource();
      const slept = sleep(Infinity, source.token).catch(() => request.getStore());
      request.run("canceller", () => {
        source.cancel();
      });
      await expect(slept).resolves.toBe("awaiter");
    });
  });
});

describe("the async context of what follows from a task's end", () => {
  it("is the registrar's for then, catch and finally", async () => {
    const scope = new TaskScope({ onError: "ignore" });
    const open = new Deferred();
    const log = new EventLog();
    const note = (): void => {
      log.add(String(request.getStore()));
    };
    const task = request.run("spawner", () => scope.spawn(() => open.promise));
    const derived = request.run("registrar", () => [task.then(note), task.finally(note), task.catch(note)]);
    request.run("resolver", open.resolve);
    await Promise.all(derived);
    expect(log.events).toEqual(["registrar", "registrar"]);
    await scope.join();
  });

  it("is the spawner's for onDone, if the spawner registers it, early or late", async () => {
    const scope = new TaskScope({ concurrency: 1 });
    const log = new EventLog();
    const note = (): void => {
      log.add(String(request.getStore()));
    };
    const open = new Deferred();
    await request.run("spawner", async () => {
      const running = scope.spawn(() => open.promise);
      const pending = scope.spawn(() => undefined);
      running.onDone(note);
      pending.onDone(note);
      request.run("resolver", open.resolve);
      await pending;
      running.onDone(note);
      await macrotask();
    });
    expect(log.events).toEqual(["spawner", "spawner", "spawner"]);
    await scope.join();
  });

  it("is the spawner's for onTaskDone, onError and the process-wide handler, so that logs know the request", async () => {
    const log = new EventLog();
    const noteAs = (what: string) => (): void => {
      log.add(`${what}: ${String(request.getStore())}`);
    };
    const previous = setTaskErrorHandler(noteAs("handler"));
    try {
      for (const onError of [noteAs("onError"), "report"] as const) {
        const scope = new TaskScope({ concurrency: 1, onTaskDone: noteAs("onTaskDone"), onError });
        for (const context of ["first", "second"]) {
          request.run(context, () =>
            scope.spawn(async () => {
              await macrotask();
              throw new Error("failure");
            }),
          );
        }
        await request.run("joiner", () => scope.join());
      }
    } finally {
      setTaskErrorHandler(previous);
    }
    expect(log.events).toEqual([
      "onTaskDone: first",
      "onError: first",
      "onTaskDone: second",
      "onError: second",
      "onTaskDone: first",
      "handler: first",
      "onTaskDone: second",
      "handler: second",
    ]);
  });

  it("is the canceller's for onCancel callbacks, which run inside cancel", () => {
    const source = new CancellationSource();
    const seen: (string | undefined)[] = [];
    request.run("registrar", () => source.token.onCancel(() => seen.push(request.getStore())));
    request.run("canceller", () => {
      source.cancel();
    });
    expect(seen).toEqual(["canceller"]);
  });
});
