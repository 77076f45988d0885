/**
 * The view of an inspector as a part of any page: the live tree, the timeline and what is known of each task.
 *
 * @packageDocumentation
 */
import { type TemplateResult, html, nothing, render } from "lit-html";

import { type DetailsHost, details } from "./details.ts";
import { type Feed, type FeedState, type Source, startFeed } from "./feed.ts";
import { clock, count, nounFor, plural } from "./format.ts";
import { icon } from "./icons.ts";
import { type Entry, type Failure, Model } from "./model.ts";
import { styles } from "./styles.ts";
import { SPAN, Timeline } from "./timeline.ts";
import { Tree } from "./tree.ts";

export type { FeedState, Source } from "./feed.ts";
export type {
  CancelNode,
  EventBatch,
  Inspected,
  ScopeNode,
  Snapshot,
  TaskNode,
  TimelineEvent,
  WaitNode,
} from "../src/types.ts";

/** A view in a page. */
export interface View {
  /** Whether what comes is shown. */
  readonly state: FeedState;
  /** Takes it out of the page and asks the program no more. */
  dispose(): void;
}

export interface ViewOptions {
  /** How many milliseconds the timeline shows at first: from 20 to 3,600,000. @default 30_000 */
  readonly span?: number | undefined;
}

/** How often figures change: no eye follows them faster. */
const REFRESH = 250;

/**
 * Shows the live tree of a program, its timeline, and all that is known of each scope and task, in an element of a page:
 * as large as the element is, which therefore needs a height.
 *
 * It asks the program ten times a second for its events, and about once a second, less often if that takes long, for a
 * snapshot, until `dispose` is called or the program has ended. What has been seen stays to be read. Its colours follow the
 * `color-scheme` of the element; its styles stay inside of it, and need no permission of a content security policy.
 *
 * @throws TypeError if `element` is no element, RangeError if `span` is no such number.
 *
 * @example
 * ```ts
 * const view = mountInspector(document.querySelector("#inspector"), source);
 * ```
 */
export function mountInspector(element: Element, source: Source, options: ViewOptions = {}): View {
  return mount(element, source, options, true);
}

/** As `mountInspector`, with the timeline alone, and the details of what is chosen in it. */
export function mountTimeline(element: Element, source: Source, options: ViewOptions = {}): View {
  return mount(element, source, options, false);
}

