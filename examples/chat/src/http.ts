import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";

import type { Health } from "./chat-server.ts";

const files = new Map(
  [
    ["/", "index.html", "text/html"],
    ["/chat.js", "chat.js", "text/javascript"],
    ["/chat.css", "chat.css", "text/css"],
  ].map(([path, name, type]) => [
    path,
    { type: `${type}; charset=utf-8`, body: readFileSync(new URL(`../public/${name}`, import.meta.url)) },
  ]),
);

/** Everything that is no WebSocket: the page, and how the server is doing. */
export function respond(request: IncomingMessage, response: ServerResponse, health: Health): void {
  const [path] = (request.url ?? "").split("?");
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405, { Allow: "GET, HEAD" }).end();
    return;
  }
  if (path === "/healthz") {
    response.writeHead(health.status === "ok" ? 200 : 503, {
      "Content-Type": "application/json",
      "Cache-Control": "no-store",
    });
    response.end(`${JSON.stringify(health, null, 2)}\n`);
    return;
  }
  const file = files.get(path);
  if (file === undefined) {
    response.writeHead(404, { "Content-Type": "text/plain" }).end("there is nothing here\n");
    return;
  }
  response.writeHead(200, {
    "Content-Type": file.type,
    "Content-Security-Policy": "default-src 'self'; img-src data:",
  });
  response.end(file.body);
}
