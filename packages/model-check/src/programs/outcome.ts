import type { World } from "../world.ts";

/** What a promise comes to, whichever way: nobody else tells it. */
export function outcomeOf(world: World, what: string, promise: Promise<unknown>): { value: unknown } {
  const outcome: { value: unknown } = { value: "nothing yet" };
  const note = (value: unknown): void => {
    outcome.value = value;
  };
  world.wait(what, promise.then(note, note));
  return outcome;
}
