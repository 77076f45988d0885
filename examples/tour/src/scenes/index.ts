import type { Scene } from "../stage.ts";
import { core } from "./core.ts";
import { guarded } from "./guarded.ts";
import { persistent } from "./persistent.ts";
import { supervisor } from "./supervisor.ts";
import { taskgroup } from "./taskgroup.ts";

/** In the order of the tour. */
export const scenes: readonly Scene[] = [core, taskgroup, supervisor, persistent, guarded];
