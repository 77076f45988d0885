/** The programs to choose from, in the order of their file names. */
export interface Example {
  readonly id: string;
  readonly title: string;
  readonly code: string;
}

const files: Record<string, string> = import.meta.glob(["./examples/*.ts", "!./examples/*.d.ts"], {
  query: "?raw",
  import: "default",
  eager: true,
});

/** The first line of a program is its title; what it prints, and its last line, are for the tests. */
export const examples: readonly Example[] = Object.entries(files)
  .sort(([a], [b]) => a.localeCompare(b))
  .map(([file, text]) => ({
    id: file.replace(/^.*\/\d+-(.*)\.ts$/, "$1"),
    title: text.split("\n", 1)[0]?.replace(/^\/\/ /, "") ?? "",
    code: text.slice(text.indexOf("\n") + 1, text.indexOf("\n// Output:\n")).trimStart(),
  }));
