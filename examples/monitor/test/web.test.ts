import { once } from "node:events";
import { createServer } from "node:http";

import { CancellationToken, TaskGroupError } from "@scope/core";
import { captureReports, rejection } from "@scope/test-utils";
import { eventually, temporaryDirectory } from "@scope/test-utils/node";
import { describe, expect, it, onTestFinished } from "vitest";

import type { BoardEvent } from "../src/board.ts";
import type { Check } from "../src/database.ts";
import { Feed } from "../src/feed.ts";
import { makeMonitor } from "../src/monitor.ts";
import { type Snapshot, type TaskInfo, WebService } from "../src/web-service.ts";
import { Events, configOf, httpTarget, openSite, openStage, silent } from "./program.ts";

type CheckEvent = BoardEvent & { type: "check" };
const pages = (tasks: readonly TaskInfo[]): string[] =>
  tasks.filter(({ name }) => name.startsWith("WebService:web:page")).map(({ name }) => name);

describe(WebService, () => {
  it.each([
    ["/", "text/html"],
    ["/monitor.js", "text/javascript"],
    ["/monitor.css", "text/css"],
    ["/vendor/uPlot.esm.js", "text/javascript"],
    ["/vendor/uPlot.min.css", "text/css"],
  ])("serves %s, and lets it load nothing from elsewhere", async (path, type) => {
    const { web } = await openStage(configOf([]));

    const response = await fetch(web.url + path);

    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toContain(type);
    expect(response.headers.get("content-security-policy")).toContain("default-src 'self'");
    expect((await response.text()).length).toBeGreaterThan(100);
  });

  it.each(["/none", "/vendor/", "/../package.json", "/%2e%2e/package.json", "/vendor/..%2fpackage.json"])(
    "has nothing at %s",
    async (path) => {
      const { web } = await openStage(configOf([]));

      expect((await fetch(web.url + path)).status).toBe(404);
    },
  );

  it("tells a page how things stand, then every check as it is recorded", async () => {
    const site = await openSite();
    const { web, events: told } = await openStage(configOf([httpTarget("a", site.url)]));
    await eventually(() => expect(told.length).toBeGreaterThan(2));

    const events = await Events.open(web.url);
    const { targets, tasks } = await events.next<Snapshot>("state");

    expect(events.response.headers.get("content-type")).toBe("text/event-stream");
    expect(targets).toMatchObject([{ name: "a", address: site.url, unit: "ms", status: "up", attempt: 0 }]);
    const { history, day } = targets[0]!;
    expect(day).toEqual({ checks: history.length, failed: 0, restarts: 0 });
    expect(tasks.map(({ name }) => name)).toEqual(["ProbeService:probes:a", "WebService:web:page 1"]);
    const last = history.at(-1)!.id;
    // One that was recorded while the history was read may come twice.
    const { check } = await events.next<CheckEvent>("check", ({ check }) => check.id > last);
    expect(check.id).toBe(last + 1);
    expect((await events.next<CheckEvent>("check")).check.id).toBe(last + 2);
  });

  it("tells of a target that turns down, of its restarts, and of its recovery", async () => {
    const site = await openSite();
    const { web } = await openStage(configOf([httpTarget("a", site.url)]));
    const events = await Events.open(web.url);
    const { tasks: before } = await events.next<Snapshot>("state");

    site.answer = (_, response) => response.writeHead(500).end();

    const down = await events.next<CheckEvent>("check", ({ state }) => state.status === "down");
    expect(down).toMatchObject({ state: { status: "down" }, check: { failure: "status 500, expected 200" } });
    const restart = await events.next<BoardEvent & { type: "restart" }>("restart");
    expect(restart.state).toMatchObject({ attempt: 1, restarts: 1, reason: "status 500, expected 200" });
    const after = await events.next<TaskInfo[]>("tasks");
    const idOf = (tasks: readonly TaskInfo[]) =>
      tasks.find(({ name, status }) => name === "ProbeService:probes:a" && status === "running")?.id;
    expect(idOf(after)).toBeGreaterThan(idOf(before)!);

    site.answer = (_, response) => response.end();
    const up = await events.next<CheckEvent>("check", ({ turned }) => turned);
    expect(up).toMatchObject({ state: { status: "up", attempt: 0 }, check: { failure: null } });
  });

  it("has a task per page, which ends when the page goes", async () => {
    const { web } = await openStage(configOf([]));
    const first = await Events.open(web.url);
    await first.next("state");
    const second = await Events.open(web.url);
    const { tasks } = await second.next<Snapshot>("state");
    expect(pages(tasks)).toEqual(["WebService:web:page 1", "WebService:web:page 2"]);
    await first.next<TaskInfo[]>("tasks", (tasks) => pages(tasks).length === 2);

    second.close();

    const rest = await first.next<TaskInfo[]>("tasks", (tasks) => pages(tasks).length === 1);
    expect(pages(rest)).toEqual(["WebService:web:page 1"]);
    expect(web.taskGroup.tasks.size).toBe(1);
  });

  it("ends the pages when it stops", async () => {
    const { web, services, told } = await openStage(configOf([]));
    const events = await Events.open(web.url);
    await events.next("state");

    await services.stop();

    await expect(events.next("nothing")).rejects.toThrow();
    expect(told).toContain("stopped web: 1 page open");
    await expect(fetch(web.url)).rejects.toThrow();
  });

  it("gives the history of a target, so many of it, and what was before", async () => {
    const { web, history } = await openStage(
      configOf([httpTarget("a b", "http://127.0.0.1:1/", { every: Infinity })]),
    );
    for (let at = 1; at <= 5; at++) {
      await history.record({ target: "a b", at, value: at, failure: null, attempt: 0 });
    }
    const get = async (query: string): Promise<number[]> => {
      const response = await fetch(`${web.url}/api/history?target=a+b&${query}`);
      expect(response.status).toBe(200);
      return ((await response.json()) as Check[]).map(({ at }) => at).filter((at) => at <= 5);
    };

    const all = (await (await fetch(`${web.url}/api/history?target=a+b`)).json()) as Check[];
    expect(await get("")).toEqual([1, 2, 3, 4, 5]);
    expect(await get(`limit=2&before=${all.find(({ at }) => at === 5)!.id}`)).toEqual([3, 4]);
  });

  it.each([
    ["target=none", 404],
    ["", 404],
    ["target=a&limit=0", 400],
    ["target=a&limit=many", 400],
    ["target=a&before=-1", 400],
  ])("refuses a question for the history of %j with %i", async (query, status) => {
    const { web } = await openStage(configOf([httpTarget("a", "http://127.0.0.1:1/")]));

    const response = await fetch(`${web.url}/api/history?${query}`);

    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: expect.any(String) as unknown });
  });

  it("tells who asks, the log, and nobody else, when the history cannot be read", async () => {
    const { web, history, reports } = await openStage(configOf([httpTarget("a", "http://127.0.0.1:1/")]));
    history.latest = async () => {
      throw new Error("the disk is gone");
    };

    const response = await fetch(`${web.url}/api/state`);
    const events = await Events.open(web.url);
    await expect(events.next("state")).rejects.toThrow("the connection ended");

    expect([response.status, await response.json()]).toEqual([500, { error: "something went wrong here" }]);
    const told = reports.filter(({ error }) => (error as Error).message === "the disk is gone");
    expect(told.map(({ message }) => message)).toEqual([
      "Error in a request for /api/state",
      'Error in task "WebService:web:page 1"',
    ]);
    expect(web.isRunning).toBe(true);
    await eventually(() => expect(web.taskGroup.tasks.size).toBe(0));
  });

  it("tells a load balancer which services run; one that has ended out of turn is started again", async () => {
    const { url } = await openSite();
    const { web, history, events } = await openStage(configOf([httpTarget("a", url)]));
    const health = async () => {
      const response = await fetch(`${web.url}/healthz`);
      return [response.status, await response.json()] as const;
    };
    const well = [200, { ok: true, services: { history: true, probes: true, web: true } }];
    expect(await health()).toEqual(well);

    history.cancel();

    await eventually(async () =>
      expect(await health()).toEqual([
        503,
        { ok: false, services: { history: false, probes: true, web: true } },
      ]),
    );
    await eventually(async () => expect(await health()).toEqual(well));
    const before = events.length;
    await eventually(() => expect(events.slice(before).some(({ type }) => type === "check")).toBe(true));
  });

  it("that cannot listen keeps the monitor from starting, and what had started is stopped", async () => {
    using reports = captureReports();
    const other = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void other.close());
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    const told: string[] = [];
    const { services } = makeMonitor({
      config: configOf([httpTarget("a", "http://127.0.0.1:1/")]),
      database: `${await temporaryDirectory()}/monitor.db`,
      host: "127.0.0.1",
      port,
      stopTimeout: 10_000,
      logger: silent,
      tell: (line) => told.push(line),
    });
    services.start();

    const error = await rejection(services.ready());
    const stopped = await rejection(services.join());

    expect(told).toEqual(["stopped history: 0 checks recorded"]);
    expect(error).toMatchObject({ code: "EADDRINUSE" });
    expect(stopped).toBeInstanceOf(TaskGroupError);
    expect(new Set((stopped as TaskGroupError).leaves())).toEqual(new Set([error]));
    expect(reports.map(({ message }) => message)).toEqual(['Error in task "WebService:web"']);
  });
});

describe(Feed, () => {
  it("ends for a page that lets too much wait, once it has had what waited", async () => {
    const feed = new Feed<number>(2);
    for (const event of [1, 2, 3, 4]) feed.push(event);

    expect([
      await feed.next(CancellationToken.none),
      await feed.next(CancellationToken.none),
      await feed.next(CancellationToken.none),
    ]).toEqual([1, 2, undefined]);
  });
});
