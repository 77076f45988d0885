/** The program behind the server that this page came from. */
import type { EventBatch, Snapshot } from "../src/types.ts";
import type { Source } from "./feed.ts";

/** A line of the stream. */
type Line = EventBatch | { readonly ended: string };

export function httpSource(base: string, key: string): Source {
  let stream: AsyncGenerator<EventBatch, never> | undefined;
  let position = 0;
  const ask = async (path: string): Promise<Response> => {
    const headers = { Authorization: `Bearer ${key}` };
    const response = await fetch(new URL(path, base), { headers, cache: "no-store", credentials: "omit" });
    if (response.ok) return response;
    const text = (await response.text()).trim();
    if (response.status === 403) throw named("RefusedError", text);
    if (response.status === 410) throw named("EndedError", text);
    throw new Error(text);
  };
  return {
    snapshot: async () => (await (await ask("api/snapshot")).json()) as Snapshot,
    events: async (since) => {
      if (stream === undefined || position !== since) {
        void stream?.return(undefined as never);
        stream = batches(await ask(`api/events?since=${since}`));
      }
      try {
        const { value } = await stream.next();
        position = value.next;
        return value;
      } catch (error) {
        stream = undefined;
        throw error;
      }
    },
  };
}

/** What the stream brings, at the pace at which it is asked for. */
async function* batches(response: Response): AsyncGenerator<EventBatch, never> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new Error("the server is gone");
      const lines = (rest + value).split("\n");
      rest = lines.pop()!;
      for (const text of lines) {
        const line = JSON.parse(text) as Line;
        if ("ended" in line) throw named("EndedError", line.ended);
        yield line;
      }
    }
  } finally {
    // Also when nobody wants more.
    void reader.cancel().catch(() => undefined);
  }
}

function named(name: string, message: string): Error {
  const error = new Error(message);
  error.name = name;
  return error;
}
