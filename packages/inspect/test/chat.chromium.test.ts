import { mkdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { Program, eventually, openPage, tsx } from "@scope/test-utils/node";
import type { Page } from "playwright";
import { describe, expect, it, onTestFinished } from "vitest";

import { ChatClient } from "../../../examples/chat/src/chat-client.ts";
import { buildPage } from "../build-page.ts";
import { serveWeb } from "../src/web.ts";
import { buildOnce, openStage, registered } from "./processes.ts";

/** A directory for the pictures of the README, if they are to be taken. */
const screenshots = process.env["SCREENSHOTS"];
const main = fileURLToPath(new URL("../../../examples/chat/src/main.ts", import.meta.url));
const options = ["--port", "0", "--announce-every", "400ms", "--bugs"];
const names = ["Ada", "Barbara", "Edsger", "Grace", "Leslie", "Niklaus", "Robin", "Tony"];

buildOnce();

describe("the page of a chat server that runs", () => {
  it("shows every connection, what fails and what is started again, and stays when the server is killed", async () => {
    const stage = await openStage();
    const words = [process.execPath, "--conditions=@scope/source", ...tsx, ...registered(), main, ...options];
    const program = new Program(words, { env: { ...stage.env, SCOPE_DEBUG: "1" } });
    const url = (await program.printed(/^chat: (http:.*)$/m))[1]!;
    const inspected = await stage.connect(program.process.pid!);
    onTestFinished(() => inspected[Symbol.asyncDispose]());
    const server = await serveWeb(inspected, { script: await buildPage() });
    onTestFinished(() => server.close());
    const { page, problems } = await openPage({ width: 1120, height: 700 });
    await page.goto(server.url);
    await page.getByText("live", { exact: true }).waitFor();

    const clients = await Promise.all(names.map(() => ChatClient.connect(url)));
    for (const [index, client] of clients.entries()) client.say(`/nick ${names[index]!}`);
    const tasks = page.getByRole("treeitem").filter({ hasText: /connection|guest|127\.0\.0\.1/ });
    await eventually(async () => expect(await tasks.count()).toBeGreaterThanOrEqual(names.length));
    // They talk, and now and then somebody trips over a command.
    for (let round = 0; round < 12; round++) {
      const speaker = clients[round % 6]!;
      speaker.say(`the ${round}th thing to say`);
      await clients[7]!.received("said", ({ text }) => text.startsWith(`the ${round}th`));
      if (round % 4 === 3) {
        const visitor = await ChatClient.connect(url);
        visitor.say("/crash");
        await visitor.closed;
        if (screenshots !== undefined) await page.waitForTimeout(2_000);
      }
    }
    clients[6]!.say("/hang");
    await page
      .getByRole("treeitem")
      .filter({ hasText: "announcer" })
      .filter({ hasText: "restarts" })
      .waitFor();
    await page.getByRole("button", { name: /^([4-9]|\d\d+) failures$/ }).waitFor();
    if (screenshots !== undefined) await page.getByRole("button", { name: "Zoom in" }).click();
    await take(page, "page");

    await page.getByRole("button", { name: /failures$/ }).click();
    await page
      .getByRole("complementary", { name: "Failures" })
      .getByRole("button")
      .filter({ hasText: "thread" })
      .first()
      .click();
    const about = page.getByRole("complementary", { name: "Details" });
    await about
      .locator("pre")
      .getByText(/announcer\.ts:\d+:\d+/)
      .waitFor();
    // Where this machine has its files is nobody's business.
    await page.locator("pre").evaluateAll(
      (found, root) => {
        for (const pre of found) pre.textContent = pre.textContent.replaceAll(root, "/srv/scope/");
      },
      fileURLToPath(new URL("../../../", import.meta.url)),
    );
    await take(page, "failure");
    await page.keyboard.press("Escape");
    await page.setViewportSize({ width: 375, height: 760 });
    await take(page, "phone");

    program.kill("SIGKILL");

    await page.getByText(/^ended at .*: this is what was seen last \(process \d+ has ended\)$/).waitFor();
    expect(await tasks.count()).toBeGreaterThan(0);
    expect(problems).toEqual([]);
  });
});

async function take(page: Page, name: string): Promise<void> {
  if (screenshots === undefined) return;
  mkdirSync(screenshots, { recursive: true });
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    // The colours of the timeline follow with its next look at the figures.
    await page.waitForTimeout(500);
    await page.screenshot({ path: path.join(screenshots, `${name}-${colorScheme}.png`) });
  }
}
