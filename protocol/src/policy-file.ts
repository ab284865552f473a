/**
 * Trust policies, c2sp.org/tlog-policy: whose checkpoints are believed, and which witnesses must have cosigned.
 *
 * ```
 * log <vkey> [<url>]                            one line per epoch
 * witness <name> <vkey> [<url>]
 * group <name> <all | any | k> <member>…        members stand on lines before
 * quorum <name | none>                          exactly once
 * ```
 */

import { toHex, utf8 } from './bytes.js';
import type { Hasher } from './crypto.js';
import { isMetersealError, MetersealError } from './errors.js';
import { MAX_POLICY_BYTES } from './limits.js';
import type { Policy, PolicyGroup, PolicyLog, PolicyWitness } from './policy.js';
import type { NoteAlgorithm, VerifierKey } from './verifier-key.js';
import { ALG_COSIGNATURE, ALG_ED25519, formatVerifierKey, parseVerifierKey } from './verifier-key.js';

/**
 * Reads a policy file. Names and URLs are compared as they stand. Beyond the specification a key may not be a
 * log's and a witness's at once: a log that witnesses itself proves nothing.
 *
 * @param text the file, decoded from UTF-8
 * @throws MetersealError `bad-policy` with the line's number, `too-large`
 */
export function parsePolicy(h: Hasher, text: string): Policy {
  if (text.length > MAX_POLICY_BYTES || utf8(text).length > MAX_POLICY_BYTES) {
    throw new MetersealError('too-large', `couldn't parse policy: more than ${MAX_POLICY_BYTES} bytes`);
  }
  const lines = text.split('\n');
  if (lines.pop() !== '') {
    throw new MetersealError('bad-policy', "couldn't parse policy: its last line is not ended", {
      hint: 'The file may be cut short; if it is whole, end its last line with a newline.',
    });
  }
  const parser = new PolicyParser(h);
  for (const [i, line] of lines.entries()) {
    try {
      parser.line(line);
    } catch (cause) {
      if (!isMetersealError(cause)) throw cause;
      throw new MetersealError('bad-policy', `couldn't parse policy: line ${i + 1}: ${cause.message}`, {
        hint: 'A policy has lines of the form log, witness, group and quorum: see c2sp.org/tlog-policy.',
        cause,
      });
    }
  }
  return parser.done();
}

/** The policy file of `policy`. */
export function formatPolicy(policy: Policy): string {
  const url = (value: string | undefined) => (value === undefined ? '' : ` ${value}`);
  return [
    ...policy.logs.map((log) => `log ${formatVerifierKey(log.key)}${url(log.url)}`),
    ...policy.witnesses.map(
      ({ name, key, url: at }) => `witness ${name} ${formatVerifierKey(key)}${url(at)}`,
    ),
    ...policy.groups.map(({ name, threshold, members }) => `group ${name} ${threshold} ${members.join(' ')}`),
    `quorum ${policy.quorum ?? 'none'}`,
    '',
  ].join('\n');
}

class PolicyParser {
  readonly #h: Hasher;
  readonly #logs: PolicyLog[] = [];
  readonly #witnesses: PolicyWitness[] = [];
  readonly #groups: PolicyGroup[] = [];
  readonly #names = new Set<string>();
  readonly #members = new Set<string>();
  readonly #publicKeys = new Set<string>();
  readonly #keyIds = new Set<string>();
  #quorum: string | undefined;

  constructor(h: Hasher) {
    this.#h = h;
  }

  line(line: string): void {
    if (/[\u0000-\u0008\u000b-\u001f\u007f\p{Surrogate}]/u.test(line)) refuse('a control character');
    const words = line.split(/[ \t]+/).filter((word) => word !== '');
    const [keyword, ...rest] = words;
    if (keyword === undefined || keyword.startsWith('#')) return;
    if (keyword === 'log') this.#log(rest);
    else if (keyword === 'witness') this.#witness(rest);
    else if (keyword === 'group') this.#group(rest);
    else if (keyword === 'quorum') this.#setQuorum(rest);
    else refuse('it starts with none of log, witness, group, quorum');
  }

  done(): Policy {
    if (this.#quorum === undefined) {
      throw new MetersealError('bad-policy', "couldn't parse policy: no quorum line", {
        hint: 'Write `quorum none` to trust the log without witnesses.',
      });
    }
    const quorum = this.#quorum === 'none' ? undefined : this.#quorum;
    return { logs: this.#logs, witnesses: this.#witnesses, groups: this.#groups, quorum };
  }

  #log(words: readonly string[]): void {
    const [vkey, url] = words;
    if (vkey === undefined || words.length > 2) refuse('not of the form log <vkey> [<url>]');
    this.#logs.push({ key: this.#key(vkey, ALG_ED25519), url });
  }

  #witness(words: readonly string[]): void {
    const [name, vkey, url] = words;
    if (name === undefined || vkey === undefined || words.length > 3) {
      refuse('not of the form witness <name> <vkey> [<url>]');
    }
    this.#define(name);
    this.#witnesses.push({ name, key: this.#key(vkey, ALG_COSIGNATURE), url });
  }

  #group(words: readonly string[]): void {
    const [name, rule, ...members] = words;
    if (name === undefined || rule === undefined || members.length === 0) {
      refuse('not of the form group <name> <all | any | k> <member>…');
    }
    const threshold =
      rule === 'all' ? members.length : rule === 'any' ? 1 : parseThreshold(rule, members.length);
    for (const member of members) {
      if (!this.#names.has(member)) refuse('a member that is not defined on a line before');
      if (this.#members.has(member)) refuse('a member that is one already');
      this.#members.add(member);
    }
    this.#define(name);
    this.#groups.push({ name, threshold, members });
  }

  #setQuorum(words: readonly string[]): void {
    const [name] = words;
    if (name === undefined || words.length > 1) refuse('not of the form quorum <name | none>');
    if (this.#quorum !== undefined) refuse('a second quorum');
    if (name !== 'none' && !this.#names.has(name)) refuse('a name that is not defined on a line before');
    this.#quorum = name;
  }

  #define(name: string): void {
    if (name === 'none') refuse('the name none');
    if (this.#names.has(name)) refuse('a name that is defined already');
    this.#names.add(name);
  }

  #key(vkey: string, algorithm: NoteAlgorithm): VerifierKey {
    const key = parseVerifierKey(this.#h, vkey);
    if (key.algorithm !== algorithm) refuse(`a key of algorithm ${key.algorithm} where ${algorithm} belongs`);
    const publicKey = toHex(key.publicKey);
    const id = `${key.name} ${toHex(key.keyHash)}`;
    if (this.#publicKeys.has(publicKey)) refuse('a key that is there already');
    if (this.#keyIds.has(id)) refuse('two keys that signatures could not tell apart');
    this.#publicKeys.add(publicKey);
    this.#keyIds.add(id);
    return key;
  }
}

function parseThreshold(text: string, members: number): number {
  if (!/^[1-9][0-9]{0,4}$/.test(text) || Number(text) > members) refuse(`a threshold outside 1…${members}`);
  return Number(text);
}

/** The reason only: `parsePolicy` puts the line's number before it. */
function refuse(what: string): never {
  throw new MetersealError('bad-policy', what);
}
