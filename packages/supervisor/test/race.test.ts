import { getEventListeners } from "node:events";
import {
  CancellationSource,
  type CancellationToken,
  CancelledError,
  FatalError,
  type ScopeOptions,
  type TaskFunction,
  TaskGroupError,
  TimeoutError,
  sleep,
} from "@scope/core";
import { race } from "@scope/supervisor";
import { captureReports, Deferred, EventLog, flushMicrotasks, rejection, waits } from "@scope/test-utils";
import { describe, expect, it, vi } from "vitest";

const boom = new Error("boom");
const bang = new Error("bang");

/** Ends a good while after it was asked. */
async function slow(token: CancellationToken, log: EventLog, end = "loser ended"): Promise<void> {
  await waits(token).catch(() => undefined);
  await flushMicrotasks(40);
  log.add(end);
}

describe("race", () => {
  describe("of functions", () => {
    it("resolves with the value of the first to end, and which it was", async () => {
      const result = await race([waits, async () => "second", waits]);
      expect(result).toEqual({ value: "second", index: 1, errors: [] });
    });

    it("rejects with the first error as it is, when that comes first", async () => {
      expect(await rejection(race([waits, () => Promise.reject(boom)]))).toBe(boom);
    });

    it("takes a function that throws or returns synchronously like any other", async () => {
      using reports = captureReports();
      const thrower = (): never => {
        throw boom;
      };
      expect(await rejection(race([thrower, () => 1]))).toBe(boom);
      expect(await race([() => 1, thrower], { continueOnError: true })).toMatchObject({ value: 1, index: 0 });
      expect(reports.map(({ error }) => error)).toEqual([boom]);
    });

    it("calls all of them before one decides, in order", async () => {
      const log = new EventLog();
      await race(["a", "b", "c"].map((name) => () => log.add(name)));
      expect(log.events).toEqual(["a", "b", "c"]);
    });

    it("takes any iterable", async () => {
      const fns = new Set([async () => 1]);
      expect(await race(fns)).toEqual({ value: 1, index: 0, errors: [] });
    });

    it("cancels the losers, as siblings, and waits for them (L1)", async () => {
      const log = new EventLog();
      let seen: CancellationToken | undefined;
      const loser = async (token: CancellationToken): Promise<void> => {
        seen = token;
        await slow(token, log);
      };
      await race<unknown>([loser, async () => log.add("won")]);
      log.add("race ended");
      expect(log.events).toEqual(["won", "loser ended", "race ended"]);
      expect(seen!.error).toMatchObject({ source: "sibling" });
    });

    it("waits for the losers before it rejects, too (L1)", async () => {
      const log = new EventLog();
      await rejection(race<unknown>([(token) => slow(token, log), () => Promise.reject(boom)]));
      log.add("race ended");
      expect(log.events).toEqual(["loser ended", "race ended"]);
    });

    it("under a limit never calls those that had no turn", async () => {
      const never = vi.fn();
      const { index } = await race([async () => 1, never, never], { concurrency: 1 });
      expect(index).toBe(0);
      expect(never).not.toHaveBeenCalled();
    });

    it("that all end at the same moment has the first one win", async () => {
      using reports = captureReports();
      const fns = [() => 0, () => 1, () => Promise.reject(boom)];
      expect(await race<unknown>(fns)).toMatchObject({ value: 0, index: 0 });
      expect(reports.map(({ error }) => error)).toEqual([boom]);
    });
  });

  describe("a loser", () => {
    it("that fails is told to the process-wide handler, once (L2)", async () => {
      using reports = captureReports();
      const loser: TaskFunction<unknown> = (token) => waits(token).catch(() => Promise.reject(bang));
      expect(await race([loser, () => 1])).toMatchObject({ value: 1, errors: [] });
      expect(reports.map(({ error }) => error)).toEqual([bang]);
    });

    it("that fails after an error has decided is told, and the deciding one is not (L2)", async () => {
      using reports = captureReports();
      const loser = (token: CancellationToken): Promise<never> =>
        waits(token).catch(() => Promise.reject(bang));
      expect(await rejection(race([loser, () => Promise.reject(boom)]))).toBe(boom);
      expect(reports.map(({ error }) => error)).toEqual([bang]);
    });

    it("that fails with undefined is told as well (L2)", async () => {
      using reports = captureReports();
      const loser: TaskFunction<unknown> = (token) => waits(token).catch(() => Promise.reject());
      await race([loser, () => 1]);
      expect(reports).toHaveLength(1);
    });

    it("that ends in its cancellation is told to nobody", async () => {
      using reports = captureReports();
      await race<unknown>([waits, () => 1]);
      expect(reports).toHaveLength(0);
    });

    it("that ends in a cancellation of its own making before the decision has failed (L4)", async () => {
      const own = new CancelledError("own");
      expect(await rejection(race([() => Promise.reject(own), waits]))).toBe(own);
    });
  });

  describe("a late value", () => {
    class Resource {
      readonly #dispose: () => unknown;

      constructor(dispose: () => unknown) {
        this.#dispose = dispose;
      }

      async [Symbol.asyncDispose](): Promise<void> {
        await this.#dispose();
      }
    }

    /** Returns a value although it was asked to end. */
    function late<T>(value: T): TaskFunction<T> {
      return (token) => waits(token).catch(() => value);
    }

    it("is disposed of, and that is waited for", async () => {
      const log = new EventLog();
      const resource = new Resource(async () => {
        await flushMicrotasks();
        log.add("disposed");
      });
      await race<unknown>([late(resource), () => 1]);
      log.add("race ended");
      expect(log.events).toEqual(["disposed", "race ended"]);
    });

    it("with Symbol.dispose alone is disposed of by that, with itself as this", async () => {
      const value = {
        disposed: false,
        [Symbol.dispose]() {
          this.disposed = true;
        },
      };
      await race<unknown>([late(value), () => 1]);
      expect(value.disposed).toBe(true);
    });

    it("with both is disposed of asynchronously only", async () => {
      const log = new EventLog();
      const value = {
        [Symbol.dispose]: log.note("sync"),
        [Symbol.asyncDispose]: async () => {
          log.add("async");
          await Promise.resolve();
        },
      };
      await race<unknown>([late(value), () => 1]);
      expect(log.events).toEqual(["async"]);
    });

    it("of the winner is kept, also when a loser came to the same one", async () => {
      const dispose = vi.fn();
      const resource = new Resource(dispose);
      const { value } = await race([() => resource, late(resource)]);
      expect(value).toBe(resource);
      expect(dispose).not.toHaveBeenCalled();
    });

    it("is disposed of when the race has rejected: by an error, an outer cancellation, a timeout", async () => {
      const ends: [TaskFunction<unknown>, ScopeOptions][] = [
        [() => Promise.reject(boom), {}],
        [waits, {}],
        [waits, { timeout: 1 }],
        [() => Promise.reject(new FatalError("end")), {}],
      ];
      for (const [fn, rest] of ends) {
        const source = new CancellationSource();
        const options = rest.timeout === undefined ? { token: source.token } : rest;
        const dispose = vi.fn();
        const racing = rejection(race<unknown>([late(new Resource(dispose)), fn], options));
        await flushMicrotasks(5);
        source.cancel();
        await racing;
        expect(dispose).toHaveBeenCalledTimes(1);
      }
    });

    it("that is the winner's is disposed of when an outer cancellation comes while losers end", async () => {
      const source = new CancellationSource();
      const log = new EventLog();
      const dispose = vi.fn();
      const racing = race<unknown>([(token) => slow(token, log), () => new Resource(dispose)], {
        token: source.token,
      });
      await flushMicrotasks(10);
      source.cancel("outside");
      expect(await rejection(racing)).toBe(source.token.error);
      expect(dispose).toHaveBeenCalledTimes(1);
    });

    it("whose disposal fails has that told to the process-wide handler, and the others disposed of", async () => {
      using reports = captureReports();
      const dispose = vi.fn();
      const failing = new Resource(() => Promise.reject(bang));
      const { value } = await race<unknown>([late(failing), () => 1, late(new Resource(dispose))]);
      expect(value).toBe(1);
      expect(reports.map(({ error }) => error)).toEqual([bang]);
      expect(dispose).toHaveBeenCalledTimes(1);
    });

    it("that cannot be disposed of is dropped", async () => {
      using reports = captureReports();
      for (const value of [null, undefined, 0, "text", {}, () => 1]) {
        await race<unknown>([late(value), () => 1]);
      }
      expect(reports).toHaveLength(0);
    });
  });

  describe("with continueOnError", () => {
    it("has the first success win, and earlier errors come along in their order", async () => {
      using reports = captureReports();
      const result = await race(
        [
          () => flushMicrotasks(10).then(() => Promise.reject(boom)),
          () => Promise.reject(bang),
          () => flushMicrotasks(30).then(() => "late"),
          waits,
        ],
        { continueOnError: true },
      );
      expect(result).toEqual({ value: "late", index: 2, errors: [bang, boom] });
      expect(reports).toHaveLength(0);
    });

    it("rejects with one TaskGroupError when all have failed, in the order in which they did", async () => {
      using reports = captureReports();
      const error = await rejection(
        race([() => flushMicrotasks().then(() => Promise.reject(boom)), () => Promise.reject(bang)], {
          continueOnError: true,
          name: "dial",
        }),
      );
      expect(error).toBeInstanceOf(TaskGroupError);
      expect(error).toMatchObject({ errors: [bang, boom] });
      expect((error as TaskGroupError).tasks.every((task) => task?.status === "failed")).toBe(true);
      expect((error as Error).message).toMatchInlineSnapshot(`
        "all functions failed in race "dial" (2 sub-errors)
        bang
        boom"
      `);
      expect(reports).toHaveLength(0);
    });

    it("has failures after the decision told to the process-wide handler only (L2)", async () => {
      using reports = captureReports();
      const loser: TaskFunction<unknown> = (token) => waits(token).catch(() => Promise.reject(bang));
      const { errors } = await race<unknown>(
        [() => Promise.reject(boom), loser, () => flushMicrotasks().then(() => 1)],
        { continueOnError: true },
      );
      expect(errors).toEqual([boom]);
      expect(reports.map(({ error }) => error)).toEqual([bang]);
    });

    it("tells the process-wide handler what had failed before an outer cancellation (L2)", async () => {
      using reports = captureReports();
      const source = new CancellationSource();
      const racing = race([() => Promise.reject(boom), waits], {
        continueOnError: true,
        token: source.token,
      });
      await flushMicrotasks();
      source.cancel();
      expect(await rejection(racing)).toBe(source.token.error);
      expect(reports.map(({ error }) => error)).toEqual([boom]);
    });
  });

  describe("with stagger", () => {
    /** Says when it starts, and ends as it is told. */
    function dialler(
      start: number,
      log: EventLog,
    ): (name: string, end?: Promise<unknown>) => TaskFunction<unknown> {
      return (name, end) => async (token) => {
        log.add(`${name} at ${performance.now() - start}`);
        return token.race(end ?? new Promise(() => undefined));
      };
    }

    it("starts one after another, an interval apart", async () => {
      vi.useFakeTimers();
      const log = new EventLog();
      const dial = dialler(performance.now(), log);
      const won = new Deferred<string>();
      const racing = race([dial("a"), dial("b", won.promise), dial("c")], { stagger: 250 });
      await vi.advanceTimersByTimeAsync(249);
      expect(log.events).toEqual(["a at 0"]);
      await vi.advanceTimersByTimeAsync(1000);
      expect(log.events).toEqual(["a at 0", "b at 250", "c at 500"]);
      won.resolve("connected");
      expect(await racing).toEqual({ value: "connected", index: 1, errors: [] });
      expect(vi.getTimerCount()).toBe(0);
    });

    it("never starts the next once one has succeeded, and leaves no timer", async () => {
      vi.useFakeTimers();
      const never = vi.fn();
      expect(await race([async () => 1, never], { stagger: 250 })).toMatchObject({ value: 1, index: 0 });
      expect(vi.getTimerCount()).toBe(0);
      await vi.advanceTimersByTimeAsync(1000);
      expect(never).not.toHaveBeenCalled();
    });

    it("starts the next as soon as one fails, and the interval anew from there (RFC 8305)", async () => {
      vi.useFakeTimers();
      const log = new EventLog();
      const dial = dialler(performance.now(), log);
      const first = new Deferred<never>();
      const source = new CancellationSource();
      const racing = race([dial("a", first.promise), dial("b"), dial("c")], {
        stagger: 250,
        token: source.token,
      });
      await vi.advanceTimersByTimeAsync(100);
      first.reject(boom);
      await vi.advanceTimersByTimeAsync(249);
      expect(log.events).toEqual(["a at 0", "b at 100"]);
      await vi.advanceTimersByTimeAsync(1);
      expect(log.events).toEqual(["a at 0", "b at 100", "c at 350"]);
      using reports = captureReports();
      source.cancel();
      await rejection(racing);
      expect(reports.map(({ error }) => error)).toEqual([boom]);
    });

    it("starts the next when an earlier one fails than the last started", async () => {
      vi.useFakeTimers();
      const log = new EventLog();
      const dial = dialler(performance.now(), log);
      const first = new Deferred<never>();
      const racing = race([dial("a", first.promise), dial("b"), dial("c", Promise.resolve(1))], {
        stagger: 250,
      });
      await vi.advanceTimersByTimeAsync(300);
      first.reject(boom);
      expect(await racing).toEqual({ value: 1, index: 2, errors: [boom] });
      expect(log.events).toEqual(["a at 0", "b at 250", "c at 300"]);
    });

    it("implies continueOnError: all failed is a TaskGroupError, without any waiting", async () => {
      vi.useFakeTimers();
      const start = performance.now();
      const error = await rejection(
        race([() => Promise.reject(boom), () => Promise.reject(bang)], { stagger: 250 }),
      );
      expect(error).toMatchObject({ name: "TaskGroupError", errors: [boom, bang] });
      expect(performance.now() - start).toBe(0);
    });

    it("implies continueOnError also where that is false", async () => {
      const { value, errors } = await race<unknown>([() => Promise.reject(boom), () => 2], {
        stagger: 1,
        continueOnError: false,
      });
      expect([value, errors]).toEqual([2, [boom]]);
    });

    it("of Infinity starts the next on failure only", async () => {
      vi.useFakeTimers();
      const second = vi.fn(() => 2);
      const first = new Deferred<number>();
      const racing = race([() => first.promise, second], { stagger: Infinity });
      await vi.advanceTimersByTimeAsync(10 ** 12);
      expect(second).not.toHaveBeenCalled();
      first.reject(boom);
      expect(await racing).toMatchObject({ value: 2, index: 1 });
    });

    it("starts nothing after an outer cancellation, nor after a timeout", async () => {
      vi.useFakeTimers();
      const never = vi.fn();
      const source = new CancellationSource();
      const cancelled = rejection(race([waits, never], { stagger: 250, token: source.token }));
      const late = rejection(race([waits, never], { stagger: 250, timeout: 100 }));
      source.cancel();
      expect(await cancelled).toBe(source.token.error);
      await vi.advanceTimersByTimeAsync(100);
      expect(await late).toBeInstanceOf(TimeoutError);
      expect(vi.getTimerCount()).toBe(0);
      await vi.advanceTimersByTimeAsync(1000);
      expect(never).not.toHaveBeenCalled();
    });
  });

  describe("an outer cancellation", () => {
    it("cancels all, waits for all, and is what it rejects with", async () => {
      const source = new CancellationSource();
      const log = new EventLog();
      const racing = race([(token) => slow(token, log, "first"), (token) => slow(token, log, "second")], {
        token: source.token,
      }).finally(log.note("race ended"));
      await flushMicrotasks();
      source.cancel("outside");
      expect(await rejection(racing)).toBe(source.token.error);
      expect(log.events).toEqual(["second", "first", "race ended"]); // asked newest first
    });

    it("that was there before calls nothing", async () => {
      const never = vi.fn();
      const error = await rejection(race([never], { token: AbortSignal.abort("gone") }));
      expect(error).toMatchObject({ name: "AbortError", reason: "gone", source: "signal" });
      expect(never).not.toHaveBeenCalled();
    });

    it("is held back by a shield until the race has ended", async () => {
      const source = new CancellationSource();
      const gate = new Deferred();
      const racing = race([() => gate.promise], { token: source.token, shield: true });
      let settled = false;
      void racing.catch(() => (settled = true));
      source.cancel();
      await flushMicrotasks();
      expect(settled).toBe(false);
      gate.resolve();
      expect(await rejection(racing)).toBe(source.token.error);
    });

    it("by a function, inside of it, starts no further one", async () => {
      const source = new CancellationSource();
      const never = vi.fn();
      const racing = race(
        [
          () => {
            source.cancel();
          },
          never,
        ],
        { token: source.token },
      );
      expect(await rejection(racing)).toBe(source.token.error);
      expect(never).not.toHaveBeenCalled();
    });

    it("at whichever microtask either comes out or is too late, loses no failure, leaves nothing running", async () => {
      const outcomes = new Set<string>();
      for (let turn = 0; turn < 40; turn++) {
        using reports = captureReports();
        const source = new CancellationSource();
        let running = 0;
        const counted =
          (fn: TaskFunction<unknown>): TaskFunction<unknown> =>
          async (token) => {
            running++;
            try {
              return await fn(token);
            } finally {
              running--;
            }
          };
        const dispose = vi.fn();
        const value = { [Symbol.dispose]: dispose };
        const [settled] = await Promise.allSettled([
          Promise.all([
            race(
              [
                counted(() => Promise.reject(boom)),
                counted(() => flushMicrotasks(10).then(() => value)),
                counted((token) => waits(token).catch(() => flushMicrotasks(5))),
              ],
              { token: source.token, continueOnError: true },
            ).finally(() => {
              expect(running).toBe(0);
            }),
            flushMicrotasks(turn).then(() => {
              source.cancel();
            }),
          ]),
        ]);
        const told = reports.map(({ error }) => error);
        if (settled.status === "fulfilled") {
          outcomes.add("value");
          expect(settled.value[0]).toEqual({ value, index: 1, errors: [boom] });
          expect(dispose).not.toHaveBeenCalled();
          expect(told).toEqual([]);
        } else {
          expect(settled.reason).toBe(source.token.error);
          expect(told).toEqual([boom]);
          outcomes.add(dispose.mock.calls.length === 1 ? "value disposed of" : "no value");
        }
      }
      expect([...outcomes].sort()).toEqual(["value", "value disposed of"]);
    });
  });

  describe("a timeout", () => {
    it("cancels all, waits for all, and rejects with TimeoutError", async () => {
      vi.useFakeTimers();
      const log = new EventLog();
      const racing = rejection(race([(token) => slow(token, log)], { timeout: 100, name: "dial" }));
      await vi.advanceTimersByTimeAsync(100);
      const error = await racing;
      expect(error).toMatchObject({ name: "TimeoutError", timeout: 100 });
      expect((error as Error).message).toContain('race "dial"');
      expect(log.events).toEqual(["loser ended"]);
    });

    it("that passes while losers end changes nothing", async () => {
      vi.useFakeTimers();
      const racing = race<unknown>([() => 1, (token) => waits(token).catch(() => sleep(200))], {
        timeout: 100,
      });
      await vi.advanceTimersByTimeAsync(200);
      expect(await racing).toMatchObject({ value: 1 });
    });
  });

  describe("a fatal error", () => {
    it("rejects bare, everything having ended, whatever else there was", async () => {
      using reports = captureReports();
      const end = new FatalError("end");
      for (const options of [{}, { continueOnError: true }, { stagger: 0 }]) {
        const log = new EventLog();
        const racing = race<unknown>(
          [(token) => slow(token, log), () => Promise.reject(end), waits],
          options,
        );
        expect(await rejection(racing)).toBe(end);
        expect(log.events).toEqual(["loser ended"]);
      }
      expect(reports).toHaveLength(0);
    });

    it("of a loser outranks the value and the error that had decided (L5)", async () => {
      using reports = captureReports();
      const end = new FatalError("end");
      const loser = (token: CancellationToken): Promise<never> =>
        waits(token).catch(() => Promise.reject(end));
      expect(await rejection(race<unknown>([() => 1, loser]))).toBe(end);
      expect(reports).toHaveLength(0);
      expect(await rejection(race<unknown>([() => Promise.reject(boom), loser]))).toBe(end);
      expect(reports.map(({ error }) => error)).toEqual([boom]);
    });

    it("next to another: the second is told to the process-wide handler, once (L2)", async () => {
      using reports = captureReports();
      const [first, second] = [new FatalError("first"), new FatalError("second")];
      const racing = race([() => Promise.reject(first), () => Promise.reject(second)]);
      expect(await rejection(racing)).toBe(first);
      expect(reports.map(({ error }) => error)).toEqual([second]);
    });
  });

  describe("bad input (L11)", () => {
    it.each<[string, unknown, unknown, typeof TypeError]>([
      ["fns", undefined, {}, TypeError],
      ["fns", null, {}, TypeError],
      ["fns", 5, {}, TypeError],
      ["fns", [], {}, TypeError],
      ["fns", new Set(), {}, TypeError],
      ["stagger", undefined, { stagger: -1 }, RangeError],
      ["stagger", undefined, { stagger: NaN }, RangeError],
      ["stagger", undefined, { stagger: "5" }, TypeError],
      ["timeout", undefined, { timeout: -1 }, RangeError],
      ["concurrency", undefined, { concurrency: 0 }, RangeError],
      ["token", undefined, { token: {} }, TypeError],
      ["name", undefined, { name: 5 }, TypeError],
    ])("is refused: %s, %o, %o", async (argument, fns, options, kind) => {
      const work = vi.fn();
      const given = argument === "fns" ? fns : [work];
      const error = await rejection(race(given as never, options as never));
      expect(error).toBeInstanceOf(kind);
      expect((error as Error).message).toMatch(new RegExp(`\\b${argument}\\b.*, got `));
      expect(work).not.toHaveBeenCalled();
    });

    it("is refused before anything has started when one is no function", async () => {
      const work = vi.fn();
      for (const bad of [undefined, null, 5, Promise.resolve()]) {
        const error = await rejection(race([work, bad as never]));
        expect(error).toBeInstanceOf(TypeError);
        expect((error as Error).message).toMatch(/fns\[1\].* a function, got /);
      }
      expect(work).not.toHaveBeenCalled();
    });
  });

  it("leaves neither timer nor listener", async () => {
    vi.useFakeTimers();
    using reports = captureReports();
    const { signal } = new AbortController();
    const options = { token: signal, timeout: 1000, stagger: 10 };
    await race([async () => 1, waits], options);
    await rejection(race([() => Promise.reject(boom)], options));
    const late = rejection(race([waits, waits], options));
    await vi.advanceTimersByTimeAsync(1000);
    await late;
    expect(vi.getTimerCount()).toBe(0);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
    expect(reports).toHaveLength(0);
  });
});
