import { mkdirSync } from "node:fs";
import type { RequestListener } from "node:http";
import path from "node:path";

import { AxeBuilder } from "@axe-core/playwright";
import { eventually, openPage, pixelsOf, temporaryDirectory } from "@scope/test-utils/node";
import type { Locator, Page } from "playwright";
import { describe, expect, it } from "vitest";

import type { Target } from "../src/targets.ts";
import { type Site, configOf, httpTarget, openSite, openStage } from "./program.ts";

/** A directory for pictures of the page, if anybody wants them. */
const screenshots = process.env["SCREENSHOTS"];

describe("the page", () => {
  it("shows a target turn red and green again, with every check in its chart", async () => {
    const sites = [await openSite(), await openSite()];
    const { web } = await openStage(configOf(sites.map(targetOf)));
    const { page, problems } = await openPage({ width: 960, height: 700 });

    await page.goto(web.url);
    await page.getByText("live", { exact: true }).waitFor();
    const card = cardOf(page, "target 0");
    const other = cardOf(page, "target 1");
    await card.and(page.locator("[data-status=up]")).waitFor();
    await other.getByText("● up").waitFor();
    await card.locator("[data-points]:not([data-points='0'])").waitFor();
    const green = await borderOf(card);
    expect(await pixelsOf(chartOf(card), "--accent")).toBeGreaterThan(10);
    expect(await pixelsOf(chartOf(card), "--down")).toBe(0);
    const before = await taskOf(page, "target 0");

    sites[0]!.answer = (_, response) => response.writeHead(503).end();

    await card.getByText("▲ down").waitFor();
    await card.getByText(/^status 503, expected 200/).waitFor();
    await page.getByText("1 of 2 down").waitFor();
    const failures = card.locator("[data-failures]");
    await eventually(async () =>
      expect(Number(await failures.getAttribute("data-failures"))).toBeGreaterThan(2),
    );
    expect(await borderOf(card)).not.toBe(green);
    expect(await borderOf(other)).toBe(green);
    expect(await pixelsOf(chartOf(card), "--down")).toBeGreaterThan(10);
    expect(await page.title()).toBe("(1) Monitor");
    await page.getByRole("log").getByText("target 0 is down").waitFor({ state: "attached" });
    await eventually(async () => expect(await taskOf(page, "target 0")).toBeGreaterThan(before));
    expect(await card.getByRole("img").getAttribute("aria-label")).toMatch(
      /^target 0: from .* ms to .* ms in the last \d+ checks, \d+ of them failed$/,
    );

    sites[0]!.answer = (_, response) => response.end();

    await card.getByText("● up").waitFor();
    expect(await borderOf(card)).toBe(green);
    await page.waitForFunction(() => document.title === "Monitor");
    expect(Number(await card.locator(".restarts").innerText())).toBeGreaterThan(2);
    expect(await other.locator(".restarts").innerText()).toBe("0");
    expect(problems).toEqual([]);
  });

  it("shows names as text", async () => {
    const { url } = await openSite();
    const name = "<b>bold</b><script>document.title = 'taken'</script>";
    const { web } = await openStage(configOf([httpTarget(name, url)]));
    const { page } = await openPage({ width: 960, height: 700 });

    await page.goto(web.url);

    await page.getByRole("heading", { name, exact: true }).waitFor();
    await page.getByRole("cell", { name: `ProbeService:probes:${name}`, exact: true }).waitFor();
    expect(await page.title()).toBe("Monitor");
  });

  it("comes back by itself when the server does, with the history of before", async () => {
    const database = path.join(await temporaryDirectory(), "monitor.db");
    const site = await openSite();
    const config = configOf([targetOf(site, 0)]);
    const first = await openStage(config, { database });
    const { page } = await openPage({ width: 960, height: 700 });
    await page.goto(first.web.url);
    const card = cardOf(page, "target 0");
    await card.getByText("● up").waitFor();

    await first.stop();
    await page.getByText("no connection, trying again").waitFor();
    const last = (await readHistory(database)).length;
    site.answer = (_, response) => response.writeHead(404).end();
    const port = Number(new URL(first.web.url).port);
    await openStage(config, { database, port });

    await page.getByText("live", { exact: true }).waitFor();
    await card.getByText("▲ down").waitFor();
    await card.getByText(/^status 404, expected 200/).waitFor();
    expect(Number(await card.locator("[data-points]").getAttribute("data-points"))).toBe(Math.min(last, 119));
    expect(await page.getByRole("article").count()).toBe(1);
  });

  it("fits a phone, in the light and in the dark, and whoever cannot see it", async () => {
    const answerAfter =
      (ms: number, status: number): RequestListener =>
      (_, response) =>
        setTimeout(() => response.writeHead(status).end(), ms);
    const [home, album, database] = await Promise.all([
      openSite(answerAfter(40, 200)),
      openSite(answerAfter(150, 503)),
      openSite(),
    ]);
    const names = ["home page", "photo album", "database", "disk"] as const;
    const targets: Target[] = [
      httpTarget(names[0], home.url, { every: 1_000 }),
      httpTarget(names[1], album.url),
      { kind: "tcp", name: names[2], host: "127.0.0.1", port: database.port, every: 1_000, timeout: 5_000 },
      { kind: "disk", name: names[3], path: "/", max: 100, every: 1_000, timeout: 5_000 },
      httpTarget(
        "a name that is much too long to stand in a single line of a telephone",
        `${home.url}${"a-very-long-path/".repeat(8)}`,
        { every: 1_000 },
      ),
    ];
    const { web, history } = await openStage(configOf(targets, { backoff: { initial: 4_000, max: 60_000 } }));
    // An hour of the past.
    for (let minute = 60; minute > 0; minute--) {
      const wave = 1 + 0.2 * Math.sin(minute / 5) + 0.1 * Math.sin(minute * 7);
      const values = { "home page": 40, "photo album": 150, database: 1, disk: 43 };
      for (const name of names) {
        const failed = name === "photo album" && minute % 29 < 3;
        await history.record({
          target: name,
          at: Date.now() - minute * 60_000,
          value: name === "disk" ? 44 - minute / 40 : values[name] * wave,
          failure: failed ? "status 503, expected 200" : null,
          attempt: failed ? 3 - (minute % 29) : 0,
        });
      }
    }
    const { page } = await openPage({ width: 960, height: 700 });
    await page.emulateMedia({ colorScheme: "light" });
    await page.goto(web.url);
    await cardOf(page, "photo album").getByText("▲ down").waitFor();
    await cardOf(page, "home page").getByText("● up").waitFor();
    expect(await pixelsOf(chartOf(cardOf(page, "home page")), "--accent")).toBeGreaterThan(100);
    await picture(page, "page.png");
    expect(await flawsOf(page)).toEqual([]);

    await page.setViewportSize({ width: 375, height: 812 });
    await page.emulateMedia({ colorScheme: "dark" });

    for (const card of await page.getByRole("article").all()) {
      const chart = card.locator("canvas");
      await page.waitForFunction((canvas) => canvas.clientWidth < 340, await chart.elementHandle());
    }
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(375);
    // In the colours of the night.
    expect(await pixelsOf(chartOf(cardOf(page, "home page")), "--accent")).toBeGreaterThan(100);
    expect(await flawsOf(page)).toEqual([]);
    await picture(page, "phone.png");
  });
});

