import { getEventListeners } from "node:events";
import { CancellationSource, CancellationToken, sleep } from "@scope/core";
import { flushMicrotasks } from "@scope/test-utils";
import { beforeEach, describe, expect, it, vi } from "vitest";

beforeEach(() => {
  vi.useFakeTimers();
});

/** Whether a promise has settled by now, and how. */
function watch(promise: Promise<unknown>): { outcome: string } {
  const seen = { outcome: "waiting" };
  promise.then(
    () => {
      seen.outcome = "resolved";
    },
    () => {
      seen.outcome = "rejected";
    },
  );
  return seen;
}

describe("sleep", () => {
  it("resolves with nothing after so many milliseconds, and not before", async () => {
    const slept = sleep(100);
    const seen = watch(slept);
    await vi.advanceTimersByTimeAsync(99);
    expect(seen.outcome).toBe("waiting");
    await vi.advanceTimersByTimeAsync(1);
    expect(seen.outcome).toBe("resolved");
    await expect(slept).resolves.toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("of 0 waits for a turn of the event loop", async () => {
    const seen = watch(sleep(0));
    await flushMicrotasks();
    expect(seen.outcome).toBe("waiting");
    await vi.advanceTimersByTimeAsync(1);
    expect(seen.outcome).toBe("resolved");
  });

  it("may be longer than the platform's timers hold (L11)", async () => {
    const seen = watch(sleep(2 ** 32 + 7));
    await vi.advanceTimersByTimeAsync(2 ** 32 + 6);
    expect(seen.outcome).toBe("waiting");
    await vi.advanceTimersByTimeAsync(1);
    expect(seen.outcome).toBe("resolved");
  });

  it("of Infinity waits until it is cancelled, without a timer (L7)", async () => {
    const source = new CancellationSource();
    const slept = sleep(Infinity, source.token);
    const seen = watch(slept);
    await flushMicrotasks();
    expect(vi.getTimerCount()).toBe(0);
    await vi.advanceTimersByTimeAsync(2 ** 40);
    expect(seen.outcome).toBe("waiting");
    source.cancel();
    await expect(slept).rejects.toBe(source.token.error);
  });

  describe("with a token", () => {
    it("rejects with the token's error as soon as it is cancelled, its timer cleared", async () => {
      const source = new CancellationSource();
      const slept = sleep(1000, source.token);
      await vi.advanceTimersByTimeAsync(10);
      expect(vi.getTimerCount()).toBe(1);
      source.cancel("enough");
      expect(vi.getTimerCount()).toBe(0);
      await expect(slept).rejects.toBe(source.token.error);
    });

    it("rejects at once if it is cancelled already, without a timer, even for 0", async () => {
      const source = new CancellationSource();
      source.cancel();
      for (const ms of [0, 1000, Infinity]) {
        const slept = sleep(ms, source.token);
        const seen = watch(slept);
        await flushMicrotasks();
        expect(vi.getTimerCount()).toBe(0);
        expect(seen.outcome).toBe("rejected");
        await expect(slept).rejects.toBe(source.token.error);
      }
    });

    it("takes an AbortSignal, and leaves no listener on it", async () => {
      const controller = new AbortController();
      const listeners = (): number => getEventListeners(controller.signal, "abort").length;
      const slept = sleep(10, controller.signal);
      expect(listeners()).toBe(1);
      await vi.advanceTimersByTimeAsync(10);
      await slept;
      expect(listeners()).toBe(0);
      const cut = sleep(10, controller.signal);
      controller.abort("enough");
      await expect(cut).rejects.toBe(CancellationToken.from(controller.signal).error);
      expect(listeners()).toBe(0);
      expect(vi.getTimerCount()).toBe(0);
      await expect(sleep(10, controller.signal)).rejects.toMatchObject({ reason: "enough" });
    });

    it("is not disturbed by a cancellation that comes when it is over", async () => {
      const source = new CancellationSource();
      const slept = sleep(10, source.token);
      await vi.advanceTimersByTimeAsync(10);
      source.cancel();
      await expect(slept).resolves.toBeUndefined();
    });

    it("that is never cancelled just sleeps", async () => {
      const seen = watch(sleep(10, CancellationToken.none));
      await vi.advanceTimersByTimeAsync(10);
      expect(seen.outcome).toBe("resolved");
    });

    it("sleeps many times under one token and leaves nothing on it", async () => {
      const source = new CancellationSource();
      const sleeps = Array.from({ length: 1000 }, (_, index) => sleep(index, source.token));
      const outcomes = Promise.allSettled(sleeps);
      await vi.advanceTimersByTimeAsync(499);
      source.cancel();
      expect(vi.getTimerCount()).toBe(0);
      const counts = (await outcomes).filter(({ status }) => status === "fulfilled").length;
      expect(counts).toBe(500);
    });
  });
});
