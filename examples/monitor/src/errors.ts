/** The command line, or the file that it names, makes no sense: `messages` has a line for each thing that is wrong. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly messages: readonly string[];

  constructor(messages: string | readonly string[], options?: ErrorOptions) {
    const lines = typeof messages === "string" ? [messages] : messages;
    super(lines.join("\n"), options);
    this.messages = lines;
  }
}

/** A target is not as it should be. What was measured all the same is `value`. */
export class ProbeError extends Error {
  override readonly name = "ProbeError";
  readonly value: number | undefined;

  constructor(message: string, options: ErrorOptions & { readonly value?: number } = {}) {
    super(message, options);
    this.value = options.value;
  }
}

/** What went wrong, in one line. Of a connection that was tried to several addresses, what the last one came to. */
export function describe(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") return describe(error.errors.at(-1));
  return error instanceof Error ? error.message.split("\n", 1)[0] || error.name : String(error);
}
