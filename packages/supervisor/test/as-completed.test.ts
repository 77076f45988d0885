import { AsyncLocalStorage } from "node:async_hooks";
import { getEventListeners } from "node:events";
import {
  CancellationSource,
  type CancellationToken,
  FatalError,
  type ScopeOptions,
  Task,
  type TaskFunction,
  TimeoutError,
} from "@scope/core";
import { asCompleted } from "@scope/supervisor";
import { captureReports, Deferred, EventLog, flushMicrotasks, rejection, waits } from "@scope/test-utils";
import { describe, expect, it, vi } from "vitest";

const boom = new Error("boom");
const bang = new Error("bang");

/** Ends a good while after it was asked. */
function slow(log: EventLog, end = "ended"): TaskFunction<void> {
  return async (token) => {
    await waits(token).catch(() => undefined);
    await flushMicrotasks(40);
    log.add(end);
  };
}

/** `for await` awaits what is iterated over by its type, though not when it runs: a loop over tasks is typed by this. */
function each<T>(tasks: AsyncIterable<Task<T>>): AsyncIterable<Task<T> & { readonly then: never }> {
  return tasks as AsyncIterable<Task<T> & { readonly then: never }>;
}

/** The value of the task that a step hands out. */
async function valueOf<T>(step: Promise<IteratorResult<Task<T>, unknown>>): Promise<T> {
  const { done, value } = await step;
  if (done === true) throw new Error("there was to be a task");
  return value.result();
}

/** What comes out of the loop: values, and errors as they are. */
async function drain(tasks: AsyncIterable<Task<unknown>>, into: unknown[] = []): Promise<unknown[]> {
  for await (const task of each(tasks)) into.push(task.status === "succeeded" ? task.result() : task.error);
  return into;
}

/** After so many turns. */
function after<T>(turns: number, value: T): TaskFunction<T> {
  return () => flushMicrotasks(turns).then(() => value);
}

/** Functions that wait for their gates, and what was asked of the source. */
class Source implements Iterable<TaskFunction<number>> {
  readonly log = new EventLog();
  readonly gates: Deferred<number>[] = [];
  readonly #end: number;
  readonly #fn: TaskFunction<number> | undefined;

  constructor(end = Infinity, fn?: TaskFunction<number>) {
    this.#end = end;
    this.#fn = fn;
  }

  get pulled(): number {
    return this.log.events.filter((event) => event === "next").length;
  }

