/**
 * The worker of the playground: runs one program, and tells what it prints and what its tasks do. It has no way to the page,
 * and the page ends it whatever the program does.
 */
import * as core from "@scope/core";
import * as guarded from "@scope/guarded";
import { type Snapshot, inspect, snapshot } from "@scope/inspect";
import * as persistent from "@scope/persistent";
import * as supervisor from "@scope/supervisor";
import * as taskgroup from "@scope/taskgroup";
import show from "object-inspect";

import { compile } from "./compile.ts";
import type { FromWorker, Level, Line, ToWorker } from "./protocol.ts";
import { countTimers } from "./timers.ts";

const modules: Record<string, unknown> = {
  "@scope/core": core,
  "@scope/guarded": guarded,
  "@scope/persistent": persistent,
  "@scope/supervisor": supervisor,
  "@scope/taskgroup": taskgroup,
};

/** Between two messages; sooner when so many lines wait. */
const PAUSE = 50;
const LINES_AT_ONCE = 200;
/** A program that prints for ever fills no memory. */
const MOST_LINES = 5_000;

const source = new core.CancellationSource();
const inspected = inspect({ events: 10_000, waits: false, sites: false });
const { setTimeout } = globalThis;
const pendingTimers = countTimers(globalThis);

let lines: Line[] = [];
let printed = 0;
let next = 1;
let returned = false;

function print(level: Level, values: readonly unknown[]): void {
  printed++;
  if (printed > MOST_LINES) return;
  lines.push({ level, text: values.map(format).join(" ") });
  if (printed === MOST_LINES)
    lines.push({ level: "error", text: `… and whatever is printed after ${MOST_LINES} lines` });
  if (lines.length >= LINES_AT_ONCE) post({});
}

function format(value: unknown): string {
  if (typeof value === "string") return value;
  // Errors, tasks and scopes say what they are.
  if (value instanceof Error) return String(value);
  if (typeof value === "object" && value !== null && Symbol.for("nodejs.util.inspect.custom") in value) {
    return (value as core.TaskScope).toString();
  }
  return show(value, { quoteStyle: "single" });
}

function post(message: Omit<FromWorker, "lines">): void {
  postMessage({ ...message, lines });
  lines = [];
}

async function tell(): Promise<void> {
  const batch = await inspected.events(next);
  next = batch.next;
  const tree: Snapshot = snapshot();
  const ended = returned && pendingTimers() === 0;
  post({ batch, snapshot: tree, ended });
  if (!ended) setTimeout(() => void tell(), PAUSE);
}

function require(name: string): unknown {
  if (!(name in modules)) throw new Error(`There is no "${name}" here: ${Object.keys(modules).join(", ")}`);
  return modules[name];
}

async function run(code: string): Promise<void> {
  void tell();
  try {
    await compile(code)({ require, token: source.token });
  } catch (error) {
    print("error", ["Uncaught", error]);
  }
  returned = true;
}

for (const level of ["log", "info", "debug", "warn", "error"] as const) {
  console[level] = (...values: unknown[]) =>
    print(level === "warn" || level === "error" ? "error" : "log", values);
}
addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  print("error", ["Unhandled rejection:", event.reason]);
});
addEventListener("error", (event) => {
  event.preventDefault();
  print("error", ["Uncaught", event.error ?? event.message]);
});
addEventListener("message", ({ data }: MessageEvent<ToWorker>) => {
  if (data.type === "run") void run(data.code);
  else source.cancel("cancelled in the playground");
});
