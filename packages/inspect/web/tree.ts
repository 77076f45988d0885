/** The live tree: a list that holds the rows in sight and no others, operated as the WAI-ARIA pattern "tree view" says. */
import { type TemplateResult, html, nothing } from "lit-html";
import { live } from "lit-html/directives/live.js";

import { type Filter, type Tag, type TreeRow, flatten, isActive } from "./filter.ts";
import { age, count, duration, plural, STATE_TEXT, waitText } from "./format.ts";
import { icon, tagText } from "./icons.ts";
import type { Entry, Model } from "./model.ts";

const ROW = 24;
/** Rows above and below what is in sight. */
const MARGIN = 6;
const TAGS: readonly Tag[] = ["running", "pending", "cancelling", "restarted", "deadlocked"];

export interface TreeHost {
  readonly model: Model;
  readonly paused: boolean;
  readonly selected: Entry | undefined;
  now(): number;
  select(entry: Entry): void;
  changed(): void;
}

export class Tree {
  readonly #host: TreeHost;
  readonly #collapsed = new Set<string>();
  #filter: Filter = { query: "", tags: new Set() };
  #rows: TreeRow[] = [];
  #seen = -1;
  #frozen: ReadonlySet<Entry> | undefined;
  /** Who has the keyboard's attention. */
  #active: string | undefined;
  #scroller: HTMLElement | undefined;
  #tagged = new Map<Tag, number>();

  constructor(host: TreeHost) {
    this.#host = host;
  }

  /** From now on what it shows stands still; or no longer. */
  freeze(frozen: boolean): void {
    this.#frozen = frozen ? this.#host.model.freeze() : undefined;
    this.#seen = -1;
  }

  /** Brings a living entry into sight, whatever hides it. */
  reveal(id: string): void {
    const { model } = this.#host;
    const entry = model.entries.get(id);
    if (entry === undefined) return;
    this.#filter = { query: "", tags: new Set() };
    for (let above = entry.parent; above !== undefined; above = above.parent)
      this.#collapsed.delete(above.id);
    this.#active = id;
    this.#refresh();
    this.#scrollTo(this.#rows.findIndex((row) => row.entry.id === id));
    this.#host.select(entry);
  }

  template(): TemplateResult {
    if (this.#seen !== this.#host.model.version) this.#refresh();
    return html`<section class="pane tree" aria-label="Live tree">
      <div class="bar">
        <h2>Tree</h2>
        <input
          type="search"
          aria-label="Find scopes and tasks by name"
          placeholder="Find"
          .value=${live(this.#filter.query)}
          @input=${this.#onQuery}
        />
        <div class="chips" role="group" aria-label="Show only">${TAGS.map((tag) => this.#chip(tag))}</div>
        <span class="grow"></span>
        <button type="button" @click=${this.#onFold}>
          ${this.#collapsed.size > 0 ? "Unfold all" : "Fold all"}
        </button>
      </div>
      ${this.#body()}
    </section>`;
  }

  #refresh(): void {
    const { model } = this.#host;
    this.#seen = model.version;
    const roots = this.#frozen ?? model.roots;
    this.#rows = flatten(roots, this.#collapsed, this.#filter);
    const tagged = this.#tagged;
    tagged.set("restarted", 0).set("deadlocked", 0);
    for (const entry of model.entries.values()) {
      if (entry.restarts > 0) tagged.set("restarted", tagged.get("restarted")! + 1);
      if (entry.cycle >= 0) tagged.set("deadlocked", tagged.get("deadlocked")! + 1);
    }
  }

  #chip(tag: Tag): TemplateResult {
    const { counts } = this.#host.model;
    const value =
      tag === "running" || tag === "pending" || tag === "cancelling"
        ? counts[tag]
        : (this.#tagged.get(tag) ?? 0);
    return html`<button
      type="button"
      class="chip"
      aria-pressed=${String(this.#filter.tags.has(tag))}
      @click=${() => this.#toggleTag(tag)}
    >
      ${icon(tag)}<span class="label">${tagText(tag)}</span> <b>${count(value)}</b>
    </button>`;
  }

  #body(): TemplateResult {
    const rows = this.#rows;
    const scroller = this.#scroller;
    if (rows.length === 0) {
      this.#scroller = undefined;
      return html`<p class="empty">
        ${isActive(this.#filter) ? "Nothing that lives is like that." : "No scope is open."}
      </p>`;
    }
    const height = scroller?.clientHeight ?? 600;
    const first = Math.max(0, Math.floor((scroller?.scrollTop ?? 0) / ROW) - MARGIN);
    const shown = rows.slice(first, first + Math.ceil(height / ROW) + 2 * MARGIN);
    const active = shown.some(({ entry }) => entry.id === this.#active) ? this.#active : undefined;
    const now = this.#host.now();
    return html`<div
      class="scroll"
      role="tree"
      tabindex="0"
      aria-label=${`Scopes and tasks: ${plural(rows.length, "row")}`}
      aria-activedescendant=${active === undefined ? nothing : `row-${active}`}
      @scroll=${this.#onScroll}
      @keydown=${this.#onKey}
      @click=${this.#onClick}
    >
      <div class="space" role="none" .style=${`height: ${rows.length * ROW}px`}>
        <div role="none" class="rows" .style=${`transform: translateY(${first * ROW}px)`}>
          ${shown.map((row) => this.#row(row, now))}
        </div>
      </div>
    </div>`;
  }