  [Symbol.iterator](): Iterator<TaskFunction<number>> {
    this.log.add("open");
    return {
      next: () => {
        this.log.add("next");
        if (this.gates.length >= this.#end) return { done: true, value: undefined };
        const gate = new Deferred<number>();
        this.gates.push(gate);
        return { done: false, value: this.#fn ?? ((token) => token.race(gate.promise)) };
      },
      return: () => {
        this.log.add("return");
        return { done: true, value: undefined };
      },
    };
  }

  /** The same, asynchronously. */
  get async(): AsyncIterable<TaskFunction<number>> {
    return {
      [Symbol.asyncIterator]: () => {
        const iterator = this[Symbol.iterator]();
        return {
          next: async () => iterator.next(),
          return: async () => {
            await flushMicrotasks(3);
            return iterator.return!();
          },
        };
      },
    };
  }
}

describe("asCompleted", () => {
  describe("the tasks", () => {
    it("come done, in the order in which they end, whatever they came to", async () => {
      using reports = captureReports();
      const statuses: string[] = [];
      const values: unknown[] = [];
      const tasks = asCompleted<unknown>([
        after(90, "slow"),
        () => flushMicrotasks(60).then(() => Promise.reject(boom)),
        after(30, "fast"),
        () => "sync",
      ]);
      for await (const task of each(tasks)) {
        expect(task).toBeInstanceOf(Task);
        expect(task.done).toBe(true);
        statuses.push(task.status);
        values.push(task.status === "failed" ? task.error : task.result());
      }
      expect(statuses).toEqual(["succeeded", "succeeded", "failed", "succeeded"]);
      expect(values).toEqual(["sync", "fast", boom, "slow"]);
      expect(reports).toHaveLength(0);
    });

    it("that end while the loop is busy wait for it, in their order", async () => {
      const log = new EventLog();
      for await (const task of each(asCompleted([after(90, "a"), after(60, "b"), after(30, "c")]))) {
        log.add(task.result());
        await flushMicrotasks(100);
      }
      expect(log.events).toEqual(["c", "b", "a"]);
    });

    it("of a fatal failure is not handed out besides: the iteration rejects", async () => {
      const end = new FatalError("end");
      const seen: unknown[] = [];
      const error = await rejection(drain(asCompleted([() => Promise.reject(end)]), seen));
      expect(error).toBe(end);
      expect(seen).toEqual([]);
    });

    it("of what is there already are all started inside the first next(), without a limit", async () => {
      const log = new EventLog();
      const fns = ["a", "b", "c"].map((name) => () => log.add(name));
      const tasks = asCompleted(fns);
      const first = tasks.next();
      expect(log.events).toEqual(["a", "b", "c"]);
      await first;
      await tasks.return();
    });

    it("are none for no functions", async () => {
      expect(await drain(asCompleted([]))).toEqual([]);
      expect(await drain(asCompleted((async function* () {})()))).toEqual([]);
    });

    it("see the context of the first next(), not of those that made room (L10)", async () => {
      const storage = new AsyncLocalStorage<string>();
      const seen: unknown[] = [];
      const gate = new Deferred();
      const fns = [
        () => gate.promise,
        () => {
          seen.push(storage.getStore());
        },
      ];
      const draining = storage.run("caller", () => drain(asCompleted(fns, { concurrency: 1 })));
      storage.run("other", () => {
        gate.resolve();
      });
      await draining;
      expect(seen).toEqual(["caller"]);
    });
  });

  describe("the iterator", () => {
    it("starts nothing, and leaves neither timer nor listener, until the first next()", async () => {
      vi.useFakeTimers();
      const { signal } = new AbortController();
      const source = new Source(1);
      const tasks = asCompleted(source, { token: signal, timeout: 1000, concurrency: 1 });
      await flushMicrotasks();
      expect(source.log.events).toEqual([]);
      expect(vi.getTimerCount()).toBe(0);
      expect(getEventListeners(signal, "abort")).toHaveLength(0);
      const first = tasks.next();
      source.gates[0]?.resolve(7);
      await flushMicrotasks();
      source.gates[0]!.resolve(7);
      expect(await valueOf(first)).toBe(7);
      expect(await tasks.next()).toEqual({ done: true, value: undefined });
      expect(vi.getTimerCount()).toBe(0);
      expect(getEventListeners(signal, "abort")).toHaveLength(0);
    });

    it("is its own iterable, and async disposable", () => {
      const tasks = asCompleted([]);
      expect(tasks[Symbol.asyncIterator]()).toBe(tasks);
      expect(tasks).toMatchObject({ [Symbol.asyncDispose]: expect.any(Function) as unknown });
    });

    it("hands each of several next() calls at once another task, in their order", async () => {
      const tasks = asCompleted([after(90, "c"), after(60, "b"), after(30, "a")]);
      const steps = await Promise.all([1, 2, 3, 4, 5].map(() => tasks.next()));
      expect(steps.map(({ done, value }) => (done === true ? done : value.result()))).toEqual([
        "a",
        "b",
        "c",
        true,
        true,
      ]);
    });

    it("says that it is done again and again after the end", async () => {
      const tasks = asCompleted([() => 1]);
      await drain(tasks);
      for (let time = 0; time < 3; time++)
        expect(await tasks.next()).toEqual({ done: true, value: undefined });
      expect(await tasks.return()).toEqual({ done: true, value: undefined });
      expect(await rejection(tasks.throw(boom))).toBe(boom);
    });

    it("rejects once, to the first of several waiting, and is done for the others", async () => {
      const source = new CancellationSource();
      const tasks = asCompleted([waits], { token: source.token });
      const steps = [tasks.next(), tasks.next()];
      source.cancel();
      const settled = await Promise.allSettled(steps);
      expect(settled).toEqual([
        { status: "rejected", reason: source.token.error },
        { status: "fulfilled", value: { done: true, value: undefined } },
      ]);
      expect(await tasks.next()).toMatchObject({ done: true });
    });

    it("that is returned before it has begun never begins", async () => {
      const source = new Source(1);
      const tasks = asCompleted(source);
      expect(await tasks.return()).toEqual({ done: true, value: undefined });
      expect(await tasks.next()).toEqual({ done: true, value: undefined });
      expect(source.log.events).toEqual([]);
    });

    it("has a next() that waits while it is returned end only when nothing runs any more (L1)", async () => {
      const log = new EventLog();
      const tasks = asCompleted([slow(log)]);
      const next = tasks.next().then((step) => {
        log.add("next ended");
        return step;
      });
      await flushMicrotasks();
      const returned = tasks.return().then(log.note("return ended"));
      expect(await next).toEqual({ done: true, value: undefined });
      await returned;
      expect(log.events[0]).toBe("ended");
      expect(log.events).toHaveLength(3);
    });

    it("has a next() after return(), before its end, end only when nothing runs any more (L1)", async () => {
      const log = new EventLog();
      const tasks = asCompleted<unknown>([() => 1, slow(log)]);
      await tasks.next();
      await flushMicrotasks();
      const returned = tasks.return();
      expect(await tasks.next()).toEqual({ done: true, value: undefined });
      log.add("next ended");
      await returned;
      expect(log.events).toEqual(["ended", "next ended"]);
    });

    it("may be used with await using, which leaves nothing running", async () => {
      const log = new EventLog();
      {
        await using tasks = asCompleted<unknown>([() => 1, slow(log)]) as AsyncIterableIterator<
          Task<unknown>
        > &
          AsyncDisposable;
        expect((await tasks.next()).done).toBe(false);
        await flushMicrotasks();
      }
      log.add("block ended");
      expect(log.events).toEqual(["ended", "block ended"]);
    });
  });

  describe("leaving the loop early", () => {
    async function leave(how: "break" | "throw" | "return", log: EventLog, fns: TaskFunction<unknown>[]) {
      try {
        for await (const task of each(asCompleted(fns))) {
          expect(task.done).toBe(true);
          await flushMicrotasks(100); // the others have begun by now
          if (how === "break") break;
          if (how === "throw") throw boom;
          return;
        }
      } catch (error) {
        log.add(`threw ${(error as Error).message}`);
      } finally {
        log.add("loop ended");
      }
    }

    it.each(["break", "throw", "return"] as const)(
      "by %s cancels the rest, and waits for them before the statement ends (L1)",
      async (how) => {
        const log = new EventLog();
        const tokens: CancellationToken[] = [];
        const rest: TaskFunction<unknown> = (token) => {
          tokens.push(token);
          return slow(log)(token);
        };
        await leave(how, log, [() => 1, rest]);
        expect(log.events).toEqual(["ended", ...(how === "throw" ? ["threw boom"] : []), "loop ended"]);
        expect(tokens[0]!.error).toMatchObject({ source: "shutdown" });
      },
    );

    it.each(["break", "throw", "return"] as const)(
      "by %s has failures that were not handed out told to the process-wide handler, others not (L2)",
      async (how) => {
        using reports = captureReports();
        const handedOut = new Error("handed out");
        await leave(how, new EventLog(), [
          () => Promise.reject(handedOut),
          () => Promise.reject(boom),
          (token) => waits(token).catch(() => Promise.reject(bang)),
          waits,
        ]);
        expect(reports.map(({ error }) => error)).toEqual([boom, bang]);
      },
    );

    it("when all have ended has failures that were not handed out told as well (L2)", async () => {
      using reports = captureReports();
      await leave("break", new EventLog(), [() => 1, () => Promise.reject(boom), () => Promise.reject(bang)]);
      expect(reports.map(({ error }) => error)).toEqual([boom, bang]);
    });

    it("just as all have ended has failures that were not handed out told as well (L2)", async () => {
      using reports = captureReports();
      const ends = [new Deferred(), new Deferred(), new Deferred()] as const;
      const tasks = asCompleted(
        ends.map(
          ({ promise }) =>
            () =>
              promise,
        ),
      );
      const first = tasks.next();
      ends[0].resolve();
      ends[1].reject(boom);
      ends[2].resolve();
      await first;
      await tasks.return();
      expect(reports.map(({ error }) => error)).toEqual([boom]);
    });

    it("when all have ended leaves nothing to hand out", async () => {
      const tasks = asCompleted([() => 1, () => 2, () => 3]);
      await tasks.next();
      await flushMicrotasks(100);
      await tasks.return();
      expect(await tasks.next()).toEqual({ done: true, value: undefined });
    });

    it("has a failure with undefined told as well (L2)", async () => {
      using reports = captureReports();
      await leave("break", new EventLog(), [() => 1, (token) => waits(token).catch(() => Promise.reject())]);
      expect(reports).toHaveLength(1);
    });

    it("throws the outer cancellation that comes while the rest end", async () => {
      const source = new CancellationSource();
      const log = new EventLog();
      const tasks = asCompleted<unknown>([() => 1, slow(log)], { token: source.token });
      await tasks.next();
      await flushMicrotasks();
      const returned = tasks.return();
      await flushMicrotasks(5);
      source.cancel("outside");
      expect(await rejection(returned)).toBe(source.token.error);
      expect(log.events).toEqual(["ended"]);
    });

    it("throws the fatal error of the rest", async () => {
      const end = new FatalError("end");
      const tasks = asCompleted<unknown>([() => 1, (token) => waits(token).catch(() => Promise.reject(end))]);
      await tasks.next();
      await flushMicrotasks();
      expect(await rejection(tasks.return())).toBe(end);
    });

    it("starts nothing further", async () => {
      const source = new Source(Infinity, async () => 1);
      for await (const task of each(asCompleted(source, { concurrency: 1 }))) {
        expect(task.result()).toBe(1);
        break;
      }
      const { pulled } = source;
      await flushMicrotasks();
      expect(source.pulled).toBe(pulled);
      expect(source.log.events.at(-1)).toBe("return");
    });
  });

  describe("an outer cancellation", () => {
    it("cancels all, waits for all, and rejects; what was not handed out is told (L2)", async () => {
      using reports = captureReports();
      const source = new CancellationSource();
      const log = new EventLog();
      const seen: unknown[] = [];
      const draining = rejection(
        drain(
          asCompleted<unknown>(
            [() => 1, slow(log), (token) => waits(token).catch(() => Promise.reject(boom)), waits],
            { token: source.token },
          ),
          seen,
        ).finally(log.note("loop ended")),
      );
      await flushMicrotasks();
      source.cancel("outside");
      expect(await draining).toBe(source.token.error);
      expect(seen).toEqual([1]);
      expect(log.events).toEqual(["ended", "loop ended"]);
      expect(reports.map(({ error }) => error)).toEqual([boom]);
    });

    it("that was there before opens no source", async () => {
      const source = new Source(1);
      const error = await rejection(drain(asCompleted(source, { token: AbortSignal.abort("gone") })));
      expect(error).toMatchObject({ name: "AbortError", reason: "gone" });
      expect(source.log.events).toEqual([]);
    });

    it("rejects also where the source had ended, and every function ignores it", async () => {
      const source = new CancellationSource();
      const draining = rejection(
        drain(asCompleted([(token) => waits(token).catch(() => 1)], { token: source.token })),
      );
      await flushMicrotasks();
      source.cancel();
      expect(await draining).toBe(source.token.error);
    });

    it("is held back by a shield until all have ended", async () => {
      const source = new CancellationSource();
      const gate = new Deferred();
      const seen: unknown[] = [];
      const draining = rejection(
        drain(asCompleted([() => gate.promise.then(() => 1)], { token: source.token, shield: true }), seen),
      );
      await flushMicrotasks();
      source.cancel();
      await flushMicrotasks();
      gate.resolve();
      expect(await draining).toBe(source.token.error);
    });

    it("at whichever microtask: every failure is told or handed out, once; nothing runs on (L1, L2)", async () => {
      const outcomes = new Set<string>();
      for (let turn = 0; turn < 60; turn++) {
        using reports = captureReports();
        const source = new CancellationSource();
        let running = 0;
        const counted =
          (turns: number, end: () => unknown): TaskFunction<unknown> =>
          async () => {
            running++;
            await flushMicrotasks(turns);
            running--;
            return end();
          };
        const started = new Set<unknown>();
        const fails = (error: Error) => () => {
          started.add(error);
          return Promise.reject(error);
        };
        const seen: unknown[] = [];
        const loop = async (): Promise<void> => {
          const fns = [counted(1, fails(boom)), counted(8, () => 1), counted(4, fails(bang))];
          for await (const task of each(asCompleted(fns, { token: source.token, concurrency: 2 }))) {
            seen.push(task.status === "failed" ? task.error : task.status);
            await flushMicrotasks(3);
          }
        };
        const looping = loop().finally(() => {
          expect(running).toBe(0);
        });
        const [settled] = await Promise.allSettled([
          looping,
          flushMicrotasks(turn).then(() => {
            source.cancel();
          }),
        ]);
        outcomes.add(settled.status);
        if (settled.status === "rejected") expect(settled.reason).toBe(source.token.error);
        else expect(seen).toHaveLength(3);
        const told = [...seen.filter((one) => one instanceof Error), ...reports.map(({ error }) => error)];
        expect(new Set(told)).toEqual(started);
        expect(told).toHaveLength(started.size);
      }
      expect(outcomes).toEqual(new Set(["rejected", "fulfilled"]));
    });
  });

  describe("a timeout", () => {
    it("counts from the first next(), cancels all, waits for all, and rejects", async () => {
      vi.useFakeTimers();
      const log = new EventLog();
      const tasks = asCompleted([slow(log)], { timeout: 100, name: "pages" });
      await vi.advanceTimersByTimeAsync(1000);
      const next = rejection(tasks.next());
      await vi.advanceTimersByTimeAsync(99);
      expect(log.events).toEqual([]);
      await vi.advanceTimersByTimeAsync(1);
      const error = await next;
      expect(error).toBeInstanceOf(TimeoutError);
      expect((error as Error).message).toBe('asCompleted "pages" timed out after 100 ms');
      expect(log.events).toEqual(["ended"]);
    });

    it("is thrown by the next next() when the loop was busy", async () => {
      vi.useFakeTimers();
      const tasks = asCompleted([() => 1, waits], { timeout: 100 });
      await tasks.next();
      await vi.advanceTimersByTimeAsync(200);
      expect(await rejection(tasks.next())).toBeInstanceOf(TimeoutError);
      expect(await tasks.next()).toMatchObject({ done: true });
    });
  });

  describe("a fatal error", () => {
    it("cancels the rest, waits for them, and rejects bare; what failed besides is told (L5)", async () => {
      using reports = captureReports();
      const end = new FatalError("end");
      const log = new EventLog();
      const tasks = asCompleted<unknown>([
        () => 1,
        slow(log),
        () => flushMicrotasks().then(() => Promise.reject(boom)),
        () => flushMicrotasks().then(() => Promise.reject(end)),
      ]);
      await tasks.next();
      await flushMicrotasks(200); // the loop is busy
      expect(await rejection(tasks.next())).toBe(end);
      expect(log.events).toEqual(["ended"]);
      expect(reports.map(({ error }) => error)).toEqual([boom]);
    });

    it("next to another: the second is told to the process-wide handler, once (L2)", async () => {
      using reports = captureReports();
      const [first, second] = [new FatalError("first"), new FatalError("second")];
      const tasks = asCompleted<unknown>([
        () => 1,
        () => flushMicrotasks(5).then(() => Promise.reject(first)),
        () => flushMicrotasks(5).then(() => Promise.reject(second)),
      ]);
      await tasks.next();
      await flushMicrotasks(100); // the loop is busy
      expect(await rejection(tasks.next())).toBe(first);
      expect(reports.map(({ error }) => error)).toEqual([second]);
    });
  });

  describe("the source", () => {
    it.each([
      ["has no news if that is the reason of the signal that is followed (L4)", (reason: Error) => reason, 0],
      ["is reported otherwise", () => boom, 1],
    ])("that fails while it is busy, after the loop was cancelled, %s", async (_, failure, told) => {
      using reports = captureReports();
      const controller = new AbortController();
      const reason = new Error("tab closed");
      const busy = new Deferred<IteratorResult<TaskFunction<number>>>();
      const source = { [Symbol.asyncIterator]: () => ({ next: () => busy.promise }) };
      const next = rejection(asCompleted(source, { token: controller.signal }).next());
      await flushMicrotasks();
      controller.abort(reason);
      await flushMicrotasks(5);
      busy.reject(failure(reason));
      expect(await next).toMatchObject({ source: "signal", reason });
      await flushMicrotasks();
      expect(reports.length).toBe(told);
    });

    it.each(["sync", "async"])(
      "of the %s kind is pulled only while a slot is free, under a limit",
      async (kind) => {
        const source = new Source();
        const tasks = asCompleted(kind === "sync" ? source : source.async, { concurrency: 2 });
        const first = tasks.next();
        await flushMicrotasks();
        expect(source.pulled).toBe(2);
        source.gates[1]!.resolve(1);
        expect(await valueOf(first)).toBe(1);
        await flushMicrotasks();
        expect(source.pulled).toBe(3);
        source.gates[0]!.resolve(0);
        source.gates[2]!.resolve(2);
        await flushMicrotasks();
        expect(source.pulled).toBe(5);
        await tasks.return();
        expect(source.log.events.filter((event) => event === "return")).toHaveLength(1);
        expect(source.pulled).toBe(5);
      },
    );

    it("without a limit is pulled at once", async () => {
      const source = new Source(5);
      const tasks = asCompleted(source);
      const first = tasks.next();
      await flushMicrotasks();
      expect(source.pulled).toBe(6);
      await tasks.return();
      await first;
    });

    it("of both kinds is taken as an async one", async () => {
      const both = {
        *[Symbol.iterator]() {
          yield () => "sync";
        },
        async *[Symbol.asyncIterator]() {
          yield () => "async";
        },
      };
      expect(await drain(asCompleted(both))).toEqual(["async"]);
    });

    it("that is slow is waited for, while what is done is handed out", async () => {
      const gate = new Deferred();
      const tasks = asCompleted(
        (async function* () {
          yield () => 1;
          await gate.promise;
          yield () => 2;
        })(),
      );
      expect(await valueOf(tasks.next())).toBe(1);
      const second = tasks.next();
      gate.resolve();
      expect(await valueOf(second)).toBe(2);
      expect(await tasks.next()).toMatchObject({ done: true });
    });

    it.each<[string, ScopeOptions, (outer: CancellationSource) => unknown]>([
      ["a fatal error", {}, () => Promise.reject(new FatalError("end"))],
      [
        "an outer cancellation",
        {},
        (outer) => {
          outer.cancel();
        },
      ],
      ["a timeout", { timeout: 1 }, () => undefined],
    ])("is returned, once, and waited for, on %s", async (_, options, end) => {
      using reports = captureReports();
      for (const kind of ["sync", "async"]) {
        const outer = new CancellationSource();
        const source = new Source(Infinity, async (token) => {
          await end(outer);
          return waits(token);
        });
        const given = kind === "sync" ? source : source.async;
        await rejection(drain(asCompleted(given, { token: outer.token, concurrency: 2, ...options })));
        expect(source.log.events.filter((event) => event === "return")).toEqual(["return"]);
        expect(source.log.events.at(-1)).toBe("return");
      }
      // Fatal errors next to the one that came out.
      expect(reports.every(({ error }) => error instanceof FatalError)).toBe(true);
    });

    it("that has ended is not returned, at whichever microtask the loop is left", async () => {
      for (let turn = 0; turn < 30; turn++) {
        const source = new Source(1);
        const tasks = asCompleted(source);
        const next = tasks.next();
        await flushMicrotasks(turn);
        const ended = source.pulled === 2;
        await tasks.return();
        await next;
        expect(source.log.events.filter((event) => event === "return")).toHaveLength(ended ? 0 : 1);
      }
    });

    it("that throws has the running ones cancelled, and comes out as it is", async () => {
      const log = new EventLog();
      const fns = function* (): Generator<TaskFunction<void>> {
        yield slow(log);
        throw boom;
      };
      expect(await rejection(drain(asCompleted(fns())))).toBe(boom);
      expect(log.events).toEqual(["ended"]);
      const later = async function* (): AsyncGenerator<TaskFunction<void>> {
        yield slow(log);
        await flushMicrotasks();
        throw bang;
      };
      expect(await rejection(drain(asCompleted(later())))).toBe(bang);
      expect(log.events).toEqual(["ended", "ended"]);
    });

    it("that gives something else than a function rejects with TypeError, is returned, and nothing runs on", async () => {
      const log = new EventLog();
      const fns = function* (): Generator<TaskFunction<void>> {
        try {
          yield slow(log);
          yield 5 as never;
        } finally {
          log.add("source closed");
        }
      };
      const error = await rejection(drain(asCompleted(fns())));
      expect(error).toBeInstanceOf(TypeError);
      expect((error as Error).message).toMatch(/fns\[1\].* a function, got 5/);
      expect(log.events).toEqual(["source closed", "ended"]);
    });

    it("whose return fails when the loop is left has that told to somebody", async () => {
      using reports = captureReports();
      const fns = function* (): Generator<TaskFunction<number>> {
        try {
          for (;;) yield () => 1;
        } finally {
          throw bang;
        }
      };
      let thrown: unknown;
      try {
        for await (const task of each(asCompleted(fns(), { concurrency: 1 }))) {
          expect(task.result()).toBe(1);
          break;
        }
      } catch (error) {
        thrown = error;
      }
      const told = [...(thrown === undefined ? [] : [thrown]), ...reports.map(({ error }) => error)];
      expect(told).toEqual([bang]);
    });

    it("that is stuck does not hold up the end, and its late failure is told (L2)", async () => {
      using reports = captureReports();
      const stuck = new Deferred<IteratorResult<TaskFunction<number>>>();
      const source = new CancellationSource();
      const fns: AsyncIterable<TaskFunction<number>> = {
        [Symbol.asyncIterator]: () => ({ next: () => stuck.promise }),
      };
      const draining = rejection(drain(asCompleted(fns, { token: source.token })));
      await flushMicrotasks();
      source.cancel();
      expect(await draining).toBe(source.token.error);
      stuck.reject(boom);
      await flushMicrotasks();
      expect(reports.map(({ error }) => error)).toEqual([boom]);
    });
  });

  it.each(Array.from({ length: 25 }, (_, index) => index - 10))(
    "a source that fails %d microtasks after an outer cancellation has its error told once (L2)",
    async (turns) => {
      using reports = captureReports();
      const outer = new CancellationSource();
      const step = new Deferred<IteratorResult<TaskFunction<number>>>();
      const source = { [Symbol.asyncIterator]: () => ({ next: () => step.promise }) };
      const settled = rejection(asCompleted(source, { token: outer.token }).next());
      await flushMicrotasks();
      const after = async (count: number, action: () => void): Promise<void> => {
        for (let turn = 0; turn < count; turn++) await Promise.resolve();
        action();
      };
      const boom = new Error("boom");
      void after(-turns, () => {
        outer.cancel("outer");
      });
      void after(turns, () => {
        step.reject(boom);
      });
      const error = await settled;
      await flushMicrotasks();
      const told = [error, ...reports.map((report) => report.error)].filter((each) => each === boom);
      expect(told).toEqual([boom]);
    },
  );

  describe("bad input (L11)", () => {
    it.each<[string, unknown, typeof TypeError]>([
      ["fns", undefined, TypeError],
      ["fns", null, TypeError],
      ["fns", 5, TypeError],
      ["fns", {}, TypeError],
      ["fns", () => 1, TypeError],
      ["timeout", -1, RangeError],
      ["timeout", "5", TypeError],
      ["concurrency", 0, RangeError],
      ["concurrency", 1.5, RangeError],
      ["token", {}, TypeError],
      ["token", null, TypeError],
      ["name", 5, TypeError],
    ])("is refused synchronously: %s, %o", (argument, value, kind) => {
      const source = new Source();
      let thrown: unknown;
      try {
        if (argument === "fns") asCompleted(value as never);
        else asCompleted(source, { [argument]: value });
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(kind);
      expect((thrown as Error).message).toMatch(new RegExp(`\\b${argument}\\b.*, got `));
      expect(source.log.events).toEqual([]);
    });
  });

  it("leaves neither timer nor listener, whichever way it ends", async () => {
    vi.useFakeTimers();
    using reports = captureReports();
    const { signal } = new AbortController();
    const options = { token: signal, timeout: 1000 };
    await drain(asCompleted([() => 1, () => Promise.reject(boom)], options));
    for await (const task of each(asCompleted([() => 1, waits], options))) {
      expect(task.result()).toBe(1);
      break;
    }
    const late = rejection(drain(asCompleted([waits], options)));
    await vi.advanceTimersByTimeAsync(1000);
    await late;
    expect(vi.getTimerCount()).toBe(0);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
    expect(reports).toHaveLength(0);
  });

  it("hands out tasks, which a hand-written iterator keeps and an async generator would unwrap", async () => {
    async function* passedOn(): AsyncGenerator {
      for await (const task of each(asCompleted([() => 2]))) yield task;
    }
    const seen: unknown[] = [];
    for await (const one of passedOn()) seen.push(one);
    expect(seen).toEqual([2]);
    const step: IteratorResult<unknown, unknown> = await asCompleted([() => 2]).next();
    expect(step.value).toBeInstanceOf(Task);
  });
});
