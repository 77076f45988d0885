import { PassThrough } from "node:stream";
import { stripVTControlCharacters } from "node:util";

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { type Output, openScreen } from "../src/screen.ts";

const escape = "\u001B";

class Terminal extends PassThrough implements Output {
  readonly isTTY: boolean;
  readonly columns = 80;
  readonly rows = 24;
  readonly #colours: boolean;
  text = "";

  constructor({ tty = true, colours = true } = {}) {
    super();
    this.isTTY = tty;
    this.#colours = colours;
    this.setEncoding("utf8").on("data", (text: string) => (this.text += text));
  }

  hasColors = (): boolean => this.#colours;
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  vi.stubEnv("TERM", "xterm");
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

describe("a terminal", () => {
  it("is drawn on again and again until the show is over", () => {
    const terminal = new Terminal();
    const screen = openScreen(terminal, false);
    let frame = 0;
    const show = screen.show((width) => [`frame ${++frame} of width ${width}`]);
    vi.advanceTimersByTime(120);
    expect(stripVTControlCharacters(terminal.text)).toContain("frame 2 of width 80\n");
    show.happened("something", 3);
    expect(stripVTControlCharacters(terminal.text)).toContain("frame 3 of width 80\n");
    show[Symbol.dispose]();
    expect(stripVTControlCharacters(terminal.text)).toContain("frame 4 of width 80\n");
    expect(terminal.text).not.toContain("something");
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(1_000);
    expect(frame).toBe(4);
  });

  it("has colours, unless it wants none", () => {
    expect(openScreen(new Terminal(), false).paint("failed", "text")).toBe(`${escape}[31mtext${escape}[39m`);
    expect(openScreen(new Terminal({ colours: false }), false).paint("failed", "text")).toBe("text");
  });
});

describe.each([
  ["no terminal", { tty: false }, false, "xterm"],
  ["a terminal, and --plain", {}, true, "xterm"],
  ["a dumb terminal", {}, false, "dumb"],
])("%s", (_, settings, plain, term) => {
  it("is given lines: each event with its time, and the drawing once, at the end", () => {
    vi.stubEnv("TERM", term);
    const terminal = new Terminal(settings);
    const screen = openScreen(terminal, plain);
    screen.print("title", "");
    const show = screen.show(() => [`  ${screen.paint("failed", "drawing")}  `]);
    vi.advanceTimersByTime(1_000);
    show.happened("something", 3.4);
    show[Symbol.dispose]();
    expect(terminal.text).toBe("title\n\n      3 ms  something\n\n  drawing\n");
  });
});
