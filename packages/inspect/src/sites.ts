/** Where in the user's code a scope was opened or a task spawned. */

/** The files of this project's packages, installed. */
const INSTALLED = /[\\/]@scope[\\/](?:core|taskgroup|supervisor|persistent|guarded|inspect)[\\/]/;
const IN_SOURCES = /[\\/](?:core|taskgroup|supervisor|persistent|guarded|inspect)[\\/](?:src|dist)[\\/]/;
const FRAMES = 24;
const SHOWN = 8;

/**
 * The stack of whoever called into our packages, a line each, innermost first, without "at". Two or three microseconds, so
 * only on request.
 */
export function callSite(): string | undefined {
  const { stackTraceLimit } = Error;
  // Not by assignment, which throws where Error is frozen.
  Reflect.set(Error, "stackTraceLimit", FRAMES);
  const { stack } = new Error();
  Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
  return stack === undefined ? undefined : clean(stack);
}

/** Of a stack that begins in this file: what is not ours. */
export function clean(stack: string): string | undefined {
  const frames = stack.split("\n").filter((line) => /^\s+at |@/.test(line));
  const root = rootOf(frames[0] ?? "");
  const own = (frame: string): boolean =>
    INSTALLED.test(frame) || (root !== undefined && frame.includes(root) && IN_SOURCES.test(frame));
  const rest = frames
    .slice(1)
    .filter((frame) => !own(frame) && !/node:internal\/|\(<anonymous>\)$/.test(frame))
    .slice(0, SHOWN);
  return rest.length === 0 ? undefined : rest.map((frame) => frame.replace(/^\s+at /, "")).join("\n");
}

/** The folder that the packages are in, of a frame of this very file. */
function rootOf(frame: string): string | undefined {
  return /((?:file:\/\/)?[^\s()]*[\\/])inspect[\\/](?:src|dist)[\\/]/.exec(frame)?.[1];
}
