/** All that is known of one scope or task. */
import { type TemplateResult, html, nothing } from "lit-html";

import { age, clock, duration, plural, STATE_TEXT, waitText } from "./format.ts";
import { icon } from "./icons.ts";
import type { Entry, Failure } from "./model.ts";

export interface DetailsHost {
  now(): number;
  failureOf(entry: Entry): Failure | undefined;
  /** Shows the one with this id, if it lives. */
  reveal(id: string): void;
  close(): void;
}

export function details(entry: Entry, host: DetailsHost): TemplateResult {
  const { id, type, kind, name, state, since, startedAt, endedAt, cancel, restarts, site, waitsFor } = entry;
  const now = host.now();
  const failure = host.failureOf(entry);
  const term = (what: string, value: unknown): TemplateResult | typeof nothing =>
    value === undefined
      ? nothing
      : html`<dt>${what}</dt>
          <dd>${value}</dd>`;
  const link = (target: string, text: string): TemplateResult =>
    html`<button type="button" class="link" @click=${() => host.reveal(target)}>${text}</button>`;
  return html`<aside class="pane details" aria-label="Details">
    <div class="bar">
      <h2>${icon(state)} <span class="name">${name}</span></h2>
      <span class="grow"></span>
      <button type="button" aria-label="Close details" @click=${() => host.close()}>✕</button>
    </div>
    <div class="scroll" tabindex="0" role="region" aria-label=${`About ${name}`}>
      ${
        failure === undefined
          ? nothing
          : html`<p class="error">${failure.error}</p>
              ${failure.stack === undefined ? nothing : html`<pre class="stack">${failure.stack}</pre>`}`
      }
      <dl>
        ${term("State", html`<span class="state ${state}">${STATE_TEXT[state]}</span>`)}
        ${term(type === "scope" ? "Scope" : "Task", html`${type === "scope" ? `${kind} ` : ""}<code>${id}</code>`)}
        ${term("Hangs on", entry.parent && link(entry.parent.id, entry.parent.name))}
        ${term(type === "scope" ? "Opened" : "Spawned", clock(since, 1))}
        ${term(
          "Started",
          startedAt === undefined
            ? undefined
            : `${clock(startedAt, 1)}, after ${duration(startedAt - since)}`,
        )}
        ${term("Ended", endedAt === undefined ? undefined : clock(endedAt, 1))}
        ${term(endedAt === undefined ? "Age" : "Lived", duration(age(entry, now)))}
        ${term("Restarts", restarts > 0 ? restarts : undefined)}
        ${term(
          "Waits for",
          waitsFor.length === 0
            ? undefined
            : waitsFor.map((wait) =>
                wait.for === "task" || wait.for === "scope"
                  ? html`<div>${link(wait.id, wait.name)}</div>`
                  : html`<div>${waitText(wait, now - entry.seenAt)}</div>`,
              ),
        )}
        ${term(
          "Cancelled by",
          cancel && html`${cancel.source}${cancel.at === undefined ? "" : ` at ${clock(cancel.at, 1)}`}`,
        )}
        ${term("Reason", cancel?.reason || undefined)}
        ${term("Live below", entry.children.size > 0 ? plural(entry.children.size, "child").replace("childs", "children") : undefined)}
        ${term(type === "scope" ? "Opened at" : "Spawned at", site && html`<pre class="site">${site}</pre>`)}
      </dl>
    </div>
  </aside>`;
}
