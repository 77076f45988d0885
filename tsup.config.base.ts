import { defineConfig } from "tsup";

/** One readable ESM bundle and its types per package. */
export default defineConfig({
  entry: ["src/index.ts"],
  format: "esm",
  target: "es2022",
  platform: "neutral",
  outDir: "dist",
  clean: true,
  splitting: false,
  minify: false,
  // Rollup goes over the bundle: one import per package in place of one per file, and none that a consumer does not need.
  treeshake: true,
  sourcemap: true,
  esbuildOptions(options) {
    // The sources ship beside the bundle: the map points at them instead of repeating them.
    options.sourcesContent = false;
    // What belongs to core alone has a name of its own there; nobody else is to find it.
    options.mangleProps = /^_[a-z]/;
  },
  dts: {
    // tsup drops the directive from the sources, and consumers without it do not know AsyncDisposable.
    // The empty interface merges with the platform's own, and spares the rest an error where there is none.
    banner: '/// <reference lib="esnext.disposable" />\ndeclare global { interface AbortSignal {} }',
    // tsup sets `baseUrl`, which TypeScript 6 only accepts with this.
    compilerOptions: { ignoreDeprecations: "6.0", stripInternal: true },
  },
});
