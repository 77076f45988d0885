import { existsSync } from "node:fs";
import { defineConfig } from "tsup";
import base from "../../tsup.config.base.ts";

/** The library for every platform; what belongs to Node has entries of its own. They share what they have in common. */
export default defineConfig({
  ...base,
  entry: ["index", "register", "opentelemetry", "cli"]
    .map((name) => `src/${name}.ts`)
    .filter((file) => existsSync(file)),
  splitting: true,
  external: [/^node:/],
});
