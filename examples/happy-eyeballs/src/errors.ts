import { getSystemErrorMap } from "node:util";

/** The command line makes no sense. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The host has no address, or nobody could say which. */
export class LookupError extends Error {
  override readonly name = "LookupError";

  constructor(host: string, cause: unknown) {
    super(`${printable(host)}: ${describe(cause)}`, { cause });
  }
}

/** One address could not be connected to. The message begins with it. */
export class AttemptError extends Error {
  override readonly name = "AttemptError";
  readonly address: string;

  constructor(address: string, port: number, cause: unknown) {
    super(`${endpoint(address, port)}: ${describe(cause)}`, { cause });
    this.address = address;
  }
}

/** `127.0.0.1:443`, `[::1]:443`. */
export function endpoint(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${printable(host)}:${port}`;
}

/** What went wrong in the system's own words, without the code, call and address that Node puts around them. */
export function describe(error: unknown): string {
  const { errno, code, message } = Object(error) as Partial<NodeJS.ErrnoException>;
  if (code === "ENOTFOUND") return "host not found";
  return getSystemErrorMap().get(errno ?? 0)?.[1] ?? message ?? String(error);
}

/** On one line, and harmless to a terminal. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1));
}
