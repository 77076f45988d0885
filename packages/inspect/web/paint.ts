/** Draws the timeline. What a frame costs depends on the size of the canvas, and not on how much has happened. */
import { type Filter, isActive, matches } from "./filter.ts";
import { clock } from "./format.ts";
import type { Entry, EntryState, Gap, Group } from "./model.ts";

export const ROW = 20;
/** The height of the axis. */
export const AXIS = 22;

const COLOURS = {
  text: "--text",
  muted: "--muted",
  line: "--line",
  surface: "--surface",
  band: "--band",
  scope: "--scope",
  running: "--running",
  pending: "--pending",
  cancelling: "--cancelling",
  succeeded: "--succeeded",
  failed: "--failed",
  cancelled: "--cancelled",
  restarted: "--restarted",
  deadlocked: "--deadlocked",
  accent: "--accent",
  onBar: "--on-bar",
  succeededFill: "--succeeded-fill",
  cancelledFill: "--cancelled-fill",
  pendingFill: "--pending-fill",
} as const;

type Colours = Record<keyof typeof COLOURS, string>;

/** One line of the timeline: scopes that were open one after another, or tasks that have run one after another. */
export interface Row {
  readonly type: "scope" | "task";
  readonly depth: number;
  readonly entries: readonly Entry[];
}

export interface Scene {
  readonly rows: readonly Row[];
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly from: number;
  readonly to: number;
  readonly now: number;
  readonly gaps: readonly Gap[];
  readonly filter: Filter;
  readonly selected: Entry | undefined;
  readonly hovered: Entry | undefined;
}

/** The rows that have something to show between two points in time. */
export function rowsOf(top: Group, from: number, to: number, filter: Filter): Row[] {
  const rows: Row[] = [];
  const active = isActive(filter);
  const shows = (entries: readonly Entry[]): boolean => {
    for (let index = firstAfter(entries, from); index < entries.length; index++) {
      const entry = entries[index]!;
      if (entry.since > to) return false;
      if (!active || matches(entry, filter)) return true;
    }
    return false;
  };
  const walk = (group: Group): void => {
    const { scopes, depth } = group;
    const at = rows.length;
    if (group.parent !== undefined) rows.push({ type: "scope", depth, entries: scopes });
    for (const { entries } of group.lanes) {
      if (shows(entries)) rows.push({ type: "task", depth: depth + 1, entries });
    }
    for (const child of group.groups) walk(child);
    if (group.parent !== undefined && rows.length === at + 1 && !shows(scopes)) rows.pop();
  };
  walk(top);
  return rows;
}

