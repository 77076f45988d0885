/**
 * The bars of a scene: a row for each scope and each task, time to the right. It knows what happened from `Happening`s alone.
 *
 * - A task that is spawned when another one of its name has ended in the same scope goes on in that one's row: a restart.
 * - A scope has a row as soon as it has a task. One that is opened inside another of the same name is that other: owners are
 *   built of several.
 */
import type { CancelSource } from "@scope/core";

import type { Happening } from "./happenings.ts";

/** What a part of a bar, or a text, is about. */
export type Tone = "running" | "waiting" | "asked" | "succeeded" | "failed" | "cancelled" | "plain";

/** Adds colour, or nothing. */
export type Paint = (tone: Tone, text: string) => string;

/** One task of a row: a row that is restarted has several. */
interface Life {
  readonly spawned: number;
  started: number | undefined;
  asked: number | undefined;
  source: CancelSource | undefined;
  ended: number | undefined;
  status: "succeeded" | "failed" | "cancelled" | "closed" | undefined;
  error: string | undefined;
  /** When it slept: from, until. */
  readonly sleeps: [from: number, until: number][];
}

interface Row {
  readonly label: string;
  readonly depth: number;
  readonly lives: Life[];
}

interface ScopeState {
  readonly name: string;
  readonly depth: number;
  readonly life: Life;
  /** By the names of their tasks. */
  readonly rows: Map<string, Row>;
}

const cells = { running: "━", waiting: "·", asked: "╌" } as const;
const marks = { succeeded: "✓", failed: "✗", cancelled: "◌", closed: "│" } as const;

/** No line is longer, also where the terminal is wider. */
const widest = 110;
const widestText = 42;

export class Timeline {
  /** When the first thing happened: in milliseconds since the epoch. */
  #began: number | undefined;
  /** The task that was spawned last, if nothing has happened since. */
  #latest: string | undefined;
  readonly #rows: Row[] = [];
  readonly #scopes = new Map<string, ScopeState>();
  readonly #tasks = new Map<string, { readonly row: Row; readonly life: Life }>();

  /** Milliseconds since the first thing happened. */
  after(at: number): number {
    return at - (this.#began ?? at);
  }

  /** Takes note, and returns what there is to say about it: a line, without its time. */
  note(happening: Happening): string | undefined {
    const { id, at } = happening;
    this.#began ??= at;
    const line = this.#note(happening);
    this.#latest = happening.type === "spawned" ? id : undefined;
    return line;
  }

  #note(happening: Happening): string | undefined {
    const { id, at } = happening;
    switch (happening.type) {
      case "opened": {
        const { name } = happening;
        const parent = this.#scopes.get(happening.parent ?? "");
        const depth = parent === undefined ? 0 : parent.depth + 1;
        this.#scopes.set(
          id,
          parent?.name === name ? parent : { name, depth, life: begin(at), rows: new Map() },
        );
        return undefined;
      }
      case "closed": {
        const scope = this.#scopes.get(id);
        if (scope === undefined || scope.rows.size === 0) return undefined;
        end(scope.life, at, "closed");
        return `${scope.name} is closed`;
      }
      case "spawned":
        return this.#spawned(happening);
      case "started": {
        const task = this.#tasks.get(id);
        if (task === undefined) return undefined;
        // Usually that is one thing.
        const atOnce = this.#latest === id;
        task.life.started = atOnce ? task.life.spawned : at;
        return atOnce ? undefined : `${task.row.label} starts`;
      }
      case "sleeping": {
        this.#tasks.get(id)?.life.sleeps.push([at, at + happening.ms]);
        return undefined;
      }
      case "asked":
        return this.#asked(happening);
      case "ended": {
        const task = this.#tasks.get(id);
        if (task === undefined) return undefined;
        const { status, error } = happening;
        if (status === "pending" || status === "running") return undefined;
        end(task.life, at, status, error);
        this.#tasks.delete(id);
        return `${task.row.label} ${verdictOf(task.life)} after ${tookOf(task.life)}`;
      }
    }
  }

  /** A line per row, and the scale; empty as long as there are no tasks. */
  draw(now: number, paint: Paint = (_, text) => text, width = widest): string[] {
    const began = this.#began;
    if (this.#rows.length === 0 || began === undefined) return [];
    const lives = this.#rows.flatMap((row) => row.lives);
    const last = Math.max(...lives.map((life) => life.ended ?? now));
    const total = Math.max(1, last - began);
    const labels = Math.max(...this.#rows.map((row) => row.depth * 2 + row.label.length));
    const line = Math.min(width, widest);
    const texts = Math.min(widestText, Math.floor(line * 0.4));
    const columns = Math.max(10, line - labels - texts - 6);

    const scale = `0 ms${`${Math.round(total)} ms`.padStart(columns - 4)}`;
    const lines = [paint("plain", `  ${" ".repeat(labels)}  ${scale}`)];
    for (const row of this.#rows) {
      const label = (" ".repeat(row.depth * 2) + row.label).padEnd(labels);
      const bar = barOf(row, began, total, columns, now, paint);
      const [tone, text] = textOf(row, now);
      lines.push(`  ${label}  ${bar}  ${paint(tone, clip(text, texts))}`);
    }
    return lines;
  }

  #spawned({ id, at, name, scope: scopeId }: Happening & { type: "spawned" }): string | undefined {
    const scope = this.#scopes.get(scopeId);
    // A supervisor has a task of its own, which has no name for anybody.
    if (scope === undefined || name === "\0") return undefined;
    if (scope.rows.size === 0) {
      this.#rows.push({ label: scope.name, depth: scope.depth, lives: [scope.life] });
    }
    const label = labelOf(name, scope.name);
    const life = { ...begin(at), started: undefined };
    const known = scope.rows.get(label);
    if (known?.lives.at(-1)?.ended !== undefined) {
      known.lives.push(life);
      this.#tasks.set(id, { row: known, life });
      return `${label} is started again`;
    }
    const row = { label, depth: scope.depth + 1, lives: [life] };
    scope.rows.set(label, row);
    this.#rows.push(row);
    this.#tasks.set(id, { row, life });
    return `${label} is spawned in ${scope.name}`;
  }

  #asked({ id, at, source }: Happening & { type: "asked" }): string | undefined {
    const scope = this.#scopes.get(id);
    const task = this.#tasks.get(id);
    const life = scope?.life ?? task?.life;
    if (life === undefined || life.asked !== undefined || life.ended !== undefined) return undefined;
    life.asked = at;
    life.source = source;
    if (scope !== undefined)
      return scope.rows.size > 0 ? `${scope.name} is cancelled (${source})` : undefined;
    return `${task?.row.label} is asked to end (${source})`;
  }
}

