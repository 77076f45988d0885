/** The published packages, found by looking. */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

export const docs = path.join(import.meta.dirname, "..");
export const root = path.join(docs, "..");

export interface Package {
  /** "core" */
  readonly name: string;
  readonly folder: string;
  readonly description: string;
}

const first = ["core", "taskgroup", "supervisor", "persistent", "guarded"];

/** Those that have a README, the five in the order of the documents, then whatever else there is. */
export function packages(): Package[] {
  const rank = (name: string): number => (first.includes(name) ? first.indexOf(name) : first.length);
  return readdirSync(path.join(root, "packages"))
    .sort((a, b) => rank(a) - rank(b) || a.localeCompare(b))
    .map((name) => ({ name, folder: path.join(root, "packages", name) }))
    .filter(({ folder }) => existsSync(path.join(folder, "README.md")))
    .map(({ name, folder }) => {
      const text = readFileSync(path.join(folder, "package.json"), "utf8");
      const manifest = JSON.parse(text) as { description: string; private?: boolean };
      return { name, folder, description: manifest.description, isPrivate: manifest.private === true };
    })
    .filter(({ isPrivate }) => !isPrivate);
}

/** Copies the READMEs to where VitePress, and its search, look for pages. Their pictures stay where they are. */
export function writePackagePages(): void {
  const pages = path.join(docs, "packages");
  mkdirSync(pages, { recursive: true });
  const wanted = packages();
  // Of a package that is gone.
  const stale = readdirSync(pages).filter((file) => !wanted.some(({ name }) => file === `${name}.md`));
  for (const file of stale) rmSync(path.join(pages, file), { recursive: true });
  for (const { name, folder } of wanted) {
    const text = readFileSync(path.join(folder, "README.md"), "utf8");
    const pictures = /(\s(?:src|srcset)="|!\[[^\]]*\]\()(?![a-z]+:|[/#])/g;
    writeFileSync(path.join(pages, `${name}.md`), text.replace(pictures, `$1../../packages/${name}/`));
  }
}
