import type { CancellationToken } from "./cancellation-token.ts";

/** Whether creation sites are kept: costs a stack trace per scope, task and cancellation, so off unless asked for. */
export let debugging = /* @__PURE__ */ fromEnvironment();

/**
 * Switches debugging on or off: the stack of an error that a task fails with goes on with where the task was spawned, and
 * the task around it, up to the root; a scope that was dropped tells where it was created; and a `CancelledError` has a
 * stack that tells who asked. The environment variable `SCOPE_DEBUG` (any value but the empty one) does the same from the start,
 * except in Deno, where reading it would ask the user for permission.
 *
 * Idea: `asyncio`'s debug mode. Off by default because a stored stack keeps frames, and what they refer to, alive.
 */
export function setDebug(on: boolean): void {
  debugging = on;
}

/** The caller's stack, as text, while debugging. */
export function creationSite(): string | undefined {
  return debugging ? new Error().stack?.split("\n").slice(3).join("\n") : undefined;
}

/** Where tasks were spawned: by their tokens. And the errors that tell it. */
const sites = /* @__PURE__ */ new WeakMap<object, string>();

/** Remembers where the task of a token was spawned, and on whose behalf: the task that its scope's outer token leads to. */
export function keepSite(token: CancellationToken, outer: CancellationToken, title: string): void {
  let above: CancellationToken | undefined = outer;
  while (above !== undefined && !sites.has(above)) above = above._parent;
  sites.set(token, `\n${title} was spawned\n${creationSite()}${above === undefined ? "" : sites.get(above)}`);
}

/** Has an error that a task has failed with show where the task was spawned. The first task it ends is the one it comes from. */
export function showSite(token: CancellationToken, error: unknown): void {
  try {
    const { stack } = error as Error;
    if (typeof stack !== "string" || !sites.has(token) || sites.has(error as Error)) return;
    sites.set(error as Error, stack);
    Reflect.set(error as Error, "stack", stack + sites.get(token)!);
  } catch {
    // Nothing, or something that cannot be looked at.
  }
}

function fromEnvironment(): boolean {
  const { Deno, process } = globalThis as Host;
  return Deno === undefined && Boolean(process?.env?.["SCOPE_DEBUG"]);
}

interface Host {
  Deno?: unknown;
  process?: { env?: Record<string, string | undefined> };
}
