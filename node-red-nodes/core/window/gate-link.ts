/** The gate as this collector reaches it. */
export interface GateLink {
  /**
   * One request to the control port, on a connection of its own.
   *
   * @returns everything that came before the gate ended the connection; nothing where it did not take the request
   * @throws MetersealError `unreachable`, `timeout`; whether the gate has taken the request is then not known
   */
  ask(request: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
  /**
   * The comparison, where it is served while the gate connects.
   *
   * @param port as the gate's answer names it
   * @param signal ends every request
   */
  comparison(port: number, signal: AbortSignal): ComparisonLink;
}

/** Requests to the comparison port. */
export interface ComparisonLink {
  /**
   * @param most bytes of the longest body that is read
   * @throws MetersealError `too-large`; any other error where no whole answer came
   */
  send(method: 'GET' | 'POST', path: string, most: number, body?: Uint8Array): Promise<ComparisonAnswer>;
  /** Ends all connections at once. */
  close(): void;
}

export type ComparisonAnswer = { readonly status: number; readonly body: Uint8Array };
