/** What the platform has, asked for without depending on it: the package runs in browsers, too. */

interface Host {
  readonly Deno?: unknown;
  readonly location?: { readonly href?: string };
  readonly process?: {
    readonly pid?: number;
    readonly argv?: readonly string[];
    readonly env?: Readonly<Record<string, string | undefined>>;
    readonly versions?: Readonly<Record<string, string | undefined>>;
    getBuiltinModule?(name: string): unknown;
  };
}

export const host: Host = globalThis;

/** A module of Node's; `undefined` where there is none. */
export function builtin(name: string): unknown {
  try {
    return host.process?.getBuiltinModule?.(name);
  } catch {
    return undefined;
  }
}

/** Whether the environment asks for debugging. In Deno that question would be put to the user. */
export function debugging(): boolean {
  return host.Deno === undefined && Boolean(host.process?.env?.["SCOPE_DEBUG"]);
}
