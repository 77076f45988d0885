/** What the packages export, as their sources declare it: read by the compiler, so that nothing is forgotten. */
import path from "node:path";
import ts from "typescript";

const packages = ["core", "taskgroup", "supervisor", "persistent", "guarded"];
const root = path.join(import.meta.dirname, "../..");

export interface Surface {
  /** "core TaskScope", "core TaskScope.run", "core TaskScope#spawn", "core sleep". */
  readonly callables: readonly string[];
  /** The properties of each type of options, by its name. */
  readonly options: ReadonlyMap<string, readonly string[]>;
}

/** Interfaces that the packages hand out, with methods to call. */
const handedOut = ["Child", "CompletedTasks"];

export function publicSurface(): Surface {
  const files = packages.map((name) => path.join(root, name, "src/index.ts"));
  const { config } = ts.readConfigFile(path.join(root, "../tsconfig.base.json"), (file) =>
    ts.sys.readFile(file),
  ) as {
    config: { compilerOptions: Record<string, unknown> };
  };
  const { options: compilerOptions } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const program = ts.createProgram(files, compilerOptions);
  const checker = program.getTypeChecker();
  const callables = new Set<string>();
  const options = new Map<string, readonly string[]>();

  const isPublic = (symbol: ts.Symbol): boolean => {
    const [declaration] = symbol.getDeclarations() ?? [];
    if (declaration === undefined || symbol.getName() === "prototype") return false;
    const flags = ts.getCombinedModifierFlags(declaration);
    if (flags & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) return false;
    return (
      !/^(_[a-z]|#|__#)/.test(symbol.getName()) &&
      !ts.getJSDocTags(declaration).some(({ tagName }) => tagName.text === "internal")
    );
  };
  const nameOf = (symbol: ts.Symbol): string => {
    const known = /^__@(\w+?)@/.exec(symbol.getName());
    return known === null ? symbol.getName() : `[Symbol.${known[1]!}]`;
  };
  /** A method, not a field that holds a function. */
  const isMethod = (symbol: ts.Symbol): boolean => (symbol.flags & ts.SymbolFlags.Method) !== 0;
  const isOurs = (symbol: ts.Symbol): boolean =>
    (symbol.getDeclarations() ?? []).some((one) => one.getSourceFile().fileName.startsWith(root));

  files.forEach((file, index) => {
    const prefix = packages[index]!;
    const module = checker.getSymbolAtLocation(program.getSourceFile(file)!)!;
    for (const exported of checker.getExportsOfModule(module)) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      const name = `${prefix} ${exported.getName()}`;
      const type = checker.getDeclaredTypeOfSymbol(symbol);
      if (symbol.flags & ts.SymbolFlags.Class) {
        const statics = checker.getTypeOfSymbol(symbol);
        const [declaration] = symbol.getDeclarations() as ts.ClassDeclaration[];
        const constructors = declaration!.members.filter((member) => ts.isConstructorDeclaration(member));
        const closed = constructors.some(
          (one) => ts.getCombinedModifierFlags(one) & ts.ModifierFlags.Private,
        );
        if (!closed) callables.add(name);
        for (const member of checker.getPropertiesOfType(statics)) {
          if (isPublic(member) && isOurs(member) && isMethod(member))
            callables.add(`${name}.${nameOf(member)}`);
        }
        // What is inherited is called on the class that has it.
        for (const member of checker.getPropertiesOfType(type)) {
          const own = member.getDeclarations()?.some(({ parent }) => parent === declaration) === true;
          if (own && isPublic(member) && isMethod(member)) callables.add(`${name}#${nameOf(member)}`);
        }
      } else if (symbol.flags & ts.SymbolFlags.Function) {
        callables.add(name);
      } else if (symbol.flags & ts.SymbolFlags.Variable) {
        const methods = checker.getPropertiesOfType(checker.getTypeOfSymbol(symbol)).filter(isMethod);
        const spawning = methods.filter(
          (member) => nameOf(member) !== "__computed" && !nameOf(member).startsWith("__"),
        );
        if (spawning.length === 0) callables.add(name);
        for (const member of spawning) callables.add(`${name}.${nameOf(member)}`);
      } else if (handedOut.includes(exported.getName()) && prefix === "supervisor") {
        for (const member of checker.getPropertiesOfType(type)) {
          const { length } = checker.getTypeOfSymbol(member).getCallSignatures();
          if (length > 0) callables.add(`${name}#${nameOf(member)}`);
        }
      } else if (/(Options|Spec|Backoff)$/.test(exported.getName())) {
        options.set(exported.getName(), checker.getPropertiesOfType(type).map(nameOf));
      }
    }
  });
  return { callables: [...callables].sort(), options };
}
