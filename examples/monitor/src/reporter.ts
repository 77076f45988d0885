import type { Tell } from "./announced-service.ts";
import { count } from "./announced-service.ts";
import type { Board, BoardEvent, TargetState } from "./board.ts";
import type { Check } from "./database.ts";

/** Tells a terminal, until the returned function is called: who has turned up or down, or all there is. */
export function report(board: Board, verbose: boolean, tell: Tell): () => void {
  return board.listen((event) => {
    const line = lineOf(event, verbose);
    if (line !== undefined) tell(line);
  });
}

function lineOf(event: BoardEvent, verbose: boolean): string | undefined {
  if (event.type !== "check") return undefined;
  const { state, check, turned } = event;
  const text = `${new Date(check.at).toLocaleTimeString("en-GB")} ${state.name} is ${outcomeOf(check, state)}`;
  if (verbose) return `${text} #${check.id}`;
  return turned ? text : undefined;
}

function outcomeOf({ failure, value }: Check, { unit }: TargetState): string {
  if (failure !== null) return `down: ${failure}`;
  return value === null ? "up" : `up (${value.toFixed(1)} ${unit})`;
}

/** What there was to see of a target. */
export function summaryOf({ name, checks, failed, restarts }: TargetState): string {
  return `${name}: ${count(checks, "check")}, ${failed} failed, ${count(restarts, "restart")}`;
}
