import { ServiceGroup } from "@scope/persistent";
import type { Logger } from "pino";

import type { Tell } from "./announced-service.ts";
import { Board } from "./board.ts";
import { HistoryService } from "./history-service.ts";
import { ProbeService } from "./probe-service.ts";
import type { Config } from "./targets.ts";
import { WebService } from "./web-service.ts";

export interface MonitorOptions {
  readonly config: Config;
  /** A file, or the address of a PostgreSQL. */
  readonly database: string;
  readonly host: string;
  readonly port: number;
  /** Milliseconds that each of the services may take to stop. */
  readonly stopTimeout: number;
  readonly logger: Logger;
  readonly tell: Tell;
}

export interface Monitor {
  readonly services: ServiceGroup;
  readonly history: HistoryService;
  readonly web: WebService;
  readonly board: Board;
}

/** The three services, in the order in which they are started: each needs those before it, and is stopped before them. */
export function makeMonitor(options: MonitorOptions): Monitor {
  const { config, database, host, port, stopTimeout, logger, tell } = options;
  const board = new Board(config.targets);
  const history = new HistoryService({ location: database, keep: config.keep, logger, tell });
  const probes = new ProbeService({ ...config, history, board, tell });
  const web = new WebService({ host, port, board, history, services: [history, probes], tell });
  const services = new ServiceGroup([history, web, probes], {
    uniqueId: "monitor",
    startTimeout: 30_000,
    stopTimeout,
    // Who watches others does not give up.
    onEnd: () => "restart",
  });
  return { services, history, web, board };
}
