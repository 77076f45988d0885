import type { Locator, Page, ViewportSize } from "playwright";
import { onTestFinished } from "vitest";

import { chromiumOptions } from "./chromium.ts";

/** An empty page in a Chromium that ends with the test; `problems` are its errors, and all that it writes to the console. */
export async function openPage(
  viewport: ViewportSize,
): Promise<{ readonly page: Page; readonly problems: readonly string[] }> {
  const { chromium } = await import("playwright");
  const browser = await chromium.launch(chromiumOptions());
  onTestFinished(() => browser.close());
  // Not a page of the browser, which axe cannot look at.
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => problems.push(message.text()));
  return { page, problems };
}

/** How many pixels of a canvas have the colour of this CSS variable, which is what a line or a point consists of. */
export function pixelsOf(canvas: Locator, variable: string): Promise<number> {
  return canvas.evaluate((element, variable) => {
    const canvas = element as HTMLCanvasElement;
    const copy = document.createElement("canvas");
    copy.width = canvas.width;
    copy.height = canvas.height;
    const context = copy.getContext("2d", { willReadFrequently: true })!;
    context.drawImage(canvas, 0, 0);
    const probe = document.createElement("i");
    probe.style.color = `var(${variable})`;
    canvas.after(probe);
    const wanted = getComputedStyle(probe).color.match(/\d+/g)!.map(Number);
    probe.remove();
    const { data } = context.getImageData(0, 0, copy.width, copy.height);
    let pixels = 0;
    for (let at = 0; at < data.length; at += 4) {
      if (data[at + 3] === 255 && wanted.every((value, index) => data[at + index] === value)) pixels++;
    }
    return pixels;
  }, variable);
}
