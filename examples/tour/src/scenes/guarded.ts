import { access, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { type CancellationToken, sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

import { ask, yesOrNo } from "../comparison.ts";
import type { Happening } from "../happenings.ts";
import { isAnswered } from "../loopback.ts";
import { Processes, type Subprocess } from "../processes.ts";
import type { Scene } from "../stage.ts";

/** A process that has not ended so many milliseconds after its last answer is taken for one that goes on. */
const patience = 1_000;

export const guarded: Scene = {
  name: "guarded",
  title: "a background task fails, and the program ends in order",
  async play(stage) {
    stage.say(
      "A service, a process of its own, holds a lock file, and writes its journal in the end. While it is",
      "busy with an order, a task in its background fails:",
      'runMain(async (token) => { ...; spawnGuarded(relay, { name: "relay" }); ... })',
    );
    const ours = await stage.perform((note) => withService(stage.token, ["service.ts"], note));
    stage.announce("void relay(), and with relay().catch(log)");
    const plain = await TaskGroup.map(
      ["forget", "log"],
      (manner, token) => withService(token, ["plain-service.ts", manner]),
      { token: stage.token },
    );
    stage.say("", `runMain has logged, and ended: ${ours.log.trimEnd().split("\n").at(-1) ?? ""}`);
    stage.compare({
      ways: ["runMain", "void relay()", "relay().catch(log)"],
      rows: ask(
        [ours, ...plain],
        [
          ["exit code", ({ end }) => end ?? "none, it goes on"],
          ["the order under way was answered", ({ ordered }) => yesOrNo(ordered)],
          ["lines of its journal on disk", ({ journal }) => journal],
          ["lock file left behind", ({ locked }) => yesOrNo(locked)],
          ["says that it is alive, with its relay dead", ({ alive }) => yesOrNo(alive)],
        ],
      ),
    });
  },
};

interface Measured {
  /** Undefined: it has not ended. */
  readonly end: number | NodeJS.Signals | undefined;
  readonly ordered: boolean;
  readonly journal: number;
  readonly locked: boolean;
  readonly alive: boolean;
  readonly log: string;
}

async function withService(
  token: CancellationToken,
  [program = "", ...args]: readonly string[],
  note?: (happening: Happening) => void,
): Promise<Measured> {
  const directory = await mkdtemp(path.join(tmpdir(), "scope-tour-"));
  try {
    await using processes = new Processes();
    const service = processes.start(program, directory, ...args);
    if (note !== undefined) {
      service.onMessage((message) => {
        if (typeof message === "object" && message !== null && "type" in message) note(message as Happening);
      });
    }
    const port = await token.race(service.port);
    if (port === undefined) throw new Error(`${program} does not start: ${service.log}`);
    const ordered = await isAnswered(port, "order", token);
    const end = await endOf(service, token);
    const alive = await isAnswered(port, "", token);
    const locked = await exists(path.join(directory, "lock"));
    const journal = await linesOf(path.join(directory, "journal"));
    return { end, ordered, journal, locked, alive, log: service.log };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Undefined if it goes on. */
async function endOf(
  service: Subprocess,
  token: CancellationToken,
): Promise<number | NodeJS.Signals | undefined> {
  return await token.race(Promise.race([service.ended, sleep(patience, token).then(() => undefined)]));
}

async function exists(file: string): Promise<boolean> {
  return await access(file).then(
    () => true,
    () => false,
  );
}

async function linesOf(file: string): Promise<number> {
  const text = await readFile(file, "utf8").catch(() => "");
  return text.split("\n").length - 1;
}
