/** The packages as their users' compiler sees them: declarations without internals, made from the sources. */
import { readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { root } from "./documents.ts";

export const packages = ["core", "taskgroup", "supervisor", "persistent", "guarded", "inspect"].map(
  (name) => ({
    name: `@scope/${name}`,
    folder: path.join(root, "packages", name),
    entry: path.join(root, "packages", name, "src", "index.ts"),
  }),
);

export interface Example {
  /** `packages/core/src/task.ts:75` */
  readonly where: string;
  readonly code: string;
}

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  lib: ["lib.es2022.d.ts", "lib.esnext.disposable.d.ts", "lib.dom.d.ts"],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  customConditions: ["@scope/source"],
  allowImportingTsExtensions: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  strict: true,
  stripInternal: true,
  types: [],
};

/** The text of every declaration file, under the name of the source that it stands for. */
function declarations(): Map<string, string> {
  const program = ts.createProgram(
    packages.map(({ entry }) => entry),
    { ...options, declaration: true, emitDeclarationOnly: true },
  );
  const texts = new Map<string, string>();
  program.emit(undefined, (file, text) => texts.set(file.replace(/\.d\.ts$/, ".ts"), text));
  return texts;
}

/** A program of users' files beside the packages; the files exist in `files` only. */
export function consumerProgram(files: ReadonlyMap<string, string>): ts.Program {
  const texts = declarations();
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (file) => files.has(file) || fileExists(file);
  host.readFile = (file) => files.get(file) ?? texts.get(file) ?? readFile(file);
  host.getSourceFile = (file, version, ...rest) => {
    const text = files.get(file) ?? texts.get(file);
    return text === undefined
      ? getSourceFile(file, version, ...rest)
      : ts.createSourceFile(file, text, version);
  };
  return ts.createProgram([...files.keys()], { ...options, noEmit: true }, host);
}

/** The names that a package exports, and the members of those that end in "Options". */
export function exportsOf(program: ts.Program, entry: string): { name: string; options: string[] }[] {
  const checker = program.getTypeChecker();
  const module = checker.getSymbolAtLocation(program.getSourceFile(entry)!)!;
  return checker.getExportsOfModule(module).map((symbol) => {
    const { name } = symbol;
    if (!name.endsWith("Options")) return { name, options: [] };
    const type = checker.getDeclaredTypeOfSymbol(checker.getAliasedSymbol(symbol));
    return { name, options: type.getProperties().map((property) => property.name) };
  });
}

/** The examples in the comments of a package's sources. */
export function examplesOf(folder: string): Example[] {
  return ts.sys.readDirectory(path.join(folder, "src"), [".ts"]).flatMap((file) => {
    const text = readFileSync(file, "utf8");
    return Array.from(
      text.matchAll(/@example\n *\* ```ts\n(.*?)^ *\* ```$/gms),
      ({ index, 1: lines = "" }) => ({
        where: `${path.relative(root, file)}:${text.slice(0, index).split("\n").length}`,
        code: lines.replace(/^ *\* ?/gm, "").replaceAll("*\\/", "*/"),
      }),
    );
  });
}
