const milliseconds = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds: of "500ms", "1.5m", "30d"; without unit, of seconds. `undefined` if it is no time, or none at all. */
export function parseTime(text: string): number | undefined {
  const [, amount, unit = "s"] = /^(\d+(?:\.\d+)?|\.\d+)(ms|s|m|h|d)?$/.exec(text) ?? [];
  const time = Number(amount) * milliseconds[unit as keyof typeof milliseconds];
  return time > 0 ? time : undefined;
}

/** "500 ms", "1.5 s", "2 m". */
export function formatTime(time: number): string {
  const units = Object.entries(milliseconds).reverse();
  const [unit, size] = units.find(([, size]) => time >= size) ?? ["ms", 1];
  return `${Number((time / size).toFixed(1))} ${unit}`;
}
