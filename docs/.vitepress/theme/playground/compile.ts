import { transform } from "sucrase";

/** The names that a program finds besides its imports. */
export interface Surroundings {
  readonly require: (name: string) => unknown;
  readonly token: unknown;
}

export type Program = (surroundings: Surroundings) => Promise<void>;

const AsyncFunction = (async () => Promise.resolve()).constructor as new (
  ...texts: string[]
) => (...values: unknown[]) => Promise<void>;

/** Makes a function of a TypeScript module. Types are removed, not checked. Throws a SyntaxError that says where. */
export function compile(text: string): Program {
  const { code } = transform(text, {
    transforms: ["typescript", "imports"],
    disableESTransforms: true,
    preserveDynamicImport: true,
  });
  // A function of its own, so that the program may use these names for something else.
  const run = new AsyncFunction("require", "token", "exports", `await (async () => {${code}\n})();`);
  return ({ require, token }) => run(require, token, {});
}
