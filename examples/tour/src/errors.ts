/** The command line makes no sense. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** In a few words, on one line: of a broken connection its code. */
export function describe(error: unknown): string {
  const { code, message = String(error) } = Object(error) as { code?: unknown; message?: string };
  return (typeof code === "string" ? code : message).replace(/\p{Cc}+/gu, " ");
}
