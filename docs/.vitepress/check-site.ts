/** What is wrong with the pages that were built: anchors that are not there, and requests to other hosts. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";

/** Throws if a link leads to no page or to no anchor of it, or if a page loads anything from elsewhere. */
export function checkSite(outDir: string, base: string): void {
  const names = readdirSync(outDir, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".html"),
  );
  const pages = new Map(names.map((name) => [name, readFileSync(path.join(outDir, name), "utf8")]));
  const ids = new Map(
    Array.from(pages, ([name, html]) => [
      name,
      new Set(Array.from(html.matchAll(/\sid="([^"]+)"/g), ([, id]) => id)),
    ]),
  );
  const problems: string[] = [];
  for (const [name, html] of pages) {
    for (const [, href = ""] of html.matchAll(/<a\b[^>]*\shref="([^"]*)"/g)) {
      const problem = brokenLink(href.replaceAll("&amp;", "&"), name);
      if (problem !== undefined) problems.push(`${name}: ${href}: ${problem}`);
    }
    for (const [, url = ""] of html.matchAll(/<(?:script|img|iframe|link)\b[^>]*\s(?:src|href)="([^"]*)"/g)) {
      if (/^(https?:)?\/\//.test(url)) problems.push(`${name}: loads ${url} from elsewhere`);
      else if (url.startsWith("/") && !(url.startsWith(base) && isFile(url.slice(base.length)))) {
        problems.push(`${name}: loads ${url}: no such file`);
      }
    }
  }
  if (problems.length > 0) throw new Error(`the site is broken:\n${problems.join("\n")}`);

  function brokenLink(href: string, from: string): string | undefined {
    if (/^[a-z][a-z+.-]*:/i.test(href)) return undefined;
    const url = new URL(href, `site://host${base}${from}`);
    if (!url.pathname.startsWith(base)) return "leaves the site";
    const page = fileOf(decodeURI(url.pathname.slice(base.length)));
    if (page === undefined) return "no such page";
    const anchor = decodeURIComponent(url.hash.slice(1));
    return anchor === "" || ids.get(page)?.has(anchor) !== false ? undefined : "no such anchor";
  }

  function fileOf(target: string): string | undefined {
    const candidates = [target, `${target}.html`, path.posix.join(target, "index.html")];
    return candidates.find((name) => pages.has(name) || (name === target && isFile(name)));
  }

  function isFile(name: string): boolean {
    return name !== "" && existsSync(path.join(outDir, name)) && path.extname(name) !== "";
  }
}
