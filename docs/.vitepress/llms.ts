/**
 * For readers that are programs (llmstxt.org): `llms.txt` at the site's root says what is where, and each page that it
 * names is there as Markdown.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import type { DefaultTheme } from "vitepress";

import { siteLink, sourceOf } from "./links.ts";
import { docs, packages } from "./packages.ts";

export function writeLlms(outDir: string, base: string, contents: readonly DefaultTheme.SidebarItem[]): void {
  const readme = readFileSync(path.join(docs, "..", "README.md"), "utf8");
  const [, summary = "", promise = ""] = readme.split("\n\n");
  const lines = [
    `# Scope\n\n> ${summary}\n\n${promise.replaceAll("\n", " ")} All durations are milliseconds.`,
  ];
  const files = new Map<string, string>();
  for (const { text = "", items = [] } of contents) {
    const entries = items.flatMap(({ text = "", link = "" }) => {
      const page = link.endsWith("/") ? `${link.slice(1)}index.md` : `${link.slice(1)}.md`;
      files.set(page, readFileSync(sourceOf(page), "utf8"));
      return `- [${text}](${base}${page})`;
    });
    lines.push(`## ${text}\n\n${entries.join("\n")}`);
  }
  const apis = packages().filter(({ folder }) => existsSync(path.join(folder, "API.md")));
  for (const { name, folder } of apis) {
    files.set(`packages/${name}/API.md`, readFileSync(path.join(folder, "API.md"), "utf8"));
  }
  if (apis.length > 0) {
    const entries = apis.map(({ name }) => `- [@scope/${name}](${base}packages/${name}/API.md)`);
    lines.push(`## Every export on one page\n\n${entries.join("\n")}`);
  }
  for (const [file, text] of files) {
    const target = path.join(outDir, file);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, withSiteLinks(text, file, base));
  }
  writeFileSync(path.join(outDir, "llms.txt"), `${lines.join("\n\n")}\n`);
}

function withSiteLinks(text: string, page: string, base: string): string {
  if (page.endsWith("API.md")) return text;
  return text.replace(/\]\(([^)\s]+)\)/g, (_, href: string) => {
    const link = siteLink(href, page);
    return `](${link.startsWith("/") ? base.slice(0, -1) : ""}${link})`;
  });
}
