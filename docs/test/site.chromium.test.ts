import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";

import { AxeBuilder } from "@axe-core/playwright";
import { openPage } from "@scope/test-utils/node";
import type { Page } from "playwright";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { type Site, dist, serveSite } from "./site.ts";

let site: Site;

beforeAll(async () => {
  site = await serveSite();
});

afterAll(() => site.close());

/** Opens a page of the site. `outside` gets every request that leaves it. */
async function open(address: string, width = 1_280): Promise<Opened> {
  const { page, problems } = await openPage({ width, height: 900 });
  const outside: string[] = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(site.url)) outside.push(request.url());
  });
  await page.goto(site.url + address);
  return { page, problems, outside };
}

interface Opened {
  readonly page: Page;
  readonly problems: readonly string[];
  readonly outside: readonly string[];
}

/** Every page but those of the API reference, which are made by one template. */
const pages = [
  ...readdirSync(dist, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".html") && !name.startsWith("api/") && name !== "404.html")
    .map((name) => `/${name.replace(/(index)?\.html$/, "")}`),
  "/api/",
  "/api/@scope/core/",
  "/api/@scope/core/classes/Task",
];

/** One page of each kind; `SITE_FULL=1` looks at all. */
const samples =
  process.env["SITE_FULL"] === "1"
    ? pages
    : [
        "/",
        "/which-one",
        "/guide/taskgroup",
        "/packages/supervisor",
        "/recipes/react-vue",
        "/from-p-limit",
        "/playground",
        "/api/@scope/core/classes/Task",
      ];

describe("the pages", { timeout: 600_000 }, () => {
  it("pass the checks of axe, light and dark", async () => {
    const { page, problems, outside } = await open("/");
    const found: string[] = [];
    // The other mode opens another page for each result: there are no frames of other origins here.
    const axe = (): AxeBuilder => new AxeBuilder({ page }).setLegacyMode();
    const look = async (where: string, builder: AxeBuilder): Promise<void> => {
      for (const { id, nodes } of (await builder.analyze()).violations) {
        found.push(`${where}: ${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(" | ")}`);
      }
    };
    for (const address of samples) {
      await page.emulateMedia({ colorScheme: "light" });
      await page.goto(site.url + address);
      await page.locator("#app h1").first().waitFor();
      if (address === "/playground") {
        await page.getByLabel("Program", { exact: true }).waitFor();
        await page.getByRole("button", { name: "Run" }).click();
        await page.locator("[data-state=ended]").waitFor();
      }
      await look(address, axe());
      // Only the colours differ.
      await page.emulateMedia({ colorScheme: "dark" });
      await page.locator("html.dark").waitFor();
      await look(`${address} in the dark`, axe().withRules("color-contrast"));
    }
    expect(found).toEqual([]);
    expect(problems).toEqual([]);
    expect(outside).toEqual([]);
  });

  it("fit on a phone", async () => {
    const { page } = await open("/", 360);
    const tooWide: string[] = [];
    for (const address of pages) {
      await page.goto(site.url + address, { waitUntil: "domcontentloaded" });
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      if (width > 360) tooWide.push(`${address}: ${width}`);
    }
    expect(tooWide).toEqual([]);
  });
});

describe("the search", () => {
  it("finds a heading without asking anybody", async () => {
    const { page, problems, outside } = await open("/start");

    await page.getByRole("button", { name: "Search" }).click();
    await page.getByRole("searchbox").fill("shielding");
    await page.getByRole("option").filter({ hasText: "Shielding" }).first().click();

    await page.getByRole("heading", { name: "Shielding" }).waitFor();
    expect(new URL(page.url()).pathname).toBe("/guide/core");
    expect(problems).toEqual([]);
    expect(outside).toEqual([]);
  });
});

describe("llms.txt", () => {
  it("names files that are there", async () => {
    const { page } = await open("/");
    const text = await (await page.request.get(`${site.url}/llms.txt`)).text();
    const links = Array.from(text.matchAll(/\]\(([^)]+)\)/g), ([, link = ""]) => link);
    expect(links.length).toBeGreaterThan(20);
    for (const link of links) expect((await page.request.get(site.url + link)).status(), link).toBe(200);
  });
});

