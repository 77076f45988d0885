import type { Page, ViewportSize } from "playwright";
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