/** The index of the first entry that has not ended by then. They do not overlap. */
export function firstAfter(entries: readonly Entry[], at: number, low = 0): number {
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((entries[middle]!.endedAt ?? Infinity) < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class Painter {
  /** How many bars the last frame has drawn. */
  marks = 0;
  #colours: Colours | undefined;
  #hatch: CanvasPattern | null = null;

  recolour(): void {
    this.#colours = undefined;
  }

  paint(canvas: HTMLCanvasElement, scene: Scene): void {
    const { width, height } = scene;
    const ratio = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const context = canvas.getContext("2d");
    if (context === null || width === 0 || height === 0) return;
    const colours = (this.#colours ??= this.#resolve(canvas, context));
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = colours.surface;
    context.fillRect(0, 0, width, height);
    context.font = `11px ${getComputedStyle(canvas).fontFamily}`;
    context.textBaseline = "middle";
    this.marks = 0;
    this.#grid(context, scene, colours);
    const first = Math.floor(scene.top / ROW);
    const last = Math.min(scene.rows.length, Math.ceil((scene.top + height) / ROW) + 1);
    for (let index = first; index < last; index++) {
      const y = AXIS + index * ROW - scene.top;
      const row = scene.rows[index]!;
      if (row.type === "scope") this.#scopes(context, scene, colours, row, y);
      else this.#tasks(context, scene, colours, row, y);
    }
    this.#axis(context, scene, colours);
  }

  #grid(context: CanvasRenderingContext2D, scene: Scene, colours: Colours): void {
    const { width, height, from, to, now, gaps } = scene;
    const scale = width / (to - from);
    context.fillStyle = colours.line;
    for (const { x } of ticks(scene)) context.fillRect(x, AXIS, 1, height);
    for (const gap of gaps) {
      const left = (gap.from - from) * scale;
      const right = (gap.to - from) * scale;
      if (right < 0 || left > width) continue;
      context.globalAlpha = 0.5;
      context.fillStyle = this.#hatch ?? colours.band;
      context.fillRect(left, AXIS, Math.max(2, right - left), height);
      context.globalAlpha = 1;
    }
    if (now < to) {
      context.fillStyle = colours.accent;
      context.fillRect((now - from) * scale, AXIS, 1, height);
    }
  }

  /** Above all rows, which scroll below it. */
  #axis(context: CanvasRenderingContext2D, scene: Scene, colours: Colours): void {
    context.fillStyle = colours.surface;
    context.fillRect(0, 0, scene.width, AXIS);
    context.fillStyle = colours.line;
    context.fillRect(0, AXIS - 1, scene.width, 1);
    context.fillStyle = colours.muted;
    for (const { x, text } of ticks(scene)) context.fillText(text, x + 4, AXIS / 2);
  }

  #scopes(context: CanvasRenderingContext2D, scene: Scene, colours: Colours, row: Row, y: number): void {
    const { width, from, to, now } = scene;
    const scale = width / (to - from);
    context.fillStyle = colours.band;
    context.fillRect(0, y, width, ROW);
    let latest: Entry | undefined;
    this.#each(row, scene, (entry, left, right) => {
      latest = entry;
      context.fillStyle = entry.cycle >= 0 ? colours.deadlocked : colours.scope;
      context.fillRect(left, y + ROW - 4, Math.max(2, right - left), 2);
      if (entry.cancel?.at !== undefined) {
        const asked = Math.max(left, (entry.cancel.at - from) * scale);
        context.fillStyle = colours.cancelling;
        context.fillRect(asked, y + ROW - 4, Math.max(1, right - asked), 2);
      }
      this.#outline(context, scene, colours, entry, left, y + 1, right - left, ROW - 2);
    });
    latest ??= row.entries.at(-1);
    if (latest === undefined) return;
    const x = 8 + Math.min(row.depth - 1, 12) * 10;
    context.fillStyle = latest.endedAt === undefined || latest.endedAt > now ? colours.text : colours.muted;
    context.fillText(latest.name, x, y + ROW / 2 - 1);
    const { width: used } = context.measureText(latest.name);
    context.fillStyle = colours.muted;
    context.fillText(latest.kind, x + used + 8, y + ROW / 2 - 1);
  }

  #tasks(context: CanvasRenderingContext2D, scene: Scene, colours: Colours, row: Row, y: number): void {
    const { width, from, to, now, filter } = scene;
    const scale = width / (to - from);
    const active = isActive(filter);
    const height = ROW - 5;
    const top = y + 2;
    this.#each(row, scene, (entry, left, right) => {
      const { startedAt, cancel } = entry;
      const state = stateAt(entry, now);
      const onBar = fillOf(entry, state)[1] === undefined ? colours.onBar : colours.text;
      context.globalAlpha = active && !matches(entry, filter) ? 0.2 : 1;
      const started = Math.min(Math.max(left, ((startedAt ?? entry.endedAt ?? now) - from) * scale), right);
      if (started > left + 1) {
        // It waits for a slot.
        context.strokeStyle = colours.pending;
        context.setLineDash([3, 2]);
        context.strokeRect(left + 0.5, top + 3.5, started - left, height - 7);
        context.setLineDash([]);
      }
      const length = Math.max(startedAt === undefined ? 0 : 2, right - started);
      if (length > 0) {
        const [fill, edge] = fillOf(entry, state);
        context.fillStyle = colours[length < 6 ? (edge ?? fill) : fill];
        context.beginPath();
        context.roundRect(started + 0.5, top + 0.5, length - 1, height - 1, Math.min(3, length / 2));
        context.fill();
        if (edge !== undefined && length >= 6) {
          context.strokeStyle = colours[edge];
          context.stroke();
        }
      }
      if (cancel?.at !== undefined && this.#hatch !== null) {
        const asked = Math.max(started, (cancel.at - from) * scale);
        if (right - asked > 1) {
          context.fillStyle = colours.cancelling;
          context.fillRect(asked, top, right - asked, height);
          context.fillStyle = this.#hatch;
          context.fillRect(asked, top, right - asked, height);
        }
      }
      this.#outline(context, scene, colours, entry, left, top, right - left, height);
      const room = this.#sign(context, colours, entry, state, started, right, top, height);
      const text = Math.max(0, started) + (entry.restarts > 0 ? 18 : 5);
      const inner = right - room - text - 3;
      if (inner > 18) {
        context.fillStyle = onBar;
        context.fillText(cut(entry.name, inner), text, top + height / 2 + 0.5);
      }
    });
    context.globalAlpha = 1;
  }

  /** Shapes that tell ends and restarts without colour. Returns how wide the one at the end is. */
  #sign(
    context: CanvasRenderingContext2D,
    colours: Colours,
    entry: Entry,
    state: EntryState,
    left: number,
    right: number,
    top: number,
    height: number,
  ): number {
    const middle = top + height / 2;
    const { restarts } = entry;
    const onBar = fillOf(entry, state)[1] === undefined ? colours.onBar : colours.text;
    if (restarts > 0) {
      context.strokeStyle = right - left > 18 ? onBar : colours.restarted;
      context.lineWidth = 1.5;
      const x = right - left > 18 ? Math.max(0, left) + 9 : left;
      context.beginPath();
      context.arc(x, middle, 3.6, -0.6, 4.2);
      context.moveTo(x + 3, middle - 6);
      context.lineTo(x + 3.4, middle - 2);
      context.lineTo(x - 0.4, middle - 2.4);
      context.stroke();
      context.lineWidth = 1;
    }
    if (state !== "failed" && state !== "cancelled") return 0;
    const inside = right - left > 30;
    const x = inside ? right - 8 : right;
    if (!inside) {
      context.fillStyle = colours.surface;
      context.beginPath();
      context.arc(x, middle, 6, 0, 7);
      context.fill();
    }
    context.strokeStyle = inside ? onBar : colours[state];
    context.lineWidth = 1.8;
    context.beginPath();
    const half = state === "failed" ? 3.2 : 2.6;
    context.moveTo(x + half, middle - half);
    context.lineTo(x - half, middle + half);
    if (state === "failed") {
      context.moveTo(x - half, middle - half);
      context.lineTo(x + half, middle + half);
    } else {
      context.moveTo(x + 3.6, middle);
      context.arc(x, middle, 3.6, 0, 7);
    }
    context.stroke();
    context.lineWidth = 1;
    return inside ? 14 : 0;
  }

  #outline(
    context: CanvasRenderingContext2D,
    { selected, hovered }: Scene,
    colours: Colours,
    entry: Entry,
    x: number,
    y: number,
    width: number,
    height: number,
  ): void {
    if (entry !== selected && entry !== hovered) return;
    context.strokeStyle = colours.text;
    context.lineWidth = entry === selected ? 2 : 1;
    context.strokeRect(x, y, Math.max(3, width), height);
    context.lineWidth = 1;
  }

  /** What of a row is to be seen, in pixels; of those that share a pixel, the first. */
  #each(row: Row, scene: Scene, draw: (entry: Entry, left: number, right: number) => void): void {
    const { width, from, to, now } = scene;
    const scale = width / (to - from);
    const { entries } = row;
    let index = firstAfter(entries, from);
    while (index < entries.length) {
      const entry = entries[index]!;
      if (entry.since > Math.min(to, now)) return;
      const left = Math.max(-10, (entry.since - from) * scale);
      const right = Math.min(width + 10, (Math.min(entry.endedAt ?? now, now) - from) * scale);
      this.marks++;
      draw(entry, left, right);
      index = firstAfter(entries, from + (Math.floor(right) + 1) / scale, index + 1);
    }
  }

  #resolve(canvas: HTMLCanvasElement, context: CanvasRenderingContext2D): Colours {
    const probe = document.createElement("i");
    canvas.after(probe);
    const colours = Object.fromEntries(
      Object.entries(COLOURS).map(([name, variable]) => {
        probe.style.color = `var(${variable})`;
        return [name, getComputedStyle(probe).color];
      }),
    ) as Colours;
    probe.remove();
    this.#hatch = hatch(context, colours.muted);
    return colours;
  }
}