/** In the names of a persistent group is the group's; its body has that name alone. */
function labelOf(name: string, scope: string): string {
  const [, ofScope, own] = /^\w+:([^:]*)(?::(.+))?$/s.exec(name) ?? [];
  return ofScope === scope ? (own ?? "body") : name;
}

function begin(at: number): Life {
  const nothing = {
    asked: undefined,
    source: undefined,
    ended: undefined,
    status: undefined,
    error: undefined,
  };
  return { spawned: at, started: at, ...nothing, sleeps: [] };
}

function end(life: Life, at: number, status: NonNullable<Life["status"]>, error?: string): void {
  life.ended ??= at;
  life.status ??= status;
  life.error ??= error;
}

function toneAt(life: Life, time: number): keyof typeof cells {
  if (life.started === undefined || time < life.started) return "waiting";
  if (life.asked !== undefined && time >= life.asked) return "asked";
  return life.sleeps.some(([from, until]) => time >= from && time < until) ? "waiting" : "running";
}

function textOf({ lives }: Row, now: number): [Tone, string] {
  const life = lives.at(-1);
  if (life === undefined) return ["plain", ""];
  const restarts = lives.length > 1 ? `, started ${times(lives.length)}` : "";
  if (life.ended !== undefined && life.status !== undefined) {
    const tone = life.status === "closed" ? "plain" : life.status;
    return [
      tone,
      restarts === "" ? `${verdictOf(life)} after ${tookOf(life)}` : `${verdictOf(life)}${restarts}`,
    ];
  }
  const tone = toneAt(life, now);
  const words = { running: "runs", waiting: "waits", asked: `is asked to end (${life.source})` };
  return [tone, `${words[tone]}${restarts}`];
}

function verdictOf({ status, error, source }: Life): string {
  if (status === "failed") return `failed: ${error}`;
  return status === "cancelled" && source !== undefined ? `cancelled (${source})` : String(status);
}

function tookOf({ spawned, ended = spawned }: Life): string {
  return `${Math.round(ended - spawned)} ms`;
}

function times(count: number): string {
  return count === 2 ? "twice" : `${count} times`;
}

function clip(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

function barOf(row: Row, began: number, total: number, columns: number, now: number, paint: Paint): string {
  const column = (time: number): number => Math.round(((time - began) / total) * (columns - 1));
  const bar = Array.from({ length: columns }, (): [Tone | "nothing", string] => ["nothing", " "]);
  let before: number | undefined;
  for (const life of row.lives) {
    // Behind the mark of the one before.
    const from = Math.min(Math.max(column(life.spawned), before ?? 0), columns - 1);
    const until = Math.max(column(life.ended ?? now), from);
    // Between two lives it waited to be started again.
    for (let at = before ?? from; at < from; at++) bar[at] = ["waiting", cells.waiting];
    for (let at = from; at <= until; at++) {
      const time = Math.max(life.spawned, began + (at / (columns - 1)) * total);
      const tone = toneAt(life, time);
      bar[at] = [tone, cells[tone]];
    }
    if (life.ended !== undefined && life.status !== undefined) {
      bar[until] = [life.status === "closed" ? "plain" : life.status, marks[life.status]];
    }
    before = until + 1;
  }
  return painted(bar, paint);
}

/** One call for all neighbours of a tone. */
function painted(bar: readonly (readonly [Tone | "nothing", string])[], paint: Paint): string {
  let line = "";
  for (let at = 0; at < bar.length;) {
    const tone = bar[at]?.[0] ?? "nothing";
    let text = "";
    for (; bar[at]?.[0] === tone; at++) text += bar[at]?.[1] ?? "";
    line += tone === "nothing" ? text : paint(tone, text);
  }
  return line;
}
