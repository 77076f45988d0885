import { createHash } from "node:crypto";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { type Server, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

/**
 * Reserves a directory for this process, until disposal. It listens to a socket that is named after the directory: unlike a file, a
 * socket knows whether whoever made it is still alive, also after a SIGKILL. Rejects if it is.
 */
export async function reserve(directory: string): Promise<AsyncDisposable> {
  const name = createHash("sha256").update(path.resolve(directory)).digest("hex").slice(0, 24);
  const socket =
    process.platform === "win32" ? `\\\\.\\pipe\\outbox-${name}` : path.join(tmpdir(), `outbox-${name}.sock`);
  if (await answers(socket)) throw new Error(`${directory} is in use by another process`);
  // Left by one that was killed.
  await rm(socket, { force: true });
  const server = createServer((visitor) => visitor.destroy());
  server.listen(socket).unref();
  await once(server, "listening");
  return { [Symbol.asyncDispose]: () => close(server) };
}

async function answers(socket: string): Promise<boolean> {
  const visitor = connect(socket);
  try {
    await once(visitor, "connect");
    return true;
  } catch {
    return false;
  } finally {
    visitor.destroy();
  }
}

async function close(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  await closed;
}
