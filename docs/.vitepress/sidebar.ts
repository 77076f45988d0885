/** The table of contents, found by looking: a package, a recipe or a decision that is new appears by itself. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";

import type { DefaultTheme } from "vitepress";

import { docs, packages } from "./packages.ts";

type Item = DefaultTheme.SidebarItem;

function titleOf(page: string): string {
  return /^# (.*)$/m.exec(readFileSync(path.join(docs, page), "utf8"))?.[1]?.replaceAll("`", "") ?? page;
}

function pagesOf(folder: string): Item[] {
  if (!existsSync(path.join(docs, folder))) return [];
  return readdirSync(path.join(docs, folder))
    .filter((name) => name.endsWith(".md") && name !== "README.md")
    .sort()
    .map((name) => itemOf(path.join(folder, name)));
}

function itemOf(page: string): Item {
  return { text: titleOf(page), link: `/${page.replace(/\.md$/, "")}` };
}

function itemsOf(pages: readonly string[]): Item[] {
  return pages.filter((page) => existsSync(path.join(docs, page))).map(itemOf);
}

/** Of the API reference: as typedoc has written it. */
export function apiSidebar(): Item[] {
  const text = readFileSync(path.join(docs, "api", "typedoc-sidebar.json"), "utf8");
  const section = ({ text = "", link, items }: Item): Item => ({
    text,
    ...(link === undefined ? {} : { link: link.replace(/\.md$/, "").replace(/\/index$/, "/") }),
    ...(items === undefined ? {} : { items: items.map(section) }),
  });
  const found = (JSON.parse(text) as Item[]).map(section);
  // Packages fold, and are links; kinds of things are neither.
  return found.map((item) => ({ ...item, collapsed: true }));
}

export function sidebar(): Item[] {
  const peers = ["asyncio", "trio", "kotlin", "go", "effection", "effect", "p-limit"];
  const sections: Item[] = [
    {
      text: "Begin",
      items: itemsOf(["start.md", "which-one.md", "playground.md"]),
    },
    ...packages().map(({ name }) => ({
      text: `@scope/${name}`,
      collapsed: name !== "core",
      items: [
        ...(existsSync(path.join(docs, "guide", `${name}.md`))
          ? [{ text: "Guide", link: `/guide/${name}` }]
          : []),
        { text: "At a glance", link: `/packages/${name}` },
        { text: "API", link: `/api/@scope/${name}/` },
      ],
    })),
    { text: "Recipes", items: pagesOf("recipes") },
    { text: "Coming from", collapsed: true, items: itemsOf(peers.map((peer) => `from-${peer}.md`)) },
    {
      text: "Background",
      items: itemsOf(["design.md", "performance.md", "supported-versions.md"]).map((item) =>
        item.link === "/design" ? { ...item, text: "The laws, and the reasons" } : item,
      ),
    },
    { text: "Decisions", collapsed: true, items: pagesOf("decisions") },
  ];
  return sections
    .filter(({ items = [] }) => items.length > 0)
    .map((section) => {
      // A heading that folds is a button with a button in it, unless it is a link.
      const link = section.items?.[0]?.link;
      return section.collapsed === undefined || link === undefined ? section : { ...section, link };
    });
}
