import { AsyncLocalStorage } from "node:async_hooks";
import {
  CancellationSource,
  CancellationToken,
  CancelledError,
  FatalError,
  type ScopeOptions,
  TaskGroupError,
  TimeoutError,
  sleep,
} from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";
import {
  captureReports,
  Deferred,
  EventLog,
  flushMicrotasks,
  groupError,
  rejection,
  waits,
} from "@scope/test-utils";
import { describe, expect, it, vi } from "vitest";

const boom = new Error("boom");
const bang = new Error("bang");

/** An endless iterable of 0, 1, 2, … that notes what is asked of it. */
class Numbers implements Iterable<number> {
  readonly log = new EventLog();
  readonly #end: number;

  constructor(end = Infinity) {
    this.#end = end;
  }

  [Symbol.iterator](): Iterator<number> {
    this.log.add("open");
    let value = -1;
    return {
      next: () => {
        this.log.add("next");
        return ++value < this.#end ? { done: false, value } : { done: true, value: undefined };
      },
      return: () => {
        this.log.add("return");
        return { done: true, value: undefined };
      },
    };
  }
}

/** An async iterable whose steps the test gives, and that notes what is asked of it. */
class Feed<T = number> implements AsyncIterable<T> {
  readonly log = new EventLog();
  readonly #steps: Deferred<IteratorResult<T>>[] = [];
  #asked = 0;
  #given = 0;

  give(value: T): void {
    this.#step(this.#given++).resolve({ done: false, value });
  }

  end(): void {
    this.#step(this.#given++).resolve({ done: true, value: undefined });
  }

  fail(error: unknown): void {
    this.#step(this.#given++).reject(error);
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return {
      next: () => {
        this.log.add("next");
        return this.#step(this.#asked++).promise;
      },
      return: async () => {
        this.log.add("return");
        return { done: true, value: undefined };
      },
    };
  }

  #step(index: number): Deferred<IteratorResult<T>> {
    return (this.#steps[index] ??= new Deferred());
  }
}

