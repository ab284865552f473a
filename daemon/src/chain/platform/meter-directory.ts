import type { ChainReader } from '../store.js';

/** An enrolled meter, as the platform knows it beside the chain. */
export type KnownMeter = {
  readonly meter: string;
  readonly subject: number;
  /** Opens its commitment. */
  readonly salt: Uint8Array;
  /** Of its last enrolment: what the identity key signed to confirm. */
  nonce: Uint8Array;
  /** SHA-256 of the codes that are spent, in hex. */
  readonly spentCodes: Set<string>;
};

/** Who is who: meter IDs and subjects of everything that was ever enrolled here. */
export class MeterDirectory {
  readonly #byId = new Map<string, KnownMeter>();
  readonly #bySubject = new Map<number, KnownMeter>();

  static async load(reader: ChainReader): Promise<MeterDirectory> {
    const directory = new MeterDirectory();
    for (const { subject, meter, salt } of await reader.meters()) {
      directory.#put({
        meter,
        subject,
        salt: new Uint8Array(salt),
        nonce: new Uint8Array(0),
        spentCodes: new Set(),
      });
    }
    for (const { subject, nonce, codeHash } of await reader.enrolments()) {
      directory.enrolled(subject, nonce, codeHash);
    }
    return directory;
  }

  find(meter: string): KnownMeter | undefined {
    return this.#byId.get(meter);
  }

  ofSubject(subject: number): KnownMeter | undefined {
    return this.#bySubject.get(subject);
  }

  /** Highest subject that was given to a meter. */
  get highest(): number {
    return Math.max(0, ...this.#bySubject.keys());
  }

  add(meter: Pick<KnownMeter, 'meter' | 'subject' | 'salt'>): void {
    this.#put({ ...meter, nonce: new Uint8Array(0), spentCodes: new Set() });
  }

  /** Notes an enrolment of a meter that was added. */
  enrolled(subject: number, nonce: Uint8Array, codeHash: Uint8Array): void {
    const known = this.#bySubject.get(subject);
    if (known === undefined) return;
    known.nonce = new Uint8Array(nonce);
    known.spentCodes.add(Buffer.from(codeHash).toString('hex'));
  }

  #put(meter: KnownMeter): void {
    this.#byId.set(meter.meter, meter);
    this.#bySubject.set(meter.subject, meter);
  }
}
