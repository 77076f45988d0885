/**
 * Bundlers rename a class that mentions itself (`var X = class _X`), and the name shows in every stack and every printed
 * error. The tests of the packages run the sources and cannot see it.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";

const packages = path.join(import.meta.dirname, "..", "..", "packages");

describe("the built packages", () => {
  test.each(["core", "taskgroup", "supervisor", "persistent", "guarded"])(
    "%s gives its classes and functions the names that it exports",
    async (name) => {
      const file = path.join(packages, name, "dist", "index.js");
      const exported = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
      const functions = Object.entries(exported).filter(([, value]) => typeof value === "function");
      expect(functions.length).toBeGreaterThan(0);
      for (const [key, value] of functions) expect((value as { name: string }).name).toBe(key);
      expect(readFileSync(file, "utf8")).not.toMatch(/= class _/);
    },
  );
});
