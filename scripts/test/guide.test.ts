/** The guide for contributors tells of every check that CI runs. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const root = path.join(import.meta.dirname, "..", "..");
const read = (name: string): string => readFileSync(path.join(root, name), "utf8");

test("CONTRIBUTING.md has the steps of `pnpm check` in a table, in their order", () => {
  const [, list = ""] = /^const steps = \[\n(.*?)^\];$/ms.exec(read("scripts/check.mjs")) ?? [];
  const steps = Array.from(list.matchAll(/\["([\w:-]+)"/g), ([, name]) => name);
  const table = Array.from(
    read("CONTRIBUTING.md").matchAll(/^\| `([\w:-]+)` \| .+ \| \d+ \|$/gm),
    ([, name]) => name,
  );
  expect(steps.length).toBeGreaterThan(10);
  expect(table).toEqual(Array.from(new Set(steps)));
});
