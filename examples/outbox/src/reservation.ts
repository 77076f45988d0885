import { createHash } from "node:crypto";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { type Server, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

/**
 * Reserves a directory for this process, until disposal. It listens to a socket beside the directory: unlike a file, a socket knows
 * whether whoever made it is still alive, also after a SIGKILL. Rejects if it is.
 */
export async function reserve(directory: string): Promise<AsyncDisposable> {
  const socket = socketOf(path.resolve(directory));
  if (await answers(socket)) throw new Error(`${directory} is in use by another process`);
  // Left by one that was killed.
  await rm(socket, { force: true });
  const server = createServer((visitor) => visitor.destroy());
  server.listen(socket).unref();
  await once(server, "listening");
  return { [Symbol.asyncDispose]: () => close(server) };
}

/** The names of sockets are short, and on Windows in a place of their own. */
function socketOf(directory: string): string {
  const beside = `${directory}.sock`;
  if (process.platform !== "win32" && Buffer.byteLength(beside) <= 100) return beside;
  const name = `outbox-${createHash("sha256").update(directory).digest("hex").slice(0, 24)}.sock`;
  return path.join(process.platform === "win32" ? "\\\\.\\pipe" : tmpdir(), name);
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
