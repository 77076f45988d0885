import { describe, expect, it } from "vitest";

import { pathFromBytes, pathFromText, pathToBytes, pathToText } from "../src/byte-path.ts";
import { formatLine } from "../src/format-line.ts";

describe("a path", () => {
  it("keeps its bytes", () => {
    const bytes = Buffer.from(Array.from({ length: 255 }, (_, index) => index + 1));
    expect(pathToBytes(pathFromBytes(bytes))).toEqual(bytes);
    expect(pathToBytes(pathFromText("ü/日"))).toEqual(Buffer.from("ü/日"));
  });

  it.each([
    [pathFromText("plain name.txt"), "plain name.txt"],
    [pathFromText("grüße-日本-🎉"), "grüße-日本-🎉"],
    [pathFromText("a\nb\rc\td\\e"), "a\\nb\\rc\\td\\\\e"],
    [pathFromText("\x1b[31mred\x7f\u009b"), "\\x1b[31mred\\x7f\\x9b"],
    [pathFromBytes(Buffer.from("caf\xe9\n", "latin1")), "caf\\xe9\\n"],
  ])("shows on one line of a terminal as %s", (path, text) => {
    expect(pathToText(path)).toBe(text);
  });
});

describe(formatLine, () => {
  it.each([
    ["plain", "00  plain\n"],
    [" blanks  ", "00   blanks  \n"],
    ["a\nb", "\\00  a\\nb\n"],
    ["a\rb", "\\00  a\\rb\n"],
    ["a\\nb", "\\00  a\\\\nb\n"],
    ["\\", "\\00  \\\\\n"],
    ["tab\t\x1b", "00  tab\t\x1b\n"],
  ])("writes %j as GNU does", (name, line) => {
    expect(formatLine("00", pathFromText(name))).toBe(line);
  });
});
