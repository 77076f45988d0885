/* global EventSource, ResizeObserver, document, getComputedStyle, matchMedia, setInterval */
import uPlot from "./vendor/uPlot.esm.js";

const chartLength = 120;

const find = (selector) => document.querySelector(selector);
const cards = new Map();

const words = { up: "● up", down: "▲ down", pending: "… checking" };

function amount(value, unit) {
  return value === null ? "–" : `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
}

/** One target: what is known of it, and where it is shown. Texts are text nodes, never markup. */
class Card {
  constructor(target) {
    this.state = target;
    this.day = { ...target.day };
    this.history = [...target.history];
    this.element = find("#target").content.cloneNode(true).firstElementChild;
    this.chart = this.element.querySelector(".chart");
    const heading = this.element.querySelector("h2");
    heading.textContent = target.name;
    heading.id = `target-${cards.size}`;
    this.element.setAttribute("aria-labelledby", heading.id);
    this.write(".address", target.address);
  }

  write(selector, text) {
    this.element.querySelector(selector).textContent = text;
  }

  /** What came in while the server read the history is in both. */
  add(check) {
    if (check.id <= (this.history.at(-1)?.id ?? 0)) return;
    this.history.push(check);
    if (this.history.length > chartLength) this.history.shift();
    this.day.checks++;
    if (check.failure !== null) this.day.failed++;
    if (check.attempt > 0) this.day.restarts++;
  }

  show() {
    const { status, unit } = this.state;
    const { checks, failed, restarts } = this.day;
    const last = this.history.at(-1);
    this.element.dataset.status = status;
    this.write(".badge", words[status]);
    this.write(".last", last === undefined ? "–" : amount(last.value, unit));
    this.write(".uptime", checks === 0 ? "–" : `${((100 * (checks - failed)) / checks).toFixed(1)} %`);
    this.write(".restarts", String(restarts));
    this.showTrouble();
    this.draw();
  }

  showTrouble() {
    const { status, nextAt, attempt, reason } = this.state;
    const failure = status === "down" ? this.history.at(-1)?.failure : undefined;
    const left = nextAt === null ? 0 : Math.ceil((nextAt - Date.now()) / 1000);
    const wait = left > 0 ? `restart ${attempt} in ${left} s` : "";
    const parts = [failure ?? (nextAt === null ? undefined : reason), wait];
    this.write(".trouble", parts.filter(Boolean).join("; "));
  }

  draw() {
    const data = [
      this.history.map(({ at }) => at / 1000),
      this.history.map(({ value, failure }) => (failure === null ? value : null)),
      this.history.map(({ value, failure }) => (failure === null ? null : (value ?? 0))),
    ];
    const failures = data[2].filter((value) => value !== null).length;
    const values = data[1].filter((value) => value !== null);
    const { name, unit } = this.state;
    const range =
      values.length === 0
        ? "nothing measured"
        : `from ${amount(Math.min(...values), unit)} to ${amount(Math.max(...values), unit)}`;
    this.chart.dataset.points = String(values.length);
    this.chart.dataset.failures = String(failures);
    this.chart.setAttribute(
      "aria-label",
      `${name}: ${range} in the last ${this.history.length} checks, ${failures} of them failed`,
    );
    if (this.plot === undefined) this.plot = new uPlot(plotOptions(this), data, this.chart);
    else this.plot.setData(data);
  }

  redraw() {
    this.plot?.destroy();
    this.plot = undefined;
    this.draw();
  }
}

/** As short as what lies between two ticks allows. */
function timeLabel(tick, index, ticks) {
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : 1;
  const time = { hour: "2-digit", minute: "2-digit", ...(step < 60 && { second: "2-digit" }) };
  const format = step < 86_400 ? time : { day: "2-digit", month: "2-digit" };
  return new Intl.DateTimeFormat("en-GB", format).format(tick * 1000);
}

function plotOptions({ chart, state }) {
  const style = getComputedStyle(chart);
  const color = (name) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: color("--quiet"),
    grid: { stroke: color("--line"), width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
  };
  return {
    width: chart.clientWidth,
    height: chart.clientHeight,
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (_, __, max) => [0, state.unit === "%" ? 100 : Math.max(1, max * 1.1)] } },
    axes: [
      { ...axis, space: 70, size: 28, values: (_, ticks) => ticks.map(timeLabel) },
      { ...axis, size: 56, values: (_, ticks) => ticks.map((tick) => `${tick} ${state.unit}`) },
    ],
    series: [
      {},
      { stroke: color("--accent"), width: 2, points: { show: true, size: 4, fill: color("--accent") } },
      { stroke: color("--down"), paths: () => null, points: { show: true, size: 8, fill: color("--down") } },
    ],
  };
}

const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const card = [...cards.values()].find(({ chart }) => chart === target);
    card?.plot?.setSize({ width: target.clientWidth, height: target.clientHeight });
  }
});

function showSummary() {
  const statuses = [...cards.values()].map(({ state }) => state.status);
  const down = statuses.filter((status) => status === "down").length;
  find("#summary").textContent = down === 0 ? "" : `${down} of ${statuses.length} down`;
  document.title = down === 0 ? "Monitor" : `(${down}) Monitor`;
}

const on = {
  /** Everything anew: at the beginning, and when the server is back. */
  state({ targets, tasks }) {
    sizes.disconnect();
    for (const { plot } of cards.values()) plot?.destroy();
    cards.clear();
    for (const target of targets) cards.set(target.name, new Card(target));
    find("#targets").replaceChildren(...[...cards.values()].map(({ element }) => element));
    for (const card of cards.values()) {
      card.show();
      sizes.observe(card.chart);
    }
    on.tasks(tasks);
    showSummary();
  },
  check({ state, check, turned }) {
    const card = cards.get(state.name);
    card.state = state;
    card.add(check);
    card.show();
    if (!turned) return;
    showSummary();
    find("#news").textContent = `${state.name} is ${state.status}`;
  },
  restart({ state }) {
    const card = cards.get(state.name);
    card.state = state;
    card.showTrouble();
  },
  tasks(tasks) {
    const rows = tasks.map(({ id, name, status }) => {
      const row = document.createElement("tr");
      for (const text of [name, id, status]) row.insertCell().textContent = text;
      return row;
    });
    find("#tasks").replaceChildren(...rows);
  },
};

function showConnection(state, text) {
  find("#connection").dataset.state = state;
  find("#connection").textContent = text;
}

const events = new EventSource("events");
for (const [type, show] of Object.entries(on)) {
  events.addEventListener(type, ({ data }) => show(JSON.parse(data)));
}
events.addEventListener("open", () => showConnection("live", "live"));
events.addEventListener("error", () => showConnection("lost", "no connection, trying again"));

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const card of cards.values()) card.redraw();
});
setInterval(() => {
  for (const card of cards.values()) card.showTrouble();
}, 1000);
