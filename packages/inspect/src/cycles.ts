/**
 * Who waits for ever. Someone is stuck if nothing that it waits for can end:
 *
 * | who | waits for | is stuck if |
 * |---|---|---|
 * | a task | other tasks and scopes, as far as known | all of these are: it may be waiting for the first of them |
 * | a pending task | a slot | all who have one are |
 * | a scope | its tasks | one of them is |
 *
 * So nobody is called stuck who may go on; and one that waits for several together is found once the others have ended.
 */
export interface Waiter {
  readonly id: string;
  /** Ids of those that it waits for. */
  readonly on: readonly string[];
  readonly needs: "any" | "all";
}

/** The circles of waiting: of those that wait for each other in several ways, one of the shortest. */
export function findCycles(waiters: readonly Waiter[]): string[][] {
  const stuck = findStuck(waiters);
  return components(stuck).flatMap((component) => {
    const cycle = shortest(component[0]!, stuck, new Set(component));
    return cycle === undefined ? [] : [cycle];
  });
}

/** The edges among those that are stuck: all waiters, less those that can end, and whom that frees. */
function findStuck(waiters: readonly Waiter[]): ReadonlyMap<string, readonly string[]> {
  const byId = new Map(waiters.map((waiter) => [waiter.id, waiter]));
  /** Who waits for an id. */
  const behind = new Map<string, Waiter[]>();
  /** On how many an end still depends. */
  const left = new Map<string, number>();
  const free: string[] = [];
  for (const waiter of waiters) {
    for (const id of waiter.on) {
      const list = behind.get(id);
      if (list === undefined) behind.set(id, [waiter]);
      else list.push(waiter);
      if (!byId.has(id)) {
        byId.set(id, { id, on: [], needs: "all" });
        free.push(id);
      }
    }
    left.set(waiter.id, waiter.needs === "any" ? Math.min(1, waiter.on.length) : waiter.on.length);
    if (waiter.on.length === 0) free.push(waiter.id);
  }
  const ends = new Set(free);
  for (const id of ends) {
    for (const waiter of behind.get(id) ?? []) {
      const count = left.get(waiter.id)! - 1;
      left.set(waiter.id, count);
      if (count === 0) ends.add(waiter.id);
    }
  }
  const stuck = new Map<string, readonly string[]>();
  for (const { id, on } of waiters) {
    if (!ends.has(id))
      stuck.set(
        id,
        on.filter((other) => !ends.has(other)),
      );
  }
  return stuck;
}

/** Tarjan's strongly connected components, without recursion. */
function components(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const indices = new Map<string, number>();
  const lows = new Map<string, number>();
  const open: string[] = [];
  const isOpen = new Set<string>();
  for (const root of edges.keys()) {
    if (indices.has(root)) continue;
    const path: { id: string; next: number }[] = [];
    const enter = (id: string): void => {
      indices.set(id, indices.size);
      lows.set(id, indices.size - 1);
      open.push(id);
      isOpen.add(id);
      path.push({ id, next: 0 });
    };
    enter(root);
    for (let step = path.at(-1); step !== undefined; step = path.at(-1)) {
      const { id } = step;
      const other = edges.get(id)![step.next++];
      if (other !== undefined) {
        if (!indices.has(other)) enter(other);
        else if (isOpen.has(other)) lows.set(id, Math.min(lows.get(id)!, indices.get(other)!));
        continue;
      }
      path.pop();
      const above = path.at(-1);
      if (above !== undefined) lows.set(above.id, Math.min(lows.get(above.id)!, lows.get(id)!));
      if (lows.get(id) === indices.get(id)) {
        const component = open.splice(open.lastIndexOf(id));
        for (const member of component) isOpen.delete(member);
        found.push(component);
      }
    }
  }
  return found;
}

/** The shortest way from a member back to itself, inside its component. */
function shortest(
  start: string,
  edges: ReadonlyMap<string, readonly string[]>,
  members: ReadonlySet<string>,
): string[] | undefined {
  const from = new Map<string, string>();
  const reached = [start];
  for (const id of reached) {
    for (const other of edges.get(id)!) {
      if (other === start) {
        const cycle = [id];
        for (let before = id; before !== start; cycle.push(before)) before = from.get(before)!;
        return cycle.reverse();
      }
      if (!members.has(other) || from.has(other)) continue;
      from.set(other, id);
      reached.push(other);
    }
  }
  return undefined;
}
