import { eventually } from "@scope/test-utils/node";
import { describe, expect, it } from "vitest";

import type { BoardEvent } from "../src/board.ts";
import { ProbeService, backoff } from "../src/probe-service.ts";
import { closedPort, configOf, httpTarget, openSite, openStage } from "./program.ts";

/** Resolves with the first event, from now on or before, that passes the check. */
async function seen<E extends BoardEvent>(
  events: readonly BoardEvent[],
  check: (event: BoardEvent) => event is E,
): Promise<E> {
  await eventually(() => expect(events.some(check)).toBe(true));
  return events.find(check)!;
}

type CheckEvent = BoardEvent & { type: "check" };
type RestartEvent = BoardEvent & { type: "restart" };

const isCheck =
  (test: (event: CheckEvent) => boolean) =>
  (event: BoardEvent): event is CheckEvent =>
    event.type === "check" && test(event);
const isRestart = (event: BoardEvent): event is RestartEvent => event.type === "restart";

describe(ProbeService, () => {
  it("checks again and again, in one task, while all is well", async () => {
    const { url } = await openSite();
    const { history, events, told, stop } = await openStage(configOf([httpTarget("a", url)]));

    await eventually(() => expect(events.length).toBeGreaterThan(5));
    await stop();

    expect(events.every(isCheck(({ check }) => check.failure === null))).toBe(true);
    expect(told[0]).toBe("stopped probes: 1 probe");
    history.start();
    await history.ready();
    const recorded = await history.latest("a", 1_000);
    expect(recorded).toEqual(events.filter(isCheck(() => true)).map(({ check }) => check));
    expect(recorded.every(({ attempt, value }) => attempt === 0 && value! > 0)).toBe(true);
  });

  it("restarts a probe that fails, later each time, until all is well, which the history shows", async () => {
    let asked = 0;
    const { url } = await openSite((_, response) => {
      const status = [200, 503, 503, 503, 503, 503][asked++] ?? 200;
      response.writeHead(status).end();
    });
    const { history, events } = await openStage(configOf([httpTarget("a", url)]));

    const recovered = await seen(
      events,
      isCheck(({ check }) => check.attempt === 5),
    );

    expect(recovered).toMatchObject({ turned: true, state: { status: "up", attempt: 0, restarts: 5 } });
    const checks = (await history.latest("a", 1_000)).slice(0, 7);
    await eventually(async () =>
      expect(await history.latest("a", 1_000)).not.toHaveLength(checks.length - 1),
    );
    expect(checks.slice(0, 6).map(({ failure, attempt }) => [attempt, failure])).toEqual([
      [0, null],
      [0, "status 503, expected 200"],
      [1, "status 503, expected 200"],
      [2, "status 503, expected 200"],
      [3, "status 503, expected 200"],
      [4, "status 503, expected 200"],
    ]);
    const times = checks.slice(1, 6).map(({ at }) => at);
    const waits = times.slice(1).map((at, index) => at - times[index]!);
    // Timers and the clock are of two minds about a millisecond.
    [5, 10, 20, 40].forEach((wait, index) => expect(waits[index]).toBeGreaterThanOrEqual(wait - 1));
    expect(await history.totals("a", 0, recovered.check.id)).toEqual({ checks: 7, failed: 5, restarts: 5 });
  });

  it("starts a new task of the same name, and the group keeps none of the old ones", async () => {
    const port = await closedPort();
    const stage = await openStage(configOf([httpTarget("a", `http://127.0.0.1:${port}/`)]));
    const probes = stage.services;
    expect(probes.isRunning).toBe(true);

    await eventually(() => expect(stage.events.filter(isRestart).length).toBeGreaterThan(3));

    const response = await fetch(`${stage.web.url}/api/state`);
    const { tasks } = (await response.json()) as { tasks: { id: number; name: string; status: string }[] };
    const own = tasks.filter(({ name }) => name === "ProbeService:probes:a");
    expect(own.filter(({ status }) => status === "running")).toHaveLength(1);
    // The loop may be about to look at the one before.
    expect(own.length).toBeLessThanOrEqual(2);
    expect(stage.reports[0]).toMatchObject({
      message: 'Error in task "ProbeService:probes:a"',
      error: { name: "ProbeError", message: `connect ECONNREFUSED 127.0.0.1:${port}` },
    });
  });

  it("leaves the other probes alone", async () => {
    const { url } = await openSite();
    const never = await openSite(() => undefined);
    const { events, stop } = await openStage(
      configOf([
        httpTarget("good", url),
        httpTarget("bad", `http://127.0.0.1:${await closedPort()}/`),
        httpTarget("silent", never.url, { timeout: Number.MAX_SAFE_INTEGER }),
      ]),
    );

    await eventually(() => {
      expect(events.filter(isCheck(({ check }) => check.target === "good")).length).toBeGreaterThan(10);
      expect(events.filter(isRestart).length).toBeGreaterThan(2);
    });
    await stop();

    expect(new Set(events.filter(isRestart).map(({ state }) => state.name))).toEqual(new Set(["bad"]));
    expect(events.some(isCheck(({ check }) => check.target === "silent"))).toBe(false);
  });

  it("records what is wrong with a target and counts it as down, not what is wrong with the history", async () => {
    const { url } = await openSite();
    const stage = await openStage(configOf([httpTarget("a", url)]));
    const { history, events } = stage;
    await eventually(() => expect(events.length).toBeGreaterThan(0));
    const record = history.record.bind(history);
    history.record = async () => {
      throw new Error("the disk is full");
    };

    const { state } = await seen(events, isRestart);
    history.record = record;
    await seen(
      events,
      isCheck(({ check }) => check.attempt > 0),
    );

    expect(state).toMatchObject({ status: "up", failed: 0, reason: "the disk is full" });
    expect(stage.reports[0]).toMatchObject({ error: { message: "the disk is full" } });
  });

  it("stops at once, also in the middle of a back-off, and of a check", async () => {
    const never = await openSite(() => undefined);
    const { events, stop, told } = await openStage(
      configOf(
        [
          httpTarget("down", `http://127.0.0.1:${await closedPort()}/`),
          httpTarget("silent", never.url, { timeout: Infinity }),
        ],
        { backoff: { initial: 1_000_000, max: 1_000_000 } },
      ),
    );
    await seen(events, isRestart);
    const checks = events.length;

    await stop();

    expect(told).toEqual([
      "stopped probes: 2 probes",
      "stopped web: 0 pages open",
      "stopped history: 1 check recorded",
    ]);
    expect(events).toHaveLength(checks);
  });
});

describe(backoff, () => {
  it("doubles up to a limit", () => {
    const waits = [1, 2, 3, 4, 5, 100].map((attempt) => backoff({ initial: 100, max: 1_000 }, attempt));
    expect(waits).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  });
});