describe("TaskGroup.map", () => {
  describe("results", () => {
    it("are in the order of the items, not in that of their completion", async () => {
      const gates = [new Deferred<string>(), new Deferred<string>(), new Deferred<string>()];
      const mapped = TaskGroup.map(gates, (gate) => gate.promise);
      gates[2]!.resolve("c");
      await flushMicrotasks();
      gates[0]!.resolve("a");
      await flushMicrotasks();
      gates[1]!.resolve("b");
      await expect(mapped).resolves.toEqual(["a", "b", "c"]);
    });

    it("may be plain values, undefined included", async () => {
      await expect(TaskGroup.map([1, 2, 3], (item) => (item === 2 ? undefined : item * 2))).resolves.toEqual([
        2,
        undefined,
        6,
      ]);
    });

    it("of no items are none", async () => {
      await expect(TaskGroup.map([], () => "never called")).resolves.toEqual([]);
      await expect(
        TaskGroup.map(
          (async function* (): AsyncGenerator<number> {
            yield* [];
          })(),
          () => "never called",
          { concurrency: 3 },
        ),
      ).resolves.toEqual([]);
    });

    it.each([1, 2, 7, 100, Infinity])("are complete with a concurrency of %d", async (concurrency) => {
      const items = Array.from({ length: 20 }, (_, index) => index);
      const mapped = TaskGroup.map(
        items,
        async (item) => {
          await flushMicrotasks((item * 7) % 5);
          return item * item;
        },
        { concurrency },
      );
      await expect(mapped).resolves.toEqual(items.map((item) => item * item));
    });

    it("wait for the last task although the source has ended long before (L1)", async () => {
      const gate = new Deferred();
      let settled = false;
      const mapped = TaskGroup.map([1], () => gate.promise).finally(() => {
        settled = true;
      });
      await flushMicrotasks();
      expect(settled).toBe(false);
      gate.resolve();
      await mapped;
    });
  });

  describe("items", () => {
    it.each<[string, () => Iterable<number> | AsyncIterable<number>]>([
      ["an array", () => [1, 2, 3]],
      ["a set", () => new Set([1, 2, 3])],
      [
        "a generator",
        function* () {
          yield* [1, 2, 3];
        },
      ],
      [
        "an async generator",
        async function* () {
          yield* [1, 2, 3];
        },
      ],
      [
        "an async iterable of its own",
        () => {
          const feed = new Feed();
          for (const value of [1, 2, 3]) feed.give(value);
          feed.end();
          return feed;
        },
      ],
    ])("may come from %s", async (_, make) => {
      await expect(TaskGroup.map(make(), (item) => item + 1)).resolves.toEqual([2, 3, 4]);
      await expect(TaskGroup.map(make(), (item) => item + 1, { concurrency: 2 })).resolves.toEqual([2, 3, 4]);
    });

    it("may come from a string, character by character", async () => {
      await expect(TaskGroup.map("abc", (item) => item.toUpperCase())).resolves.toEqual(["A", "B", "C"]);
    });

    it("of an object that is iterable in both ways are pulled asynchronously", async () => {
      const both = {
        *[Symbol.iterator]() {
          yield "sync";
        },
        async *[Symbol.asyncIterator]() {
          yield "async";
        },
      };
      await expect(TaskGroup.map(both, (item) => item)).resolves.toEqual(["async"]);
    });

    it("are passed on with the task's own token and their index", async () => {
      const calls: unknown[][] = [];
      await TaskGroup.map(["a", "b"], (...args) => {
        calls.push(args);
      });
      expect(calls.map(([item, , index]) => [item, index])).toEqual([
        ["a", 0],
        ["b", 1],
      ]);
      const tokens = calls.map(([, token]) => token);
      for (const token of tokens) expect(token).toBeInstanceOf(CancellationToken);
      expect(tokens[0]).not.toBe(tokens[1]);
      expect(calls[0]).toHaveLength(3);
    });

    it("are seen by the function in the context of who called map (L10)", async () => {
      const storage = new AsyncLocalStorage<string>();
      const seen: unknown[] = [];
      const feed = new Feed();
      const mapped = storage.run("caller", () =>
        TaskGroup.map(
          feed,
          async () => {
            seen.push(storage.getStore());
            await flushMicrotasks();
            seen.push(storage.getStore());
          },
          { concurrency: 1 },
        ),
      );
      storage.run("feeder", () => {
        feed.give(1);
        feed.give(2);
        feed.end();
      });
      await mapped;
      expect(seen).toEqual(["caller", "caller", "caller", "caller"]);
    });
  });

  describe("pulling", () => {
    it("is lazy under a concurrency limit: one item for each free slot", async () => {
      const numbers = new Numbers(5);
      const gates = Array.from({ length: 5 }, () => new Deferred());
      const mapped = TaskGroup.map(numbers, (item) => gates[item]!.promise, { concurrency: 2 });
      const pulls = async (): Promise<number> => {
        await flushMicrotasks();
        return numbers.log.events.filter((event) => event === "next").length;
      };
      expect(await pulls()).toBe(2);
      gates[1]!.resolve();
      expect(await pulls()).toBe(3);
      gates[0]!.resolve();
      gates[2]!.resolve();
      expect(await pulls()).toBe(5);
      gates[3]!.resolve();
      // The one that finds out that there are no more.
      expect(await pulls()).toBe(6);
      gates[4]!.resolve();
      await mapped;
    });

    it("is at once without a limit", async () => {
      const numbers = new Numbers(5);
      const gate = new Deferred();
      const mapped = TaskGroup.map(numbers, () => gate.promise);
      await flushMicrotasks();
      expect(numbers.log.events.filter((event) => event === "next")).toHaveLength(6);
      gate.resolve();
      await mapped;
    });

    it("asks an async source for one step at a time", async () => {
      const feed = new Feed();
      const mapped = TaskGroup.map(feed, (item) => item);
      await flushMicrotasks();
      expect(feed.log.events).toEqual(["next"]);
      feed.give(1);
      await flushMicrotasks();
      expect(feed.log.events).toEqual(["next", "next"]);
      feed.end();
      await mapped;
      expect(feed.log.events).toEqual(["next", "next"]);
    });

    it("goes on while tasks run, when the source is slower than they are", async () => {
      const feed = new Feed();
      const log = new EventLog();
      const mapped = TaskGroup.map(
        feed,
        (item) => {
          log.add(`item ${item}`);
          return item;
        },
        { concurrency: 2 },
      );
      for (const item of [1, 2, 3]) {
        await flushMicrotasks();
        log.add(`give ${item}`);
        feed.give(item);
      }
      feed.end();
      await expect(mapped).resolves.toEqual([1, 2, 3]);
      expect(log.events).toEqual(["give 1", "item 1", "give 2", "item 2", "give 3", "item 3"]);
    });

    it("never has more than so many tasks at once, with a source of either kind", async () => {
      for (const numbers of [
        (function* () {
          yield* Array(30).keys();
        })(),
        (async function* () {
          yield* Array(30).keys();
        })(),
      ]) {
        let running = 0;
        let most = 0;
        await TaskGroup.map(
          numbers,
          async (item) => {
            most = Math.max(most, ++running);
            await flushMicrotasks(50 + (item % 4));
            running--;
          },
          { concurrency: 4 },
        );
        expect(most).toBe(4);
      }
    });

    it("from an endless source may go on until a failure ends it", async () => {
      const numbers = new Numbers();
      const mapped = TaskGroup.map(numbers, (item) => (item === 10 ? Promise.reject(boom) : item), {
        concurrency: 2,
      });
      expect((await groupError(mapped)).errors).toEqual([boom]);
      expect(numbers.log.events.at(-1)).toBe("return");
    });

    it("never opens a source when the outer token is cancelled already, or there is no time", async () => {
      const numbers = new Numbers();
      const fn = vi.fn();
      expect(await rejection(TaskGroup.map(numbers, fn, { token: AbortSignal.abort() }))).toBeInstanceOf(
        CancelledError,
      );
      expect(await rejection(TaskGroup.map(numbers, fn, { timeout: 0 }))).toBeInstanceOf(TimeoutError);
      expect(numbers.log.events).toEqual([]);
      expect(fn).not.toHaveBeenCalled();
    });
  });

  describe("a failing function", () => {
    it("cancels the other calls, and comes out in the group's one error", async () => {
      const tokens: CancellationToken[] = [];
      const mapped = TaskGroup.map(
        [1, 2, 3],
        (item, token) => {
          tokens.push(token);
          return item === 2 ? Promise.reject(boom) : waits(token);
        },
        { name: "ingest" },
      );
      const error = await groupError(mapped);
      expect(error.errors).toEqual([boom]);
      expect(error.message).toBe('unhandled errors in TaskGroup "ingest" (1 sub-error)\nboom');
      expect(tokens[0]!.error).toMatchObject({ source: "sibling", reason: boom });
    });

    it("that throws synchronously is the same", async () => {
      const mapped = TaskGroup.map([1], () => {
        throw boom;
      });
      expect((await groupError(mapped)).errors).toEqual([boom]);
    });

    it("has all failures listed, in the order in which they happened", async () => {
      const mapped = TaskGroup.map([1, 2, 3], async (item) => {
        await flushMicrotasks(10 - item);
        throw new Error(`item ${item}`);
      });
      const error = await groupError(mapped);
      expect(error.errors.map((member) => (member as Error).message)).toEqual(["item 3", "item 2", "item 1"]);
    });

    it("has no further item pulled under a limit", async () => {
      const numbers = new Numbers();
      const gate = new Deferred();
      const mapped = TaskGroup.map(
        numbers,
        (item, token) => (item === 0 ? gate.promise.then(() => Promise.reject(boom)) : waits(token)),
        { concurrency: 3 },
      );
      await flushMicrotasks();
      gate.resolve();
      await groupError(mapped);
      expect(numbers.log.events).toEqual(["open", "next", "next", "next", "return"]);
    });

    it("is waited for like any task, also when the source is returned already (L1)", async () => {
      const numbers = new Numbers();
      const gate = new Deferred();
      let settled = false;
      const mapped = TaskGroup.map(
        numbers,
        (item) => (item === 0 ? Promise.reject(boom) : gate.promise.then(() => Promise.reject(bang))),
        { concurrency: 2 },
      ).finally(() => {
        settled = true;
      });
      await flushMicrotasks();
      expect(numbers.log.events.at(-1)).toBe("return");
      expect(settled).toBe(false);
      gate.resolve();
      expect((await groupError(mapped)).errors).toEqual([boom, bang]);
    });

    it("with a fatal error rejects with it bare", async () => {
      const end = new FatalError("end");
      expect(await rejection(TaskGroup.map([1], () => Promise.reject(end)))).toBe(end);
    });
  });

  describe("the source", () => {
    it("is not returned when it has ended", async () => {
      for (const options of [{}, { concurrency: 1 }]) {
        const numbers = new Numbers(2);
        await TaskGroup.map(numbers, (item) => item, options);
        expect(numbers.log.events).not.toContain("return");
      }
    });

    it("is not returned when it has ended, also when a task fails later", async () => {
      const numbers = new Numbers(2);
      const mapped = TaskGroup.map(numbers, () => flushMicrotasks().then(() => Promise.reject(boom)));
      await groupError(mapped);
      expect(numbers.log.events).not.toContain("return");
    });

    it("is not returned when next() has thrown, and that comes out as the body's failure", async () => {
      const log = new EventLog();
      const iterable = {
        [Symbol.iterator]: (): Iterator<number> => ({
          next: () => {
            throw boom;
          },
          return: () => {
            log.add("return");
            return { done: true, value: undefined };
          },
        }),
      };
      const error = await groupError(TaskGroup.map(iterable, (item) => item));
      expect(error.errors).toEqual([boom]);
      expect(error.tasks).toEqual([undefined]);
      expect(log.events).toEqual([]);
    });

    it("is not returned when next() has rejected, and that comes out as the body's failure", async () => {
      const feed = new Feed();
      const mapped = TaskGroup.map(feed, (_, token) => waits(token));
      feed.give(1);
      await flushMicrotasks();
      feed.fail(boom);
      expect((await groupError(mapped)).errors).toEqual([boom]);
      expect(feed.log.events).toEqual(["next", "next"]);
    });

    it("that fails has the running calls cancelled", async () => {
      const feed = new Feed();
      let seen: CancellationToken | undefined;
      const mapped = TaskGroup.map(feed, (_, token) => {
        seen = token;
        return waits(token);
      });
      feed.give(1);
      await flushMicrotasks();
      feed.fail(boom);
      await groupError(mapped);
      expect(seen!.error).toMatchObject({ source: "sibling", reason: boom });
    });

    it("whose opening throws comes out as the body's failure", async () => {
      const iterable = {
        [Symbol.iterator]: (): Iterator<number> => {
          throw boom;
        },
      };
      expect((await groupError(TaskGroup.map(iterable, (item) => item))).errors).toEqual([boom]);
    });

    it("is returned once on a failure, a cancellation and a timeout", async () => {
      vi.useFakeTimers();
      const ends: [string, ScopeOptions, (outer: CancellationSource) => unknown][] = [
        ["failure", {}, () => Promise.reject(boom)],
        [
          "cancellation",
          {},
          (outer) => {
            outer.cancel();
          },
        ],
        ["timeout", { timeout: 100 }, () => undefined],
      ];
      for (const [, options, end] of ends) {
        const outer = new CancellationSource();
        const numbers = new Numbers();
        const mapped = TaskGroup.map(
          numbers,
          async (item, token) => {
            if (item === 1) await end(outer);
            await waits(token);
          },
          { concurrency: 2, token: outer.token, ...options },
        );
        const settled = rejection(mapped);
        await vi.advanceTimersByTimeAsync(100);
        await settled;
        expect(numbers.log.events).toEqual(["open", "next", "next", "return"]);
      }
    });

    it("that cannot be returned is left as it is", async () => {
      const iterable = {
        [Symbol.iterator]: (): Iterator<number> => ({ next: () => ({ done: false, value: 1 }) }),
      };
      const mapped = TaskGroup.map(iterable, () => Promise.reject(boom), { concurrency: 1 });
      expect((await groupError(mapped)).errors).toEqual([boom]);
    });

    it("that is a generator gets to its finally, whose clean-up is waited for", async () => {
      const log = new EventLog();
      function* generate(): Generator<number> {
        try {
          for (let item = 0; ; item++) yield item;
        } finally {
          log.add("sync generator cleaned up");
        }
      }
      await groupError(TaskGroup.map(generate(), () => Promise.reject(boom), { concurrency: 1 }));
      log.add("rejected");

      const gate = new Deferred();
      async function* generateAsync(): AsyncGenerator<number> {
        try {
          for (let item = 0; ; item++) yield item;
        } finally {
          await gate.promise;
          log.add("async generator cleaned up");
        }
      }
      const mapped = TaskGroup.map(generateAsync(), () => Promise.reject(boom), { concurrency: 1 });
      mapped.catch(log.note("rejected"));
      await flushMicrotasks(100);
      gate.resolve();
      await groupError(mapped);
      expect(log.events).toEqual([
        "sync generator cleaned up",
        "rejected",
        "async generator cleaned up",
        "rejected",
      ]);
    });

    it("whose return() throws has that listed after the failure that led to it", async () => {
      function* generate(): Generator<number> {
        try {
          for (let item = 0; ; item++) yield item;
        } finally {
          throw bang;
        }
      }
      const error = await groupError(
        TaskGroup.map(generate(), () => Promise.reject(boom), { concurrency: 1 }),
      );
      expect(error.errors).toEqual([boom, bang]);
      expect(error.tasks[1]).toBe(undefined);
    });

    it("whose return() rejects after an outer cancellation fails the group, the errors being worth more (L5)", async () => {
      const outer = new CancellationSource();
      async function* generate(): AsyncGenerator<number> {
        try {
          for (let item = 0; ; item++) yield item;
        } finally {
          await Promise.reject(bang);
        }
      }
      const mapped = TaskGroup.map(generate(), (_, token) => waits(token), {
        concurrency: 1,
        token: outer.token,
      });
      await flushMicrotasks();
      outer.cancel();
      expect((await groupError(mapped)).errors).toEqual([bang]);
    });
  });

  describe("a source that is busy producing", () => {
    it("and fails with the reason of the signal that is followed has no news (L4)", async () => {
      using reports = captureReports();
      const controller = new AbortController();
      const reason = new Error("tab closed");
      const busy = new Deferred<IteratorResult<number>>();
      const source = { [Symbol.asyncIterator]: () => ({ next: () => busy.promise }) };
      const mapped = rejection(TaskGroup.map(source, (item) => item, { token: controller.signal }));
      await flushMicrotasks();
      controller.abort(reason);
      await flushMicrotasks(5);
      busy.reject(reason);
      expect(await mapped).toMatchObject({ source: "signal", reason });
      await flushMicrotasks();
      expect([...reports]).toEqual([]);
    });

    it("is returned, and not waited for, when a call fails", async () => {
      const feed = new Feed();
      const gate = new Deferred();
      const mapped = TaskGroup.map(feed, () => gate.promise.then(() => Promise.reject(boom)));
      feed.give(1);
      await flushMicrotasks();
      gate.resolve();
      expect((await groupError(mapped)).errors).toEqual([boom]);
      expect(feed.log.events).toEqual(["next", "next", "return"]);
    });

    it("for ever does not keep a timeout from ending it", async () => {
      vi.useFakeTimers();
      const feed = new Feed();
      const settled = rejection(TaskGroup.map(feed, (item) => item, { timeout: 100 }));
      await vi.advanceTimersByTimeAsync(100);
      expect(await settled).toBeInstanceOf(TimeoutError);
      expect(feed.log.events).toEqual(["next", "return"]);
      expect(vi.getTimerCount()).toBe(0);
    });

    it("for ever, a generator stuck in an await, does not keep a timeout from ending it", async () => {
      vi.useFakeTimers();
      async function* generate(): AsyncGenerator<number> {
        yield await new Promise<number>(() => undefined);
      }
      const settled = rejection(TaskGroup.map(generate(), (item) => item, { timeout: 100 }));
      await vi.advanceTimersByTimeAsync(100);
      expect(await settled).toBeInstanceOf(TimeoutError);
    });

    it("for ever does not keep an outer cancellation from ending it", async () => {
      const controller = new AbortController();
      const feed = new Feed();
      const settled = rejection(TaskGroup.map(feed, (item) => item, { token: controller.signal }));
      await flushMicrotasks();
      controller.abort("outer");
      expect(await settled).toMatchObject({ source: "signal", reason: "outer" });
    });

    it("has the item that comes too late dropped, and no function called for it", async () => {
      const outer = new CancellationSource();
      const feed = new Feed();
      const fn = vi.fn();
      const settled = rejection(TaskGroup.map(feed, fn, { token: outer.token }));
      await flushMicrotasks();
      outer.cancel();
      feed.give(1);
      await settled;
      await flushMicrotasks();
      expect(fn).not.toHaveBeenCalled();
    });

    it("and knows the token as well gets to its finally before map rejects", async () => {
      const log = new EventLog();
      const outer = new CancellationSource();
      async function* generate(): AsyncGenerator<number> {
        try {
          await sleep(Infinity, outer.token);
          yield 1;
        } finally {
          log.add("cleaned up");
        }
      }
      const mapped = TaskGroup.map(generate(), (item) => item, { token: outer.token });
      mapped.catch(log.note("rejected"));
      await flushMicrotasks();
      outer.cancel();
      await rejection(mapped);
      expect(log.events).toEqual(["cleaned up", "rejected"]);
    });

    it("and knows the token as well, and ends by itself, is not returned on top of that", async () => {
      using reports = captureReports();
      for (const answer of ["end", "fail"] as const) {
        const outer = new CancellationSource();
        const feed = new Feed();
        outer.token.onCancel((error) => {
          if (answer === "end") feed.end();
          else feed.fail(error);
        });
        const settled = rejection(TaskGroup.map(feed, (item) => item, { token: outer.token }));
        await flushMicrotasks();
        outer.cancel();
        expect(await settled).toBe(outer.token.error);
        await flushMicrotasks();
        expect(feed.log.events).toEqual(["next"]);
      }
      expect(reports).toHaveLength(0);
    });

    it("for ever, and can be returned in a few turns, is returned before map rejects", async () => {
      const log = new EventLog();
      const outer = new CancellationSource();
      const iterable: AsyncIterable<number> = {
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise(() => undefined),
          return: async () => {
            for (let turn = 0; turn < 3; turn++) await Promise.resolve();
            log.add("returned");
            return { done: true, value: undefined };
          },
        }),
      };
      const mapped = TaskGroup.map(iterable, (item) => item, { token: outer.token });
      mapped.catch(log.note("rejected"));
      await flushMicrotasks();
      outer.cancel();
      await rejection(mapped);
      expect(log.events).toEqual(["returned", "rejected"]);
    });

    it("and fails after it was left is reported to the process-wide handler (L2)", async () => {
      using reports = captureReports();
      const outer = new CancellationSource();
      const feed = new Feed();
      const settled = rejection(TaskGroup.map(feed, (item) => item, { token: outer.token }));
      await flushMicrotasks();
      outer.cancel();
      await settled;
      feed.fail(boom);
      await flushMicrotasks();
      expect(reports.map(({ error }) => error)).toEqual([boom]);
    });

    it.each(Array.from({ length: 17 }, (_, index) => index - 5))(
      "and fails %d microtasks after an outer cancellation has its error told once (L2)",
      async (turns) => {
        using reports = captureReports();
        const outer = new CancellationSource();
        const feed = new Feed();
        const settled = rejection(TaskGroup.map(feed, (item) => item, { token: outer.token }));
        await flushMicrotasks();
        const after = async (count: number, action: () => void): Promise<void> => {
          for (let turn = 0; turn < count; turn++) await Promise.resolve();
          action();
        };
        void after(-turns, () => {
          outer.cancel("outer");
        });
        void after(turns, () => {
          feed.fail(boom);
        });
        const error = await settled;
        await flushMicrotasks();
        const leaves = error instanceof TaskGroupError ? error.leaves() : [];
        expect([...leaves, ...reports.map((report) => report.error)]).toEqual([boom]);
      },
    );

    it("and ends in the cancellation after it was left is no error", async () => {
      using reports = captureReports();
      const outer = new CancellationSource();
      const feed = new Feed();
      const settled = rejection(TaskGroup.map(feed, (item) => item, { token: outer.token }));
      await flushMicrotasks();
      outer.cancel();
      await settled;
      feed.fail(new DOMException("aborted", "AbortError"));
      await flushMicrotasks();
      expect(reports).toHaveLength(0);
    });

    it("and ends in the outer signal's reason, as it is, after it was left is no error (L4)", async () => {
      using reports = captureReports();
      const controller = new AbortController();
      const feed = new Feed();
      const settled = rejection(TaskGroup.map(feed, (item) => item, { token: controller.signal }));
      await flushMicrotasks();
      const reason = new Error("why");
      controller.abort(reason);
      expect(await settled).toMatchObject({ source: "signal", reason });
      feed.fail(reason);
      await flushMicrotasks();
      expect(reports).toHaveLength(0);
    });
  });

  describe("an outer cancellation", () => {
    it("inside next() of a synchronous source comes out as it is, and the source is returned", async () => {
      const outer = new CancellationSource();
      const log = new EventLog();
      function* generate(): Generator<number> {
        try {
          outer.cancel("outer");
          yield 1;
        } finally {
          log.add("cleaned up");
        }
      }
      const fn = vi.fn();
      const error = await rejection(TaskGroup.map(generate(), fn, { token: outer.token }));
      expect(error).toBe(outer.token.error);
      expect(fn).not.toHaveBeenCalled();
      expect(log.events).toEqual(["cleaned up"]);
    });

    it("inside next() of an asynchronous source comes out as it is", async () => {
      const outer = new CancellationSource();
      async function* generate(): AsyncGenerator<number> {
        outer.cancel("outer");
        yield 1;
      }
      const fn = vi.fn();
      expect(await rejection(TaskGroup.map(generate(), fn, { token: outer.token }))).toBe(outer.token.error);
      expect(fn).not.toHaveBeenCalled();
    });

    it("inside the function comes out as it is", async () => {
      const outer = new CancellationSource();
      const mapped = TaskGroup.map(
        [1, 2, 3],
        (item) => {
          if (item === 2) outer.cancel("outer");
          return item;
        },
        { token: outer.token },
      );
      expect(await rejection(mapped)).toBe(outer.token.error);
    });

    /** Three items, two at a time; every step of the source and of the calls takes its turns. */
    function mapSlowly(
      options: ScopeOptions,
      failing?: number,
    ): { mapped: Promise<number[]>; running: () => number; open: () => boolean } {
      let running = 0;
      let open = false;
      async function* generate(): AsyncGenerator<number> {
        open = true;
        try {
          for (const item of [0, 1, 2]) {
            await Promise.resolve();
            yield item;
          }
        } finally {
          await Promise.resolve();
          open = false;
        }
      }
      const mapped = TaskGroup.map(
        generate(),
        async (item, token) => {
          running++;
          try {
            await flushMicrotasks(2);
            token.throwIfCancelled();
            if (item === failing) throw boom;
            return item;
          } finally {
            running--;
          }
        },
        { concurrency: 2, ...options },
      );
      return { mapped, running: () => running, open: () => open };
    }

    it.each(Array.from({ length: 40 }, (_, turns) => turns))(
      "after %d microtasks comes out as it is, or not at all, and leaves nothing behind",
      async (turns) => {
        using reports = captureReports();
        const outer = new CancellationSource();
        const { mapped, running, open } = mapSlowly({ token: outer.token });
        void flushMicrotasks(turns).then(() => {
          outer.cancel("outer");
        });
        const [settled] = await Promise.allSettled([mapped]);
        expect(running()).toBe(0);
        expect(open()).toBe(false);
        if (settled.status === "fulfilled") expect(settled.value).toEqual([0, 1, 2]);
        else expect(settled.reason).toBe(outer.token.error);
        expect(reports).toHaveLength(0);
      },
    );

    it.each(Array.from({ length: 40 }, (_, turns) => turns))(
      "after %d microtasks leaves a failure of a call the only one listed",
      async (turns) => {
        using reports = captureReports();
        const outer = new CancellationSource();
        const { mapped, running, open } = mapSlowly({ token: outer.token }, 1);
        void flushMicrotasks(turns).then(() => {
          outer.cancel("outer");
        });
        const error = await rejection(mapped);
        expect(running()).toBe(0);
        expect(open()).toBe(false);
        if (error instanceof TaskGroupError) expect(error.errors).toEqual([boom]);
        else expect(error).toBe(outer.token.error);
        expect(reports).toHaveLength(0);
      },
    );

    it.each([0, 1, 2])("of nobody leaves the failure of call %d the only one listed", async (failing) => {
      const { mapped, running, open } = mapSlowly({}, failing);
      expect((await groupError(mapped)).errors).toEqual([boom]);
      expect(running()).toBe(0);
      expect(open()).toBe(false);
    });

    it.each(Array.from({ length: 12 }, (_, turns) => turns))(
      "is not taken for a failure when an item arrives %d microtasks after a call has failed",
      async (turns) => {
        const feed = new Feed();
        const gate = new Deferred();
        const mapped = TaskGroup.map(feed, () => gate.promise.then(() => Promise.reject(boom)));
        feed.give(1);
        await flushMicrotasks();
        gate.resolve();
        void flushMicrotasks(turns).then(() => {
          feed.give(2);
        });
        expect((await groupError(mapped)).errors).toEqual([boom]);
      },
    );
  });

  describe("the other options", () => {
    it("include a timeout for all of it, which counts less than failures (L5)", async () => {
      vi.useFakeTimers();
      const slow = rejection(TaskGroup.map([1, 2], (_, token) => waits(token), { timeout: 100 }));
      const failing = rejection(
        TaskGroup.map([1, 2], (_, token) => waits(token).catch(() => Promise.reject(boom)), { timeout: 100 }),
      );
      await vi.advanceTimersByTimeAsync(100);
      expect(await slow).toBeInstanceOf(TimeoutError);
      expect(((await failing) as TaskGroupError).errors).toEqual([boom]);
    });

    it("include a shield, which lets all items pass before the outer cancellation is thrown", async () => {
      const outer = new CancellationSource();
      outer.cancel("outer");
      const seen: number[] = [];
      const mapped = TaskGroup.map([1, 2, 3], (item) => seen.push(item), {
        token: outer.token,
        shield: true,
        concurrency: 1,
      });
      expect(await rejection(mapped)).toBe(outer.token.error);
      expect(seen).toEqual([1, 2, 3]);
    });
  });

  describe("bad arguments (L11)", () => {
    it.each([undefined, null, 42, {}, true, () => undefined])("%o as items: TypeError", async (items) => {
      const fn = vi.fn();
      const error = await rejection(TaskGroup.map(items as never, fn));
      expect(error).toBeInstanceOf(TypeError);
      expect((error as Error).message).toMatch(/items.*iterable/);
      expect(fn).not.toHaveBeenCalled();
    });

    it.each([undefined, null, "fn", {}])(
      "%o as the function: TypeError, before the source is opened",
      async (fn) => {
        const numbers = new Numbers();
        const error = await rejection(TaskGroup.map(numbers, fn as never));
        expect(error).toBeInstanceOf(TypeError);
        expect((error as Error).message).toMatch(/fn.*function/);
        expect(numbers.log.events).toEqual([]);
      },
    );

    it.each([0, -1, 1.5, NaN])(
      "%d as the concurrency: RangeError, before the source is opened",
      async (n) => {
        const numbers = new Numbers();
        await expect(TaskGroup.map(numbers, (item) => item, { concurrency: n })).rejects.toThrow(
          /concurrency.*integer/,
        );
        expect(numbers.log.events).toEqual([]);
      },
    );
  });
});

describe("map over an iterator that breaks the language's protocol", () => {
  it.each([
    ["an iterator", { [Symbol.iterator]: () => ({ next: () => 5 }) }],
    ["an async iterator", { [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve(5) }) }],
    ["an iterator that has none", { [Symbol.iterator]: () => ({ next: () => undefined }) }],
    [
      "an async iterator that has none",
      { [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve() }) },
    ],
  ])("rejects when the steps of %s are no objects, and calls nobody", async (_, items) => {
    const called: unknown[] = [];
    const { errors } = await groupError(TaskGroup.map(items as never, (item) => called.push(item)));
    expect(errors).toEqual([expect.any(TypeError)]);
    expect(called).toEqual([]);
  });
});
