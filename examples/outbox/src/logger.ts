import { type DestinationStream, type Logger, destination, pino } from "pino";
import pretty from "pino-pretty";

/**
 * Lines on standard error, written at once, so that none is lost when the process ends: JSON, or, for eyes, text.
 *
 * @param readable Undefined, or what writes the text.
 */
export function makeLogger(readable: ((text: string) => void) | undefined): Logger {
  const options = { base: null, timestamp: () => `,"time":"${new Date().toISOString()}"` };
  return pino(options, readable === undefined ? destination({ fd: 2, sync: true }) : textTo(readable));
}

function textTo(write: (text: string) => void): DestinationStream {
  const format = pretty.prettyFactory({ colorize: true, singleLine: true, translateTime: "HH:MM:ss.l" });
  return { write: (line) => write(format(line)) };
}
