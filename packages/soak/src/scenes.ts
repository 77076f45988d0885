import type { Scene } from "./episode.ts";
import { calls } from "./scenes/calls.ts";
import { backgrounds } from "./scenes/guarded.ts";
import { owners } from "./scenes/owners.ts";
import { persistents } from "./scenes/persistent.ts";

/** What episodes are made of; those that occur twice are played twice as often. */
export const scenes: readonly Scene[] = [...owners, ...calls, ...persistents, ...backgrounds];
