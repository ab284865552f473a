import type { MeterRef, Signed, Verifier } from '@meterseal/protocol';
import { equalBytes, isSignedBy } from '@meterseal/protocol';
import type { KnownMeter } from './openings.js';

/** To whom statements are made: which platform's meters, which collector. */
export type Addressee = { readonly platformId: string; readonly collectorKey: Uint8Array };

type Statement = Addressee & { readonly meter: MeterRef };

/** Checks that statements of meters are signed, and made to this collector: those to others are worth nothing here. */
export class StatementTrust {
  readonly #verifier: Verifier;
  readonly #addressee: Addressee;

  constructor(verifier: Verifier, addressee: Addressee) {
    this.#verifier = verifier;
    this.#addressee = addressee;
  }

  isAddressed(statement: Statement, meter: KnownMeter): boolean {
    return (
      statement.platformId === this.#addressee.platformId &&
      equalBytes(statement.collectorKey, this.#addressee.collectorKey) &&
      statement.meter.subject === meter.subject &&
      equalBytes(statement.meter.commitment, meter.commitment)
    );
  }

  /** The identity key of the meter that signed a statement to this collector; undefined where none did. */
  signerOf(signed: Signed<Statement>, meter: KnownMeter): Uint8Array | undefined {
    if (!this.isAddressed(signed.value, meter)) return undefined;
    // The latest key first: it is almost always the one.
    return meter.identityKeys.findLast((key) => isSignedBy(this.#verifier, key, signed));
  }
}
