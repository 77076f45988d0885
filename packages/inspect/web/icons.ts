/** A shape for each state, so that none is told by its colour alone. */
import { type SVGTemplateResult, type TemplateResult, html, svg } from "lit-html";

import type { Tag } from "./filter.ts";
import { STATE_TEXT } from "./format.ts";

const SHAPES: Readonly<Record<Tag, SVGTemplateResult>> = {
  open: svg`<rect x="2.5" y="2.5" width="9" height="9" rx="2" fill="none" stroke="currentColor" stroke-width="1.6"/>`,
  closing: svg`<rect x="2.5" y="2.5" width="9" height="9" rx="2" fill="none" stroke="currentColor" stroke-width="1.6" stroke-dasharray="2.6 1.8"/>`,
  closed: svg`<rect x="2.5" y="2.5" width="9" height="9" rx="2" fill="currentColor"/>`,
  pending: svg`<circle cx="7" cy="7" r="4.2" fill="none" stroke="currentColor" stroke-width="1.6" stroke-dasharray="2.2 2.2"/>`,
  running: svg`<path d="M4 2.6 11.2 7 4 11.4Z" fill="currentColor"/>`,
  cancelling: svg`<path d="M7 1.8 12.6 12H1.4Z" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linejoin="round"/><path d="M7 5.6v3M7 10v.9" stroke="currentColor" stroke-width="1.4"/>`,
  succeeded: svg`<path d="m2.6 7.4 3 3 5.8-6.6" fill="none" stroke="currentColor" stroke-width="1.9"/>`,
  failed: svg`<path d="m3 3 8 8M11 3l-8 8" stroke="currentColor" stroke-width="2"/>`,
  cancelled: svg`<circle cx="7" cy="7" r="4.6" fill="none" stroke="currentColor" stroke-width="1.5"/><path d="m3.9 10.1 6.2-6.2" stroke="currentColor" stroke-width="1.5"/>`,
  lost: svg`<circle cx="7" cy="7" r="1.8" fill="currentColor"/>`,
  restarted: svg`<path d="M11.4 7A4.4 4.4 0 1 1 9.6 3.4" fill="none" stroke="currentColor" stroke-width="1.6"/><path d="M8.2 4.6 11.6 4.9 11.2 1.4Z" fill="currentColor"/>`,
  deadlocked: svg`<path d="M2 7a2.4 2.4 0 0 1 5 0 2.4 2.4 0 0 0 5 0 2.4 2.4 0 0 0-5 0 2.4 2.4 0 0 1-5 0Z" fill="none" stroke="currentColor" stroke-width="1.7"/>`,
};

export function tagText(tag: Tag): string {
  return tag === "restarted" || tag === "deadlocked" ? tag : STATE_TEXT[tag];
}

/** For the eye: what it says stands in words beside it. */
export function icon(tag: Tag): TemplateResult {
  return html`<svg class="icon ${tag}" viewBox="0 0 14 14" width="14" height="14" aria-hidden="true">
    ${SHAPES[tag]}
  </svg>`;
}
