import { getEventListeners } from "node:events";
import {
  CancellationSource,
  type CancellationToken,
  CancelledError,
  FatalError,
  TimeoutError,
} from "@scope/core";
import { gather } from "@scope/supervisor";
import { captureReports, Deferred, EventLog, flushMicrotasks, rejection, waits } from "@scope/test-utils";
import { describe, expect, it, vi } from "vitest";

const boom = new Error("boom");
const bang = new Error("bang");

describe("gather", () => {
  describe("of functions", () => {
    it("tells what each came to, in their order, as Promise.allSettled does", async () => {
      using reports = captureReports();
      const fns = [
        async () => 1,
        () => flushMicrotasks().then(() => Promise.reject(boom)),
        () => "text",
        (): never => {
          throw bang;
        },
        () => undefined,
      ] as const;
      const settled = await gather(fns);
      expect(settled).toEqual([
        { status: "fulfilled", value: 1 },
        { status: "rejected", reason: boom },
        { status: "fulfilled", value: "text" },
        { status: "rejected", reason: bang },
        { status: "fulfilled", value: undefined },
      ]);
      expect(settled).toEqual(await Promise.allSettled(fns.map(async (fn) => (fn as () => unknown)())));
      expect(reports).toHaveLength(0);
    });

    it("gives an empty array for none", async () => {
      expect(await gather([])).toEqual([]);
    });

    it("has the others go on when one fails, and waits for all", async () => {
      const log = new EventLog();
      const gate = new Deferred();
      const tokens: CancellationToken[] = [];
      const gathering = gather([
        () => Promise.reject(boom),
        async (token) => {
          tokens.push(token);
          await gate.promise;
          log.add("ended");
        },
      ]).then(log.note("gathered"));
      await flushMicrotasks();
      expect(log.events).toEqual([]);
      expect(tokens[0]!.cancelRequested).toBe(false);
      gate.resolve();
      await gathering;
      expect(log.events).toEqual(["ended", "gathered"]);
    });

    it("has a cancellation that is not its own among the failures (L4)", async () => {
      const own = new CancelledError("own");
      expect(await gather([() => Promise.reject(own)])).toEqual([{ status: "rejected", reason: own }]);
    });

    it("has values awaited as an async function would", async () => {
      const thenable = { then: (resolve: (value: number) => void) => resolve(7) };
      const [settled] = await gather([() => thenable as unknown as Promise<number>]);
      expect(settled).toEqual({ status: "fulfilled", value: 7 });
    });

    it("runs at most so many at once under a limit, all the same in their order", async () => {
      let running = 0;
      let most = 0;
      const fns = Array.from({ length: 9 }, (_, index) => async () => {
        most = Math.max(most, ++running);
        await flushMicrotasks(9 - index);
        running--;
        return index;
      });
      const settled = await gather(fns, { concurrency: 2 });
      expect(settled.map((one) => one.status === "fulfilled" && one.value)).toEqual([...Array(9).keys()]);
      expect(most).toBe(2);
    });

    it("takes no notice of what becomes of the array meanwhile", async () => {
      const gate = new Deferred();
      const fns = [() => gate.promise.then(() => 1), () => 2];
      const gathering = gather(fns);
      fns.length = 0;
      gate.resolve();
      expect(await gathering).toEqual([
        { status: "fulfilled", value: 1 },
        { status: "fulfilled", value: 2 },
      ]);
    });
  });

  describe("an outer cancellation", () => {
    it("rejects with that when all have ended, and tells what had failed to the process-wide handler (L2)", async () => {
      using reports = captureReports();
      const source = new CancellationSource();
      const log = new EventLog();
      const gathering = gather(
        [
          () => Promise.reject(boom),
          () => 1,
          async (token) => {
            await waits(token).catch(() => undefined);
            await flushMicrotasks();
            log.add("cleaned up");
            throw bang;
          },
          waits,
        ],
        { token: source.token },
      ).finally(log.note("gather ended"));
      await flushMicrotasks();
      expect(reports).toHaveLength(0);
      source.cancel("outside");
      expect(await rejection(gathering)).toBe(source.token.error);
      expect(log.events).toEqual(["cleaned up", "gather ended"]);
      expect(reports.map(({ error }) => error)).toEqual([boom, bang]);
      expect(reports.map(({ task }) => task?.status)).toEqual(["failed", "failed"]);
    });

    it("tells a failure with undefined too (L2)", async () => {
      using reports = captureReports();
      const source = new CancellationSource();
      const gathering = gather([() => Promise.reject(), waits], { token: source.token });
      await flushMicrotasks();
      source.cancel();
      await rejection(gathering);
      expect(reports).toHaveLength(1);
    });

    it("is not swallowed by functions that ignore it", async () => {
      const source = new CancellationSource();
      const gathering = gather([(token) => waits(token).catch(() => 1)], { token: source.token });
      source.cancel();
      expect(await rejection(gathering)).toBe(source.token.error);
    });

    it("that was there before calls nothing", async () => {
      const never = vi.fn();
      const error = await rejection(gather([never], { token: AbortSignal.abort("gone") }));
      expect(error).toMatchObject({ name: "AbortError", reason: "gone", source: "signal" });
      expect(never).not.toHaveBeenCalled();
      expect(await rejection(gather([], { token: AbortSignal.abort("gone") }))).toBeInstanceOf(
        CancelledError,
      );
    });

    it("by a function, inside of it, starts no further one", async () => {
      const source = new CancellationSource();
      const never = vi.fn();
      const fns = [
        () => {
          source.cancel();
        },
        never,
      ];
      expect(await rejection(gather(fns, { token: source.token }))).toBe(source.token.error);
      expect(never).not.toHaveBeenCalled();
    });

    it("is held back by a shield until all have ended, then thrown", async () => {
      using reports = captureReports();
      const source = new CancellationSource();
      const gate = new Deferred();
      const tokens: CancellationToken[] = [];
      const gathering = gather(
        [
          async (token) => {
            tokens.push(token);
            await gate.promise;
          },
          () => Promise.reject(boom),
        ],
        { token: source.token, shield: true },
      );
      source.cancel();
      await flushMicrotasks();
      expect(tokens[0]!.cancelRequested).toBe(false);
      gate.resolve();
      expect(await rejection(gathering)).toBe(source.token.error);
      expect(reports.map(({ error }) => error)).toEqual([boom]);
    });

    it("at whichever microtask is thrown or too late: each failure is told once, nothing runs on", async () => {
      const outcomes = new Set<string>();
      for (let turn = 0; turn < 40; turn++) {
        using reports = captureReports();
        const source = new CancellationSource();
        let running = 0;
        const after = async (turns: number, end: () => unknown): Promise<unknown> => {
          running++;
          await flushMicrotasks(turns);
          running--;
          return end();
        };
        const gathering = gather(
          [() => after(3, () => Promise.reject(boom)), () => after(9, () => 1), () => after(15, () => 2)],
          { token: source.token },
        ).finally(() => {
          expect(running).toBe(0);
        });
        const [settled] = await Promise.allSettled([
          gathering,
          flushMicrotasks(turn).then(() => {
            source.cancel();
          }),
        ]);
        outcomes.add(settled.status);
        if (settled.status === "fulfilled") {
          expect(settled.value[0]).toEqual({ status: "rejected", reason: boom });
          expect(reports).toHaveLength(0);
        } else {
          expect(settled.reason).toBe(source.token.error);
          expect(reports.map(({ error }) => error)).toEqual([boom]);
        }
      }
      expect(outcomes).toEqual(new Set(["rejected", "fulfilled"]));
    });
  });

  describe("a timeout", () => {
    it("cancels all, waits for all, and rejects with TimeoutError that names it", async () => {
      vi.useFakeTimers();
      using reports = captureReports();
      const log = new EventLog();
      const gathering = rejection(
        gather(
          [
            () => Promise.reject(boom),
            async (token) => {
              await waits(token).catch(() => undefined);
              await flushMicrotasks();
              log.add("ended");
            },
          ],
          { timeout: 100, name: "page" },
        ),
      );
      await vi.advanceTimersByTimeAsync(99);
      expect(log.events).toEqual([]);
      await vi.advanceTimersByTimeAsync(1);
      const error = await gathering;
      expect(error).toBeInstanceOf(TimeoutError);
      expect((error as Error).message).toBe('gather "page" timed out after 100 ms');
      expect(log.events).toEqual(["ended"]);
      expect(reports.map((report) => report.error)).toEqual([boom]);
    });
  });

  describe("a fatal error", () => {
    it("cancels the others, and rejects bare when they have ended (L5)", async () => {
      using reports = captureReports();
      const end = new FatalError("end");
      const log = new EventLog();
      const gathering = gather([
        () => Promise.reject(boom),
        () => Promise.reject(end),
        async (token) => {
          await waits(token).catch(() => undefined);
          await flushMicrotasks();
          log.add("ended");
        },
      ]);
      expect(await rejection(gathering)).toBe(end);
      expect(log.events).toEqual(["ended"]);
      expect(reports.map(({ error }) => error)).toEqual([boom]);
    });

    it("next to another: the second is told to the process-wide handler, once (L2)", async () => {
      using reports = captureReports();
      const [first, second] = [new FatalError("first"), new FatalError("second")];
      const gathering = gather([() => Promise.reject(first), () => Promise.reject(second)]);
      expect(await rejection(gathering)).toBe(first);
      expect(reports.map(({ error }) => error)).toEqual([second]);
    });
  });

  describe("bad input (L11)", () => {
    it.each<[string, unknown, unknown, typeof TypeError]>([
      ["fns", undefined, {}, TypeError],
      ["fns", null, {}, TypeError],
      ["fns", 5, {}, TypeError],
      ["fns", () => 1, {}, TypeError],
      ["fns", { length: 0 }, {}, TypeError],
      ["timeout", undefined, { timeout: -1 }, RangeError],
      ["timeout", undefined, { timeout: "5" }, TypeError],
      ["concurrency", undefined, { concurrency: 0 }, RangeError],
      ["token", undefined, { token: {} }, TypeError],
      ["name", undefined, { name: 5 }, TypeError],
    ])("is refused as a rejection: %s, %o, %o", async (argument, fns, options, kind) => {
      const work = vi.fn();
      const given = argument === "fns" ? fns : [work];
      const error = await rejection(gather(given as never, options as never));
      expect(error).toBeInstanceOf(kind);
      expect((error as Error).message).toMatch(new RegExp(`\\b${argument}\\b.*, got `));
      expect(work).not.toHaveBeenCalled();
    });

    it("is refused before anything has started when one is no function, or is missing", async () => {
      const work = vi.fn();
      const holed = [work];
      holed[2] = work;
      for (const fns of [[work, undefined], [work, null], [work, 5], [work, Promise.resolve()], holed]) {
        const error = await rejection(gather(fns as never));
        expect(error).toBeInstanceOf(TypeError);
        expect((error as Error).message).toMatch(/fns\[1\].* a function, got /);
        expect(work).not.toHaveBeenCalled();
      }
    });
  });

  it("leaves neither timer nor listener", async () => {
    vi.useFakeTimers();
    using reports = captureReports();
    const { signal } = new AbortController();
    await gather([() => 1, () => Promise.reject(boom)], { token: signal, timeout: 1000 });
    await rejection(gather([() => Promise.reject(new FatalError("end"))], { token: signal, timeout: 1000 }));
    expect(vi.getTimerCount()).toBe(0);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
    expect(reports).toHaveLength(0);
  });
});