function mount(element: Element, source: Source, options: ViewOptions, whole: boolean): View {
  if (!(element instanceof Element))
    throw new TypeError(`Expected element to be an Element, got ${String(element)}`);
  const { span = SPAN.initial } = options;
  if (!(span >= SPAN.min && span <= SPAN.max)) {
    throw new RangeError(`Expected span to be a number from ${SPAN.min} to ${SPAN.max}, got ${String(span)}`);
  }
  const host = document.createElement("div");
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(styles);
  root.adoptedStyleSheets = [sheet];
  element.append(host);

  const model = new Model();
  let selected: Entry | undefined;
  /** When it was paused. */
  let pausedAt: number | undefined;
  let endedAt: number | undefined;
  let failuresShown = false;
  let frame = 0;
  let drawn = { version: -1, at: 0 };
  let rate = { events: 0, at: performance.now(), value: 0 };
  /** Someone has touched it, or it is of another size. */
  let touched = true;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  const shared: DetailsHost & ConstructorParameters<typeof Timeline>[0] = {
    model,
    get paused() {
      return pausedAt !== undefined;
    },
    get selected() {
      return selected;
    },
    now: () => pausedAt ?? endedAt ?? model.now(),
    pause: (paused) => {
      pausedAt = paused ? shared.now() : undefined;
      tree.freeze(paused);
      timeline.refresh();
      shared.changed();
    },
    select: (entry) => {
      selected = entry;
      shared.changed();
    },
    changed: () => {
      touched = true;
      schedule();
    },
    reveal: (id) => {
      if (whole) tree.reveal(id);
      else selected = model.entries.get(id) ?? selected;
      shared.changed();
    },
    failureOf: (entry) => model.failureOf(entry),
    close: () => {
      selected = undefined;
      shared.changed();
    },
  };
  const tree = new Tree(shared);
  const timeline = new Timeline(shared, span);
  const feed: Feed = startFeed(source, model, () => {
    if (feed.state === "ended") endedAt ??= model.now();
    shared.changed();
  });

  const page = (): TemplateResult =>
    html`<div
      class="view ${whole ? "whole" : "part"} ${selected === undefined && !failuresShown ? "" : "split"}"
      @keydown=${onEscape}
    >
      ${header()} ${whole ? [blocked(), deadlocks()] : nothing}
      <div class="panes">
        ${whole ? tree.template() : nothing} ${timeline.template()}
        ${failuresShown && selected === undefined ? failures() : nothing}
        ${selected === undefined ? nothing : details(selected, shared)}
      </div>
    </div>`;

  const header = (): TemplateResult =>
    html`<header class="head">
      ${
        whole
          ? html`<h1 title=${model.title}>${model.title.split("/").at(-1) || "…"}</h1>
              ${model.pid === 0 ? nothing : html`<span class="pid">PID ${model.pid}</span>`}`
          : nothing
      }
      <span class="feed ${feed.state}" role="status"
        ><i aria-hidden="true"></i>${feedText(feed, pausedAt !== undefined, endedAt)}</span
      >
      <span class="grow"></span>
      ${figure(model.counts.scopes, "scope")} ${figure(model.counts.tasks, "task")}
      <span class="figure"><b>${count(rate.value)}</b> events/s</span>
      <button
        type="button"
        class="failures ${model.counts.failed > 0 ? "some" : ""}"
        aria-pressed=${String(failuresShown)}
        @click=${() => {
          failuresShown = !failuresShown || selected !== undefined;
          selected = undefined;
          shared.changed();
        }}
      >
        ${icon("failed")} ${plural(model.counts.failed, "failure")}
      </button>
    </header>`;

  const blocked = (): unknown =>
    model.blocked === undefined
      ? nothing
      : html`<details class="banner blocked">
          <summary>
            <strong>Blocked:</strong> the event loop does not turn, for it is in the midst of synchronous
            code.
          </summary>
          <pre>${model.blocked}</pre>
        </details>`;

  const deadlocks = (): unknown =>
    model.cycles.map((ids) => {
      const [first] = ids;
      const name = (id: string): TemplateResult =>
        html`<button type="button" class="link" @click=${() => shared.reveal(id)}>
          ${model.entries.get(id)?.name ?? id}
        </button>`;
      return html`<p class="banner" role="alert">
        ${icon("deadlocked")} <strong>Deadlock:</strong>
        ${ids.map((id) => html`${name(id)} waits for `)}${first === undefined ? nothing : name(first)}. None
        of them will ever end.
      </p>`;
    });

  const failures = (): TemplateResult =>
    html`<aside class="pane details" aria-label="Failures">
      <div class="bar">
        <h2>Failures</h2>
        <span class="grow"></span>
        <button
          type="button"
          aria-label="Close failures"
          @click=${() => {
            failuresShown = false;
            shared.changed();
          }}
        >
          ✕
        </button>
      </div>
      ${
        model.failures.length === 0
          ? html`<p class="empty">No task has failed.</p>`
          : html`<ul class="scroll">
              ${model.failures.slice(-100).reverse().map(failureItem)}
            </ul>`
      }
    </aside>`;

  const failureItem = ({ entry, at, error }: Failure): TemplateResult =>
    html`<li>
      <button type="button" @click=${() => shared.select(entry)}>
        ${icon("failed")} <span class="name">${entry.name}</span> <time>${clock(at)}</time>
        <span class="error">${error}</span>
      </button>
    </li>`;

  const onEscape = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || (selected === undefined && !failuresShown)) return;
    if (selected === undefined) failuresShown = false;
    selected = undefined;
    shared.changed();
  };

  const draw = (): void => {
    frame = 0;
    const now = performance.now();
    const due = now - drawn.at >= REFRESH;
    if (touched || due) {
      touched = false;
      if (now - rate.at >= 1_000) {
        const { events } = model.counts;
        rate = { events, at: now, value: Math.round(((events - rate.events) / (now - rate.at)) * 1_000) };
      }
      if (due) {
        timeline.refresh();
        timeline.recolour();
        drawn = { version: model.version, at: now };
      }
      const attentive = root.activeElement;
      render(page(), root);
      // Whoever has closed something by a key goes on with one.
      if (attentive?.isConnected === false) {
        root
          .querySelector<HTMLElement>(".details .scroll, [role=tree], canvas")
          ?.focus({ preventScroll: true });
      }
      tree.attach(root);
      timeline.attach(root);
    }
    timeline.paint();
    if (timeline.moves && !calm.matches && endedAt === undefined) schedule();
  };
  const schedule = (): void => {
    if (frame === 0) frame = requestAnimationFrame(draw);
  };
  const timer = setInterval(schedule, REFRESH);
  const sizes = new ResizeObserver(() => shared.changed());
  sizes.observe(host);
  schedule();

  return {
    get state() {
      return feed.state;
    },
    dispose: () => {
      feed.dispose();
      clearInterval(timer);
      cancelAnimationFrame(frame);
      sizes.disconnect();
      host.remove();
    },
  };
}

function figure(value: number, word: string): TemplateResult {
  return html`<span class="figure"><b>${count(value)}</b> ${nounFor(value, word)}</span>`;
}

function feedText({ state, message }: Feed, paused: boolean, endedAt: number | undefined): string {
  switch (state) {
    case "connecting":
      return "connecting";
    case "live":
      return paused ? "paused" : "live";
    case "silent":
      return "no answer: the program is busy or stopped";
    case "reconnecting":
      return `no connection, trying again (${message})`;
    case "ended":
      return `ended${endedAt === undefined ? "" : ` at ${clock(endedAt)}`}: this is what was seen last (${message})`;
    case "refused":
      return message;
  }
}
