/**
 * Links that are right in the repository, turned into links that are right on the site: a README of a package is a page
 * here, and what is no page is on GitHub. One that leads nowhere fails the build.
 */
import { existsSync, statSync } from "node:fs";
import path from "node:path";

import type { MarkdownEnv, MarkdownRenderer } from "vitepress";

import { docs, packages, root } from "./packages.ts";

export const repository = "https://github.com/scope-js/scope";

/** As GitHub makes the anchors of headings, so that one link serves both. */
export function slugify(title: string): string {
  return title
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}

/** Where a relative link of a page leads. `page` is relative to `docs`. */
export function siteLink(href: string, page: string): string {
  if (/^[a-z][a-z+.-]*:|^[#/]/i.test(href)) return href;
  const [target = "", anchor] = href.split("#");
  const from = sourceOf(page);
  const file = path.join(path.dirname(from), target);
  const hash = anchor === undefined ? "" : `#${anchor}`;
  const owner = packages().find(({ folder }) => file === folder || file === path.join(folder, "README.md"));
  if (owner !== undefined) return `/packages/${owner.name}${hash}`;
  const api = packages().find(({ folder }) => file === path.join(folder, "API.md"));
  if (api !== undefined) return `/api/@scope/${api.name}/`;
  const isPage = file.startsWith(`${docs}${path.sep}`) && file.endsWith(".md");
  if (isPage && path.basename(file) !== "README.md") return `/${path.relative(docs, file)}${hash}`;
  if (!existsSync(file)) throw new Error(`${path.relative(root, from)}: ${href} leads nowhere`);
  const kind = statSync(file).isDirectory() ? "tree" : "blob";
  return `${repository}/${kind}/main/${path.relative(root, file)}${hash}`;
}

/** The file that the text of a page comes from. */
export function sourceOf(page: string): string {
  const name = /^packages\/([^/]+)\.md$/.exec(page)?.[1];
  return name === undefined ? path.join(docs, page) : path.join(root, "packages", name, "README.md");
}

export function repositoryLinks(md: MarkdownRenderer): void {
  md.core.ruler.push("repository-links", ({ tokens, env }) => {
    const page = (env as MarkdownEnv).relativePath;
    for (const token of tokens.flatMap(({ children }) => children ?? [])) {
      const href = token.type === "link_open" ? token.attrGet("href") : null;
      if (href !== null) token.attrSet("href", siteLink(href, page));
    }
  });
}
