import { inspect } from "node:util";
import {
  CancellationSource,
  type CancellationToken,
  CancelledError,
  FatalError,
  InvalidStateError,
  type Task,
  TaskGroupError,
  TaskScope,
  TimeoutError,
  cancelAndWait,
} from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";
import {
  captureReports,
  collectGarbage,
  Deferred,
  EventLog,
  flushMicrotasks,
  groupError,
  macrotask,
  rejection,
  waits,
} from "@scope/test-utils";
import { afterEach, describe, expect, it, vi } from "vitest";

const boom = new Error("boom");
const bang = new Error("bang");

describe("TaskGroup", () => {
  describe("the one error", () => {
    it("has a message that names the group, counts its members and shows the first three, one a line", async () => {
      const error = await groupError(
        TaskGroup.run(
          (group) => {
            for (const what of ["disk full", "no route", "bad checksum", "out of luck"]) {
              group.spawn(() => Promise.reject(new Error(what)));
            }
          },
          { name: "ingest" },
        ),
      );
      expect(error.message).toBe(
        [
          'unhandled errors in TaskGroup "ingest" (4 sub-errors)',
          "disk full",
          "no route",
          "bad checksum",
        ].join("\n"),
      );
      expect(error.name).toBe("TaskGroupError");
      expect(error).toBeInstanceOf(AggregateError);
    });

    it("says 1 sub-error for one", async () => {
      const error = await groupError(TaskGroup.run(() => Promise.reject(boom), { name: "ingest" }));
      expect(error.message).toBe('unhandled errors in TaskGroup "ingest" (1 sub-error)\nboom');
    });

    it("has the outer class's name in it also without a name of its own", async () => {
      const error = await groupError(TaskGroup.run(() => Promise.reject(boom)));
      expect(error.message).toMatch(/^unhandled errors in TaskGroup ".+" \(1 sub-error\)\nboom$/);
      expect(error.message).not.toContain("TaskScope");
    });

    it("shows what is no error, and only the first line of a long message", async () => {
      const error = await groupError(
        TaskGroup.run(
          (group) => {
            group.spawn(() => Promise.reject("a string"));
            group.spawn(() => Promise.reject(undefined));
            group.spawn(() => Promise.reject(new Error("first line\nsecond line")));
          },
          { name: "ingest" },
        ),
      );
      expect(error.message.split("\n").slice(1)).toEqual(["a string", "undefined", "first line"]);
    });

    it("shows a nested group by its own first line", async () => {
      const error = await groupError(
        TaskGroup.run(
          (group) => {
            group.spawn((token) => TaskGroup.run(() => Promise.reject(boom), { token, name: "inner" }));
          },
          { name: "outer" },
        ),
      );
      expect(error.message).toBe(
        [
          'unhandled errors in TaskGroup "outer" (1 sub-error)',
          'unhandled errors in TaskGroup "inner" (1 sub-error)',
        ].join("\n"),
      );
    });

    it("lists failures in the order in which they happened, not that of the spawns", async () => {
      const gates = [new Deferred<never>(), new Deferred<never>(), new Deferred<never>()];
      const run = TaskGroup.run((group) => {
        for (const gate of gates) group.spawn(() => gate.promise);
      });
      const [first, second, third] = ["first", "second", "third"].map((message) => new Error(message));
      gates[2]!.reject(first);
      gates[0]!.reject(second);
      gates[1]!.reject(third);
      expect((await groupError(run)).errors).toEqual([first, second, third]);
    });

    it("has the tasks beside the errors, undefined for the body", async () => {
      const tasks: Task<unknown>[] = [];
      const error = await groupError(
        TaskGroup.run(async (group) => {
          tasks.push(group.spawn(() => Promise.reject(boom)));
          await tasks[0]!.catch(() => undefined);
          throw bang;
        }),
      );
      expect(error.errors).toEqual([boom, bang]);
      expect(error.tasks).toEqual([tasks[0], undefined]);
    });

    it("leaves cancelled siblings out", async () => {
      const error = await groupError(
        TaskGroup.run((group) => {
          for (let count = 0; count < 5; count++) group.spawn(waits);
          group.spawn(() => Promise.reject(boom));
        }),
      );
      expect(error.errors).toEqual([boom]);
    });

    it("lists one error object once, by the task that failed first", async () => {
      const tasks: Task<unknown>[] = [];
      const error = await groupError(
        TaskGroup.run(async (group) => {
          tasks.push(group.spawn(() => Promise.reject(boom)));
          tasks.push(group.spawn(() => tasks[0]!));
          await tasks[1];
        }),
      );
      expect(tasks.map(({ status }) => status)).toEqual(["failed", "failed"]);
      expect(error.errors).toEqual([boom]);
      expect(error.tasks).toEqual([tasks[0]]);
      expect(error.message).toContain("(1 sub-error)");
    });

    it("lists equal errors that are not the same object each", async () => {
      const error = await groupError(
        TaskGroup.run((group) => {
          group.spawn(() => Promise.reject(new Error("same words")));
          group.spawn(() => Promise.reject(new Error("same words")));
        }),
      );
      expect(error.errors).toHaveLength(2);
    });

    it("lists primitives each: equal ones are no sign that somebody awaited the other", async () => {
      const error = await groupError(
        TaskGroup.run((group) => {
          for (const value of ["x", "x", undefined, undefined, NaN]) group.spawn(() => Promise.reject(value));
        }),
      );
      expect(error.errors).toEqual(["x", "x", undefined, undefined, NaN]);
    });

    it("lists an error that wraps a sibling's as one of its own", async () => {
      const error = await groupError(
        TaskGroup.run(async (group) => {
          const child = group.spawn(() => Promise.reject(boom));
          await child.catch((cause: unknown) => {
            throw new Error("wrapped", { cause });
          });
        }),
      );
      expect(error.errors.map((member) => (member as Error).message)).toEqual(["boom", "wrapped"]);
    });

    it("has no failure of a run before: groups share nothing", async () => {
      const fail = (): Promise<unknown> => TaskGroup.run(() => Promise.reject(boom));
      const [first, second] = [await groupError(fail()), await groupError(fail())];
      expect(second.errors).toEqual([boom]);
      expect(second).not.toBe(first);
    });

    it("can be split by class, nesting kept", async () => {
      const error = await groupError(
        TaskGroup.run((group) => {
          group.spawn(() => Promise.reject(new TypeError("bad type")));
          group.spawn((token) => TaskGroup.run(() => Promise.reject(new RangeError("bad range")), { token }));
        }),
      );
      const [types, others] = error.split(TypeError);
      expect(types!.leaves().map((leaf) => (leaf as Error).message)).toEqual(["bad type"]);
      expect(others!.errors[0]).toBeInstanceOf(TaskGroupError);
      expect(others!.leaves().map((leaf) => (leaf as Error).message)).toEqual(["bad range"]);
    });
  });

  describe("a failure", () => {
    it('cancels the siblings and the body with source "sibling" and the failure as the reason', async () => {
      const seen: unknown[] = [];
      await groupError(
        TaskGroup.run(async (group) => {
          const sibling = group.spawn(waits);
          group.spawn(() => Promise.reject(boom));
          await waits(group.token).catch(() => undefined);
          seen.push(group.token.error, sibling.token.error);
          expect(group.state).toBe("closing");
          expect(group.cancelRequested).toBe(true);
        }),
      );
      expect(seen[0]).toBe(seen[1]);
      expect(seen[0]).toBeInstanceOf(CancelledError);
      expect(seen[0]).toMatchObject({ source: "sibling", reason: boom });
    });

    it("that is somebody else's CancelledError cancels the siblings as a sibling's failure, not as that cancellation", async () => {
      const elsewhere = new CancelledError("elsewhere", { source: "shutdown" });
      let sibling: Task<never> | undefined;
      const error = await groupError(
        TaskGroup.run((group) => {
          sibling = group.spawn(waits);
          group.spawn(() => Promise.reject(elsewhere));
        }),
      );
      expect(error.errors).toEqual([elsewhere]);
      expect(sibling!.error).not.toBe(elsewhere);
      expect(sibling!.error).toMatchObject({ source: "sibling" });
    });

    it("that comes synchronously does its damage a microtask later, not inside spawn (L6)", async () => {
      const log = new EventLog();
      await groupError(
        TaskGroup.run((group) => {
          group.spawn((token) => {
            token.onCancel(log.note("sibling is cancelled"));
            return waits(token);
          });
          group.spawn(() => {
            throw boom;
          });
          log.add("spawned");
          group.spawn(log.note("the next one begins"));
        }),
      );
      expect(log.events).toEqual(["spawned", "the next one begins", "sibling is cancelled"]);
    });

    it("has the group refuse new tasks, by its own class's name", async () => {
      const refused: unknown[] = [];
      await groupError(
        TaskGroup.run(
          async (group) => {
            group.spawn(() => Promise.reject(boom));
            await flushMicrotasks();
            try {
              group.spawn(() => undefined);
            } catch (error) {
              refused.push(error);
            }
          },
          { name: "ingest" },
        ),
      );
      expect(refused[0]).toBeInstanceOf(InvalidStateError);
      expect((refused[0] as Error).message).toMatch(/^TaskGroup "ingest" is shutting down/);
    });

    it("while it shuts down is collected as well, after a cancel from inside and from outside", async () => {
      const outer = new CancellationSource();
      for (const cancel of ["group", "outer"] as const) {
        const run = TaskGroup.run(
          (group) => {
            group.spawn((token) => waits(token).catch(() => Promise.reject(boom)));
            if (cancel === "group") group.cancel();
            else outer.cancel();
            return "value";
          },
          { token: outer.token },
        );
        expect((await groupError(run)).errors).toEqual([boom]);
      }
    });

    it("is told in no other place: neither reported nor unhandled (L2)", async () => {
      using reports = captureReports();
      await groupError(
        TaskGroup.run((group) => {
          group.spawn(() => Promise.reject(boom));
        }),
      );
      await macrotask();
      expect(reports).toHaveLength(0);
    });

    it("leaves a task that was cancelled alone before it as what it is", async () => {
      let alone: Task<never> | undefined;
      const error = await groupError(
        TaskGroup.run((group) => {
          alone = group.spawn(waits);
          alone.cancel("alone");
          group.spawn(() => Promise.reject(boom));
        }),
      );
      expect(alone!.error).toMatchObject({ source: "explicit", reason: "alone" });
      expect(error.errors).toEqual([boom]);
    });

    it("ends a task that ignores it with a value as succeeded, which changes nothing for the group", async () => {
      let stubborn: Task<string> | undefined;
      const error = await groupError(
        TaskGroup.run((group) => {
          stubborn = group.spawn((token) =>
            waits(token).then(
              () => "",
              () => "value",
            ),
          );
          group.spawn(() => Promise.reject(boom));
        }),
      );
      expect(stubborn!.result()).toBe("value");
      expect(error.errors).toEqual([boom]);
    });
  });

  describe("a failure that is hard to look at", () => {
    const getter = {
      get(): never {
        throw new Error("a getter that throws");
      },
    };
    const hostile: [string, () => unknown][] = [
      ["null", () => null],
      ["a symbol", () => Symbol("boom")],
      ["a bigint", () => 1n],
      ["a function", () => () => undefined],
      ["an object without a prototype", () => Object.create(null) as unknown],
      ["an object whose toString throws", () => ({ toString: getter.get })],
      [
        "an error whose message is a getter that throws",
        () => Object.defineProperty(new Error(), "message", getter),
      ],
      [
        "an error whose name is a getter that throws",
        () => Object.defineProperty(new Error(), "name", getter),
      ],
      ["an error whose message is a symbol", () => Object.assign(new Error(), { message: Symbol("boom") })],
      [
        "a revoked proxy",
        () => {
          const { proxy, revoke } = Proxy.revocable({}, {});
          revoke();
          return proxy;
        },
      ],
    ];
    it.each(hostile)("is listed like any other, and cancels the siblings: %s", async (_, make) => {
      using reports = captureReports();
      for (const place of ["task", "body"] as const) {
        const failure = make();
        let sibling: Task<never> | undefined;
        const run = TaskGroup.run((group) => {
          sibling = group.spawn(waits);
          const failed = Promise.reject(failure);
          if (place === "body") return failed;
          group.spawn(() => failed);
          return waits(group.token);
        });
        const hangs = macrotask().then(() => Promise.reject(new Error("run never settles")));
        const error = await groupError(Promise.race([run, hangs]));
        await rejection(hangs);
        expect(error.errors).toHaveLength(1);
        // Not toBe: to print what differs, it would have to look at it.
        expect(Object.is(error.errors[0], failure)).toBe(true);
        expect(sibling!.status).toBe("cancelled");
        expect(sibling!.token.error!.source).toBe("sibling");
      }
      expect(reports).toHaveLength(0);
    });
  });

  describe("nested groups", () => {
    it("nest their errors as deep as they are", async () => {
      const descend = (depth: number, token?: CancellationToken): Promise<unknown> =>
        TaskGroup.run(
          (group) => {
            group.spawn((own) => (depth === 0 ? Promise.reject(boom) : descend(depth - 1, own)));
          },
          { token },
        );
      const error = await groupError(descend(3));
      let inner: unknown = error;
      let depth = 0;
      for (; inner instanceof TaskGroupError; depth++) [inner] = inner.errors;
      expect(depth).toBe(4);
      expect(inner).toBe(boom);
      expect(error.leaves()).toEqual([boom]);
    });

    it("let the inner one fail without the outer, when its task handles that", async () => {
      const result = await TaskGroup.run(async (outer) => {
        const sibling = outer.spawn(() => flushMicrotasks(100).then(() => "sibling"));
        const task = outer.spawn((token) =>
          TaskGroup.run(() => Promise.reject(boom), { token }).catch(() => "handled"),
        );
        return [await task, await sibling, outer.cancelRequested];
      });
      expect(result).toEqual(["handled", "sibling", false]);
    });

    it("in the body fail it like any error", async () => {
      const error = await groupError(TaskGroup.run(() => TaskGroup.run(() => Promise.reject(boom))));
      expect(error.tasks).toEqual([undefined]);
      expect(error.errors[0]).toBeInstanceOf(TaskGroupError);
      expect(error.leaves()).toEqual([boom]);
    });

    it("have a fatal error pass through all of them bare", async () => {
      const end = new FatalError("end");
      const run = TaskGroup.run((outer) => {
        outer.spawn((token) =>
          TaskGroup.run(
            (inner) => {
              inner.spawn(() => Promise.reject(end));
            },
            { token },
          ),
        );
      });
      expect(await rejection(run)).toBe(end);
    });

    it("have the inner shielded one finish its work before the outer ends", async () => {
      const log = new EventLog();
      const gate = new Deferred();
      const run = TaskGroup.run(async (outer) => {
        outer.spawn((token) =>
          TaskGroup.run(
            async (inner) => {
              await inner.token.race(gate.promise);
              log.add("saved");
            },
            { token, shield: true },
          ),
        );
        outer.cancel("enough");
      });
      run.then(log.note("ended"), log.note("failed"));
      await flushMicrotasks();
      expect(log.events).toEqual([]);
      gate.resolve();
      await run;
      expect(log.events).toEqual(["saved", "ended"]);
    });
  });

  describe("cancellation", () => {
    it("from inside is no error when the body returns", async () => {
      await expect(
        TaskGroup.run((group) => {
          group.spawn(waits);
          group.cancel();
          return "value";
        }),
      ).resolves.toBe("value");
    });

    it("from inside that interrupts the body is what run rejects with, as it is", async () => {
      let token: CancellationToken | undefined;
      const error = await rejection(
        TaskGroup.run((group) => {
          ({ token } = group);
          group.cancel("enough");
          return waits(group.token);
        }),
      );
      expect(error).toBe(token!.error);
      expect(error).toMatchObject({ source: "explicit", reason: "enough" });
    });

    it("from outside comes out as the outer token's own error object", async () => {
      const outer = new CancellationSource();
      const run = TaskGroup.run((group) => waits(group.token), { token: outer.token });
      outer.cancel({ code: 7 });
      const error = await rejection(run);
      expect(error).toBe(outer.token.error);
      expect(error).toMatchObject({ reason: { code: 7 } });
    });

    it("from outside that meets a failure leaves the outer token cancelled: the caller stops at its next look", async () => {
      const outer = new CancellationSource();
      const run = TaskGroup.run(
        (group) => {
          group.spawn((token) => waits(token).catch(() => Promise.reject(boom)));
        },
        { token: outer.token },
      );
      outer.cancel("outer");
      expect((await groupError(run)).errors).toEqual([boom]);
      expect(() => {
        outer.token.throwIfCancelled();
      }).toThrow("outer");
    });

    it("of one task disturbs nobody, and shows when somebody awaits it", async () => {
      const result = await TaskGroup.run(async (group) => {
        const task = group.spawn(waits);
        const sibling = group.spawn(() => flushMicrotasks().then(() => "sibling"));
        task.cancel("alone");
        return [await rejection(task), await sibling, group.cancelRequested];
      });
      expect(result[0]).toMatchObject({ reason: "alone" });
      expect(result.slice(1)).toEqual(["sibling", false]);
    });

    it("of one task by cancelAndWait disturbs nobody", async () => {
      await expect(
        TaskGroup.run(async (group) => {
          const task = group.spawn(waits);
          await cancelAndWait(task, { reason: "alone" });
          return task.status;
        }),
      ).resolves.toBe("cancelled");
    });

    it("of one task whose clean-up fails is that failure, and cancels the others", async () => {
      const error = await groupError(
        TaskGroup.run(async (group) => {
          group.spawn((token) => waits(token).catch(() => Promise.reject(boom))).cancel();
          await waits(group.token);
        }),
      );
      expect(error.errors).toEqual([boom]);
    });
  });

  describe("join and stop", () => {
    it("tell the failures once: to everybody waiting, as one object, and to nobody later", async () => {
      const group = new TaskGroup();
      group.spawn(() => Promise.reject(boom));
      const told = await Promise.all(
        [group.join(), group.stop(), group[Symbol.asyncDispose](), group.join()].map(groupError),
      );
      expect(new Set(told).size).toBe(1);
      expect(told[0]!.errors).toEqual([boom]);
      await expect(group.join()).resolves.toBe(undefined);
      await expect(group.stop()).resolves.toBe(undefined);
      await expect(group[Symbol.asyncDispose]()).resolves.toBe(undefined);
    });

    it("collect failures that nobody was waiting for yet", async () => {
      const group = new TaskGroup();
      group.spawn(() => Promise.reject(boom));
      await macrotask();
      expect((await groupError(group.join())).errors).toEqual([boom]);
    });

    it("reject with the failures that a stop has led to", async () => {
      const group = new TaskGroup();
      group.spawn((token) => waits(token).catch(() => Promise.reject(boom)));
      group.spawn(waits);
      expect((await groupError(group.stop())).errors).toEqual([boom]);
    });

    it("leave failures of a stop that ran out of time to the next join, all together", async () => {
      vi.useFakeTimers();
      const group = new TaskGroup({ name: "ingest" });
      const gate = new Deferred();
      group.spawn(() => Promise.reject(boom));
      group.spawn(() => gate.promise.then(() => Promise.reject(bang)), { name: "slow" });
      await flushMicrotasks();
      const stop = rejection(group.stop({ timeout: 100 }));
      await vi.advanceTimersByTimeAsync(100);
      const error = (await stop) as Error;
      expect(error).toBeInstanceOf(TimeoutError);
      expect(error.message).toContain('TaskGroup "ingest"');
      expect(error.message).toContain("slow");
      expect(error.message).not.toContain("TaskScope");
      const join = groupError(group.join());
      gate.resolve();
      expect((await join).errors).toEqual([boom, bang]);
    });

    it("by the body hand it the error, which run then rejects with, unwrapped", async () => {
      let joined: unknown;
      const error = await rejection(
        TaskGroup.run(async (group) => {
          group.spawn(() => Promise.reject(boom));
          try {
            await group.join();
          } catch (caught) {
            joined = caught;
            throw caught;
          }
        }),
      );
      expect(joined).toBeInstanceOf(TaskGroupError);
      expect(error).toBe(joined);
    });

    it("by the body that then fails with one of the errors told: run rejects with the group's error, and lists it once (L2)", async () => {
      using reports = captureReports();
      let joined: unknown;
      const error = await groupError(
        TaskGroup.run(async (group) => {
          const task = group.spawn(() => Promise.reject(boom));
          joined = await rejection(group.join());
          await task;
        }),
      );
      expect(error).toBe(joined);
      expect(error.errors).toEqual([boom]);
      expect(reports).toHaveLength(0);
    });

    it("by the body hand it the error, which it may handle: then run gives its value", async () => {
      await expect(
        TaskGroup.run(async (group) => {
          group.spawn(() => Promise.reject(boom));
          const { errors } = await groupError(group.join());
          return errors;
        }),
      ).resolves.toEqual([boom]);
    });

    it("from outside that are told the failures have run reject as well, when those interrupted the body", async () => {
      let group: TaskGroup | undefined;
      const run = TaskGroup.run((entered) => {
        group = entered;
        entered.spawn(() => flushMicrotasks(3).then(() => Promise.reject(boom)));
        return waits(entered.token);
      });
      const [joined, ran] = await Promise.all([groupError(group!.join()), groupError(run)]);
      expect(ran.errors).toEqual([boom]);
      expect(ran).toBe(joined);
    });

    it("wait for tasks spawned while they wait, and collect their failures", async () => {
      const group = new TaskGroup();
      const gate = new Deferred();
      group.spawn(async () => {
        await gate.promise;
        group.spawn(() => Promise.reject(boom));
      });
      const join = groupError(group.join());
      await flushMicrotasks();
      gate.resolve();
      expect((await join).errors).toEqual([boom]);
    });
  });

  describe("await using", () => {
    it("adds the failures to the block's own error as a SuppressedError: neither is lost", async () => {
      const block = async (): Promise<void> => {
        await using group = new TaskGroup();
        group.spawn((token) => waits(token).catch(() => Promise.reject(boom)));
        throw bang;
      };
      const error = (await rejection(block())) as { name: string; error: unknown; suppressed: unknown };
      expect(error.name).toBe("SuppressedError");
      expect((error.error as TaskGroupError).errors).toEqual([boom]);
      expect(error.suppressed).toBe(bang);
    });

    it("rejects with failures that came before its block ended well", async () => {
      const block = async (): Promise<string> => {
        await using group = new TaskGroup();
        group.spawn(() => Promise.reject(boom));
        await flushMicrotasks();
        return "value";
      };
      expect((await groupError(block())).errors).toEqual([boom]);
    });

    it("cancels what still runs", async () => {
      const group = new TaskGroup();
      const task = group.spawn(waits);
      await group[Symbol.asyncDispose]();
      expect(task.error).toMatchObject({ source: "shutdown" });
    });
  });

  describe("fatal errors", () => {
    it("come out bare; what they outrank goes to the process-wide handler, with its task", async () => {
      using reports = captureReports();
      const end = new FatalError("end");
      const tasks: Task<unknown>[] = [];
      const run = TaskGroup.run(
        (group) => {
          tasks.push(group.spawn(() => Promise.reject(boom)));
          tasks.push(group.spawn(() => Promise.reject(end)));
          throw bang;
        },
        { name: "ingest" },
      );
      expect(await rejection(run)).toBe(end);
      expect(reports.map(({ error, task }) => [error, task])).toEqual([
        [bang, undefined],
        [boom, tasks[0]],
      ]);
      for (const { message, scope } of reports) {
        expect(message).toContain('TaskGroup "ingest"');
        expect(scope).toBe("ingest");
      }
    });

    it("come out of join and stop bare", async () => {
      const end = new FatalError("end");
      for (const wait of ["join", "stop"] as const) {
        const group = new TaskGroup();
        group.spawn(() => Promise.reject(end));
        await flushMicrotasks();
        expect(await rejection(group[wait]())).toBe(end);
      }
    });
  });

  describe("as an object", () => {
    it("tells its name, state, size, tasks and token", async () => {
      const group = new TaskGroup({ name: "ingest", concurrency: 1 });
      const gate = new Deferred();
      const tasks = [group.spawn(() => gate.promise, { name: "first" }), group.spawn(() => gate.promise)];
      expect(group.name).toBe("ingest");
      expect(group.state).toBe("open");
      expect(group.size).toBe(2);
      expect([...group.tasks]).toEqual(tasks);
      expect(tasks.map(({ status }) => status)).toEqual(["running", "pending"]);
      expect(tasks[0]!.name).toBe("first");
      expect(group.cancelRequested).toBe(false);
      expect(group.token.cancelRequested).toBe(false);
      const join = group.join();
      expect(group.state).toBe("closing");
      gate.resolve();
      await join;
      expect([group.state, group.size, group.tasks.size]).toEqual(["closed", 0, 0]);
      expect(() => group.spawn(() => undefined)).toThrow(/^TaskGroup "ingest" is closed/);
    });

    it("has a default name that speaks of a group", () => {
      expect(new TaskGroup().name).toMatch(/^taskgroup/i);
    });

    it("is shown by String() and inspection with class, name, state and counts", async () => {
      const group = new TaskGroup({ name: "ingest" });
      group.spawn(waits);
      expect(String(group)).toMatch(/^TaskGroup "ingest" \(open.*\b1\b/);
      expect(inspect(group)).toBe(String(group));
      await group.stop();
      expect(String(group)).toMatch(/^TaskGroup "ingest" \(closed.*\b0\b/);
    });

    it("is recognised by instanceof, and no TaskScope", () => {
      expect(new TaskGroup()).toBeInstanceOf(TaskGroup);
      expect(new TaskGroup()).not.toBeInstanceOf(TaskScope);
      expect(new TaskScope()).not.toBeInstanceOf(TaskGroup);
    });

    it("hangs nobody who returns it from an async function: it is not thenable", async () => {
      const group = await TaskGroup.run(async (entered) => entered);
      expect(group.state).toBe("closed");
    });

    it("is itself what the body gets, open", async () => {
      await TaskGroup.run((group) => {
        expect(group).toBeInstanceOf(TaskGroup);
        expect(group.state).toBe("open");
      });
    });
  });

  describe("bad arguments (L11)", () => {
    it.each([
      [{ timeout: -1 }, RangeError, "timeout"],
      [{ timeout: "1" }, TypeError, "timeout"],
      [{ concurrency: 0 }, RangeError, "concurrency"],
      [{ concurrency: 1.5 }, RangeError, "concurrency"],
      [{ token: {} }, TypeError, "token"],
      [{ name: 1 }, TypeError, "name"],
    ])("%o are refused by the constructor, and by run as a rejection", async (options, kind, name) => {
      const body = vi.fn();
      expect(() => new TaskGroup(options as never)).toThrow(kind);
      expect(() => new TaskGroup(options as never)).toThrow(name);
      const error = await rejection(TaskGroup.run(body, options as never));
      expect(error).toBeInstanceOf(kind);
      expect((error as Error).message).toContain(name);
      expect(body).not.toHaveBeenCalled();
    });

    it.each([undefined, null, "body", {}])("a body that is no function: %o", async (body) => {
      vi.useFakeTimers();
      await expect(TaskGroup.run(body as never, { timeout: 100 })).rejects.toThrow(/body.*function/);
      expect(vi.getTimerCount()).toBe(0);
    });

    it("a task that is no function", async () => {
      const group = new TaskGroup();
      expect(() => group.spawn("fn" as never)).toThrow(/fn.*function/);
      expect(group.size).toBe(0);
      await group.join();
    });
  });

  describe("a dropped group", () => {
    afterEach(() => {
      vi.restoreAllMocks();
    });

    it("is named in a warning, and what it had collected goes to the process-wide handler (L2)", async () => {
      using reports = captureReports();
      const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
      (() => {
        new TaskGroup({ name: "dropped" }).spawn(() => Promise.reject(boom));
      })();
      await macrotask();
      for (let round = 0; round < 10 && warn.mock.calls.length === 0; round++) await collectGarbage();
      expect(warn.mock.calls.map(([line]) => String(line)).join()).toContain('TaskGroup "dropped"');
      expect(reports).toHaveLength(1);
      expect((reports[0]!.error as TaskGroupError).errors).toEqual([boom]);
    });
  });
});
