/** What happened, in order. `expect(log.events).toEqual([...])` says the rest. */
export class EventLog {
  readonly events: string[] = [];

  /** Notes an event; returns its number, from 1. */
  add(event: string): number {
    return this.events.push(event);
  }

  /** A callback that notes an event. */
  note(event: string): () => void {
    return () => {
      this.add(event);
    };
  }

  /** The events so far, which are forgotten. */
  take(): string[] {
    return this.events.splice(0);
  }
}
