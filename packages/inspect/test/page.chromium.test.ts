import { mkdirSync } from "node:fs";
import path from "node:path";

import { AxeBuilder } from "@axe-core/playwright";
import { type Task, TaskScope, sleep } from "@scope/core";
import { Supervisor } from "@scope/supervisor";
import { Deferred } from "@scope/test-utils";
import { eventually, openPage, pixelsOf } from "@scope/test-utils/node";
import type { Locator, Page } from "playwright";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";

import { buildPage } from "../build-page.ts";
import { inspect } from "../src/index.ts";
import type { Inspected } from "../src/types.ts";
import { type WebServer, serveWeb } from "../src/web.ts";
import { Fake } from "./fake.ts";

/** A directory for pictures of the page, if anybody wants them. */
const screenshots = process.env["SCREENSHOTS"];

let script = "";
beforeAll(async () => {
  script = await buildPage();
});

interface Stage {
  readonly page: Page;
  readonly problems: readonly string[];
  readonly server: WebServer;
  /** Where the page has asked for anything. */
  readonly asked: ReadonlySet<string>;
}

async function open(inspected: Inspected, size = { width: 1200, height: 760 }): Promise<Stage> {
  const server = await serveWeb(inspected, { script });
  onTestFinished(() => server.close());
  const { page, problems } = await openPage(size);
  const asked = new Set<string>();
  page.on("request", (request) => asked.add(new URL(request.url()).origin));
  await page.goto(server.url);
  return { page, problems, server, asked };
}

/** A program of this process, that ends with the test. */
function openProgram(): { readonly inspected: Inspected; readonly app: TaskScope } {
  const inspected = inspect({ waits: true, sites: true });
  const app = new TaskScope({ name: "app", onError: "ignore" });
  onTestFinished(async () => {
    await app.stop();
    await inspected[Symbol.asyncDispose]();
  });
  return { inspected, app };
}

function row(page: Page, name: string): Locator {
  return page.getByRole("treeitem").filter({ has: page.getByText(name, { exact: true }) });
}

function canvasOf(page: Page): Locator {
  return page.getByRole("application", { name: "Timeline of tasks" });
}

