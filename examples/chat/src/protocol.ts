/** What goes over the wire: JSON in text frames, in both directions. */

/** From a client. A text that begins with "/" is a command. */
export interface Say {
  readonly say: string;
}

/** To a client. */
export type ChatEvent =
  | { readonly type: "welcome"; readonly name: string; readonly names: readonly string[] }
  | { readonly type: "joined" | "left"; readonly name: string }
  | { readonly type: "renamed"; readonly name: string; readonly to: string }
  | { readonly type: "said"; readonly name: string; readonly text: string }
  | { readonly type: "announced"; readonly text: string }
  | { readonly type: "told"; readonly text: string };

/** Codes of close frames (RFC 6455, 7.4.1). */
export const closeCode = {
  normal: 1000,
  goingAway: 1001,
  policyViolation: 1008,
  internalError: 1011,
} as const;

/** The client's fault: it sent what no client of ours sends, or does not read what it is sent. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/** Throws `ProtocolError`. */
export function parseMessage(data: Buffer, isBinary: boolean): Say {
  if (isBinary) throw new ProtocolError("a binary message");
  let message: unknown;
  try {
    message = JSON.parse(data.toString());
  } catch (error) {
    throw new ProtocolError("a message that is not JSON", { cause: error });
  }
  const { say } = Object(message) as Partial<Say>;
  if (typeof say !== "string" || say === "") throw new ProtocolError('a message without a text to "say"');
  return { say };
}
