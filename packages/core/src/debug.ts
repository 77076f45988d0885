/** Whether creation sites are kept: costs a stack trace per scope and per cancellation, so off unless asked for. */
export let debugging = /* @__PURE__ */ fromEnvironment();

/**
 * Switches debugging on or off: scopes remember where they were created, and a `CancelledError` has a stack that
 * tells who asked. The environment variable `SCOPE_DEBUG` (any value but the empty one) does the same from the start,
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

function fromEnvironment(): boolean {
  const { Deno, process } = globalThis as Host;
  return Deno === undefined && Boolean(process?.env?.["SCOPE_DEBUG"]);
}

interface Host {
  Deno?: unknown;
  process?: { env?: Record<string, string | undefined> };
}