async function rowsOf(page: Page): Promise<number> {
  return Number(await canvasOf(page).getAttribute("data-rows"));
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

describe("the tree", () => {
  it("shows who lives, in which state, waiting for what, asked to end by whom", async () => {
    const { inspected, app } = openProgram();
    const held = new Deferred();
    app.spawn((token) => sleep(Infinity, token), { name: "idle" });
    const stubborn = app.spawn(() => held.promise, { name: "stubborn" });
    app.spawn(
      (token) =>
        TaskScope.run(
          async (scope) => {
            for (const name of ["first", "second", "third"]) {
              scope.spawn((token) => sleep(60_000, token), { name });
            }
          },
          { name: "pool", token, concurrency: 1 },
        ),
      { name: "worker" },
    );
    const { page, problems, asked, server } = await open(inspected);

    await row(page, "stubborn").getByText("running").waitFor();
    expect(await row(page, "app").getAttribute("aria-level")).toBe("1");
    expect(await row(page, "pool").getAttribute("aria-level")).toBe("3");
    expect(await row(page, "first").getAttribute("aria-level")).toBe("4");
    await row(page, "first")
      .getByText(/^sleeps, \d+ s left$/)
      .waitFor();
    await row(page, "idle").getByText("waits to be cancelled").waitFor();
    await row(page, "second").getByText("pending").waitFor();
    await row(page, "third").getByText("for a slot, 1 ahead").waitFor();
    stubborn.cancel("the cache is full");
    await row(page, "stubborn").getByText("cancelling").waitFor();
    await row(page, "stubborn").getByText("the cache is full").waitFor();

    await row(page, "stubborn").click();
    const about = page.getByRole("complementary", { name: "Details" });
    await about.getByText(/^explicit at \d\d:/).waitFor();
    await about.getByText(/page\.chromium\.test\.ts:\d+:\d+/).waitFor();
    held.resolve();
    await row(page, "stubborn").waitFor({ state: "detached" });
    // What has been chosen stays.
    await about.getByText(/^(succeeded|cancelled)$/).waitFor();
    await page.keyboard.press("Escape");
    await about.waitFor({ state: "detached" });

    // The key is seen no more, and still works.
    expect(page.url()).toBe(server.url.replace(/#.*/, ""));
    await page.reload();
    await row(page, "idle").waitFor();
    expect([...asked]).toEqual([new URL(server.url).origin]);
    expect(problems).toEqual([]);
  });

  it("names a deadlock, and leads to those who are in it", async () => {
    const { inspected, app } = openProgram();
    const parts: { credit?: Task<unknown> } = {};
    const begin = new Deferred();
    const debit = app.spawn(
      async (token) => {
        await begin.promise;
        await token.race(parts.credit!);
      },
      { name: "debit" },
    );
    parts.credit = app.spawn((token) => token.race(debit), { name: "credit" });
    begin.resolve();
    const { page, problems } = await open(inspected);

    const alert = page.getByRole("alert");
    await alert.waitFor();
    expect((await alert.innerText()).replace(/\s+/g, " ").trim()).toMatch(
      /^Deadlock: (debit waits for credit waits for debit|credit waits for debit waits for credit)\. None of them will ever end\.$/,
    );
    await row(page, "debit").getByText("deadlock").waitFor();
    await page.getByRole("button", { name: "Fold all" }).click();
    await row(page, "credit").waitFor({ state: "detached" });

    await alert.getByRole("button", { name: "credit" }).first().click();

    await row(page, "credit").waitFor();
    expect(await row(page, "credit").getAttribute("aria-selected")).toBe("true");
    const about = page.getByRole("complementary", { name: "Details" });
    await about.getByRole("button", { name: "debit" }).click();
    await about.getByRole("heading", { name: "debit" }).waitFor();
    await page.getByRole("button", { name: /^deadlocked 2/ }).click();
    await eventually(async () => expect(await page.getByRole("treeitem").count()).toBe(3));
    expect(problems).toEqual([]);
  });

  it("is operated by keys, and found through by name", async () => {
    const { page, problems } = await open(new Fake({ live: 40, perScope: 20, rate: 0 }));
    const tree = page.getByRole("tree");
    await tree.waitFor();
    const active = (): Promise<string> =>
      tree.evaluate((element) => {
        const id = element.getAttribute("aria-activedescendant");
        const found = id === null ? null : (element.getRootNode() as ShadowRoot).getElementById(id);
        return found?.querySelector(".name")?.textContent ?? "";
      });
    const press = async (...keys: string[]): Promise<void> => {
      for (const key of keys) await page.keyboard.press(key);
    };

    await tree.focus();
    await press("ArrowDown");
    await eventually(async () => expect(await active()).toBe("batch 1"));
    await press("ArrowLeft");
    await eventually(async () => expect(await page.getByRole("treeitem").count()).toBe(22));
    await press("ArrowDown");
    await eventually(async () => expect(await active()).toBe("batch 2"));
    await press("ArrowRight", "ArrowUp", "ArrowRight", "ArrowRight");
    await eventually(async () => expect(await active()).toMatch(/^[a-z]+ \d+$/));
    await press("ArrowLeft");
    await eventually(async () => expect(await active()).toBe("batch 2"));
    await press("End");
    await eventually(async () => expect(await active()).toBe("resize 41"));
    await press("Home", "PageDown", "Enter");
    await page.getByRole("complementary", { name: "Details" }).waitFor();
    await press("Escape");

    await page.getByLabel("Find scopes and tasks by name").fill("UPLOAD 2");
    await eventually(async () => expect(await page.getByRole("treeitem").count()).toBe(2));
    expect(await page.getByRole("treeitem").last().getAttribute("aria-setsize")).toBe("1");
    await page.getByLabel("Find scopes and tasks by name").fill("nobody");
    await page.getByText("Nothing that lives is like that.").waitFor();
    expect(problems).toEqual([]);
  });

  it("shows names as text", async () => {
    const { inspected, app } = openProgram();
    const name = `<b>bold</b><img src="x" onerror="document.title = 'taken'">`;
    app.spawn((token) => sleep(Infinity, token), { name });
    const { page, problems } = await open(inspected);

    await row(page, name).click();

    await page.getByRole("heading", { name, exact: true }).waitFor();
    expect(await page.title()).toBe("scope-inspect");
    expect(problems).toEqual([]);
  });
});

describe("the timeline", () => {
  it("shows what waits, runs, fails and is started again, with the error of what has failed", async () => {
    const { inspected, app } = openProgram();
    const supervisor = new Supervisor({
      name: "services",
      token: app.token,
      maxRestarts: 1_000,
      onError: "ignore",
    });
    onTestFinished(() => supervisor.stop());
    supervisor.supervise(
      async (token) => {
        await sleep(150, token);
        throw new Error("SMTP 421: try again later");
      },
      { name: "mailer", backoff: { initial: 50, max: 50 } },
    );
    const { page, problems } = await open(inspected);

    await eventually(async () => {
      expect(await pixelsOf(canvasOf(page), "--failed")).toBeGreaterThan(20);
      expect(await pixelsOf(canvasOf(page), "--running")).toBeGreaterThan(20);
    });
    await row(page, "mailer").getByText("restarts").waitFor();
    await page.getByRole("button", { name: /^\d+ failures?$/ }).click();
    await page
      .getByRole("complementary", { name: "Failures" })
      .getByRole("listitem")
      .first()
      .getByRole("button")
      .click();

    const about = page.getByRole("complementary", { name: "Details" });
    await about.getByText("Error: SMTP 421: try again later", { exact: true }).waitFor();
    await about
      .locator("pre")
      .getByText(/page\.chromium\.test\.ts:\d+/)
      .waitFor();
    await about.getByText("failed", { exact: true }).waitFor();
    // The keyboard's attention is on what has taken the list's place, and then on the tree.
    await page.keyboard.press("Escape");
    await about.waitFor({ state: "detached" });
    await eventually(async () =>
      expect(await page.getByRole("tree").evaluate((tree) => tree.matches(":focus"))).toBe(true),
    );
    expect(problems).toEqual([]);
  });

  it("is zoomed, moved, searched and paused", async () => {
    const { page, problems } = await open(new Fake({ live: 40, perScope: 20, rate: 200 }));
    const canvas = canvasOf(page);
    const tools = page.getByRole("group", { name: "Time" });
    const span = tools.locator(".span");
    const now = tools.getByRole("button", { name: "Now" });
    await eventually(async () => expect(await rowsOf(page)).toBeGreaterThan(20));
    expect(await span.innerText()).toBe("30 s");

    await tools.getByRole("button", { name: "Zoom in" }).click();
    await eventually(async () => expect(await span.innerText()).toBe("15 s"));
    await canvas.focus();
    await page.keyboard.press("-");
    await eventually(async () => expect(await span.innerText()).toBe("30 s"));
    await canvas.hover();
    await page.keyboard.down("Control");
    await page.mouse.wheel(0, -100);
    await page.keyboard.up("Control");
    await eventually(async () => expect(await span.innerText()).not.toBe("30 s"));

    expect(await now.isDisabled()).toBe(true);
    await page.keyboard.press("ArrowLeft");
    await eventually(async () => expect(await now.isDisabled()).toBe(false));
    await now.click();
    await eventually(async () => expect(await now.isDisabled()).toBe(true));
    const box = (await canvas.boundingBox())!;
    await page.mouse.move(box.x + 300, box.y + 80);
    await page.mouse.down();
    await page.mouse.move(box.x + 500, box.y + 80, { steps: 4 });
    await page.mouse.up();
    await eventually(async () => expect(await now.isDisabled()).toBe(false));
    await now.click();

    await page.getByLabel("Find tasks of the timeline by name").fill("upload");
    const all = await eventually(async () => {
      const found = await rowsOf(page);
      expect(found).toBeLessThan(40);
      expect(found).toBeGreaterThan(0);
      return found;
    });
    expect(all).toBeGreaterThan(0);
    await page.getByLabel("Find tasks of the timeline by name").fill("nobody is called that");
    await eventually(async () => expect(await rowsOf(page)).toBe(0));
    await page.getByLabel("Find tasks of the timeline by name").fill("");
    const filters = page.getByRole("region", { name: "Timeline" }).getByRole("group", { name: "Show only" });
    await filters.getByRole("button", { name: "restarted" }).click();
    await eventually(async () => expect(await pixelsOf(canvasOf(page), "--running")).toBeGreaterThan(0));
    await filters.getByRole("button", { name: "restarted" }).click();

    await canvas.focus();
    await page.keyboard.press(" ");
    await page.getByText("paused", { exact: true }).waitFor();
    const names = (): Promise<string[]> => page.locator("[role=treeitem] .name").allInnerTexts();
    const held = await names();
    const pixels = (): Promise<string> =>
      canvas.evaluate((element) => (element as HTMLCanvasElement).toDataURL());
    // Things go on meanwhile.
    const failures = page.getByRole("button", { name: /failures?$/ });
    const oneMore = async (): Promise<void> => {
      const before = await failures.innerText();
      await eventually(async () => expect(await failures.innerText()).not.toBe(before));
    };
    // What happened before the pause may be on its way; what comes later is not shown.
    await oneMore();
    const still = await pixels();
    await oneMore();
    expect(await names()).toEqual(held);
    expect((await pixels()) === still).toBe(true);
    await tools.getByRole("button", { name: "Resume" }).click();
    await eventually(async () => expect(await names()).not.toEqual(held));
    expect(problems).toEqual([]);
  });

  it("tells by keys and by pointing what there is to see", async () => {
    const { page, problems } = await open(new Fake({ live: 20, perScope: 20, rate: 100 }));
    const canvas = canvasOf(page);
    const said = page.getByRole("region", { name: "Timeline" }).getByRole("status");
    await eventually(async () => expect(await rowsOf(page)).toBe(21));

    await canvas.focus();
    await page.keyboard.press("ArrowDown");
    await eventually(async () => expect(await said.innerText()).toMatch(/^batch 1: open/));
    await page.keyboard.press("ArrowDown");
    await eventually(async () => expect(await said.innerText()).toMatch(/^[a-z]+ \d+: running/));
    const last = await said.innerText();
    await page.keyboard.press(",");
    await eventually(async () => expect(await said.innerText()).not.toBe(last));
    const word = /^[a-z]+ \d+/.exec(await said.innerText())![0];
    await page.keyboard.press("Enter");
    const about = page.getByRole("complementary", { name: "Details" });
    await about.getByRole("heading", { name: word }).waitFor();
    await page.keyboard.press("Escape");
    await about.waitFor({ state: "detached" });

    await page.keyboard.press(" ");
    const box = (await canvas.boundingBox())!;
    const x = box.x + box.width * 0.98 - 8;
    await page.mouse.move(x, box.y + 22 + 30);
    const tip = page.locator(".tip");
    await tip.waitFor();
    const name = /^[a-z]+ \d+/.exec((await tip.innerText()).trim())![0];
    await page.mouse.click(x, box.y + 22 + 30);
    await about.getByRole("heading", { name }).waitFor();
    expect(problems).toEqual([]);
  });
});

describe("ten thousand tasks", () => {
  it("cost as many elements and strokes as are in sight", async () => {
    const { page, problems } = await open(new Fake({ live: 10_000, perScope: 50, rate: 1_000 }));
    await page.getByText("10,000 tasks").waitFor();
    const elements = (): Promise<number> =>
      page.locator(".view").evaluate((view) => view.querySelectorAll("*").length);
    const marks = async (): Promise<number> => Number(await canvasOf(page).getAttribute("data-marks"));
    await eventually(async () => expect(await rowsOf(page)).toBeGreaterThan(10_000));
    const { height } = (await canvasOf(page).boundingBox())!;
    const inSight = Math.ceil(height / 20) + 1;

    expect(await page.getByRole("treeitem").count()).toBeLessThan(40);
    expect(await elements()).toBeLessThan(700);
    // One bar per row, and those that have ended before it.
    expect(await marks()).toBeLessThan(inSight * 20);
    const tree = page.getByRole("tree");
    expect(await tree.getAttribute("aria-label")).toBe("Scopes and tasks: 10,200 rows");
    await tree.evaluate((element) => (element.scrollTop = element.scrollHeight / 2));
    await eventually(async () => {
      const names = await page.locator("[role=treeitem] .name.scope").allInnerTexts();
      expect(names.some((name) => /^batch (9\d|10\d)$/.test(name))).toBe(true);
    });
    expect(await elements()).toBeLessThan(700);
    await canvasOf(page).focus();
    for (let times = 0; times < 8; times++) await page.keyboard.press("-");
    await eventually(async () => expect(await page.locator(".span").innerText()).toBe("1 h"));
    // However much has happened: a bar per pixel at most.
    expect(await marks()).toBeLessThan(inSight * 50);
    expect(problems).toEqual([]);
  });
});

describe("whoever looks", () => {
  it("sees it by day and by night, on a telephone, and with a screen reader", async () => {
    const { inspected, app } = openProgram();
    const begin = new Deferred();
    const parts: { b?: Task<unknown> } = {};
    const a = app.spawn((token) => begin.promise.then(() => token.race(parts.b!)), {
      name: "a task with a name that is much too long for a telephone, and then some more of it",
    });
    parts.b = app.spawn((token) => token.race(a), { name: "b" });
    begin.resolve();
    app.spawn(() => Promise.reject(new Error("no route")), { name: "upload" });
    const { page, problems } = await open(inspected);
    await page.getByRole("alert").waitFor();
    await page.getByText("1 failure", { exact: true }).waitFor();
    const background = (): Promise<string> =>
      page.locator(".view").evaluate((view) => getComputedStyle(view).backgroundColor);

    const seen = new Set<string>();
    for (const size of [
      { width: 1200, height: 760 },
      { width: 375, height: 812 },
    ]) {
      await page.setViewportSize(size);
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        expect(await flawsOf(page)).toEqual([]);
        await picture(page, `${size.width}-${colorScheme}.png`);
        seen.add(await background());
        await row(page, "b").click();
        await page.getByRole("complementary", { name: "Details" }).waitFor();
        expect(await flawsOf(page)).toEqual([]);
        await picture(page, `${size.width}-${colorScheme}-details.png`);
        await page.getByRole("button", { name: "Close details" }).click();
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(size.width);
      }
    }
    expect(seen.size).toBe(2);
    await page.getByRole("button", { name: "1 failure" }).click();
    await page.getByRole("complementary", { name: "Failures" }).waitFor();
    expect(await flawsOf(page)).toEqual([]);
    expect(problems).toEqual([]);
  });

  it("is told that the program has ended, and keeps what was seen", async () => {
    const fake = new Fake({ live: 5 });
    const { page, problems } = await open(fake);
    await page.getByText("live", { exact: true }).waitFor();
    await page.getByText("5 tasks").waitFor();

    fake.end = new Error("process 4711 has ended");

    await page
      .getByText(/^ended at \d\d:\d\d:\d\d: this is what was seen last \(process 4711 has ended\)$/)
      .waitFor();
    expect(await page.getByRole("treeitem").count()).toBe(6);
    await page.getByRole("treeitem").last().click();
    await page.getByRole("complementary", { name: "Details" }).waitFor();
    expect(await flawsOf(page)).toEqual([]);
    expect(problems).toEqual([]);
  });

  it("is told that the server is gone, and what to do without a key", async () => {
    const { page, server } = await open(new Fake({ live: 5 }));
    await page.getByText("live", { exact: true }).waitFor();
    const other = await serveWeb(new Fake(), { script });
    onTestFinished(() => other.close());
    const stranger = await page.context().newPage();
    await stranger.goto(other.url.replace(/#.*/, ""));
    await stranger
      .getByText("open the address that scope-inspect has printed: it carries the key", { exact: true })
      .waitFor();

    await server.close();

    await page.getByText(/^no connection, trying again/).waitFor();
    expect(await page.getByRole("treeitem").count()).toBe(6);
  });
});

describe("a page of one's own", () => {
  it("shows a program that runs in it, however strict it is", async () => {
    const embedded = await buildPage("../test/embedded.ts");
    const { page, problems } = await openPage({ width: 900, height: 800 });
    await page.route("https://playground.test/**", async (route) => {
      const isScript = route.request().url().endsWith(".js");
      await route.fulfill({
        contentType: isScript ? "text/javascript" : "text/html",
        headers: {
          "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:",
        },
        body: isScript
          ? embedded
          : '<!doctype html><html lang="en"><title>x</title><link rel="icon" href="data:,"><div></div><div></div><script type="module" src="a.js"></script></html>',
      });
    });
    await page.goto("https://playground.test/");
    await page.waitForFunction(() => "views" in window);
    await page.evaluate(() => {
      for (const element of document.querySelectorAll("div")) element.style.height = "380px";
      const { spawn, fail } = window as unknown as Record<string, (name: string) => void>;
      spawn!("visitor");
      fail!("accident");
    });

    await row(page, "visitor").waitFor();
    const [whole, part] = await page.locator(".view").all();
    await whole!.getByRole("button", { name: "1 failure" }).waitFor();
    await part!.getByRole("button", { name: "1 failure" }).click();
    await part!.getByRole("listitem").getByText("Error: accident has failed").waitFor();
    expect(await part!.getByRole("tree").count()).toBe(0);
    expect(await part!.locator(".span").innerText()).toBe("5.0 s");
    expect(await whole!.locator(".span").innerText()).toBe("30 s");
    expect(await page.evaluate(() => (window as unknown as { bad: string[] }).bad)).toEqual([
      "RangeError: Expected span to be a number from 20 to 3600000, got 1",
      "RangeError: Expected span to be a number from 20 to 3600000, got NaN",
      "TypeError: Expected element to be an Element, got #first",
    ]);
    const colour = (): Promise<string> => whole!.evaluate((view) => getComputedStyle(view).backgroundColor);
    const day = await colour();
    await page.evaluate(() => (document.documentElement.style.colorScheme = "dark"));
    expect(await colour()).not.toBe(day);
    await page.evaluate(() => {
      for (const view of (window as unknown as { views: { dispose(): void }[] }).views) view.dispose();
    });
    expect(await page.locator(".view").count()).toBe(0);
    expect(problems).toEqual([]);
  });
});
