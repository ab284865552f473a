import { ByteReader, ByteWriter, utf8 } from '../bytes.js';
import { MetersealError } from '../errors.js';

/*
 * Every signed message starts with its domain:  meterseal/<name>/v0\n
 * so that no signature over one kind of message can stand under another. A meter is named in it by
 * S = u32 subject | meter commitment[32], never by its ID. On the wire the signature[64] follows.
 */

export type MessageName =
  | 'enrolment'
  | 'authentication'
  | 'session'
  | 'delivery'
  | 'gap'
  | 'acknowledgement'
  | 'verdict'
  | 'lease';

/** How signed messages name a meter. */
export type MeterRef = { readonly subject: number; readonly commitment: Uint8Array };

export function preamble(name: MessageName): Uint8Array {
  return utf8(`meterseal/${name}/v0\n`);
}

export function startMessage(name: MessageName): ByteWriter {
  return new ByteWriter().bytes(preamble(name));
}

/**
 * The message's bytes, which `read` has understood: nothing is signed that its receiver would refuse.
 *
 * @throws MetersealError `bad-argument`
 */
export function finishMessage(to: ByteWriter, read: (from: ByteReader) => unknown): Uint8Array {
  const bytes = to.done();
  const from = new ByteReader(bytes, 'bad-argument');
  read(from);
  from.end();
  return bytes;
}

/** @throws MetersealError `bad-argument` */
export function writeMeter(to: ByteWriter, meter: MeterRef): ByteWriter {
  if (meter.subject === 0) {
    throw new MetersealError('bad-argument', "couldn't encode message: subject 0 is the box, not a meter");
  }
  return to.u32(meter.subject).bytes(meter.commitment, 32);
}

export function readMeter(from: ByteReader): MeterRef {
  const subject = from.u32();
  if (subject === 0) from.refuse('a meter with subject 0');
  return { subject, commitment: from.bytes(32) };
}
