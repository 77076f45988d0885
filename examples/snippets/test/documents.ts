/** What the documents and the snippets say, cut into pieces that can be compared. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";

export const root = path.join(import.meta.dirname, "..", "..", "..");
const snippetFolder = path.join(root, "examples", "snippets", "src");

export interface Snippet {
  readonly file: string;
  /** The whole program, and each region by itself; without marker lines and common indentation. */
  readonly texts: readonly string[];
  /** What it prints; nothing for a test, which runs by itself, and for what a snippet starts. */
  readonly output: string | undefined;
}

export interface Block {
  readonly language: string;
  readonly text: string;
  /** `README.md:12` */
  readonly where: string;
}

export interface Document {
  /** Relative to the root. */
  readonly name: string;
  readonly text: string;
  readonly blocks: readonly Block[];
}

const outputMarker = "// Output:\n";

export function readSnippets(): Snippet[] {
  const tests = path.join(root, "examples", "snippets", "test");
  const files = [snippetFolder, tests].flatMap((folder) =>
    readdirSync(folder).map((name) => path.join(folder, name)),
  );
  return files
    .filter((file) => /(src.*\.(ts|mjs)|recipe-[\w-]+\.test\.ts)$/.test(path.relative(root, file)))
    .map((file) => {
      const text = readFileSync(file, "utf8");
      const [program, output, ...more] = text.split(outputMarker);
      const isProgram = file.startsWith(snippetFolder) && file.endsWith(".ts");
      if (program === undefined || (output === undefined) === isProgram || output === "" || more.length > 0) {
        throw new Error(
          `${path.basename(file)}: programs end with one block "// Output:", other files have none`,
        );
      }
      return { file, texts: [plain(program), ...regions(program)], output: output?.replace(/^\/\/ ?/gm, "") };
    });
}

function regions(program: string): string[] {
  const found = program.matchAll(/^ *\/\/ #region [\w-]+\n(.*?)^ *\/\/ #endregion$/gms);
  return Array.from(found, ([, inside = ""]) => dedent(plain(inside)));
}

function plain(text: string): string {
  return text.replace(/^ *\/\/ #(region|endregion).*\n/gm, "");
}

function dedent(text: string): string {
  const depths = Array.from(text.matchAll(/^ *(?=\S)/gm), ([blank]) => blank.length);
  return text.replace(new RegExp(`^ {${Math.min(...depths)}}`, "gm"), "");
}

/** Whether whole lines of `text` are exactly `part`. */
export function hasLines(text: string, part: string): boolean {
  return `\n${text.trim()}\n`.includes(`\n${part.trim()}\n`);
}

export function readDocuments(): Document[] {
  const names = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"];
  for (const name of readdirSync(path.join(root, "packages"))) names.push(`packages/${name}/README.md`);
  // `docs/api` and `docs/packages` are made for the site.
  for (const folder of ["docs", "docs/decisions", "docs/guide", "docs/recipes"]) {
    for (const name of readdirSync(path.join(root, folder))) names.push(`${folder}/${name}`);
  }
  return names
    .filter((name) => name.endsWith(".md") && existsSync(path.join(root, name)))
    .map((name) => {
      const text = readFileSync(path.join(root, name), "utf8");
      return { name, text, blocks: blocksOf(name, text) };
    });
}

function blocksOf(name: string, text: string): Block[] {
  return Array.from(
    text.matchAll(/^```([^\n]*)\n(.*?)^```$/gms),
    ({ index, 1: language = "", 2: inside = "" }) => ({
      language,
      text: inside,
      where: `${name}:${text.slice(0, index).split("\n").length}`,
    }),
  );
}

/** The targets of all links, and the anchors that links may point at. */
export function linksOf({ text }: Document): string[] {
  const prose = text.replace(/^```.*?^```$/gms, "").replace(/`[^`\n]*`/g, "");
  return Array.from(prose.matchAll(/\]\(([^)\s]+)\)/g), ([, target = ""]) => target);
}

export function anchorsOf(text: string): string[] {
  const headings = text.replace(/^```.*?^```$/gms, "").matchAll(/^#+ (.*)$/gm);
  return Array.from(headings, ([, title = ""]) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}
