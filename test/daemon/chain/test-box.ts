import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine, SigningKey } from '@meterseal/native';
import { javascriptEngine } from '@meterseal/native/javascript';
import type {
  AuthenticationAnswer,
  ConfirmAnswer,
  EnrolmentAnswer,
  MeterRef,
  Policy,
  ReadingFrame,
  ReadingRecord,
  ReadingsAnswer,
  SessionAnswer,
} from '@meterseal/protocol';
import {
  authenticationMessage,
  encodeRecord,
  encodeSubmission,
  enrolmentMessage,
  formatTime,
  fromBase64,
  meterCommitment,
  openOffer,
  parsePolicy,
  sessionMessage,
  toBase64,
  toBase64Url,
  toHex,
  utf8,
} from '@meterseal/protocol';
import { checkInvariants } from 'meterseal/internal/chain/invariants';
import type { ChainOptions, ChainRole } from 'meterseal/internal/chain/role';
import { startChain } from 'meterseal/internal/chain/role';
import { SqliteChainReader } from 'meterseal/internal/chain/sqlite-store';
import { createBox } from 'meterseal/internal/host/box';
import type { HttpAnswer, HttpRequest } from 'meterseal/internal/host/http-client';
import { HttpClient } from 'meterseal/internal/host/http-client';
import { createLogger } from 'meterseal/internal/host/logger';
import type { StateFolder } from 'meterseal/internal/host/state-folder';
import { prepareStateFolder, stateFolder } from 'meterseal/internal/host/state-folder';
import type { Test } from 'tap';
import { ManualClock } from '../gate/manual-clock.js';

export const engine: Engine = javascriptEngine;
export const PLATFORM_ID = 'meterseal.example/meterseal/test-box';
export const ORIGIN = `${PLATFORM_ID}/1`;
export const collector = engine.keyFromSeed(new Uint8Array(32).fill(7));
const HOLDER = { name: 'A. Holder', contract: 'C-1001' };

/** Bytes that differ with every call and are the same in every run. */
export function seededRandom(seed: string): (length: number) => Uint8Array {
  let calls = 0;
  return (length) => {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; at += 32) {
      out.set(engine.sha256(utf8(`${seed} ${calls++}`)).subarray(0, length - at), at);
    }
    return out;
  };
}

/** A chain role over a state folder of its own, asked through its real sockets. After every call its invariants hold. */
export class TestBox {
  readonly state: StateFolder;
  readonly clock = new ManualClock();
  readonly random = seededRandom('box');
  /** Off only while a large chain is filled. */
  checksEveryCall = true;
  #role: ChainRole | undefined;
  #options: Partial<ChainOptions> = {};
  readonly #roster: Record<string, unknown>[] = [];

  /** Ends with the test, and its folder with it. */
  constructor(t: Test) {
    this.state = stateFolder(mkdtempSync(join(tmpdir(), 'ms-chain-')));
    prepareStateFolder(this.state);
    t.teardown(async () => {
      await this.#role?.stop();
      rmSync(this.state.root, { recursive: true });
    });
  }

  static async start(t: Test, options: Partial<ChainOptions> = {}): Promise<TestBox> {
    const box = new TestBox(t);
    await box.start(options);
    return box;
  }

  get role(): ChainRole {
    return this.#role!;
  }

