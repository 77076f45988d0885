import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";

import { describe, expect, it } from "vitest";

import { help } from "../src/arguments.ts";

const folder = path.join(import.meta.dirname, "..");
const readme = readFileSync(path.join(folder, "README.md"), "utf8");
const lines = (text: string): string => text.replace(/^ +/gm, "");

describe("README.md", () => {
  it("shows code that is in the program", () => {
    const sources = readdirSync(path.join(folder, "src")).map((name) =>
      lines(readFileSync(path.join(folder, "src", name), "utf8")),
    );
    const blocks = Array.from(readme.matchAll(/^```(?:ts|sql)\n(.*?)^```$/gms), ([, block]) =>
      lines(block!).trimEnd(),
    );
    expect(blocks.length).toBeGreaterThan(2);
    for (const block of blocks)
      expect(
        sources.some((source) => source.includes(block)),
        block,
      ).toBe(true);
  });

  it("names every option, every header, and nothing that there is not", () => {
    const known = new Set(help.match(/--[a-z-]+/g));
    expect(new Set(readme.match(/--[a-z][a-z-]+/g))).toEqual(known);
    const sent = readFileSync(path.join(folder, "src", "post.ts"), "utf8").match(
      /"(Outbox|Idempotency)-\w+"/g,
    )!;
    for (const header of sent) expect(readme).toContain(`\`${header.slice(1, -1)}\``);
  });
});
