/**
 * Where the sockets of the inspectable processes are, and who may get there: on POSIX a directory of the user's own, mode 0700,
 * with a socket per process, mode 0600; on Windows named pipes, which tell nothing before they are asked, and only the user who
 * made a pipe may write to it.
 *
 * 1. No directory that is somebody else's, that others may enter, or that is a symbolic link, is used: neither by the process
 *    that serves nor by the one that looks.
 * 2. The place depends on the user alone, not on TMPDIR or on the session: who serves and who looks find each other. Only
 *    SCOPE_INSPECT_DIR moves it.
 * 3. A socket is removed by others only if nobody listens on it and its process does not live: containers may share a directory
 *    and not their pids, and a socket that is just being made does not listen yet.
 */
import { lstatSync, mkdirSync, readdirSync } from "node:fs";
import { userInfo } from "node:os";
import path from "node:path";

const PIPES = "\\\\.\\pipe\\";

/** What every system takes, in bytes. */
const MAX_PATH = 103;

const onPipes = process.platform === "win32";

/** A thread of a process; thread 0 is the main one. */
export interface ThreadId {
  readonly pid: number;
  readonly thread: number;
}

export interface Address extends ThreadId {
  readonly path: string;
}

/** As one types it: 4711 or, for a worker thread, 4711.2. */
export function threadName({ pid, thread }: ThreadId): string {
  return thread === 0 ? String(pid) : `${pid}.${thread}`;
}

export function parseThreadName(text: string): ThreadId | undefined {
  const match = /^([1-9]\d{0,9})(?:\.(\d{1,9}))?$/.exec(text);
  return match === null ? undefined : { pid: Number(match[1]), thread: Number(match[2] ?? 0) };
}

/**
 * Where the socket of a thread is, or would be.
 *
 * @throws Error if no socket can be there.
 */
export function addressOf(id: ThreadId): Address {
  const file = path.join(place(), before() + threadName(id) + after);
  // Of a longer one some systems take the beginning, which is in another directory.
  if (!onPipes && Buffer.byteLength(file) > MAX_PATH) {
    throw new Error(`${file} is too long for a socket: SCOPE_INSPECT_DIR has to be shorter`);
  }
  return { ...id, path: file };
}

/** The sockets that there are, also those that a killed process has left behind. */
export function addresses(): Address[] {
  const start = before();
  let files: string[];
  try {
    files = readdirSync(place());
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
  return files
    .filter((file) => file.startsWith(start) && file.endsWith(after))
    .flatMap((file) => parseThreadName(file.slice(start.length, file.length - after.length)) ?? [])
    .sort((one, other) => one.pid - other.pid || one.thread - other.thread)
    .map(addressOf);
}

const after = onPipes ? "" : ".sock";

/** Pipes have one directory for all users. */
function before(): string {
  return onPipes ? `scope-inspect-${userInfo().username}-` : "";
}

function place(): string {
  if (onPipes) return PIPES;
  const { SCOPE_INSPECT_DIR } = process.env;
  if (SCOPE_INSPECT_DIR !== undefined && SCOPE_INSPECT_DIR !== "") return path.resolve(SCOPE_INSPECT_DIR);
  return `/tmp/scope-inspect-${uid()}`;
}

function uid(): number | undefined {
  return process.geteuid?.();
}

/**
 * Makes the directory of the sockets if it is missing.
 *
 * @throws Error if it is not this user's alone.
 */
export function makeDirectory(): void {
  if (onPipes) return;
  try {
    mkdirSync(place(), { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
  checkDirectory();
}

/**
 * Nothing, if the directory of the sockets is this user's alone, or is not there.
 *
 * @throws Error if it is not.
 */
export function checkDirectory(): void {
  if (onPipes) return;
  const directory = place();
  const found = lstatSync(directory, { throwIfNoEntry: false });
  if (found === undefined) return;
  const no = (what: string): Error =>
    new Error(`${directory} ${what}: it has to be a directory of this user alone (mode 0700)`);
  if (!found.isDirectory()) throw no(found.isSymbolicLink() ? "is a symbolic link" : "is no directory");
  if (found.uid !== uid()) throw no(`belongs to user ${found.uid}`);
  if ((found.mode & 0o077) !== 0) throw no("is open to others");
}

/**
 * Whether there is a socket of this user's.
 *
 * @throws Error if what is there is something else.
 */
export function checkSocket({ path: file }: Address): boolean {
  if (onPipes) return true;
  const found = lstatSync(file, { throwIfNoEntry: false });
  if (found === undefined) return false;
  if (!found.isSocket() || found.uid !== uid()) throw new Error(`${file} is no socket of this user`);
  return true;
}

export function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // It is somebody else's.
    return codeOf(error) === "EPERM";
  }
}

export function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
