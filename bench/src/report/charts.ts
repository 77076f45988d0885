/** Bars, ours in a colour of their own; shorter is better. */
import * as echarts from "echarts";
import type { Letter } from "../peer.ts";
import type { Results } from "../results.ts";

export interface Chart {
  /** Its name in `docs`. */
  file: string;
  title: string;
  svg: string;
}

interface Bar {
  name: string;
  value: number;
  ours: boolean;
}

const WIDTH = 760;
const OURS = "#2f6fdf";
const OTHERS = "#a8b0bc";

function draw(file: string, title: string, axis: string, bars: readonly Bar[], logarithmic: boolean): Chart {
  // The first is at the bottom.
  const sorted = [...bars].sort((a, b) => b.value - a.value);
  const least = 10 ** Math.floor(Math.log10(0.9 * Math.min(...bars.map(({ value }) => value))));
  const height = 110 + 24 * sorted.length;
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    title: { text: title, left: 12, top: 8, textStyle: { fontSize: 15 } },
    grid: { left: 250, right: 70, top: 48, bottom: 48 },
    xAxis: {
      type: logarithmic ? "log" : "value",
      // Bars begin at the left; by default those of a logarithmic axis do at 1, and what is faster would point the other way.
      ...(logarithmic && { min: least, startValue: least }),
      name: axis,
      nameLocation: "middle",
      nameGap: 28,
      axisLabel: { formatter: (value: number) => String(value) },
    },
    yAxis: {
      type: "category",
      data: sorted.map(({ name }) => name),
      axisTick: { show: false },
    },
    series: [
      {
        type: "bar",
        barWidth: 14,
        data: sorted.map(({ value, ours }) => ({
          value: Number(value.toPrecision(3)),
          itemStyle: { color: ours ? OURS : OTHERS },
        })),
        label: { show: true, position: "right" },
      },
    ],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return { file, title, svg: `${svg}\n` };
}

/** The works that have a chart; at the largest size, if none is named. */
const charted: readonly (readonly [letter: Letter, title: string, count?: number])[] = [
  ["a", "Spawn and join", 100],
  ["a", "Spawn and join", 10_000],
  ["c", "Cancel and wait"],
  ["d", "Under a limit of 16"],
  ["e", "Fail fast"],
  ["f", "Race"],
  ["g", "Completion order"],
  ["h", "A long-lived owner"],
];

export function charts(results: Results): Chart[] {
  const [runtime] = results.runtimes;
  const ours = new Set(results.peers.filter(({ kind }) => kind === "ours").map(({ name }) => name));
  const found: Chart[] = [];
  for (const [letter, title, named] of charted) {
    const sizes = results.cells.filter((cell) => cell.letter === letter).map(({ asked }) => asked);
    const count = named ?? Math.max(...sizes);
    const bars = results.cells.flatMap((cell): Bar[] =>
      cell.runtime === runtime && cell.letter === letter && cell.asked === count && cell.warm !== undefined
        ? [{ name: cell.peer, value: cell.warm.ratio.median, ours: ours.has(cell.peer) }]
        : [],
    );
    if (bars.length === 0) continue;
    const size = count.toLocaleString("en");
    found.push(
      draw(
        `performance-${letter}${named === undefined ? "" : `-${named}`}.svg`,
        `(${letter}) ${title}, ${size} tasks, ${runtime!}`,
        "processor time, Promise.allSettled = 1 (logarithmic; shorter is better)",
        bars,
        true,
      ),
    );
  }
  const memory = results.cells.flatMap((cell): Bar[] =>
    cell.runtime === runtime && cell.letter === "i" && cell.bytes !== undefined
      ? [{ name: cell.peer, value: cell.bytes["waiting"]!.median, ours: ours.has(cell.peer) }]
      : [],
  );
  if (memory.length > 0) {
    found.push(
      draw("performance-i.svg", `(i) Memory of a waiting task, ${runtime!}`, "bytes", memory, false),
    );
  }
  if (results.sizes.length > 0) {
    const sizes = results.sizes.map(({ name, bytes }, index): Bar => ({
      name,
      value: bytes / 1000,
      ours: index < OUR_SIZES,
    }));
    found.push(draw("performance-k.svg", "(k) Size, minified and gzipped", "kB", sizes, false));
  }
  return found;
}

/** The first sizes are ours. */
const OUR_SIZES = 4;
