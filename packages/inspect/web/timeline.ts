/**
 * The timeline: a row per lane, drawn on a canvas that stays in sight while its rows scroll. Its window of time either
 * follows the present, or stands where it was put.
 */
import { type TemplateResult, html } from "lit-html";
import { live } from "lit-html/directives/live.js";

import { EVERYTHING, type Filter, type Tag } from "./filter.ts";
import { age, duration, STATE_TEXT } from "./format.ts";
import { icon, tagText } from "./icons.ts";
import type { Entry, Model } from "./model.ts";
import { AXIS, ROW, Painter, type Row, rowsOf } from "./paint.ts";

const TAGS: readonly Tag[] = [
  "pending",
  "running",
  "cancelling",
  "succeeded",
  "failed",
  "cancelled",
  "restarted",
];
/** How many milliseconds are in sight. */
export const SPAN = { initial: 30_000, min: 20, max: 3_600_000 };

export interface TimelineHost {
  readonly model: Model;
  readonly paused: boolean;
  readonly selected: Entry | undefined;
  now(): number;
  pause(paused: boolean): void;
  select(entry: Entry): void;
  changed(): void;
}

export class Timeline {
  readonly #host: TimelineHost;
  readonly #painter = new Painter();
  #filter: Filter = EVERYTHING;
  #span: number;
  /** The right edge; undefined: now. */
  #to: number | undefined;
  #rows: Row[] = [];
  #scroller: HTMLElement | undefined;
  #canvas: HTMLCanvasElement | undefined;
  #hovered: { readonly entry: Entry; readonly x: number; readonly y: number } | undefined;
  #drag:
    | { readonly x: number; readonly y: number; readonly to: number; readonly top: number; moved: boolean }
    | undefined;
  #said = "";

  constructor(host: TimelineHost, span: number) {
    this.#host = host;
    this.#span = span;
  }

