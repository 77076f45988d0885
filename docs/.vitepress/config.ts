import path from "node:path";

import { defineConfig } from "vitepress";

import { checkSite } from "./check-site.ts";
import { repository, repositoryLinks, slugify } from "./links.ts";
import { writeLlms } from "./llms.ts";
import { packages, writePackagePages } from "./packages.ts";
import { tableHeads } from "./tables.ts";
import { apiSidebar, sidebar } from "./sidebar.ts";

writePackagePages();
const contents = sidebar();

export default defineConfig({
  lang: "en-GB",
  title: "Scope",
  description: "Structured concurrency for TypeScript: tasks that never outlive their owner",
  cleanUrls: true,
  srcExclude: ["**/README.md"],
  head: [["meta", { name: "color-scheme", content: "light dark" }]],
  transformHead: ({ siteData }) => [
    ["link", { rel: "icon", type: "image/svg+xml", href: `${siteData.base}logo.svg` }],
  ],
  markdown: {
    anchor: { slugify },
    config: (md) => {
      md.use(repositoryLinks);
      md.use(tableHeads);
    },
    theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" },
  },
  themeConfig: {
    logo: "/logo.svg",
    nav: [
      { text: "Start", link: "/start" },
      { text: "Guide", link: "/guide/core" },
      {
        text: "Recipes",
        link: contents.find(({ text }) => text === "Recipes")?.items?.[0]?.link ?? "/start",
      },
      { text: "Playground", link: "/playground" },
      { text: "API", link: "/api/" },
    ],
    sidebar: { "/api/": [{ text: "API reference", link: "/api/" }, ...apiSidebar()], "/": contents },
    outline: { level: [2, 3] },
    search: { provider: "local" },
    socialLinks: [{ icon: "github", link: repository }],
    footer: { message: "MIT licence" },
  },
  vite: {
    resolve: { conditions: ["@scope/source"] },
    worker: { format: "es" },
    // The index of the search is one, and loaded when somebody searches.
    build: { chunkSizeWarningLimit: 2_000 },
    // Messages name classes.
    esbuild: { keepNames: true },
    plugins: [
      {
        name: "package-pages",
        configureServer({ watcher }) {
          const readmes = packages().map(({ folder }) => path.join(folder, "README.md"));
          watcher.add(readmes);
          watcher.on("change", (file) => {
            if (readmes.includes(file)) writePackagePages();
          });
        },
      },
    ],
  },
  buildEnd({ outDir, site }) {
    writeLlms(outDir, site.base, contents);
    checkSite(outDir, site.base);
  },
});
