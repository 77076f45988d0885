/**
 * How fluent the page stays: its frames and its longest task while very many tasks live and very much happens. Run it with
 * `node --conditions=@scope/source --import tsx packages/inspect/bench/page.ts [tasks] [events per second] [seconds]`.
 */
import { chromium } from "playwright";

import { chromiumOptions } from "../../test-utils/src/chromium.ts";
import { buildPage } from "../build-page.ts";
import { serveWeb } from "../src/web.ts";
import { Fake } from "../test/fake.ts";

const [live = 10_000, rate = 1_000, seconds = 10] = process.argv.slice(2).map(Number);

interface Figures {
  frames: number;
  tasks: number[];
}

await using server = await serveWeb(new Fake({ live, rate, perScope: 50 }), { script: await buildPage() });
await using browser = await chromium.launch(chromiumOptions());
const page = await browser.newPage({ viewport: { width: 1200, height: 760 } });
// tsx marks functions with it.
await page.addInitScript("globalThis.__name = (value) => value");
await page.goto(server.url);
await page.getByText(`${live.toLocaleString("en")} tasks`).waitFor();
// After the first load.
await page.waitForTimeout(3_000);
const figures = await page.evaluate(async (ms) => {
  const found: Figures = { frames: 0, tasks: [] };
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) found.tasks.push(Math.round(duration));
  });
  observer.observe({ type: "longtask" });
  const count = (): void => {
    found.frames++;
    requestAnimationFrame(count);
  };
  requestAnimationFrame(count);
  const end = performance.now() + ms;
  // As somebody who looks through it.
  const tree = document.querySelector("main")!.lastElementChild!.shadowRoot!.querySelector("[role=tree]")!;
  while (performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    tree.scrollTop += 300;
  }
  observer.disconnect();
  return found;
}, seconds * 1_000);
const elements = await page.locator(".view").evaluate((view) => view.querySelectorAll("*").length);
const marks = await page.getByRole("application").getAttribute("data-marks");

console.log(`${live} tasks live, ${rate} events/s, for ${seconds} s`);
console.log(`frames per second   ${(figures.frames / seconds).toFixed(1)}`);
console.log(`tasks over 50 ms    ${figures.tasks.length}, the longest ${Math.max(0, ...figures.tasks)} ms`);
console.log(`elements, strokes   ${elements}, ${String(marks)}`);
