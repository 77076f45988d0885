/** For what nobody has given, or nobody waits for. */
export function noop(): void {
  // Nothing.
}
