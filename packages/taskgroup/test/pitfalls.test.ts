/**
 * Situations that other projects had to mend, as far as they concern groups. The rest, the numbers that apply to nothing
 * yet and why, are in `packages/core/test/pitfalls.test.ts`.
 */
import {
  CancellationSource,
  type CancellationToken,
  CancelledError,
  FatalError,
  InvalidStateError,
  type Task,
  TaskGroupError,
  TimeoutError,
  failAfter,
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
import { describe, expect, it, vi } from "vitest";

const boom = new Error("boom");
const bang = new Error("bang");

describe("where cancellation meets errors", () => {
  it("1. a body that replaces its cancellation by an error: both are listed, and the group's cancellation stays inside (cpython#95289)", async () => {
    const outer = new CancellationSource();
    const run = TaskGroup.run(
      async (group) => {
        group.spawn(() => Promise.reject(boom));
        await waits(group.token).catch(() => {
          throw bang;
        });
      },
      { token: outer.token },
    );
    expect((await groupError(run)).errors).toEqual([boom, bang]);
    expect(outer.token.cancelRequested).toBe(false);
    await expect(TaskGroup.run(() => "goes on", { token: outer.token })).resolves.toBe("goes on");
  });

  it("2. inner and outer group fail in the same tick: the inner reports its errors, and the outer cancellation goes on (cpython#116720)", async () => {
    const gate = new Deferred();
    const after = vi.fn();
    const run = TaskGroup.run(async (outer) => {
      outer.spawn(() => gate.promise.then(() => Promise.reject(bang)));
      const inner = await rejection(
        TaskGroup.run(
          async (group) => {
            group.spawn(() => gate.promise.then(() => Promise.reject(boom)));
            await waits(group.token);
          },
          { token: outer.token },
        ),
      );
      expect((inner as TaskGroupError).errors).toEqual([boom]);
      // The outer group has been cancelled by its own child: the body stops at its next look.
      outer.token.throwIfCancelled();
      after();
    });
    await flushMicrotasks();
    gate.resolve();
    expect((await groupError(run)).errors).toEqual([bang]);
    expect(after).not.toHaveBeenCalled();
  });

  it("3. an outer cancellation that arrives after the group has cancelled itself is not swallowed (cpython#155433)", async () => {
    const outer = new CancellationSource();
    const gate = new Deferred();
    const run = TaskGroup.run(
      (group) => {
        group.spawn(() => gate.promise);
        group.cancel("own");
        return "value";
      },
      { token: outer.token },
    );
    await flushMicrotasks();
    outer.cancel("outer");
    gate.resolve();
    expect(await rejection(run)).toBe(outer.token.error);
  });

  it("4. cancelled, and a child has failed: the errors win, and who called stops at its next wait (asyncio's error_and_cancel)", async () => {
    const caller = new CancellationSource();
    const log = new EventLog();
    const program = async (): Promise<void> => {
      const error = await groupError(
        TaskGroup.run(
          (group) => {
            group.spawn((token) => waits(token).catch(() => Promise.reject(boom)));
          },
          { token: caller.token },
        ),
      );
      log.add(`told of ${error.errors.length} failure`);
      await caller.token.race(Promise.resolve());
      log.add("went on");
    };
    const running = program();
    caller.cancel("outer");
    expect(await rejection(running)).toBe(caller.token.error);
    expect(log.events).toEqual(["told of 1 failure"]);
  });

  it("6. a group that is cancelled several times while it waits goes on waiting, and keeps the first reason (asyncio's _aexit)", async () => {
    const group = new TaskGroup();
    const gate = new Deferred();
    const task = group.spawn((token) => waits(token).finally(() => gate.promise));
    let settled = false;
    const join = group.join().finally(() => {
      settled = true;
    });
    for (const reason of ["first", "second"]) {
      group.cancel(reason);
      await flushMicrotasks();
    }
    expect(settled).toBe(false);
    gate.resolve();
    await join;
    expect(task.error).toMatchObject({ reason: "first" });
  });

  it("7. the group is never the source of a cancellation that its caller sees (trio#1457)", async () => {
    const caller = new CancellationSource();
    const run = TaskGroup.run(
      async (group) => {
        group.spawn(() => Promise.reject(boom));
        await waits(group.token);
      },
      { token: caller.token },
    );
    const error = await groupError(run);
    expect(error.leaves().some((leaf) => leaf instanceof CancelledError)).toBe(false);
    expect(caller.token.cancelRequested).toBe(false);
  });

  it("8. a group with nothing to wait for ends asynchronously all the same (anyio 4.6.0)", async () => {
    const log = new EventLog();
    const run = TaskGroup.run(() => undefined).then(log.note("ended"));
    log.add("called");
    await run;
    expect(log.events).toEqual(["called", "ended"]);
  });

  it("9. a value that is ready when a sibling fails is not lost (Kotlin#1813, anyio#728)", async () => {
    let ready: Task<string> | undefined;
    await groupError(
      TaskGroup.run((group) => {
        ready = group.spawn(() => Promise.resolve("a connection to be closed"));
        group.spawn(() => Promise.reject(boom));
      }),
    );
    expect(ready!.result()).toBe("a connection to be closed");
  });

  it("11. a time limit inside a child is that child's failure, and no cancellation that gets lost (Kotlin#1374)", async () => {
    vi.useFakeTimers();
    const run = groupError(
      TaskGroup.run((group) => {
        group.spawn((token) => failAfter(100, (scope) => waits(scope.token), { token }));
        group.spawn(waits);
      }),
    );
    await vi.advanceTimersByTimeAsync(100);
    const { errors } = await run;
    expect(errors).toHaveLength(1);
    expect(errors[0]).toBeInstanceOf(TimeoutError);
  });

  it("13. cancellations do not stand among the errors of a group, however deep it is nested (anyio#1091, anyio#634, trio)", async () => {
    const outer = new CancellationSource();
    const run = TaskGroup.run(
      (group) => {
        group.spawn((token) =>
          TaskGroup.run(
            (inner) => {
              inner.spawn(waits);
              inner.spawn((own) => waits(own).catch(() => Promise.reject(boom)));
              return waits(inner.token);
            },
            { token },
          ),
        );
        group.spawn(waits);
      },
      { token: outer.token },
    );
    await flushMicrotasks();
    outer.cancel("outer");
    const error = await groupError(run);
    expect(error.leaves()).toEqual([boom]);
    expect(error.errors).toHaveLength(1);
  });

  it("13. a cancellation that somebody put beside real errors can be split off (anyio#1091)", async () => {
    const mixed = new TaskGroupError([new CancelledError("elsewhere"), boom]);
    const error = await groupError(TaskGroup.run(() => Promise.reject(mixed)));
    const [cancellations, failures] = error.split(CancelledError);
    expect(cancellations!.leaves()).toHaveLength(1);
    expect(failures!.leaves()).toEqual([boom]);
  });

  it("14. a library that turns the cancellation into an AbortError of its own fails nobody (anyio 4.0)", async () => {
    const error = await groupError(
      TaskGroup.run((group) => {
        group.spawn((token) =>
          waits(token).catch(() => Promise.reject(new DOMException("aborted", "AbortError"))),
        );
        group.spawn(() => Promise.reject(boom));
      }),
    );
    expect(error.errors).toEqual([boom]);
  });

  it("15. another group's cancellation that comes out of a child is a failure of that child (suture#77)", async () => {
    const other = new TaskGroup();
    other.cancel("elsewhere");
    const error = await groupError(
      TaskGroup.run((group) => {
        group.spawn(() => waits(other.token));
      }),
    );
    expect(error.errors).toEqual([other.token.error]);
    await other.join();
  });

  it("16. an error after the cancellation is listed, not dropped (Kotlin#386, Kotlin#333, Kotlin#152)", async () => {
    const group = new TaskGroup();
    group.spawn((token) => waits(token).catch(() => Promise.reject(boom)));
    expect((await groupError(group.stop())).errors).toEqual([boom]);
  });
});

describe("exits", () => {
  it("17. a fatal error leaves alone, and its siblings' errors go to the handler (cpython#135736)", async () => {
    using reports = captureReports();
    const end = new FatalError("end");
    const run = TaskGroup.run((group) => {
      group.spawn(() => Promise.reject(boom));
      group.spawn(() => Promise.reject(end));
      group.spawn((token) => waits(token).catch(() => Promise.reject(bang)));
    });
    expect(await rejection(run)).toBe(end);
    expect(reports.map(({ error }) => error)).toEqual([boom, bang]);
  });

  it("18. a loop left by break ends a group inside the generator, with its tasks, and without an error (cpython#135736, cpython#154649)", async () => {
    const log = new EventLog();
    async function* lines(): AsyncGenerator<number> {
      await using group = new TaskGroup();
      group.spawn((token) => waits(token).finally(log.note("the task has ended")));
      yield 1;
      yield 2;
    }
    for await (const line of lines()) {
      log.add(`line ${line}`);
      break;
    }
    log.add("the loop is left");
    expect(log.events).toEqual(["line 1", "the task has ended", "the loop is left"]);
  });

  it("18. a loop left by break tells of a task that had failed inside the generator (cpython#135736)", async () => {
    async function* lines(): AsyncGenerator<number> {
      await using group = new TaskGroup();
      group.spawn(() => Promise.reject(boom));
      await flushMicrotasks();
      yield 1;
    }
    const loop = async (): Promise<void> => {
      for await (const line of lines()) if (line === 1) break;
    };
    expect((await groupError(loop())).errors).toEqual([boom]);
  });

  it("19. a child's defect interrupts a body that waits for what will never come: no deadlock until the join (Go#53757, Go#74275, conc#92)", async () => {
    const run = TaskGroup.run(async (group) => {
      const never = new Deferred<string>();
      group.spawn(() => {
        (undefined as unknown as { never: () => void }).never();
        never.resolve("never");
      });
      return group.token.race(never.promise);
    });
    expect((await groupError(run)).errors[0]).toBeInstanceOf(TypeError);
  });

  it("20. a kept error does not keep its group: error → task → token leads nowhere (cpython#128552, anyio#806, anyio#863)", async () => {
    const { error, refs } = await (async () => {
      const group = new TaskGroup();
      const fn = (): Promise<never> => Promise.reject(boom);
      group.spawn(fn);
      group.spawn(waits);
      const caught = await groupError(group.join());
      return { error: caught, refs: [group, group.token, fn].map((object) => new WeakRef<object>(object)) };
    })();
    await macrotask();
    await collectGarbage();
    expect(refs.map((ref) => ref.deref())).toEqual([undefined, undefined, undefined]);
    expect(error.tasks[0]!.error).toBe(boom);
  });
});

describe("spawning at odd moments", () => {
  it("21. a child that cancels the group in its synchronous part is cancelled with it, and waited for (cpython#155418, cpython#128550)", async () => {
    const log = new EventLog();
    let child: Task<void> | undefined;
    await TaskGroup.run((group) => {
      child = group.spawn(async (token) => {
        group.cancel("from the first step");
        await waits(token).finally(log.note("the child has ended"));
      });
    });
    log.add("the group has ended");
    expect(child!.status).toBe("cancelled");
    expect(log.events).toEqual(["the child has ended", "the group has ended"]);
  });

  it("22. a child that fails during spawn cancels its siblings later, not inside spawn (cpython#128588)", async () => {
    const seen: boolean[] = [];
    const error = await groupError(
      TaskGroup.run((group) => {
        group.spawn(() => {
          throw boom;
        });
        seen.push(group.cancelRequested);
        group.spawn(waits);
      }),
    );
    expect(seen).toEqual([false]);
    expect(error.errors).toEqual([boom]);
  });

  it("24. a spawn after a sibling's failure is refused, and the function never called (swift#80789)", async () => {
    const fn = vi.fn();
    const error = await groupError(
      TaskGroup.run(async (group) => {
        const sibling = group.spawn(() => Promise.reject(boom));
        await sibling.catch(() => undefined);
        group.spawn(fn);
      }),
    );
    expect(fn).not.toHaveBeenCalled();
    expect(error.errors[0]).toBe(boom);
    expect(error.errors[1]).toBeInstanceOf(InvalidStateError);
  });

  it("25. children that spawn children while the group shuts down do not keep it open (hydra)", async () => {
    let heads = 0;
    const group = new TaskGroup();
    const hydra = async (token: CancellationToken): Promise<void> => {
      heads++;
      try {
        await waits(token);
      } finally {
        group.spawn(hydra);
      }
    };
    group.spawn(hydra);
    const error = await groupError(group.stop());
    expect(heads).toBe(1);
    expect(error.errors[0]).toBeInstanceOf(InvalidStateError);
  });

  it("26. a child that is cancelled before it could start takes nobody with it (anyio#685, anyio#710)", async () => {
    const results = await TaskGroup.run(
      async (group) => {
        const first = group.spawn(() => flushMicrotasks().then(() => "first"));
        const second = group.spawn(() => "never called");
        const third = group.spawn(() => "third");
        second.cancel();
        return [await first, second.status, await third];
      },
      { concurrency: 1 },
    );
    expect(results).toEqual(["first", "cancelled", "third"]);
  });
});

describe("waiting", () => {
  it("36. a stop ends although a child tries to spawn in its finally (frequenz)", async () => {
    const group = new TaskGroup();
    const late = vi.fn();
    group.spawn(async (token) => {
      try {
        await waits(token);
      } finally {
        group.spawn(late);
      }
    });
    expect((await groupError(group.stop())).errors[0]).toBeInstanceOf(InvalidStateError);
    expect(late).not.toHaveBeenCalled();
  });

  it("41. a group that is not cancelled itself does not catch a cancellation that passes (trio#1175, trio#860)", async () => {
    const outer = new CancellationSource();
    const run = TaskGroup.run(
      (group) => TaskGroup.run((inner) => waits(inner.token), { token: group.token }),
      { token: outer.token },
    );
    await flushMicrotasks();
    outer.cancel("outer");
    expect(await rejection(run)).toBe(outer.token.error);
  });

  it("42. a shielded group passes the outer cancellation to none of its children either (temporal sdk-typescript#1423)", async () => {
    const outer = new CancellationSource();
    let saved: Task<string> | undefined;
    const run = TaskGroup.run(
      (group) => {
        saved = group.spawn((token) =>
          TaskGroup.run(
            async (inner) => {
              outer.cancel("outer");
              await flushMicrotasks();
              inner.token.throwIfCancelled();
              return "saved";
            },
            { token },
          ),
        );
      },
      { token: outer.token, shield: true },
    );
    expect(await rejection(run)).toBe(outer.token.error);
    expect(saved!.result()).toBe("saved");
  });

  it("48. finished tasks are not kept until somebody reads them (tokio's TaskTracker, SE-0381)", async () => {
    const group = new TaskGroup();
    const refs = Array.from({ length: 100 }, (_, count) => new WeakRef(group.spawn(() => ({ count }))));
    await macrotask();
    await collectGarbage();
    expect(group.tasks.size).toBe(0);
    expect(refs.filter((ref) => ref.deref() !== undefined)).toEqual([]);
    await group.join();
  });

  it("49. the group's error does not replace that of the block it is disposed of in (SuppressedError, frequenz)", async () => {
    const block = async (): Promise<void> => {
      await using group = new TaskGroup();
      group.spawn(() => Promise.reject(boom));
      await flushMicrotasks();
      throw bang;
    };
    const error = (await rejection(block())) as { error: TaskGroupError; suppressed: unknown };
    expect(error.error.errors).toEqual([boom]);
    expect(error.suppressed).toBe(bang);
  });

  it("50. a group cannot be entered twice: run makes one for each body (anyio#1109)", async () => {
    const groups: TaskGroup[] = [];
    for (let count = 0; count < 2; count++) await TaskGroup.run((group) => groups.push(group));
    expect(groups[0]).not.toBe(groups[1]);
    expect(groups[0]!.state).toBe("closed");
    expect("run" in groups[0]!).toBe(false);
  });
});

describe("defects of other implementations", () => {
  it("the body's error is not lost when cancel() meets an outer cancellation (CPython main)", async () => {
    const outer = new CancellationSource();
    const run = TaskGroup.run(
      (group) => {
        group.cancel("own");
        outer.cancel("outer");
        throw boom;
      },
      { token: outer.token },
    );
    expect((await groupError(run)).errors).toEqual([boom]);
  });

  it("an outer cancellation after a child has failed and the body has ended leaves the outer token cancelled (CPython PR 105011)", async () => {
    const outer = new CancellationSource();
    const gate = new Deferred();
    const run = TaskGroup.run(
      (group) => {
        group.spawn(() => Promise.reject(boom));
        group.spawn(() => gate.promise);
      },
      { token: outer.token },
    );
    await flushMicrotasks();
    outer.cancel("outer");
    gate.resolve();
    expect((await groupError(run)).errors).toEqual([boom]);
    expect(outer.token.cancelRequested).toBe(true);
  });

  it("a cancel followed by an outer cancellation does not lose the latter (aiotools' abort)", async () => {
    const outer = new CancellationSource();
    const group = new TaskGroup({ token: outer.token });
    const gate = new Deferred();
    group.spawn(() => gate.promise);
    group.cancel("own");
    const join = rejection(group.join());
    outer.cancel("outer");
    gate.resolve();
    expect(await join).toBe(outer.token.error);
  });

  it("a group's own timeout does not hide the body's error (aiotools)", async () => {
    vi.useFakeTimers();
    const run = groupError(
      TaskGroup.run((group) => waits(group.token).catch(() => Promise.reject(boom)), { timeout: 100 }),
    );
    await vi.advanceTimersByTimeAsync(100);
    expect((await run).errors).toEqual([boom]);
  });

  it("an error that somebody has awaited is listed once, and reported nowhere else (aiotools)", async () => {
    using reports = captureReports();
    const error = await groupError(
      TaskGroup.run(async (group) => {
        const task = group.spawn(() => Promise.reject(boom));
        await task.catch(() => undefined);
        await task.then();
      }),
    );
    await macrotask();
    expect(error.errors).toEqual([boom]);
    expect(reports).toHaveLength(0);
  });

  it("children are cancelled when the body is interrupted (the Supervisor of 2023)", async () => {
    const outer = new CancellationSource();
    let task: Task<never> | undefined;
    const run = TaskGroup.run(
      (group) => {
        task = group.spawn(waits);
        return waits(group.token);
      },
      { token: outer.token },
    );
    outer.cancel("outer");
    await rejection(run);
    expect(task!.status).toBe("cancelled");
  });
});
