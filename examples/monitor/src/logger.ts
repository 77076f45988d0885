import { type Logger, destination, pino } from "pino";

/** Lines of JSON on standard error; written at once, so that none is lost when the process ends. */
export function makeLogger(): Logger {
  return pino(
    { base: null, timestamp: () => `,"time":"${new Date().toISOString()}"` },
    destination({ fd: 2, sync: true }),
  );
}
