/** Words and figures, the same in all parts of the view. */
import type { WaitNode } from "../src/types.ts";
import type { Entry, EntryState } from "./model.ts";

/** 7 ms, 1.2 s, 45 s, 3 m 20 s, 5 h 12 m, 2 d 3 h */
export function duration(ms: number): string {
  const value = Math.max(0, ms);
  if (value < 999.5) return `${Math.round(value)} ms`;
  if (value < 9_950) return `${(value / 1_000).toFixed(1)} s`;
  const seconds = Math.round(value / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const [large, small, units] =
    seconds < 3_600
      ? [Math.floor(seconds / 60), seconds % 60, ["m", "s"]]
      : seconds < 86_400
        ? [Math.floor(seconds / 3_600), Math.floor((seconds % 3_600) / 60), ["h", "m"]]
        : [Math.floor(seconds / 86_400), Math.floor((seconds % 86_400) / 3_600), ["d", "h"]];
  return `${large} ${units[0]!}${small === 0 ? "" : ` ${small} ${units[1]!}`}`;
}

/** 12:34:56.789, with as many digits as the step needs */
export function clock(at: number, step = 1_000): string {
  const date = new Date(at);
  const two = (value: number): string => String(value).padStart(2, "0");
  const text = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return step >= 1_000 ? text : `${text}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** 9,213 */
export function count(value: number): string {
  return value.toLocaleString("en");
}

/** "1 task", "2 tasks" */
export function plural(value: number, word: string): string {
  return `${count(value)} ${nounFor(value, word)}`;
}

export function nounFor(value: number, word: string): string {
  return value === 1 ? word : `${word}s`;
}

/** What is left of a sleep goes down while one looks. */
export function waitText(wait: WaitNode, passed: number): string {
  switch (wait.for) {
    case "sleep":
      // By now it may sleep again: the next snapshot knows.
      return wait.remaining > passed ? `sleeps, ${duration(wait.remaining - passed)} left` : "sleeps";
    case "cancellation":
      return "waits to be cancelled";
    case "slot":
      return wait.ahead === 0 ? "next for a slot" : `for a slot, ${count(wait.ahead)} ahead`;
    case "task":
    case "scope":
      return `waits for ${wait.name}`;
  }
}

export const STATE_TEXT: Readonly<Record<EntryState, string>> = {
  open: "open",
  closing: "closing",
  closed: "closed",
  pending: "pending",
  running: "running",
  cancelling: "cancelling",
  succeeded: "succeeded",
  failed: "failed",
  cancelled: "cancelled",
  lost: "ended unseen",
};

/** How long it has lived, or has lived so far. */
export function age(entry: Entry, now: number): number {
  return (entry.endedAt ?? now) - entry.since;
}