/** What it was like then: a timeline that is paused does not know what has become of it. */
function stateAt({ state, startedAt, endedAt, cancel }: Entry, at: number): EntryState {
  if (endedAt === undefined || endedAt <= at) return state;
  if (cancel?.at !== undefined && cancel.at <= at) return "cancelling";
  return startedAt === undefined || startedAt > at ? "pending" : "running";
}

/** The colour of a bar, and of its edge if that is another one. What is over is pale, but for failures. */
function fillOf({ cycle }: Entry, state: EntryState): [fill: keyof Colours, edge?: keyof Colours] {
  if (cycle >= 0) return ["deadlocked"];
  switch (state) {
    case "running":
    case "cancelling":
    case "failed":
      return [state];
    case "succeeded":
      return ["succeededFill", state];
    case "cancelled":
      return ["cancelledFill", state];
    case "pending":
    case "open":
    case "closing":
    case "closed":
    case "lost":
      return ["pendingFill", "pending"];
  }
}

function hatch(context: CanvasRenderingContext2D, colour: string): CanvasPattern | null {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const pen = tile.getContext("2d");
  if (pen === null) return null;
  pen.strokeStyle = colour;
  pen.globalAlpha = 0.7;
  pen.beginPath();
  for (const x of [-6, 0, 6]) {
    pen.moveTo(x, 6);
    pen.lineTo(x + 6, 0);
  }
  pen.stroke();
  return context.createPattern(tile, "repeat");
}

const STEPS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 18e5, 36e5,
];

function ticks({ from, to, width }: Scene): { readonly x: number; readonly text: string }[] {
  const wanted = ((to - from) / Math.max(1, width)) * 110;
  const step = STEPS.find((candidate) => candidate >= wanted) ?? 36e5;
  const found = [];
  for (let at = Math.ceil(from / step) * step; at < to; at += step) {
    found.push({ x: Math.round(((at - from) / (to - from)) * width), text: clock(at, step) });
  }
  return found;
}

/** As much of a name as fits, roughly: to measure each would cost more than all the rest. */
function cut(text: string, width: number): string {
  const room = Math.floor(width / 6.4);
  return text.length <= room ? text : `${text.slice(0, Math.max(1, room - 1))}…`;
}
