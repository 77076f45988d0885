/** `TaskScope`: waiting, cancelling, priorities, slots. */
import { AsyncLocalStorage } from "node:async_hooks";
import {
  CancelledError,
  InvalidStateError,
  type Task,
  TaskScope,
  TimeoutError,
  backgroundSpawner,
  cancelAndWait,
  failAfter,
  moveOnAfter,
} from "@scope/core";
import type { Program } from "../explore.ts";

/** `moveOnAfter` and `failAfter`, as types with a `run`. */
function limited(
  fn: (ms: number, body: (scope: TaskScope) => unknown, options: object) => Promise<unknown>,
): {
  run(body: (scope: TaskScope) => unknown, options: { timeout: number; token?: never }): Promise<unknown>;
} {
  return { run: (body, { timeout, ...options }) => fn(timeout, body, options) };
}

const context = new AsyncLocalStorage<string>();

const failing = { ends: ["fails"] } as const;
const both = { ends: ["returns", "fails"] } as const;

export const scopePrograms: readonly Program[] = [
  {
    name: "scope: two failures in one tick, each reported once (L2)",
    set(world) {
      const { onError } = world;
      world.run(TaskScope, "scope", { onError }, (scope) => {
        world.spawn(scope, "a", both);
        world.spawn(scope, "b", failing);
      });
      return undefined;
    },
  },
  {
    name: "scope: a task fails while it is being cancelled from outside (L4, L5)",
    set(world) {
      const { token } = world.outer();
      world.run(TaskScope, "scope", { token }, (scope) => {
        world.spawn(scope, "a", { ends: ["fails"], asked: "cleans up" });
        world.spawn(scope, "b", { asked: "fails" });
      });
      return undefined;
    },
  },
  {
    name: "scope: cancel while it is closing",
    set(world) {
      let opened: TaskScope | undefined;
      world.run(TaskScope, "scope", {}, (scope) => {
        opened = scope;
        world.spawn(scope, "a", { ...both, asked: "cleans up" });
        world.spawn(scope, "b", { asked: "ignores" });
      });
      world.event("cancel", () => {
        world.cancel("scope.cancel", () => opened?.cancel("enough"));
      });
      return undefined;
    },
  },
  {
    name: "scope: cancel from a done callback (L6)",
    set(world) {
      world.run(TaskScope, "scope", {}, (scope) => {
        const first = world.spawn(scope, "a", both);
        first?.onDone(() => {
          world.cancel("scope.cancel in onDone of a", () => scope.cancel("from onDone"));
        });
        const second = world.spawn(scope, "b", { asked: "cleans up" });
        second?.onDone(() => {
          world.check(scope.state !== "closed", "onDone of b runs after the scope has closed");
        });
      });
      return undefined;
    },
  },
  {
    name: "scope: spawn from a done callback of what may be the last task",
    set(world) {
      const { token } = world.outer();
      let spawned: Task<unknown> | undefined;
      world.run(TaskScope, "scope", { token }, (scope) => {
        const first = world.spawn(scope, "a");
        first?.onDone(() => {
          world.check(scope.state !== "closed", "the scope has closed before its last callback");
          const cancelled = scope.cancelRequested;
          spawned = world.spawn(scope, "b");
          world.check((spawned === undefined) === cancelled, "refused only once cancelled");
        });
      });
      return undefined;
    },
  },
  {
    name: "scope: the owner's callbacks come in order and may spawn",
    set(world) {
      const order: string[] = [];
      let more = true;
      const onTaskDone = (task: Task<unknown>): void => {
        world.callback(`onTaskDone of ${task.name}`);
        if (task.name !== "a") return;
        order.push("onTaskDone");
        world.check(task.status === "failed", "onTaskDone comes before the end");
        world.check(![...scope!.tasks].includes(task), "it is still listed");
        world.check(scope!.hasErrors, "hasErrors is set before onTaskDone");
        if (more) world.spawn(scope!, "b");
      };
      let scope: TaskScope | undefined;
      const onError: typeof world.onError = (context) => {
        world.onError(context);
        order.push("onError");
        more = false;
        world.spawn(scope!, "c", { ends: ["returns"], asked: "ignores" });
      };
      world.run(TaskScope, "scope", { onError, onTaskDone }, (opened) => {
        scope = opened;
        const first = world.spawn(opened, "a", failing);
        first?.onDone(() => order.push("first onDone"));
        first?.onDone(() => order.push("second onDone"));
        first?.catch(() => order.push("awaited"));
      });
      return () => {
        const text = order.join(", ");
        world.check(
          text === "onTaskDone, onError, first onDone, second onDone, awaited",
          `the end of a task was told as ${text}`,
        );
      };
    },
  },
  {
    name: "scope: timeout against completion (L5)",
    set(world) {
      world.run(TaskScope, "scope", { timeout: 10 }, (scope) => {
        world.spawn(scope, "a");
        world.spawn(scope, "b", { asked: "cleans up" });
      });
      return undefined;
    },
  },
  {
    name: "scope: timeout against the outer cancellation (L5)",
    set(world) {
      const { token } = world.outer();
      world.run(TaskScope, "scope", { timeout: 10, token }, (scope) => {
        world.spawn(scope, "a", { asked: "cleans up" });
      });
      return undefined;
    },
  },
  {
    name: "scope: timeout against the scope's own cancel and a failing body (L5)",
    set(world) {
      world.run(
        TaskScope,
        "scope",
        { timeout: 10 },
        (scope) => {
          world.event("cancel", () => {
            world.cancel("scope.cancel", () => scope.cancel());
          });
          world.spawn(scope, "a", { asked: "ignores" });
        },
        { ends: ["fails"], asked: "cleans up" },
      );
      return undefined;
    },
  },
  {
    name: "scope: the body fails while a task fails and the outer token is cancelled (L5)",
    set(world) {
      const { token } = world.outer();
      world.run(
        TaskScope,
        "scope",
        { token },
        (scope) => {
          world.spawn(scope, "a", { ends: ["fails"], asked: "cleans up" });
        },
        { ends: ["fails", "returns"], asked: "cleans up" },
      );
      return undefined;
    },
  },
  {
    name: "scope: a shield ends while the outer token is cancelled",
    set(world) {
      const outer = world.outer();
      world.run(TaskScope, "scope", { token: outer.token, shield: true }, (scope) => {
        world.spawn(scope, "a", both);
      });
      return () => {
        const [a] = world.works.filter(({ name }) => name === "a");
        world.check(a?.asked === undefined, "a shielded task was asked");
      };
    },
  },
  {
    name: "scope: a shield with a timeout, and the outer token cancelled (L5)",
    set(world) {
      const { token } = world.outer();
      world.run(TaskScope, "scope", { token, shield: true, timeout: 10 }, (scope) => {
        world.spawn(scope, "a", { asked: "cleans up" });
      });
      return undefined;
    },
  },
  {
    name: "scope: a slot is granted while its task is cancelled",
    set(world) {
      world.run(TaskScope, "scope", { concurrency: 1 }, (scope) => {
        world.spawn(scope, "a", both);
        const waiting = world.spawn(scope, "b", both);
        world.spawn(scope, "c");
        world.event("cancel b", () => {
          world.cancel("b.cancel", () => waiting?.cancel("alone"));
        });
      });
      return undefined;
    },
  },
  {
    name: "scope: a slot is granted while the scope is cancelled from outside",
    set(world) {
      const { token } = world.outer();
      world.run(TaskScope, "scope", { concurrency: 1, token }, (scope) => {
        world.spawn(scope, "a", { asked: "cleans up" });
        world.spawn(scope, "b");
        world.spawn(scope, "c");
      });
      return undefined;
    },
  },
  {
    name: "scope: never more than two slots, first come first served (S1)",
    set(world) {
      let running = 0;
      const started: string[] = [];
      const cancelled = new Set<string>();
      const spec = (name: string): object => ({
        ...both,
        first: (): void => {
          started.push(name);
          world.check(++running <= 2, `${running} run under a limit of 2`);
        },
      });
      world.run(
        TaskScope,
        "scope",
        { concurrency: 2, onError: world.onError, onTaskDone: leave },
        (scope) => {
          const tasks = ["a", "b", "c", "d"].map((name) => world.spawn(scope, name, spec(name)));
          world.event("cancel c", () => {
            world.cancel("c.cancel", () => {
              if (tasks[2]?.cancel() === true && tasks[2].status === "pending") cancelled.add("c");
            });
          });
        },
      );
      function leave({ name }: Task<unknown>): void {
        if (!cancelled.has(name)) running--;
      }
      return () => {
        world.check(["abcd", "abd"].includes(started.join("")), `started in the order ${started.join("")}`);
      };
    },
  },
  {
    name: "scope: a task in line sees the context of its spawner (L10)",
    set(world) {
      const seen = (name: string): object => ({
        first: (): void => {
          world.check(
            context.getStore() === name,
            `${name} sees the context of ${String(context.getStore())}`,
          );
        },
      });
      const spawn = (scope: TaskScope, name: string): void => {
        context.run(name, () => world.spawn(scope, name, seen(name)));
      };
      world.run(TaskScope, "scope", { concurrency: 1 }, (scope) => {
        spawn(scope, "a");
        spawn(scope, "b");
        world.event("spawn c", () => {
          if (scope.state !== "closed") spawn(scope, "c");
        });
      });
      // While a storage is in use, every promise of the process is slower.
      return () => context.disable();
    },
  },
  {
    name: "scope: joined from a done callback, after which another one spawns (C2)",
    set(world) {
      const scope = world.adopt(new TaskScope(), "scope");
      const task = world.spawn(scope, "a", both);
      task?.onDone(() => {
        world.join(scope);
      });
      task?.onDone(() => {
        const spawned = world.spawn(scope, "b");
        world.check(spawned !== undefined, "the scope has closed while the end of a task is told");
      });
      return undefined;
    },
  },
  {
    name: "scope: stop against the outer cancellation, which it does not throw",
    set(world) {
      const { token } = world.outer();
      const scope = world.adopt(new TaskScope({ token }), "scope", { token });
      world.spawn(scope, "a", { ...both, asked: "cleans up" });
      world.event("stop", () => {
        world.stop(scope);
      });
      return undefined;
    },
  },
  {
    name: "scope: a task in line spawns another as it begins (S1)",
    set(world) {
      let running = 0;
      world.run(TaskScope, "scope", { concurrency: 1, onTaskDone: () => running-- }, (scope) => {
        const first = (): void => {
          world.check(++running === 1, `${running} run under a limit of 1`);
        };
        world.spawn(scope, "a", { first });
        world.spawn(scope, "b", {
          first: () => {
            first();
            world.spawn(scope, "c", { first });
          },
        });
      });
      return undefined;
    },
  },
  {
    name: "scope: joined twice while its tasks end, and a third time later",
    set(world) {
      const { token } = world.outer();
      const scope = world.adopt(new TaskScope({ token }), "scope", { token });
      world.spawn(scope, "a", both);
      world.join(scope);
      world.event("join again", () => world.join(scope));
      world.event("join late", () => world.join(scope));
      world.expectedReports = (error) => world.thrown.has(error);
      return () => {
        const outcomes = new Set(
          world.waits.filter(({ rejected }) => rejected).map(({ outcome }) => outcome),
        );
        world.check(outcomes.size <= 1, "not one object for all who wait");
      };
    },
  },
  {
    name: "scope: stop against join and against the last task's end",
    set(world) {
      const scope = world.adopt(new TaskScope(), "scope");
      world.spawn(scope, "a", { ends: ["returns", "fails"], asked: "cleans up" });
      world.join(scope);
      world.event("stop", () => world.stop(scope, { reason: "shutting down" }));
      return () => {
        for (const { what, rejected } of world.waits) world.check(!rejected, `${what} rejects`);
      };
    },
  },
  {
    name: "scope: the time limit of stop against the end (L1)",
    set(world) {
      const scope = world.adopt(new TaskScope(), "scope");
      world.spawn(scope, "a", { asked: "cleans up" });
      world.spawn(scope, "b", { asked: "obeys", ends: [] });
      world.event("stop", () => world.stop(scope, { timeout: 5 }));
      world.event(
        "join",
        () => world.join(scope),
        () => world.waits.length > 0,
      );
      return () => {
        for (const { how, rejected, outcome } of world.waits) {
          world.check(
            !rejected || (how === "stop" && outcome instanceof TimeoutError),
            `${how} rejects with ${String(outcome)}`,
          );
        }
      };
    },
  },
  {
    name: "scope: two fatal errors, an error and an outer cancellation (L5)",
    set(world) {
      const { token } = world.outer();
      world.run(TaskScope, "scope", { token, onError: world.onError }, (scope) => {
        world.spawn(scope, "a", { ends: ["fails fatally"], asked: "cleans up" });
        world.spawn(scope, "b", { ends: ["fails fatally"], asked: "ignores" });
        world.spawn(scope, "c", { asked: "fails" });
      });
      return undefined;
    },
  },
  {
    name: "scope: the body's fatal error against a task's (L5)",
    set(world) {
      world.run(
        TaskScope,
        "scope",
        { onError: world.onError },
        (scope) => {
          world.spawn(scope, "a", { ends: ["fails fatally", "fails"], asked: "ignores" });
        },
        { ends: ["fails fatally", "fails"], asked: "ignores" },
      );
      return undefined;
    },
  },
  {
    name: "scope: a scope in a task of another, cancelled from outside (L8)",
    set(world) {
      const { token } = world.outer();
      world.run(TaskScope, "outer scope", { token, onError: world.onError }, (outer) => {
        world.spawn(outer, "middle", {
          fn: (own) =>
            world.open(
              TaskScope,
              "inner scope",
              { token: own, onError: world.onError },
              (inner) => {
                world.spawn(inner, "leaf", { asked: "cleans up" });
              },
              { nested: true },
            ),
        });
        world.spawn(outer, "sibling", { asked: "fails" });
      });
      return undefined;
    },
  },
  {
    name: "scope: a task is cancelled alone while it returns and the scope is cancelled",
    set(world) {
      let reason: unknown;
      let task: Task<unknown> | undefined;
      world.run(TaskScope, "scope", {}, (scope) => {
        task = world.spawn(scope, "a", { asked: "cleans up" });
        world.spawn(scope, "b");
        world.event("cancel a", () => {
          const before = task?.token.error;
          world.cancel("a.cancel", () => task?.cancel("alone"));
          if (before !== undefined) world.check(task?.token.error === before, "the first reason stays (L3)");
        });
        world.event("cancel", () => {
          world.cancel("scope.cancel", () => scope.cancel("all"));
          reason = scope.token.error?.reason;
        });
      });
      return () => {
        world.check(reason === undefined || reason === "all", "the scope has its own reason");
      };
    },
  },
  {
    name: "scope: somebody else's cancellation against one's own (L4)",
    set(world) {
      const { token } = world.outer();
      world.run(TaskScope, "scope", { token }, (scope) => {
        world.spawn(scope, "a", { ends: ["throws a cancellation"], asked: "cleans up" });
        world.spawn(scope, "b");
      });
      world.expectedReports = (error) => error instanceof CancelledError;
      return undefined;
    },
  },
  {
    name: "scope: code that was handed the signal itself rejects with its reason (L4)",
    set(world) {
      const controller = new AbortController();
      const reason = new Error("the platform's");
      let status: string | undefined;
      let asked = false;
      world.event("abort", () => {
        world.cancel("abort", () => controller.abort(reason));
        asked = true;
      });
      world.run(TaskScope, "scope", { token: controller.signal }, (scope) => {
        const task = world.spawn(scope, "a", {
          fn: (token) =>
            new Promise((_, reject) => {
              world.event(
                "a rejects with the reason",
                () => reject(reason),
                () => asked,
              );
              token.onCancel(() => world.note("asked"));
            }),
        });
        task?.onDone(() => (status = task.status));
      });
      for (const work of world.works) if (work.name === "a") work.task = undefined;
      return () => {
        world.check(status === "cancelled", `it has ${String(status)}`);
      };
    },
  },
  {
    name: "scope: moveOnAfter, at its deadline",
    set(world) {
      const type = limited(moveOnAfter);
      let value: unknown = "none";
      const promise = world.open(
        type,
        "scope",
        { timeout: 10 },
        (scope) => {
          world.spawn(scope, "a", { asked: "ignores" });
        },
        { asked: "ignores", free: true },
      );
      void promise.then((got) => (value = got));
      return () => {
        const [body] = world.works;
        const [record] = world.records;
        const inTime = record?.owner.token.error === undefined;
        if (inTime) world.check(value === "scope's body", `it has ${String(value)}`);
        else if ((record.cancelled ?? 0) < (body?.ended ?? 0)) {
          world.check(value === undefined, `the time was over, and it has ${String(value)}`);
        }
        world.check(record?.owner.state === "closed", "it is not closed");
      };
    },
  },
  {
    name: "scope: moveOnAfter, whose body fails with a TimeoutError of its own, inside another one",
    set(world) {
      const own = new TimeoutError(1, "the body's own");
      let outcome: unknown;
      let fail: () => void;
      const promise = moveOnAfter(10, (outer) =>
        moveOnAfter(
          20,
          () =>
            new Promise((_, reject) => {
              fail = () => reject(own);
            }),
          { token: outer.token },
        ),
      );
      world.event("the body fails", () => fail());
      world.wait(
        "moveOnAfter",
        promise.then(
          () => (outcome = "moved on"),
          (error: unknown) => (outcome = error),
        ),
      );
      return () => {
        world.check(outcome === own, `it ends in ${String(outcome)}`);
      };
    },
  },
  {
    name: "scope: failAfter, at its deadline, against the outer token",
    set(world) {
      const outer = world.outer();
      let outcome: unknown;
      const scopes: TaskScope[] = [];
      const { fn } = world.work("body", { asked: "cleans up" });
      const promise = failAfter(
        10,
        (scope) => {
          scopes.push(scope);
          return fn(scope.token);
        },
        { token: outer.token },
      );
      world.wait(
        "failAfter",
        promise.then(
          () => (outcome = "a value"),
          (error: unknown) => (outcome = error),
        ),
      );
      return () => {
        const why = scopes[0]?.token.error;
        if (why === undefined || outcome === "a value") return;
        const expected = why.source === "timeout" ? why.reason : outer.error;
        world.check(outcome === expected, `cancelled by ${String(why)}, it ends in ${String(outcome)}`);
      };
    },
  },
  {
    name: "scope: cancelAndWait against its own token and a failing task",
    set(world) {
      const outer = world.outer("waiter's token");
      let outcome: unknown = "waiting";
      let calledInTime = false;
      const tasks: Task<unknown>[] = [];
      world.run(TaskScope, "scope", { onError: world.onError }, (scope) => {
        tasks.push(world.spawn(scope, "a", { ...both, asked: "cleans up" })!);
        tasks.push(world.spawn(scope, "b", { ends: [] })!);
      });
      world.event("cancelAndWait", () => {
        const wasDone = tasks[0]!.done;
        const promise = cancelAndWait(tasks, { token: outer.token });
        world.wait(
          "cancelAndWait",
          promise.then(
            () => (outcome = "done"),
            (error: unknown) => (outcome = error),
          ),
        );
        void promise.catch(() => {
          if (outer.error === undefined)
            world.check(
              tasks.every(({ done }) => done),
              "it settles too early",
            );
        });
        calledInTime = !wasDone && outer.error === undefined;
      });
      return () => {
        const [a] = world.works.filter(({ name }) => name === "a");
        if (calledInTime && outer.at !== undefined && outer.at < a!.ended!) {
          world.check(outcome === outer.error, "its own token did not end it");
        }
        const { status } = tasks[0]!;
        if (status === "cancelled") {
          world.check(outcome === "done" || outcome === outer.error, `it ends in ${String(outcome)}`);
        }
      };
    },
  },
  {
    name: "scope: cancelAndWait of one task that ends as it pleases",
    set(world) {
      let outcome: unknown = "waiting";
      let task: Task<unknown> | undefined;
      let askedInTime = false;
      world.run(TaskScope, "scope", { onError: world.onError }, (scope) => {
        task = world.spawn(scope, "a", { ends: ["returns", "fails"], asked: "ignores" });
      });
      world.event("cancelAndWait", () => {
        askedInTime = !task!.done;
        const promise = cancelAndWait(task!);
        world.wait(
          "cancelAndWait",
          promise.then(
            () => (outcome = "done"),
            (error: unknown) => (outcome = error),
          ),
        );
      });
      return () => {
        if (!askedInTime) world.check(outcome === "done", "a task that was done has nothing to tell");
        else if (task!.status === "failed") world.check(outcome === task!.error, "its failure is shown");
        else world.check(outcome instanceof InvalidStateError, "a swallowed request is told");
      };
    },
  },
  {
    name: "scope: background tasks, failing and cancelled alone (L2)",
    set(world) {
      const spawn = (name: string): Task<unknown> => {
        const { work, fn } = world.work(name, { ends: ["fails", "returns"], asked: "cleans up" });
        const task = backgroundSpawner.spawn(fn, { name });
        world.watch(task, work);
        return task;
      };
      const a = spawn("a");
      spawn("b");
      world.event("cancel a", () => world.cancel("a.cancel", () => a.cancel()));
      return undefined;
    },
  },
  {
    name: "scope: done callbacks that unregister each other, and come late",
    set(world) {
      const called: string[] = [];
      let task: Task<unknown> | undefined;
      world.run(TaskScope, "scope", {}, (scope) => {
        task = world.spawn(scope, "a");
        const forget = [
          task!.onDone(() => {
            called.push("first");
            forget[1]!();
            task!.onDone(() => called.push("nested"));
          }),
          task!.onDone(() => called.push("second")),
          task!.onDone(() => called.push("third")),
        ];
        world.event("unregister the third", () => {
          const before = called.includes("third");
          forget[2]!();
          if (!before) called.push("(no third)");
        });
        world.event("register late", () => {
          world.check(!called.includes("late"), "called twice");
          task!.onDone(() => called.push("late"));
          world.check(!called.includes("late"), "called inside onDone");
        });
      });
      return () => {
        const count = (name: string): number => called.filter((one) => one === name).length;
        world.check(count("first") === 1 && count("nested") === 1 && count("late") === 1, called.join());
        world.check(count("second") === 0, "an unregistered callback was called");
        world.check(count("third") + count("(no third)") === 1, called.join());
      };
    },
  },
  {
    name: "scope: tasks that are awaited before, while and after they end (K4)",
    set(world) {
      const got: string[] = [];
      const wait = (name: string, task: Task<unknown>): void => {
        world.event(`await ${name}`, () => {
          void task.then(
            (value) => got.push(`${name} ${String(value)}`),
            () => got.push(`${name} ${task.status}`),
          );
        });
      };
      world.run(TaskScope, "scope", { concurrency: 1, onError: world.onError }, (scope) => {
        const tasks = [world.spawn(scope, "a", both)!, world.spawn(scope, "b")!];
        wait("a", tasks[0]!);
        wait("b", tasks[1]!);
        world.event("cancel b", () => world.cancel("b.cancel", () => tasks[1]!.cancel()));
      });
      return () => {
        const expected = world.works.slice(0, 3).map(({ name, task }) => {
          return task?.status === "succeeded" ? `${name} ${name}` : `${name} ${String(task?.status)}`;
        });
        world.check(got.length === 2, `those who wait got ${got.join()}`);
        world.check(
          got.every((one) => expected.includes(one)),
          `they got ${got.join()}, not ${expected.join()}`,
        );
      };
    },
  },
  {
    name: "scope: callbacks of the owner that throw stop nothing (L9)",
    set(world) {
      const errors = {
        onTaskDone: new Error("onTaskDone"),
        onError: new Error("onError"),
        onDone: new Error("onDone"),
        onCancel: new Error("onCancel"),
      };
      world.expectedReports = (error) => Object.values(errors).includes(error as Error);
      const options = {
        onTaskDone: (): void => {
          throw errors.onTaskDone;
        },
        onError: (): void => {
          throw errors.onError;
        },
      };
      let cancelled = false;
      world.run(TaskScope, "scope", options, (scope) => {
        scope.token.onCancel(() => {
          cancelled = true;
          throw errors.onCancel;
        });
        for (const name of ["a", "b"]) {
          world.spawn(scope, name, { ...both, asked: "cleans up" })?.onDone(() => {
            throw errors.onDone;
          });
        }
        world.event(
          "cancel",
          () => world.cancel("scope.cancel", () => scope.cancel()),
          () => scope.state !== "closed",
        );
      });
      return () => {
        const count = (error: Error): number => world.reports.filter((one) => one === error).length;
        world.check(count(errors.onTaskDone) === 2 && count(errors.onDone) === 2, "each is reported");
        world.check(count(errors.onCancel) === (cancelled ? 1 : 0), "a throwing onCancel is reported");
        world.check(count(errors.onError) === world.thrown.size, "a throwing onError is reported");
      };
    },
  },
  {
    name: "scope: spawn against cancel and against the close",
    set(world) {
      const { token } = world.outer();
      const opened: TaskScope[] = [];
      world.run(TaskScope, "scope", { token }, (scope) => {
        opened.push(scope);
        world.spawn(scope, "a");
      });
      for (const name of ["b", "c"]) {
        world.event(`spawn ${name}`, () => {
          for (const scope of opened) world.spawn(scope, name);
        });
      }
      return undefined;
    },
  },
  {
    name: "scope: a task cancels its own scope as it begins, and fails at once (L6)",
    set(world) {
      world.run(TaskScope, "scope", { onError: world.onError }, (scope) => {
        world.spawn(scope, "a", { asked: "cleans up" });
        world.event(
          "spawn b",
          () => {
            world.spawn(scope, "b", { asked: "fails", first: () => scope.cancel("as it begins") });
          },
          () => scope.state !== "closed",
        );
      });
      return undefined;
    },
  },
  {
    name: "scope: whoever joins in the body is told what run tells (C2)",
    set(world) {
      const told: unknown[] = [];
      let outcome: unknown = "a value";
      const promise = TaskScope.run(
        async (scope) => {
          world.adopt(scope, "scope");
          world.spawn(scope, "a", { ends: ["fails fatally", "returns"] });
          try {
            await scope.join();
          } catch (error) {
            told.push(error);
            throw error;
          }
        },
        { timeout: 10 },
      );
      world.wait("run", promise);
      promise.catch((error: unknown) => (outcome = error));
      return () => {
        if (told.length > 0) world.check(outcome === told[0], "run tells something else");
        else world.check(outcome === "a value" || outcome instanceof TimeoutError, String(outcome));
      };
    },
  },
];
