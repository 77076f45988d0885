import { InvalidStateError } from "@scope/core";
import { captureReports, rejection } from "@scope/test-utils";
import { eventually, temporaryDirectory } from "@scope/test-utils/node";
import { describe, expect, it, onTestFinished } from "vitest";

import type { Check } from "../src/database.ts";
import { HistoryService } from "../src/history-service.ts";
import { backends } from "./backends.ts";
import { closedPort, silent } from "./program.ts";

async function openHistory(location: string, keep = 2 * Date.now()): Promise<HistoryService> {
  const history = new HistoryService({ location, keep, logger: silent, tell: () => undefined });
  onTestFinished(() => history.stop());
  history.start();
  await history.ready();
  return history;
}

const check = (target: string, at: number, rest: Partial<Check> = {}): Omit<Check, "id"> => ({
  target,
  at,
  value: 1.25,
  failure: null,
  attempt: 0,
  ...rest,
});

describe.each(backends)("the history in $name", ({ create }) => {
  it("gives back what was recorded, as it was, in the order of the ids", async () => {
    const history = await openHistory(await create());
    const checks = [
      check("a", 1_000),
      check("b", 1_500, { value: null, failure: "a ' quote, and „more“\n", attempt: 3 }),
      check("a", 1_795_164_431_143, { value: 0.1 + 0.2, failure: "too much", attempt: 1 }),
    ];
    const recorded = [];
    for (const each of checks) recorded.push(await history.record(each));

    expect(recorded).toEqual(checks.map((each, index) => ({ id: index + 1, ...each })));
    expect(await history.latest("a", 10)).toEqual([recorded[0], recorded[2]]);
    expect(await history.latest("b", 10)).toEqual([recorded[1]]);
    expect(await history.latest("c", 10)).toEqual([]);
  });

  it("gives the latest, and those before an id", async () => {
    const history = await openHistory(await create());
    for (let at = 1; at <= 10; at++) await history.record(check("a", at));

    expect((await history.latest("a", 3)).map(({ at }) => at)).toEqual([8, 9, 10]);
    expect((await history.latest("a", 3, 8)).map(({ at }) => at)).toEqual([5, 6, 7]);
  });

  it("counts checks, failures and restarts since a time, up to an id", async () => {
    const history = await openHistory(await create());
    await history.record(check("a", 1, { failure: "too early" }));
    await history.record(check("a", 2));
    await history.record(check("a", 3, { failure: "down" }));
    await history.record(check("a", 4, { failure: "down", attempt: 1 }));
    await history.record(check("a", 5, { attempt: 2 }));
    await history.record(check("b", 5, { attempt: 2 }));
    await history.record(check("a", 6, { failure: "too late" }));

    expect(await history.totals("a", 2, 6)).toEqual({ checks: 4, failed: 2, restarts: 2 });
    expect(await history.totals("c", 0, 6)).toEqual({ checks: 0, failed: 0, restarts: 0 });
  });

  it("takes many at once, and no two get the same id", async () => {
    const history = await openHistory(await create());

    const recorded = await Promise.all(
      Array.from({ length: 200 }, (_, index) => history.record(check("a", index))),
    );

    expect(new Set(recorded.map(({ id }) => id)).size).toBe(200);
    const read = await history.latest("a", 1_000);
    expect(read).toEqual(recorded.sort((a, b) => a.id - b.id));
  });

  it("is there again after a stop, for the same service and for another", async () => {
    const location = await create();
    const history = await openHistory(location);
    await history.record(check("a", 1));
    await history.stop();
    history.start();
    await history.ready();
    await history.record(check("a", 2));

    const other = await openHistory(location);
    await other.record(check("a", 3));

    expect((await history.latest("a", 10)).map(({ at }) => at)).toEqual([1, 2, 3]);
  });

  it("forgets what is older than it is to keep, when it starts", async () => {
    const location = await create();
    const first = await openHistory(location);
    await first.record(check("a", Date.now() - 120_000));
    const recent = await first.record(check("a", Date.now()));
    await first.stop();

    const second = await openHistory(location, 60_000);

    await eventually(async () => expect(await second.latest("a", 10)).toEqual([recent]));
  });
});

describe(HistoryService, () => {
  it("that was not started records nothing", async () => {
    const history = new HistoryService({ location: "", keep: 1, logger: silent, tell: () => undefined });

    expect(await rejection(history.record(check("a", 1)))).toBeInstanceOf(InvalidStateError);
  });

  it.each([
    ["a directory", temporaryDirectory],
    ["a file in a directory that is not there", async () => `${await temporaryDirectory()}/none/monitor.db`],
    ["a server that is not there", async () => `postgres://127.0.0.1:${await closedPort()}/monitor`],
  ])("is not ready for %s", async (_, place) => {
    using reports = captureReports();
    const history = new HistoryService({
      location: await place(),
      keep: 1,
      logger: silent,
      tell: () => undefined,
    });
    history.start();

    const error = await rejection(history.ready());

    expect(error).toBeInstanceOf(Error);
    expect([...reports]).toMatchObject([{ message: 'Error in task "HistoryService:history"', error }]);
    expect(await rejection(history.stop())).toMatchObject({ errors: [error] });
    expect(history.isRunning).toBe(false);
  });
});