  async start(options: Partial<ChainOptions> = this.#options): Promise<void> {
    this.#options = options;
    this.#role = await startChain({
      stateDir: this.state.root,
      platformId: PLATFORM_ID,
      clock: this.clock,
      random: this.random,
      engine,
      log: createLogger('silent'),
      collectorKeys: [collector.publicKey],
      session: { lifeMs: 86_400_000, readings: 10_000 },
      sockets: this.state.sockets,
      ...options,
    });
  }

  async stop(): Promise<void> {
    await this.#role?.stop();
    this.#role = undefined;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  list(meter: string, code: string, more: Record<string, unknown> = {}): void {
    const codeSha256 = toHex(engine.sha256(utf8(code)));
    const at = this.#roster.findIndex((entry) => entry['meter'] === meter);
    const entry = { meter, holder: HOLDER, codeSha256, ...more };
    if (at < 0) this.#roster.push(entry);
    else this.#roster[at] = entry;
    writeFileSync(this.state.roster, JSON.stringify(this.#roster));
  }

  get policy(): Policy {
    return parsePolicy(engine, readFileSync(this.state.policy, 'utf8'));
  }

  async findings(): Promise<readonly string[]> {
    const reader = await SqliteChainReader.open(this.state.chainDatabase);
    try {
      return (await checkInvariants(reader, this.policy, engine)).findings;
    } finally {
      await reader.close();
    }
  }

  async ask(socket: 'platform' | 'proof' | 'switch', request: HttpRequest): Promise<HttpAnswer> {
    try {
      return await new HttpClient({ socketPath: this.state.sockets[socket] }, socket).send(request);
    } finally {
      if (this.checksEveryCall) await this.assertInvariants();
    }
  }

  async assertInvariants(): Promise<void> {
    const findings = await this.findings();
    if (findings.length > 0) throw new Error(`invariants broken: ${findings.join('; ')}`);
  }

  async post<T>(path: string, json: unknown): Promise<T> {
    const { body } = await this.ask('platform', { method: 'POST', path, json });
    return JSON.parse(body.toString()) as T;
  }

  async postBytes<T>(path: string, bytes: Uint8Array): Promise<T> {
    const { body } = await this.ask('platform', { method: 'POST', path, bytes });
    return JSON.parse(body.toString()) as T;
  }

  async submit(...frames: ReadingFrame[]): Promise<ReadingsAnswer> {
    return this.postBytes('/v1/readings', encodeSubmission(frames));
  }

  /** Codes of a submission's results. */
  async codes(...frames: ReadingFrame[]): Promise<string[]> {
    return (await this.submit(...frames)).results.map(({ code }) => code);
  }

  async checkpoint(): Promise<string> {
    return (await this.ask('proof', { method: 'GET', path: '/checkpoint' })).body.toString();
  }

  /** A meter that is on the roster, and enrolled. */
  async enrolled(id: string, options: { own?: boolean } = {}): Promise<TestMeter> {
    const meter = new TestMeter(this, id);
    this.list(id, `code of ${id}`);
    await meter.enrol(options);
    return meter;
  }

  /** An enrolled meter with a session. */
  async metering(id: string): Promise<TestMeter> {
    const meter = await this.enrolled(id);
    await meter.openSession();
    return meter;
  }
}

/** A meter's part of interface 1. */
export class TestMeter {
  readonly id: string;
  readonly #box: TestBox;
  identity!: SigningKey;
  ref!: MeterRef;
  salt!: Uint8Array;
  nonce!: Uint8Array;
  session!: SessionAnswer;
  sessionKey!: SigningKey;
  authenticationHash!: Uint8Array;
  readonly #records = new Map<number, Uint8Array>();

  constructor(box: TestBox, id: string) {
    this.#box = box;
    this.id = id;
  }

  async request(options: { own?: boolean; code?: string; holder?: object } = {}): Promise<EnrolmentAnswer> {
    const box = createBox(seededRandom(`meter ${this.id}`));
    const oneTime = box.keyPair();
    const common = {
      meter: this.id,
      holder: options.holder ?? HOLDER,
      code: options.code ?? `code of ${this.id}`,
    };
    const seed = seededRandom(`identity ${this.id}`)(32);
    const own = engine.keyFromSeed(seed);
    const answer = await this.#box.post<EnrolmentAnswer>('/v1/enrolments', {
      ...common,
      ...(options.own ? { publicKey: toBase64(own.publicKey) } : { sealTo: toBase64(oneTime.publicKey) }),
    });
    this.identity = options.own
      ? own
      : engine.keyFromSeed(new Uint8Array(openOffer(box, fromBase64(answer.offer!), oneTime.secretKey)));
    this.salt = fromBase64(answer.salt);
    this.nonce = fromBase64(answer.nonce);
    this.ref = { subject: answer.subject, commitment: meterCommitment(engine, this.salt, this.id) };
    return answer;
  }

  async confirm(signer = this.identity): Promise<ConfirmAnswer> {
    const identityKey = this.identity.publicKey;
    const message = enrolmentMessage({
      platformId: PLATFORM_ID,
      meter: this.ref,
      nonce: this.nonce,
      identityKey,
    });
    return this.#box.post('/v1/enrolments/confirm', {
      meter: this.id,
      publicKey: toBase64(identityKey),
      signature: toBase64(signer.sign(message)),
    });
  }

  async enrol(options: { own?: boolean; code?: string } = {}): Promise<ConfirmAnswer> {
    await this.request(options);
    return this.confirm();
  }

  async challenge(): Promise<Uint8Array> {
    const { challenge } = await this.#box.post<{ challenge: string }>('/v1/challenges', { meter: this.id });
    return fromBase64(challenge);
  }

  async authenticate(challenge?: Uint8Array, signer = this.identity): Promise<AuthenticationAnswer> {
    const used = challenge ?? (await this.challenge());
    const message = authenticationMessage({ origin: ORIGIN, meter: this.ref, challenge: used });
    this.authenticationHash = engine.sha256(message);
    return this.#box.post('/v1/authentications', {
      meter: this.id,
      challenge: toBase64(used),
      signature: toBase64(signer.sign(message)),
    });
  }

  async requestSession(
    authentication: number,
    key: SigningKey,
    signer = this.identity,
  ): Promise<SessionAnswer> {
    const message = sessionMessage({
      origin: ORIGIN,
      meter: this.ref,
      authenticationHash: this.authenticationHash,
      sessionKey: key.publicKey,
    });
    return this.#box.post('/v1/sessions', {
      meter: this.id,
      authentication,
      publicKey: toBase64(key.publicKey),
      signature: toBase64(signer.sign(message)),
    });
  }

  async openSession(): Promise<SessionAnswer> {
    const { index } = await this.authenticate();
    const key = engine.generateKey();
    this.session = await this.requestSession(index!, key);
    this.sessionKey = key;
    return this.session;
  }

  /** The record of a number: always the same bytes, unless something is changed. */
  record(seq: number, change?: Partial<ReadingRecord>): Uint8Array {
    const made = this.#records.get(seq) ?? this.#encode(seq, {});
    if (change !== undefined) return this.#encode(seq, change);
    this.#records.set(seq, made);
    return made;
  }

  #encode(seq: number, change: Partial<ReadingRecord>): Uint8Array {
    return encodeRecord({
      v: 0,
      meter: this.id,
      seq,
      time: formatTime(this.#box.clock.now()),
      span: 40,
      clock: 'unsynchronised',
      identity: 'none',
      profile: 'eastron/sdm630@0123456789abcdef',
      sw: 'test',
      values: [{ obis: '1-0:1.8.0', unit: 'kWh', value: `${seq}.5` }],
      raw: [{ fc: 4, at: 72, words: '0000' }],
      salt: toBase64Url(engine.sha256(utf8(`${this.id} ${seq}`)).subarray(0, 16)),
      ...change,
    });
  }

  /** A frame of the open session. */
  frame(seq: number, change?: Partial<ReadingRecord>): ReadingFrame {
    return this.sealed(this.record(seq, change));
  }

  sealed(record: Uint8Array): ReadingFrame {
    return { session: this.session.session, sealed: this.sessionKey.seal(record) };
  }
}
