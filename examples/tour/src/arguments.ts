import { parseArgs } from "node:util";

import { UsageError } from "./errors.ts";

export interface Options {
  /** The names of the scenes to play, in the order of the tour. */
  readonly scenes: readonly string[];
  /** Plain text, also in a terminal. */
  readonly plain: boolean;
}

export const help = `\
Usage: tour [OPTION]...

Five scenes, one for each package, on real sockets and processes of this machine: what happens
is shown as it happens, and then what plain promises leave behind in the same situation, as
measured on the spot. It takes some 12 seconds and ends by itself.

      --scene SCENE  play only this one: a number from 1 to 5, or a name; may be repeated
      --list         print the scenes and exit
      --plain        plain text, as when the output is no terminal: a line for each event
  -h, --help         print this and exit

In the drawings: ━ runs, · waits, ╌ has been asked to end; ✓ succeeded, ✗ failed, ◌ cancelled,
│ closed. There are colours in a terminal, unless NO_COLOR is set.

Exit status: 0 played to its end, or nobody reads any more; 1 a scene failed, 2 bad arguments,
129/130/143 stopped by SIGHUP/SIGINT/SIGTERM.
`;

/**
 * Throws `UsageError`.
 *
 * @param known the names of all scenes.
 */
export function parseArguments(argv: readonly string[], known: readonly string[]): Options | "help" | "list" {
  const values = parse(argv);
  if (values.help === true) return "help";
  const wanted = new Set(values.scene.map((text) => parseScene(text, known)));
  if (values.list === true) return "list";
  return {
    scenes: wanted.size === 0 ? known : known.filter((name) => wanted.has(name)),
    plain: values.plain === true,
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        scene: { type: "string", multiple: true, default: [] },
        list: { type: "boolean" },
        plain: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    // Its messages come with advice, some of them on lines of their own.
    const message = (error as Error).message
      .replace(/\. (To specify a positional|This command does not).*/s, "")
      .replace(/\s*\n\s*/g, " ");
    throw new UsageError(message, { cause: error });
  }
}

function parseScene(text: string, known: readonly string[]): string {
  const name = /^\d+$/.test(text) ? known[Number(text) - 1] : text;
  if (name === undefined || !known.includes(name)) {
    throw new UsageError(
      `--scene: expected a number from 1 to ${known.length} or one of ${known.join(", ")}, got ${JSON.stringify(text)}`,
    );
  }
  return name;
}
