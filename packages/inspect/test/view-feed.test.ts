import { Deferred, flushMicrotasks } from "@scope/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { EventBatch, Snapshot } from "../src/types.ts";
import { type Feed, type Source, startFeed } from "../web/feed.ts";
import { Model } from "../web/model.ts";

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  vi.stubGlobal("document", { hidden: false });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const QUIET: EventBatch = { events: [], dropped: 0, next: 1 };

function snapshotOf(pid: number, names: readonly string[]): Snapshot {
  const scopes = names.map((name) => {
    return {
      id: name,
      kind: "TaskGroup",
      name,
      state: "open",
      openedAt: 1,
      waitsFor: [],
      tasks: [],
      scopes: [],
    } as const;
  });
  return { version: 1, pid, title: "app", takenAt: Date.now(), scopes, cycles: [] };
}

function follow(parts: Partial<Source> = {}): { feed: Feed; model: Model; turns: string[] } {
  const model = new Model();
  const turns: string[] = [];
  const source: Source = {
    snapshot: async () => snapshotOf(1, ["app"]),
    events: async (since) => ({ ...QUIET, next: since }),
    ...parts,
  };
  const feed = startFeed(source, model, () =>
    turns.push(feed.message === "" ? feed.state : `${feed.state}: ${feed.message}`),
  );
  return { feed, model, turns };
}

describe("a feed", () => {
  it("brings what lives and what happens", async () => {
    const event = { seq: 1, at: Date.now() + 50, type: "scope-opened", id: "s2", name: "late" } as const;
    let told = false;
    const { feed, model } = follow({
      events: async (since) => {
        if (told || Date.now() < event.at) return { ...QUIET, next: since };
        told = true;
        return { events: [event], dropped: 0, next: 2 };
      },
    });

    await vi.advanceTimersByTimeAsync(500);

    expect(feed.state).toBe("live");
    expect([...model.entries.keys()]).toEqual(["app", "s2"]);
    feed.dispose();
  });

  it("asks for a snapshot about once a second, and less often if that takes long", async () => {
    let quick = 0;
    const one = follow({
      snapshot: async () => {
        quick++;
        return snapshotOf(1, []);
      },
    });
    let slow = 0;
    const other = follow({
      snapshot: async () => {
        slow++;
        await new Promise((resolve) => setTimeout(resolve, 200));
        return snapshotOf(1, []);
      },
    });

    await vi.advanceTimersByTimeAsync(20_000);

    expect(quick).toBeGreaterThan(14);
    expect(quick).toBeLessThan(21);
    expect(slow).toBeGreaterThan(3);
    expect(slow).toBeLessThan(7);
    one.feed.dispose();
    other.feed.dispose();
  });

  it("says that the program is silent, and that it answers again", async () => {
    const answer = new Deferred();
    let asked = 0;
    const { feed, turns } = follow({
      events: async (since) => {
        if (++asked === 5) await answer.promise;
        return { ...QUIET, next: since };
      },
    });

    await vi.advanceTimersByTimeAsync(5_000);
    expect(turns).toEqual(["live", "silent"]);
    answer.resolve();
    await vi.advanceTimersByTimeAsync(0);

    expect(turns).toEqual(["live", "silent", "live"]);
    feed.dispose();
  });

  it("tries again after an error, less and less often, and goes on where it was", async () => {
    const asked: number[] = [];
    let times = 0;
    let broken = false;
    const { feed, turns } = follow({
      snapshot: async () => {
        times++;
        if (broken) throw new Error("no network");
        return snapshotOf(1, ["app"]);
      },
      events: async (since) => {
        asked.push(since);
        if (broken) throw new Error("no network");
        return { ...QUIET, next: 42 };
      },
    });
    await vi.advanceTimersByTimeAsync(300);
    broken = true;
    times = 0;

    await vi.advanceTimersByTimeAsync(20_000);
    expect(turns).toEqual(["live", "reconnecting: no network"]);
    expect(times).toBeGreaterThan(5);
    expect(times).toBeLessThan(12);
    broken = false;
    await vi.advanceTimersByTimeAsync(5_000);

    expect(turns).toEqual(["live", "reconnecting: no network", "live"]);
    expect(asked[0]).toBe(1);
    expect(new Set(asked.slice(1))).toEqual(new Set([42]));
    feed.dispose();
  });

  it.each([
    ["EndedError", "ended: it is over"],
    ["RefusedError", "refused: it is over"],
  ])("asks no more after an %s", async (name, turn) => {
    let times = 0;
    const { turns, model } = follow({
      snapshot: async () => {
        if (++times === 1) return snapshotOf(1, ["app"]);
        throw Object.assign(new Error("it is over"), { name });
      },
    });

    await vi.advanceTimersByTimeAsync(60_000);

    expect(turns).toEqual(["live", turn]);
    expect(times).toBe(2);
    expect([...model.entries.keys()]).toEqual(["app"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("begins anew with another program", async () => {
    let pid = 1;
    const asked: number[] = [];
    const { feed, model } = follow({
      snapshot: async () => snapshotOf(pid, [`app ${pid}`]),
      events: async (since) => {
        asked.push(since);
        return { ...QUIET, next: 9 };
      },
    });
    await vi.advanceTimersByTimeAsync(300);
    pid = 2;
    asked.length = 0;

    await vi.advanceTimersByTimeAsync(2_000);

    expect([...model.entries.keys()]).toEqual(["app 2"]);
    expect(asked).toContain(1);
    feed.dispose();
  });

  it("takes no snapshots while nobody looks", async () => {
    let times = 0;
    vi.stubGlobal("document", { hidden: true });
    const { feed } = follow({
      snapshot: async () => {
        times++;
        return snapshotOf(1, []);
      },
    });

    await vi.advanceTimersByTimeAsync(30_000);

    expect(times).toBe(1);
    feed.dispose();
  });

  it("leaves nothing behind once it is disposed of", async () => {
    const { feed, turns } = follow();
    await vi.advanceTimersByTimeAsync(250);

    feed.dispose();
    await flushMicrotasks();
    await vi.advanceTimersByTimeAsync(200);

    expect(vi.getTimerCount()).toBe(0);
    expect(turns).toEqual(["live"]);
  });
});
