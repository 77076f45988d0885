import type { BytePath } from "./byte-path.ts";

const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r" };

/**
 * One line for `sha256sum -c` and its siblings: the digest, two blanks, the path.
 *
 * A path with a backslash, a line feed or a carriage return has them escaped, and the line begins with a backslash
 * to say so.
 */
export function formatLine(digest: string, path: BytePath): string {
  const escaped = path.replace(/[\\\n\r]/g, (character) => escapes[character] ?? character);
  return `${escaped === path ? "" : "\\"}${digest}  ${escaped}\n`;
}
