import { closeSync, openSync, readSync } from 'node:fs';
import { javascriptEngine } from '@meterseal/native';
import type { VerifiedReading } from '@meterseal/protocol';
import {
  isMetersealError,
  keyFromBase64,
  MAX_POLICY_BYTES,
  MAX_PROOF_BYTES,
  MetersealError,
  parsePolicy,
  toBase64,
  toHex,
  verifyProof,
} from '@meterseal/protocol';
import type { Command } from 'commander';
import { EXIT } from '../exit-code.js';

type VerifyOptions = { policy?: string; identity?: string; json?: boolean };

export function registerVerify(program: Command): void {
  program
    .command('verify')
    .description('Verify the proof of one reading, offline. Exit code 0: verified, 1: not.')
    .argument('<file>', 'proof file, as `meterseal prove` writes it')
    .option('--policy <file>', 'trust policy: whose log and which witnesses count')
    .option('--identity <key>', "the meter's identity key in base64, to insist on")
    .option('--json', 'print one JSON object')
    .action((file: string, options: VerifyOptions) => {
      process.exitCode = verify(file, options);
    });
}

function verify(file: string, options: VerifyOptions): number {
  if (options.policy === undefined) {
    throw new MetersealError('misuse', "couldn't verify proof: no trust policy is named", {
      hint: 'Name one with --policy; the box that made the proof keeps its own as `policy` in the state folder.',
    });
  }
  const policy = parsePolicy(
    javascriptEngine,
    read(options.policy, 'policy', MAX_POLICY_BYTES).toString('utf8'),
  );
  const identity = options.identity === undefined ? undefined : identityOf(options.identity);
  const bytes = read(file, 'proof', MAX_PROOF_BYTES);
  try {
    const verified = verifyProof(javascriptEngine, policy, bytes, identity);
    process.stdout.write(options.json ? `${JSON.stringify(asJson(verified))}\n` : asText(verified));
    return EXIT.well;
  } catch (error) {
    if (!isMetersealError(error)) throw error;
    if (options.json) {
      process.stdout.write(
        `${JSON.stringify({ verified: false, code: error.code, message: error.message })}\n`,
      );
    } else {
      process.stdout.write(`NOT VERIFIED: ${error.message} [${error.code}]\n`);
    }
    return EXIT.no;
  }
}

function identityOf(text: string): Uint8Array {
  try {
    return keyFromBase64(text);
  } catch (cause) {
    throw new MetersealError('misuse', "couldn't read --identity: not an Ed25519 key in base64", {
      hint: 'The raw key, 32 bytes in padded standard base64, as `verify --json` tells it.',
      cause,
    });
  }
}

/** A file, up to one byte more than it may have: what is longer is refused by its decoder, not read. */
function read(path: string, what: string, most: number): Buffer {
  try {
    const file = openSync(path, 'r');
    try {
      const bytes = Buffer.alloc(most + 1);
      let length = 0;
      for (let got = 1; got > 0 && length < bytes.length; length += got) {
        got = readSync(file, bytes, length, bytes.length - length, null);
      }
      return bytes.subarray(0, length);
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    throw new MetersealError('file-missing', `couldn't read ${what}: ${path} cannot be opened`, {
      hint: 'Check the path, and that this user may read the file.',
      cause,
    });
  }
}

function asJson(verified: VerifiedReading): Record<string, unknown> {
  const { record, root, identityKey, recordBytes, ...rest } = verified;
  return {
    verified: true,
    ...rest,
    root: toHex(root),
    identityKey: toBase64(identityKey),
    recordBytes: recordBytes.length,
    revocation: 'not-examined',
    record,
  };
}

function asText(verified: VerifiedReading): string {
  const { record } = verified;
  const lines = [
    `VERIFIED  meter ${record.meter}, reading ${record.seq} of ${record.time}`,
    ...record.values.map(({ obis, value, unit, quality }) => {
      const shown = value === undefined ? '–' : `${value} ${unit}`;
      return `  ${obis.padEnd(14)}${shown}${quality === undefined ? '' : `  (${quality})`}`;
    }),
    `  chain     ${verified.origin}, entry ${verified.index} of ${verified.size}`,
    `  committed ${new Date(verified.anchoredAt).toISOString()}`,
    `  identity  ${toBase64(verified.identityKey)} (${identityText(verified)})`,
    `  witnesses ${verified.quorum === 'none' ? 'none asked for by the policy' : verified.witnesses.join(', ')}`,
    '  revocation was not examined',
  ];
  if (verified.warnings.includes('void-record')) {
    lines.push(
      '  VOID: this record only fills a number whose reading the platform refused; it has no values',
    );
  }
  if (verified.warnings.includes('committed-after-session-expiry')) {
    lines.push('  warning: committed after its session had expired');
  }
  return `${lines.join('\n')}\n`;
}

function identityText(verified: VerifiedReading): string {
  const made =
    verified.keyOrigin === 'issued' ? 'issued: the platform once knew its secret' : "the meter's own";
  return verified.identityPinned
    ? `${made}; pinned by you`
    : `${made}; who the meter is is the platform's word`;
}
