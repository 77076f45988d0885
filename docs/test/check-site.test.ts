import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";

import { temporaryDirectory } from "@scope/test-utils/node";
import { describe, expect, it } from "vitest";

import { checkSite } from "../.vitepress/check-site.ts";

/** A site of one page, `guide/core`, below `/scope/`. */
async function check(html: string): Promise<void> {
  const folder = await temporaryDirectory();
  await mkdir(path.join(folder, "guide"));
  await writeFile(path.join(folder, "index.html"), '<h1 id="top">Home</h1>');
  await writeFile(path.join(folder, "logo.svg"), "<svg />");
  await writeFile(path.join(folder, "guide", "core.html"), html);
  checkSite(folder, "/scope/");
}

describe("checkSite", () => {
  it("accepts links to pages, anchors and files that are there, and to other sites", async () => {
    const links = [
      "/scope/",
      "/scope/#top",
      "core#here",
      "/scope/guide/core",
      "/scope/logo.svg",
      "https://a.org",
    ];
    const anchors = links.map((href) => `<a href="${href}">x</a>`).join("");
    await check(`<h2 id="here">Here</h2>${anchors}<img src="/scope/logo.svg"><script src="./x.js"></script>`);
  });

  it.each([
    ['<a href="/scope/gone">x</a>', "/scope/gone: no such page"],
    ['<a href="/scope/#gone">x</a>', "/scope/#gone: no such anchor"],
    ['<a class="b" href="#gone">x</a>', "#gone: no such anchor"],
    ['<a href="/guide/core">x</a>', "/guide/core: leaves the site"],
    ['<img src="/logo.svg">', "loads /logo.svg: no such file"],
    ['<script async src="https://a.org/x.js"></script>', "loads https://a.org/x.js from elsewhere"],
    ['<link rel="preload" href="//a.org/font.woff2">', "loads //a.org/font.woff2 from elsewhere"],
  ])("refuses %s", async (html, problem) => {
    await expect(check(html)).rejects.toThrow(`guide/core.html: ${problem}`);
  });
});
