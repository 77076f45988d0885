/**
 * What goes over the socket: lines of JSON. The client asks, one line each; the server answers each with one line, in order,
 * and says nothing by itself.
 */
import type { Socket } from "node:net";

export type Request =
  /** Who is there: `About`. Answered also when the process cannot say anything else. */
  | { readonly ask: "about" }
  /** Everything that lives: `Snapshot`. */
  | { readonly ask: "snapshot" }
  /** What has happened: `EventBatch`. */
  | { readonly ask: "events"; readonly since: number; readonly limit: number };

export interface About {
  readonly pid: number;
  readonly thread: number;
  /** Since when it is inspectable. */
  readonly startedAt: number;
}

/** An answer, as text: the JSON of `{ result }` or `{ error }`. */
export type Answer = string;

export const MAX_REQUEST = 4_096;
export const MAX_EVENTS = 10_000;

export function answerOf(result: unknown): Answer {
  return JSON.stringify({ result });
}

export function refusal(error: unknown): Answer {
  return JSON.stringify({ error: error instanceof Error ? error.message : String(error) });
}

/** @throws Error, for the one who asks, if it is no request. */
export function parseRequest(line: string): Request {
  let request: unknown;
  try {
    request = JSON.parse(line);
  } catch {
    throw new Error("a request is a line of JSON");
  }
  const { ask, since, limit } = Object(request) as Record<string, unknown>;
  if (ask === "about" || ask === "snapshot") return { ask };
  if (ask === "events" && isCount(since) && isCount(limit)) {
    return { ask, since, limit: Math.min(limit, MAX_EVENTS) };
  }
  throw new Error('a request asks "about", "snapshot" or "events" with since and limit');
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/**
 * The lines that come in. Reads on only as they are taken.
 *
 * @throws RangeError if one is longer than `limit` characters.
 */
export async function* linesOf(socket: Socket, limit: number): AsyncGenerator<string, void, undefined> {
  socket.setEncoding("utf8");
  let parts: string[] = [];
  let length = 0;
  for await (const chunk of socket as AsyncIterable<string>) {
    const [first = "", ...others] = chunk.split("\n");
    let rest = first;
    for (const next of others) {
      yield parts.join("") + rest;
      parts = [];
      length = 0;
      rest = next;
    }
    parts.push(rest);
    length += rest.length;
    if (length > limit) throw new RangeError(`a line has at most ${limit} characters`);
  }
}