  template(): TemplateResult {
    const { paused } = this.#host;
    const hovered = this.#hovered;
    return html`<section class="pane timeline" aria-label="Timeline">
      <div class="bar">
        <h2>Timeline</h2>
        <input
          type="search"
          aria-label="Find tasks of the timeline by name"
          placeholder="Find"
          .value=${live(this.#filter.query)}
          @input=${this.#onQuery}
        />
        <div class="chips" role="group" aria-label="Show only">
          ${TAGS.map(
            (tag) =>
              html`<button
                type="button"
                class="chip"
                aria-pressed=${String(this.#filter.tags.has(tag))}
                @click=${() => this.#toggleTag(tag)}
              >
                ${icon(tag)}<span class="label">${tagText(tag)}</span>
              </button>`,
          )}
        </div>
        <span class="grow"></span>
        <div class="tools" role="group" aria-label="Time">
          <button
            type="button"
            class="pause"
            aria-pressed=${String(paused)}
            @click=${() => this.#host.pause(!paused)}
          >
            ${paused ? "Resume" : "Pause"}
          </button>
          <button type="button" aria-label="Zoom out" @click=${() => this.zoom(2)}>−</button>
          <span class="span">${duration(this.#span)}</span>
          <button type="button" aria-label="Zoom in" @click=${() => this.zoom(0.5)}>+</button>
          <button type="button" ?disabled=${this.#to === undefined} @click=${this.#onNow}>Now</button>
        </div>
      </div>
      <div class="scroll" @scroll=${this.#onScroll}>
        <div class="stick">
          <canvas
            tabindex="0"
            role="application"
            aria-label="Timeline of tasks. Arrows left and right move in time, plus and minus zoom, arrows up and down go from row to row, comma and full stop from task to task, Enter shows details, space pauses."
            @pointerdown=${this.#onDown}
            @pointermove=${this.#onMove}
            @pointerup=${this.#onUp}
            @pointercancel=${this.#onUp}
            @pointerleave=${this.#onLeave}
            @keydown=${this.#onKey}
          ></canvas>
        </div>
        <div class="space" .style=${`height: ${this.#rows.length * ROW + AXIS}px`}></div>
      </div>
      <div
        class="tip"
        ?hidden=${hovered === undefined || this.#drag?.moved === true}
        .style=${hovered === undefined ? "" : `left: ${hovered.x}px; top: ${hovered.y}px`}
      >
        ${hovered === undefined ? "" : this.#describe(hovered.entry)}
      </div>
      <div class="hidden" role="status">${this.#said}</div>
    </section>`;
  }

  /** After each time it was rendered. */
  attach(root: ParentNode): void {
    const canvas = root.querySelector<HTMLCanvasElement>(".timeline canvas");
    if (canvas === null || canvas === this.#canvas) return;
    this.#canvas = canvas;
    this.#scroller = canvas.closest<HTMLElement>(".scroll")!;
    // Those that keep the page from scrolling and zooming are to be asked for.
    canvas.addEventListener("wheel", this.#onWheel, { passive: false });
  }

  /** The rows that have something to show in the window of time. */
  refresh(): void {
    const { from, to } = this.#window();
    this.#rows = rowsOf(this.#host.model.top, from, Math.min(to, this.#host.now()), this.#filter);
  }

  paint(): void {
    const canvas = this.#canvas;
    const scroller = this.#scroller;
    if (canvas === undefined || scroller === undefined) return;
    const { model, selected } = this.#host;
    canvas.style.height = `${scroller.clientHeight}px`;
    this.#painter.paint(canvas, {
      rows: this.#rows,
      top: scroller.scrollTop,
      width: scroller.clientWidth,
      height: scroller.clientHeight,
      ...this.#window(),
      now: this.#host.now(),
      gaps: model.gaps,
      filter: this.#filter,
      selected,
      hovered: this.#hovered?.entry,
    });
    canvas.dataset["marks"] = String(this.#painter.marks);
    canvas.dataset["rows"] = String(this.#rows.length);
  }

  /** The colours may be others now. */
  recolour(): void {
    this.#painter.recolour();
  }

  /** Whether it looks different from moment to moment. */
  get moves(): boolean {
    return this.#to === undefined && !this.#host.paused;
  }

  zoom(factor: number, around?: number): void {
    const { from, to } = this.#window();
    const span = Math.min(Math.max(this.#span * factor, SPAN.min), SPAN.max);
    if (this.#to !== undefined || (around !== undefined && this.#host.paused)) {
      const centre = around ?? (from + to) / 2;
      const share = (to - centre) / this.#span;
      this.#to = centre + share * span;
    }
    this.#span = span;
    this.#moved();
  }

  #window(): { readonly from: number; readonly to: number } {
    // A little room at the right edge, so that ends are seen.
    const to = this.#to ?? this.#host.now() + this.#span * 0.02;
    return { from: to - this.#span, to };
  }

  #pan(by: number): void {
    const to = this.#window().to + by;
    this.#to = to > this.#host.now() + this.#span * 0.02 ? undefined : to;
    this.#moved();
  }

  #moved(): void {
    this.refresh();
    this.#host.changed();
  }

  #describe(entry: Entry): string {
    const { name, state, restarts, startedAt, since, endedAt } = entry;
    const parts = [`${name}: ${STATE_TEXT[state]}`, duration(age(entry, this.#host.now()))];
    const waited = (startedAt ?? endedAt ?? this.#host.now()) - since;
    if (waited >= 1 && entry.type === "task") parts.push(`waited ${duration(waited)} to start`);
    if (restarts > 0) parts.push(`restart ${restarts}`);
    if (entry.cancel !== undefined) parts.push(`asked to end: ${entry.cancel.reason || entry.cancel.source}`);
    return parts.join(" · ");
  }

  #at(event: PointerEvent): { readonly entry: Entry | undefined; readonly x: number; readonly y: number } {
    const box = this.#canvas!.getBoundingClientRect();
    const x = event.clientX - box.left;
    const y = event.clientY - box.top;
    const row = y < AXIS ? undefined : this.#rows[Math.floor((y - AXIS + this.#scroller!.scrollTop) / ROW)];
    const { from, to } = this.#window();
    const scale = (to - from) / Math.max(1, box.width);
    const found = row === undefined ? undefined : nearest(row, from + x * scale, 4 * scale, this.#host.now());
    return { entry: found, x, y };
  }

  readonly #onQuery = (event: Event): void => {
    this.#filter = { ...this.#filter, query: (event.target as HTMLInputElement).value.trim().toLowerCase() };
    this.#moved();
  };

  #toggleTag(tag: Tag): void {
    const tags = new Set(this.#filter.tags);
    if (!tags.delete(tag)) tags.add(tag);
    this.#filter = { ...this.#filter, tags };
    this.#moved();
  }

  readonly #onNow = (): void => {
    this.#to = undefined;
    this.#moved();
  };

  readonly #onScroll = (): void => this.#host.changed();

  readonly #onWheel = (event: WheelEvent): void => {
    const box = this.#canvas!.getBoundingClientRect();
    const { from, to } = this.#window();
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      const share = (event.clientX - box.left) / Math.max(1, box.width);
      this.zoom(Math.exp(Math.max(-50, Math.min(50, event.deltaY)) / 100), from + share * (to - from));
    } else {
      const by = event.shiftKey ? event.deltaY : event.deltaX;
      if (by === 0) return;
      event.preventDefault();
      this.#pan((by / Math.max(1, box.width)) * this.#span);
    }
  };

  readonly #onDown = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    this.#canvas!.setPointerCapture(event.pointerId);
    const { to } = this.#window();
    this.#drag = { x: event.clientX, y: event.clientY, to, top: this.#scroller!.scrollTop, moved: false };
  };

  readonly #onMove = (event: PointerEvent): void => {
    const drag = this.#drag;
    if (drag === undefined) {
      const { entry, x, y } = this.#at(event);
      if (entry !== undefined || this.#hovered !== undefined) this.#host.changed();
      this.#hovered = entry === undefined ? undefined : { entry, x, y };
      return;
    }
    const by = drag.x - event.clientX;
    if (Math.abs(by) + Math.abs(drag.y - event.clientY) > 4) drag.moved = true;
    if (!drag.moved) return;
    this.#scroller!.scrollTop = drag.top + drag.y - event.clientY;
    const to = drag.to + (by / Math.max(1, this.#canvas!.clientWidth)) * this.#span;
    // Up and down leaves the time alone.
    if (Math.abs(by) > 4) this.#to = to > this.#host.now() + this.#span * 0.02 ? undefined : to;
    this.#moved();
  };

  readonly #onUp = (event: PointerEvent): void => {
    const drag = this.#drag;
    this.#drag = undefined;
    if (drag === undefined || drag.moved || event.type === "pointercancel") return;
    const { entry } = this.#at(event);
    if (entry !== undefined) this.#host.select(entry);
  };

  readonly #onLeave = (): void => {
    this.#hovered = undefined;
    this.#host.changed();
  };

  readonly #onKey = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    switch (event.key) {
      case "ArrowLeft":
        this.#pan(-this.#span / 5);
        break;
      case "ArrowRight":
        this.#pan(this.#span / 5);
        break;
      case "+":
      case "=":
        this.zoom(0.5);
        break;
      case "-":
        this.zoom(2);
        break;
      case "End":
        this.#onNow();
        break;
      case " ":
        this.#host.pause(!this.#host.paused);
        break;
      case "ArrowDown":
        this.#step(1, 0);
        break;
      case "ArrowUp":
        this.#step(-1, 0);
        break;
      case ".":
        this.#step(0, 1);
        break;
      case ",":
        this.#step(0, -1);
        break;
      case "Enter":
        if (this.#hovered !== undefined) this.#host.select(this.#hovered.entry);
        break;
      default:
        return;
    }
    event.preventDefault();
  };

  /** The keyboard's way of pointing at something. */
  #step(rows: number, entries: number): void {
    const current = this.#hovered?.entry ?? this.#host.selected;
    const at = this.#rows.findIndex((row) => current !== undefined && row.entries.includes(current));
    const { from, to } = this.#window();
    let index = at;
    let entry: Entry | undefined;
    if (entries !== 0 && at >= 0) {
      const list = this.#rows[at]!.entries;
      entry = list[list.indexOf(current!) + entries];
    } else {
      index = Math.min(Math.max(at + rows, 0), this.#rows.length - 1);
      entry = lastOf(this.#rows[index]?.entries ?? [], (candidate) => candidate.since < to);
    }
    if (entry === undefined) return;
    const top = index * ROW;
    const scroller = this.#scroller!;
    const seen = scroller.clientHeight - AXIS;
    if (top < scroller.scrollTop || top + ROW > scroller.scrollTop + seen)
      scroller.scrollTop = top - seen / 2;
    if ((entry.endedAt ?? this.#host.now()) < from) this.#to = entry.since + this.#span / 2;
    const x = ((Math.max(entry.since, from) - from) / this.#span) * this.#canvas!.clientWidth;
    this.#hovered = { entry, x, y: top - scroller.scrollTop + AXIS };
    this.#said = this.#describe(entry);
    this.#moved();
  }
}

function nearest(row: Row, at: number, within: number, now: number): Entry | undefined {
  return lastOf(row.entries, ({ since, endedAt }) => since - within <= at && (endedAt ?? now) + within >= at);
}

function lastOf(entries: readonly Entry[], fits: (entry: Entry) => boolean): Entry | undefined {
  for (let index = entries.length; index-- > 0;) {
    const entry = entries[index]!;
    if (fits(entry)) return entry;
  }
  return undefined;
}
