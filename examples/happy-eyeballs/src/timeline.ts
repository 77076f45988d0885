import type { DialEvent } from "./dial.ts";
import { describe } from "./errors.ts";

interface Row {
  readonly start: number;
  end?: number;
  outcome: "pending" | "connected" | "failed" | "closed";
  error?: unknown;
}

const columns = 48;
const marks = { pending: ">", connected: "*", failed: "x", closed: "|" };

/** Notes what `dial` tells, and draws it: a line per address, time to the right. */
export class Timeline {
  readonly #rows = new Map<string, Row | undefined>();
  readonly #now: () => number;
  #began: number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#began = now();
  }

  /** An `onEvent` of `dial`. */
  readonly note = (event: DialEvent): void => {
    if (event.type === "resolved") {
      this.#began = this.#now();
      for (const address of event.addresses) this.#rows.set(address, undefined);
      return;
    }
    const time = this.#now() - this.#began;
    if (event.type === "started") {
      this.#rows.set(event.address, { start: time, outcome: "pending" });
      return;
    }
    const row = this.#rows.get(event.address);
    // What has failed is closed as a matter of course; one that connected too late is one more that is closed.
    if (row === undefined || row.outcome === "failed") return;
    row.outcome = event.type;
    row.end = time;
    row.error = event.error;
  };

  /** Those that had neither answered nor failed when it ended. */
  get unanswered(): string[] {
    return [...this.#rows].flatMap(([address, row]) => (row?.outcome === "closed" ? [address] : []));
  }

  get failures(): { address: string; error: unknown }[] {
    return [...this.#rows].flatMap(([address, row]) =>
      row?.outcome === "failed" ? [{ address, error: row.error }] : [],
    );
  }

  /** Empty as long as there are no addresses. */
  draw(): string[] {
    if (this.#rows.size === 0) return [];
    const now = this.#now() - this.#began;
    const ends = [...this.#rows.values()].map((row) => row?.end ?? (row === undefined ? 0 : now));
    const total = Math.max(1, ...ends);
    const column = (time: number): number => Math.round((time / total) * (columns - 1));
    const width = Math.max(...[...this.#rows.keys()].map((address) => address.length));

    const scale = `0 ms${`${Math.round(total)} ms`.padStart(columns - 4)}`;
    const lines = [`${" ".repeat(width)}  ${scale}`];
    for (const [address, row] of this.#rows) {
      const label = address.padEnd(width);
      if (row === undefined) {
        lines.push(`${label}  ${" ".repeat(columns)}  not tried`);
        continue;
      }
      const start = column(row.start);
      const end = column(row.end ?? now);
      const bar = `${" ".repeat(start)}${"-".repeat(end - start)}${marks[row.outcome]}`.padEnd(columns);
      lines.push(`${label}  ${bar}  ${outcomeOf(row, now)}`);
    }
    return lines;
  }
}

function outcomeOf({ start, end, outcome, error }: Row, now: number): string {
  const took = `after ${Math.round((end ?? now) - start)} ms`;
  return outcome === "failed" ? `${describe(error)} ${took}` : `${outcome} ${took}`;
}