describe("the playground", () => {
  const folder = path.join(import.meta.dirname, "..", ".vitepress", "theme", "playground", "examples");
  const examples = readdirSync(folder)
    .filter((name) => !name.endsWith(".d.ts"))
    .map((name) => {
      const text = readFileSync(path.join(folder, name), "utf8");
      const [program = "", output = ""] = text.split("// Output:\n");
      const [title = ""] = program.split("\n", 1);
      return { title: title.replace("// ", ""), output: output.replace(/^\/\/ ?/gm, "").trim() };
    });
  const endless = "A loop that never ends: only Stop ends it";

  async function openPlayground(fragment = ""): Promise<Opened & Playground> {
    const opened = await open(`/playground${fragment}`);
    const { page } = opened;
    await page.getByLabel("Program", { exact: true }).waitFor();
    const output = page.getByRole("log");
    return {
      ...opened,
      state: (state) => page.locator(`[data-state=${state}]`).waitFor(),
      write: async (code) => page.getByLabel("Program", { exact: true }).fill(code),
      choose: async (title) => void (await page.getByLabel("Example").selectOption(title)),
      press: (name) => page.getByRole("button", { name, exact: true }).click(),
      output: async () => (await output.innerText()).trim(),
    };
  }

  interface Playground {
    state(state: "running" | "ended" | "stopped"): Promise<void>;
    write(code: string): Promise<void>;
    choose(title: string): Promise<void>;
    press(button: "Run" | "Cancel" | "Stop" | "Copy link"): Promise<void>;
    output(): Promise<string>;
  }

  it("runs every example, and each prints what it says", async () => {
    const { choose, press, state, output, problems, outside } = await openPlayground();
    expect(examples.length).toBeGreaterThan(5);
    for (const example of examples) {
      if (example.title === endless) continue;
      await choose(example.title);
      await press("Run");
      await state("ended");
      expect(await output(), example.title).toBe(example.output);
    }
    expect(problems).toEqual([]);
    expect(outside).toEqual([]);
  });

  it("shows the tasks on a time line", async () => {
    const { page, press, state } = await openPlayground();
    await press("Run");
    await page.getByText("4 tasks").or(page.getByText("3 tasks")).first().waitFor();
    await state("ended");
    await page.getByRole("button", { name: "1 failure" }).click();
    await page.getByRole("button", { name: /store.*disk full/ }).waitFor();
  });

  it("ends a loop that never ends, and runs the next program", async () => {
    const { choose, press, state, write, output } = await openPlayground();
    await choose(endless);
    await press("Run");
    await state("running");
    await press("Cancel");
    await press("Stop");
    await state("stopped");

    await write("console.log(1 + 1);");
    await press("Run");
    await state("ended");
    expect(await output()).toBe("2");
  });

  it("asks a program to end through its token", async () => {
    const { press, state, write, output } = await openPlayground();
    await write(`
      import { sleep } from "@scope/core";
      console.log("waits");
      await sleep(Infinity, token).catch((error: unknown) => console.log(String(error)));
    `);
    await press("Run");
    await expect.poll(output).toBe("waits");
    await press("Cancel");
    await state("ended");
    expect(await output()).toBe("waits\nAbortError: cancelled in the playground");
  });

  it("tells errors: of the text, of the program, and of promises that nobody handles", async () => {
    const { press, state, write, output } = await openPlayground();
    const told = async (code: string): Promise<string> => {
      await write(code);
      await press("Run");
      await state("ended");
      return output();
    };
    expect(await told("const = 1;")).toMatch(/^Uncaught SyntaxError: .*\(1:7\)/);
    expect(await told('import "node:fs";')).toMatch(/^Uncaught Error: There is no "node:fs" here/);
    expect(await told('setTimeout(() => { throw new Error("late"); }, 10);')).toBe("Uncaught Error: late");
    expect(await told('void Promise.reject(new Error("lost")); setTimeout(() => {}, 50);')).toBe(
      "Unhandled rejection: Error: lost",
    );
  });

  it("has what there is of guarded without a process", async () => {
    const { press, state, write, output } = await openPlayground();
    await write(`
      import { sleep } from "@scope/core";
      import { runMain, spawn, spawnGuarded } from "@scope/guarded";
      const logger = { error: (text: string) => console.log(text.split("\\n", 1)[0]) };
      await runMain(async (own) => {
        spawn((token) => sleep(60_000, token).finally(() => console.log("metrics: flushed")));
        spawnGuarded(async () => { await sleep(50); throw new Error("no route"); }, { name: "relay", logger });
        await sleep(Infinity, own);
      }, { logger, exit: (code) => console.log("exit", code) });
    `);
    await press("Run");
    await state("ended");
    expect(await output()).toBe(
      [
        "Error: no route",
        'Exception in background task (name="relay"): Error: no route',
        "metrics: flushed",
        "exit 1",
      ].join("\n"),
    );
  });

  it("stays usable when a program prints for ever", async () => {
    const { page, press, state, write } = await openPlayground();
    await write('for (let n = 0; ; n++) console.log("line", n);');
    await press("Run");
    await page.getByText("whatever is printed after").waitFor();
    await press("Stop");
    await state("stopped");
  });

  it("puts a program into a link, and takes it out again", async () => {
    const { page, press, write } = await openPlayground();
    const code = 'console.log("déjà vu", "✓".repeat(3));';
    await write(code);
    await press("Copy link");
    await page.waitForURL(/#code=/);

    const other = await openPlayground(new URL(page.url()).hash);
    await other.press("Run");
    await other.state("ended");
    expect(await other.output()).toBe("déjà vu ✓✓✓");
  });
});