  #row(row: TreeRow, now: number): TemplateResult {
    const { entry, level, position, siblings, expanded, matches } = row;
    const { id, type, kind, name, state, cancel, restarts, waitsFor, cycle } = entry;
    const [wait] = waitsFor;
    const waits =
      wait === undefined
        ? ""
        : waitText(wait, now - entry.seenAt) +
          (waitsFor.length > 1 ? ` and ${waitsFor.length - 1} more` : "");
    return html`<div
      id="row-${id}"
      class="row ${matches ? "" : "aside"} ${id === this.#active ? "active" : ""} ${cycle >= 0 ? "stuck" : ""}"
      role="treeitem"
      data-id=${id}
      aria-level=${level}
      aria-posinset=${position}
      aria-setsize=${siblings}
      aria-expanded=${expanded === undefined ? nothing : String(expanded)}
      aria-selected=${String(this.#host.selected?.id === id)}
      .style=${`--level: ${Math.min(level, 24) - 1}`}
    >
      <span class="fold" aria-hidden="true">${expanded === undefined ? "" : expanded ? "▾" : "▸"}</span>
      ${icon(state)}
      <span class="name ${type}">${name}</span>
      ${type === "scope" ? html`<span class="kind">${kind}</span>` : nothing}
      ${cycle >= 0 ? html`<span class="badge deadlocked">${icon("deadlocked")} deadlock</span>` : nothing}
      ${
        restarts > 0
          ? html`<span class="badge restarted" title="restarts"
              >${icon("restarted")} ${count(restarts)}<span class="hidden"> restarts</span></span
            >`
          : nothing
      }
      ${cancel === undefined ? nothing : html`<span class="note">${cancel.reason || cancel.source}</span>`}
      <span class="note waits">${waits}</span>
      <span class="state ${state}">${STATE_TEXT[state]}</span>
      <span class="age">${duration(age(entry, now))}</span>
    </div>`;
  }

  #toggle(entry: Entry): void {
    if (!this.#collapsed.delete(entry.id)) this.#collapsed.add(entry.id);
    this.#refresh();
    this.#host.changed();
  }

  readonly #toggleTag = (tag: Tag): void => {
    const tags = new Set(this.#filter.tags);
    if (!tags.delete(tag)) tags.add(tag);
    this.#ask({ ...this.#filter, tags });
  };

  readonly #onQuery = (event: Event): void => {
    this.#ask({ ...this.#filter, query: (event.target as HTMLInputElement).value.trim().toLowerCase() });
  };

  #ask(filter: Filter): void {
    this.#filter = filter;
    this.#refresh();
    this.#host.changed();
  }

  readonly #onFold = (): void => {
    const { model } = this.#host;
    if (this.#collapsed.size > 0) this.#collapsed.clear();
    else
      for (const { id, children } of model.entries.values()) if (children.size > 0) this.#collapsed.add(id);
    this.#refresh();
    this.#host.changed();
  };

  readonly #onScroll = (event: Event): void => {
    this.#scroller = event.currentTarget as HTMLElement;
    this.#host.changed();
  };

  readonly #onClick = (event: Event): void => {
    const target = event.target as Element;
    const id = target.closest<HTMLElement>("[data-id]")?.dataset["id"];
    const row = this.#rows.find(({ entry }) => entry.id === id);
    if (row === undefined) return;
    this.#active = row.entry.id;
    if (target.closest(".fold") !== null && row.expanded !== undefined) this.#toggle(row.entry);
    else this.#host.select(row.entry);
  };

  readonly #onKey = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    this.#scroller = event.currentTarget as HTMLElement;
    const rows = this.#rows;
    const at = rows.findIndex(({ entry }) => entry.id === this.#active);
    const row = rows[at];
    const page = Math.max(1, Math.floor(this.#scroller.clientHeight / ROW) - 1);
    let to: number | undefined;
    switch (event.key) {
      case "ArrowDown":
        to = at + 1;
        break;
      case "ArrowUp":
        to = at - 1;
        break;
      case "PageDown":
        to = at + page;
        break;
      case "PageUp":
        to = at - page;
        break;
      case "Home":
        to = 0;
        break;
      case "End":
        to = rows.length - 1;
        break;
      case "ArrowRight":
        if (row?.expanded === false) this.#toggle(row.entry);
        else if (row?.expanded === true) to = at + 1;
        break;
      case "ArrowLeft":
        if (row?.expanded === true && !isActive(this.#filter)) this.#toggle(row.entry);
        else if (row?.entry.parent !== undefined)
          to = rows.findIndex(({ entry }) => entry === row.entry.parent);
        break;
      case "Enter":
      case " ":
        if (row !== undefined) this.#host.select(row.entry);
        break;
      default:
        return;
    }
    event.preventDefault();
    if (to === undefined) return;
    this.#active = rows[Math.min(Math.max(to, 0), rows.length - 1)]?.entry.id;
    this.#scrollTo(Math.min(Math.max(to, 0), rows.length - 1));
    this.#host.changed();
  };

  #scrollTo(index: number): void {
    const scroller = this.#scroller;
    if (scroller === undefined || index < 0) return;
    const top = index * ROW;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + ROW > scroller.scrollTop + scroller.clientHeight) {
      scroller.scrollTop = top + ROW - scroller.clientHeight;
    }
  }

  /** After each time it was rendered. */
  attach(root: ParentNode): void {
    const found = root.querySelector<HTMLElement>('[role="tree"]') ?? undefined;
    if (found === this.#scroller) return;
    this.#scroller = found;
    // It is as high as it is only now.
    this.#host.changed();
  }
}
