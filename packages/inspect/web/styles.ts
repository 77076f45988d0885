/** Inside the shadow root alone. The colours follow the `color-scheme` of the page. */
export const styles = /* css */ `
:host { all: initial; display: block; height: 100%; min-height: 0; color-scheme: inherit; }
* { box-sizing: border-box; }
.view {
  --surface: light-dark(#ffffff, #14171c);
  --raised: light-dark(#f5f6f8, #1a1e24);
  --band: light-dark(#f3f5f8, #1b2027);
  --hover: light-dark(#eaf1fb, #222a35);
  --line: light-dark(#e1e5ea, #2a3038);
  --edge: light-dark(#868f9b, #68727f);
  --text: light-dark(#1a1f26, #e4e8ee);
  --muted: light-dark(#566170, #98a3b1);
  --accent: light-dark(#0a5bc4, #6cb2ff);
  --scope: light-dark(#93a0b0, #55606e);
  --running: light-dark(#1f6fd1, #5aa7f5);
  --pending: light-dark(#6a7583, #8d99a8);
  --cancelling: light-dark(#a66300, #e6a93c);
  --succeeded: light-dark(#157a5e, #49bd97);
  --failed: light-dark(#c2281d, #ff7b6e);
  --cancelled: light-dark(#75639a, #b09fd6);
  --restarted: light-dark(#7b3fc0, #c79bff);
  --deadlocked: light-dark(#b3126f, #ff7fc4);
  --on-bar: light-dark(#ffffff, #0b0f14);
  --succeeded-fill: light-dark(#dcefe8, #17352d);
  --cancelled-fill: light-dark(#e7e1f1, #2d2740);
  --pending-fill: light-dark(#eceff3, #222830);
  --mono: ui-monospace, "SF Mono", "Cascadia Code", "JetBrains Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  display: flex;
  flex-direction: column;
  height: 100%;
  min-height: 0;
  overflow: hidden;
  color: var(--text);
  background: var(--surface);
  font: 12px/1.4 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums;
  container: view / inline-size;
}
.grow { flex: 1; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
h1, h2, p, dl, dd, ul, pre { margin: 0; padding: 0; }
button, input { font: inherit; color: inherit; }
button {
  border: 1px solid var(--line);
  border-radius: 5px;
  padding: 2px 8px;
  min-height: 24px;
  min-width: 24px;
  background: var(--surface);
  cursor: pointer;
  white-space: nowrap;
}
button:hover:not(:disabled) { background: var(--hover); }
button:disabled { color: var(--muted); cursor: default; }
button[aria-pressed="true"] { background: var(--hover); border-color: var(--accent); color: var(--accent); }
button.link { display: inline; border: 0; padding: 0; min-height: 0; min-width: 0; background: none; color: var(--accent); text-decoration: underline; text-underline-offset: 2px; white-space: normal; text-align: left; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; }
input {
  width: 150px;
  min-width: 70px;
  min-height: 24px;
  padding: 2px 8px;
  border: 1px solid var(--edge);
  border-radius: 5px;
  background: var(--surface);
}
input::placeholder { color: var(--muted); opacity: 1; }

.head { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 14px; padding: 6px 12px; border-bottom: 1px solid var(--line); background: var(--raised); }
h1 { font-size: 13px; font-weight: 650; max-width: 40ch; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.pid, .figure { color: var(--muted); white-space: nowrap; }
.figure b { color: var(--text); font-weight: 600; }
.feed { display: inline-flex; align-items: center; gap: 6px; }
.feed i { width: 8px; height: 8px; flex: none; border-radius: 50%; background: var(--pending); }
.feed.live i { background: var(--succeeded); }
.feed.silent i, .feed.reconnecting i { background: var(--cancelling); border-radius: 0; }
.feed.ended i, .feed.refused i { background: var(--failed); border-radius: 0; rotate: 45deg; }
.feed.ended, .feed.refused, .feed.silent, .feed.reconnecting { font-weight: 600; }
.failures .icon { color: var(--muted); }
.failures.some .icon { color: var(--failed); }
.banner { padding: 6px 12px; border-bottom: 1px solid var(--line); border-left: 4px solid var(--deadlocked); background: color-mix(in srgb, var(--deadlocked) 9%, var(--surface)); }
.banner .icon { color: var(--deadlocked); }

.banner summary { cursor: pointer; }
.banner.blocked { border-left-color: var(--cancelling); background: color-mix(in srgb, var(--cancelling) 9%, var(--surface)); }
.banner pre { max-height: 20vh; overflow: auto; padding-top: 4px; }

.panes { flex: 1; min-height: 0; display: grid; grid-template: minmax(0, 1fr) minmax(0, 1fr) / minmax(0, 1fr); }
.part .panes { grid-template-rows: minmax(0, 1fr); }
.split .panes { grid-template-columns: minmax(0, 1fr) minmax(260px, 34%); }
.pane { container: pane / inline-size; position: relative; display: flex; flex-direction: column; min-width: 0; min-height: 0; }
.timeline { grid-row: -2; grid-column: 1 / -1; border-top: 1px solid var(--line); }
.part .timeline { grid-column: 1; border-top: 0; }
.tree { grid-area: 1 / 1; }
.details { grid-area: 1 / 2; border-left: 1px solid var(--line); }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 8px; padding: 5px 12px; border-bottom: 1px solid var(--line); background: var(--raised); }
h2 { font-size: 12px; font-weight: 650; min-width: 0; overflow-wrap: anywhere; }
.chips, .tools { display: flex; flex-wrap: wrap; gap: 4px; align-items: center; }
.chip { border-radius: 12px; display: inline-flex; align-items: center; gap: 4px; }
.chip b { font-weight: 600; }
.span { min-width: 44px; text-align: center; color: var(--muted); }
.pause { min-width: 66px; }
.scroll { flex: 1; min-height: 0; overflow: auto; overscroll-behavior: contain; scrollbar-width: thin; scrollbar-color: var(--edge) transparent; }
.empty { padding: 24px; text-align: center; color: var(--muted); }

.icon { flex: none; vertical-align: -2.5px; }
${["running", "pending", "cancelling", "succeeded", "failed", "cancelled", "restarted", "deadlocked"]
  .map((name) => `.icon.${name} { color: var(--${name}); }`)
  .join("\n")}
.icon.open, .icon.closed, .icon.lost { color: var(--muted); }
.icon.closing { color: var(--cancelling); }

.space { position: relative; }
.tree .rows { position: absolute; inset: 0 0 auto; }
.row {
  display: flex;
  align-items: center;
  gap: 7px;
  height: 24px;
  padding: 0 12px 0 calc(8px + var(--level) * 16px);
  white-space: nowrap;
  overflow: hidden;
  cursor: default;
  background-image: repeating-linear-gradient(to right, var(--line) 0 1px, transparent 1px 16px);
  background-size: calc(var(--level) * 16px) 100%;
  background-position: 14px 0;
  background-repeat: no-repeat;
}
.row:hover { background-color: var(--band); }
.row[aria-selected="true"] { background-color: var(--hover); }
[role="tree"]:focus-visible .row.active { outline: 2px solid var(--accent); outline-offset: -2px; border-radius: 4px; }
.row.aside > :not(.fold) { opacity: 0.75; }
.row.stuck { box-shadow: inset 3px 0 var(--deadlocked); }
.fold { flex: none; width: 14px; text-align: center; color: var(--muted); font-size: 11px; cursor: pointer; }
.name { overflow: hidden; text-overflow: ellipsis; }
.row .name { flex: 0 1 auto; min-width: 3ch; font-family: var(--mono); font-size: 11.5px; }
.name.scope { font-weight: 650; }
.kind, .note, .age { color: var(--muted); }
.state { color: var(--muted); }
.row .state { flex: none; width: 74px; }
.state.running { color: var(--running); }
.state.failed { color: var(--failed); }
.state.cancelling, .state.closing { color: var(--cancelling); }
.state.cancelled { color: var(--cancelled); }
.state.succeeded { color: var(--succeeded); }
.badge { display: inline-flex; align-items: center; gap: 3px; }
.badge.restarted { color: var(--restarted); }
.badge.deadlocked { color: var(--deadlocked); font-weight: 600; }
.note { flex: 0 3 auto; min-width: 0; overflow: hidden; text-overflow: ellipsis; }
.waits { flex: 1 3 40px; text-align: right; margin-right: 8px; }
.age { flex: none; width: 62px; text-align: right; }

.stick { position: sticky; top: 0; z-index: 1; height: 0; }
canvas { position: absolute; display: block; top: 0; left: 0; width: 100%; cursor: crosshair; touch-action: pan-y; }
.tip { position: absolute; z-index: 2; translate: 12px 44px; max-width: min(420px, 70%); padding: 4px 8px; border-radius: 5px; color: var(--surface); background: var(--text); pointer-events: none; overflow-wrap: anywhere; }
.tip[hidden] { display: none; }

.details .scroll { padding: 10px 12px; }
.details dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 4px 14px; overflow-wrap: anywhere; }
.details dt { color: var(--muted); }
code, pre { font-family: var(--mono); font-size: 11px; white-space: pre-wrap; }
.error { color: var(--failed); font-weight: 600; overflow-wrap: anywhere; white-space: pre-wrap; }
p.error { margin-bottom: 8px; }
.stack { margin-bottom: 12px; padding: 8px 10px; border: 1px solid var(--line); border-radius: 5px; background: var(--raised); white-space: pre-wrap; overflow-wrap: anywhere; }
.details ul { list-style: none; padding: 4px; }
.details li button { display: grid; grid-template-columns: auto minmax(0, 1fr) auto; gap: 2px 7px; width: 100%; border-color: transparent; text-align: left; padding: 4px 8px; align-items: center; }
.details li time { color: var(--muted); }
.details li .error { grid-column: 2 / -1; font-weight: 400; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }

@container pane (max-width: 1180px) {
  .bar input { width: 104px; }
  .bar, .chips { gap: 4px; }
  .chip { padding: 2px 6px; }
}
@container pane (max-width: 760px) {
  .chip .label { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .chip { min-width: 30px; justify-content: center; }
}
@container view (max-width: 640px) {
  .row .state, .row .kind { display: none; }
  .bar { padding: 4px 8px; }
  .head { padding: 6px 8px; gap: 4px 10px; }
  .bar input { flex: 1 1 90px; width: auto; }
  .split .panes { grid-template-columns: minmax(0, 1fr); }
  .details { grid-area: 1 / 1 / -1 / -1; z-index: 2; border-left: 0; background: var(--surface); }
}
`;
