/** What the generated pages of the packages promise to their readers; that they are fresh is `pnpm api`'s business. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";

const root = path.join(import.meta.dirname, "..", "..");
const read = (...parts: string[]): string => readFileSync(path.join(root, ...parts), "utf8");

interface Manifest {
  name: string;
  description: string;
  private?: boolean;
  files: string[];
}

const packages = readdirSync(path.join(root, "packages"))
  .map((folder) => ({
    folder,
    manifest: JSON.parse(read("packages", folder, "package.json")) as Manifest,
  }))
  .filter(({ manifest }) => manifest.private !== true);

const linksOf = (text: string): string[] =>
  Array.from(text.matchAll(/\]\(([^)]+)\)/g), ([, address = ""]) => address);

describe("etc", () => {
  test("has a report of every published package, and of nothing else", () => {
    // One for each entry point: "inspect.api.md", "inspect.view.api.md".
    const reported = readdirSync(path.join(root, "etc")).map(
      (file) => /^(.*?)(\.\w+)?\.api\.md$/.exec(file)?.[1],
    );
    expect([...new Set(reported)].sort()).toEqual(packages.map(({ folder }) => folder).sort());
  });
});

describe.each(packages)("$manifest.name", ({ folder, manifest }) => {
  const report = read("etc", `${folder}.api.md`);
  const page = read("packages", folder, "API.md");
  const tools = read("packages", folder, "llms.txt");

  test("shows nothing internal in its report and its pages", () => {
    for (const text of [report, page, tools]) expect(text.match(/\b_[a-z]\w*|@internal/g)).toBeNull();
  });

  test("has every export of the report on its page, and every function and class in llms.txt", () => {
    const exported = report.matchAll(/^export (?:abstract )?(class|function|const|interface|type) (\w+)/gm);
    const names = Array.from(exported, ([, kind = "", name = ""]) => ({ kind, name }));
    expect(names.length).toBeGreaterThan(0);
    for (const { kind, name } of names) {
      expect(page).toMatch(new RegExp(`^### ${name}$`, "m"));
      if (kind !== "interface" && kind !== "type") expect(tools).toContain(`- [${name}](API.md#`);
    }
  });

  test("puts both pages into its tarball", () => {
    expect(manifest.files).toEqual(expect.arrayContaining(["API.md", "llms.txt"]));
  });

  test("has an llms.txt of a title, a summary and lists of links", () => {
    expect(tools.split("\n").slice(0, 3)).toEqual([`# ${manifest.name}`, "", `> ${manifest.description}.`]);
    const lists = tools.split(/^## .+\n/m).slice(1);
    expect(lists.length).toBeGreaterThan(1);
    for (const list of lists) expect(list).toMatch(/^(\n*- \[[^\]]+\]\([^)]+\)(: .+)?)+\n*$/);
  });

  test("links to files that come with it, and to sections that there are", () => {
    const relative = linksOf(tools).filter((address) => !address.startsWith("https:"));
    expect(relative.length).toBeGreaterThan(0);
    for (const address of relative) {
      const [file = "", anchor] = address.split("#");
      expect(manifest.files.concat("README.md")).toContain(file.split("/")[0]);
      if (!file.startsWith("dist/")) expect(existsSync(path.join(root, "packages", folder, file))).toBe(true);
      if (anchor !== undefined) expect(page.toLowerCase()).toContain(`\n### ${anchor}\n`);
    }
  });
});

describe("docs/llms.txt", () => {
  test("names every package, and files of this repository only", () => {
    const addresses = linksOf(read("docs", "llms.txt"));
    const files = addresses.map((address) => address.replace(/^.*\/blob\/main\//, ""));
    for (const { folder } of packages) expect(files).toContain(`packages/${folder}/README.md`);
    for (const file of files)
      expect({ file, exists: existsSync(path.join(root, file)) }).toEqual({ file, exists: true });
  });
});
