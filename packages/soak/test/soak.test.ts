import { createServer } from "node:net";
import { CancellationSource, TaskScope, reportTaskError, sleep } from "@scope/core";
import { describe, expect, it } from "vitest";
import { Account } from "../src/account.ts";
import type { Scene } from "../src/episode.ts";
import { scenes } from "../src/scenes.ts";
import { type Outcome, type SoakOptions, soak } from "../src/soak.ts";

/** The engine of the tests optimises, and keeps what it learns: only a leak is as large as this. */
const LIMITS = { heap: 5e5, rss: Infinity };

/** Soaks for a moment; with scenes that are not its own, one at a time. */
function soakIn(...own: Scene[]): Promise<Outcome> {
  return soakFor({ scenes: own, lanes: 1 });
}

function soakFor(options: Partial<SoakOptions>): Promise<Outcome> {
  return soak({ seconds: 1, seed: 1, limits: LIMITS, patience: 10_000, ...options });
}

function scene(play: Scene["play"]): Scene {
  return { name: "planted", play };
}

describe("soak", { timeout: 60_000 }, () => {
  it("mixes all packages, and finds every task and every failure accounted for, and nothing left", async () => {
    const { findings, books, episodes, left } = await soakFor({ seconds: 2 });
    expect(findings).toEqual([]);
    expect(left).toEqual([]);
    expect(episodes).toBeGreaterThan(50);
    const all = [...books.tallies.values()];
    for (const tally of all) {
      expect(tally.spawned).toBe(tally.succeeded + tally.failed + tally.cancelled);
      expect(tally.called).toBe(tally.returned + tally.threw + tally.obeyed);
    }
    for (const ending of ["succeeded", "failed", "cancelled"] as const) {
      expect(Math.max(...all.map((tally) => tally[ending]))).toBeGreaterThan(10);
    }
    for (const kind of ["TaskGroup", "Supervisor", "PersistentTaskGroup", "spawn, spawnGuarded", "race"]) {
      expect(books.tallies.get(kind)?.spawned, kind).toBeGreaterThan(0);
    }
  });

  it("plays the same episode for the same seed and number, and another one for another", async () => {
    const kinds = async (seed: number, episode: number): Promise<string> => {
      const { books } = await soakFor({ seconds: 0.1, lanes: 1, seed, episode });
      return [...books.tallies.keys()].filter((kind) => !kind.includes("standing")).join();
    };
    const first = await kinds(1, 3);
    expect(await kinds(1, 3)).toBe(first);
    const others = new Set([first]);
    for (let episode = 4; episode < 8; episode++) others.add(await kinds(1, episode));
    expect(others.size).toBeGreaterThan(2);
  });

  it("ends early when it is cancelled, in order, with what was done so far", async () => {
    const source = new CancellationSource();
    const stop: Scene = scene(async () => source.cancel());
    const { findings, episodes, seconds, books } = await soakFor({
      seconds: 60,
      scenes: [...scenes, stop],
      token: source.token,
    });
    expect(findings).toEqual([]);
    expect(seconds).toBeLessThan(50);
    expect(episodes).toBeGreaterThan(0);
    expect(books.live).toBe(0);
  });
});

describe("the judge", { timeout: 60_000 }, () => {
  it("finds a program that keeps its tasks, and not the same one that lets them go", async () => {
    const soakWith = (keep: (task: unknown) => unknown): Promise<Outcome> =>
      soakFor({
        seconds: 0.1,
        least: 12,
        lanes: 1,
        scenes: [
          scene(async () => {
            await TaskScope.run((scope) => {
              for (let count = 0; count < 50; count++)
                keep(scope.spawn(() => Array.from({ length: 200 }, () => count)));
            });
            await sleep(1);
          }),
        ],
      });
    const kept: unknown[] = [];
    const { findings } = await soakWith((task) => kept.push(task));
    expect(findings).toEqual([expect.stringMatching(/^L7: heap grows by \d+ bytes a second/)]);
    expect((await soakWith(() => {})).findings).toEqual([]);
  });

  it("finds a failure that is told twice (L2)", async () => {
    const { findings } = await soakIn(
      scene(async (episode, dice) => {
        const account = new Account(episode, "planted");
        const scope = new TaskScope({
          onError: (context) => {
            reportTaskError(context);
            reportTaskError(context);
          },
        });
        account.start(
          scope,
          account.job(dice, { watched: true, act: () => Promise.reject(new Error("told")) }),
        );
        await account.settle("join", scope.join());
      }),
    );
    expect(findings).toEqual([
      expect.stringMatching(/^L2: told 2 times, .*: a failure of planted, episode 0/),
    ]);
  });

  it("finds a failure that is told to nobody (L2)", async () => {
    const { findings } = await soakIn(
      scene(async (episode, dice) => {
        const account = new Account(episode, "planted");
        const scope = new TaskScope({ onError: "ignore" });
        account.start(
          scope,
          account.job(dice, { watched: true, act: () => Promise.reject(new Error("lost")) }),
        );
        await account.settle("join", scope.join());
      }),
    );
    expect(findings[0]).toMatch(/^L2: told 0 times, not 1: a failure of planted.*: Error: lost$/);
  });

  it("finds a function that runs when its owner has ended (L1)", async () => {
    const { findings } = await soakIn(
      scene(async (episode, dice) => {
        const account = new Account(episode, "planted");
        const scope = new TaskScope();
        const task = account.start(scope, account.job(dice, { watched: true, act: () => sleep(5) }));
        await account.settle("join", Promise.resolve());
        await task;
        await scope.stop();
      }),
    );
    expect(findings).toEqual(["L1: 1 functions run after join: planted, episode 0"]);
  });

  it("finds a task that ends otherwise than its function (L4)", async () => {
    const { findings } = await soakIn(
      scene(async (episode, dice) => {
        const account = new Account(episode, "planted");
        const job = account.job(dice, { watched: true, act: () => 1 });
        await TaskScope.run((scope) => {
          const task = scope.spawn(async (token) => {
            await job.fn(token);
            return 2;
          });
          account.watch(task, job);
        });
      }),
    );
    expect(findings).toEqual(["another result: planted, episode 0"]);
  });

  it("finds a listener that is left on a signal, and a handle (L7)", async () => {
    const server = createServer();
    const { findings } = await soakFor({
      seconds: 0.1,
      lanes: 1,
      scenes: [
        scene(async ({ name, stations }) => {
          if (name !== "episode 0") return;
          server.listen(0);
          stations.controller.signal.addEventListener("abort", () => {});
        }),
      ],
    });
    server.close();
    expect(findings).toEqual([
      "L7: 2 listeners on a standing signal, not 1",
      "L7: 1 listeners are left on the standing signal",
      "L7: left behind: TCPServerWrap",
    ]);
  });

  it("finds an episode that never ends", async () => {
    const { findings } = await soakFor({
      scenes: [scene(() => new Promise(() => {}))],
      lanes: 1,
      patience: 100,
    });
    expect(findings).toEqual(["never ends: episode 0; 0 functions run"]);
  });

  it("finds a rejection that nobody handles (L2)", async () => {
    const listeners = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    try {
      const { findings } = await soakIn(scene(async () => void Promise.reject(new Error("stray"))));
      expect(findings[0]).toMatch(/^L2: unhandled rejection: Error: stray/);
    } finally {
      for (const listener of listeners) process.on("unhandledRejection", listener);
    }
  });
});
