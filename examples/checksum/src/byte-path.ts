import { isUtf8 } from "node:buffer";

declare const oneCharacterPerByte: unique symbol;

/**
 * A path with one character per byte (latin1).
 *
 * The names of files are bytes and need not be UTF-8. Held like this they come out byte for byte as they went
 * in, and the plain order of strings is the order of `LC_ALL=C sort`.
 */
export type BytePath = string & { readonly [oneCharacterPerByte]: true };

/** The path that a text, such as an argument of the command line, means. */
export function pathFromText(text: string): BytePath {
  return pathFromBytes(Buffer.from(text));
}

export function pathFromBytes(bytes: Buffer): BytePath {
  return bytes.toString("latin1") as BytePath;
}

/** What functions of `node:fs` are given. */
export function pathToBytes(path: BytePath): Buffer {
  return Buffer.from(path, "latin1");
}

/** What comes after the last slash. */
export function baseName(path: BytePath): BytePath {
  return path.slice(path.lastIndexOf("/") + 1) as BytePath;
}

/** The path on one line of a message, harmless to a terminal: control characters and stray bytes are escaped. */
export function pathToText(path: BytePath): string {
  const bytes = pathToBytes(path);
  return isUtf8(bytes)
    ? bytes.toString().replace(/[\\\p{Cc}]/gu, escapeCharacter)
    : path.replace(/[^ -~]|\\/g, escapeCharacter);
}

function escapeCharacter(character: string): string {
  switch (character) {
    case "\\":
      return "\\\\";
    case "\n":
      return "\\n";
    case "\r":
      return "\\r";
    case "\t":
      return "\\t";
    default:
      return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  }
}