function targetOf({ url }: Site, index: number): Target {
  return httpTarget(`target ${index}`, url, { every: 20 });
}

async function readHistory(database: string): Promise<readonly unknown[]> {
  const { default: Database } = await import("libsql");
  const history = new Database(database);
  try {
    return history.prepare("SELECT id FROM monitor_checks").all();
  } finally {
    history.close();
  }
}

function cardOf(page: Page, name: string): Locator {
  return page.getByRole("article", { name, exact: true });
}

/** The number of the task that probes a target: of the newest, if the loop has not looked at the one before yet. */
async function taskOf(page: Page, name: string): Promise<number> {
  const rows = page.getByRole("row", { name: new RegExp(`ProbeService:probes:${name} `) });
  return Math.max(...(await rows.locator("td:nth-child(2)").allInnerTexts()).map(Number));
}

function borderOf(card: Locator): Promise<string> {
  return card.evaluate((element) => getComputedStyle(element).borderLeftColor);
}

function chartOf(card: Locator): Locator {
  return card.locator("canvas");
}

/** What axe finds wrong. */
async function flawsOf(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}

async function picture(page: Page, name: string): Promise<void> {
  if (screenshots === undefined) return;
  mkdirSync(screenshots, { recursive: true });
  await page.screenshot({ path: path.join(screenshots, name) });
}
