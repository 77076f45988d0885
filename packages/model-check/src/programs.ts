import type { Program } from "./explore.ts";
import { cancellationPrograms } from "./programs/cancellation.ts";
import { combinatorPrograms } from "./programs/combinators.ts";
import { groupPrograms } from "./programs/group.ts";
import { guardedPrograms } from "./programs/guarded.ts";
import { persistentPrograms } from "./programs/persistent.ts";
import { scopePrograms } from "./programs/scope.ts";
import { supervisorPrograms } from "./programs/supervisor.ts";

/** All of them; a name says what races in it. */
export const programs: readonly Program[] = [
  ...cancellationPrograms,
  ...scopePrograms,
  ...groupPrograms,
  ...supervisorPrograms,
  ...combinatorPrograms,
  ...guardedPrograms,
  ...persistentPrograms,
];
