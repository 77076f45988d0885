import type { StopOptions } from "@scope/core";
import { ServiceBase, type ServiceBaseOptions } from "@scope/persistent";

export type Tell = (line: string) => void;

/** A service that tells when it has stopped. */
export abstract class AnnouncedService extends ServiceBase {
  readonly #tell: Tell;

  constructor(tell: Tell, options: ServiceBaseOptions) {
    super(options);
    this.#tell = tell;
  }

  /** What it has done, or what it lets go. Asked before it stops. */
  protected abstract account(): string;

  override async stop(options?: StopOptions): Promise<void> {
    const account = this.isRunning || this.taskGroup.isRunning ? this.account() : undefined;
    await super.stop(options);
    if (account !== undefined) this.#tell(`stopped ${this.uniqueId}: ${account}`);
  }
}

/** "1 page", "3 pages". */
export function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? "" : "s"}`;
}
