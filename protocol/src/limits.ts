/** Every maximum of the formats, with its reason. A decoder refuses what exceeds them before it allocates. */

/** Bytes of one record: the largest known meter with all raw words needs about 4 KiB. */
export const MAX_RECORD_BYTES = 16_384;
/** Values of one record, and raw blocks: twice the registers that a profile may have. */
export const MAX_RECORD_ITEMS = 256;
/** Registers in one raw block: the most that one Modbus answer carries. */
export const MAX_RAW_WORDS = 125;
/** Characters of a decimal: the largest float32 has 39 digits before the point, and up to 6 behind it. */
export const MAX_DECIMAL_LENGTH = 48;
export const MAX_METER_ID_LENGTH = 64;
/** Bytes of the JCS form of a holder's data. */
export const MAX_HOLDER_BYTES = 4_096;
/** Bytes of one `str` field. */
export const MAX_STR_BYTES = 255;
/** Bytes of one entry: tlog-tiles bundles give every entry a 16-bit length. */
export const MAX_ENTRY_BYTES = 65_535;
/** Bytes of an event's JSON. */
export const MAX_EVENT_BYTES = 4_096;
/** Read-backs of one switch transition. */
export const MAX_SWITCH_WITNESSES = 8;
/** Findings listed in one verdict statement; the counts cover the rest. */
export const MAX_VERDICT_FINDINGS = 200;
/** Bytes of a signed verdict statement: its head, `MAX_VERDICT_FINDINGS` findings and the signature need 3,052. */
export const MAX_VERDICT_BYTES = 3_072;
/** Bytes of one cosignature line: the name of a key and base64 of 76 bytes. */
export const MAX_COSIGNATURE_BYTES = 512;
/** Frames of one submission (interface 1) and records of one delivery (interface 2). */
export const MAX_BATCH = 1_000;
/** Entries of one answer of proof.sock. */
export const MAX_ENTRIES_PER_REQUEST = 4_096;
/** Bytes of the head of an HTTP answer of proof.sock: ours have 200. */
export const MAX_ANSWER_HEAD_BYTES = 4_096;
/** Bytes of one checkpoint note: room for a hundred cosignatures. */
export const MAX_NOTE_BYTES = 32_768;
export const MAX_NOTE_SIGNATURES = 128;
export const MAX_POLICY_BYTES = 65_536;
export const MAX_PROOF_BYTES = 65_536;
/** Bytes of a signed lease request: the control port reads no more. */
export const MAX_LEASE_BYTES = 512;
/** Hashes of one inclusion or consistency proof: one more than a tree of 2^53 − 1 leaves has levels. */
export const MAX_PROOF_HASHES = 54;
/** Bytes of a meter profile: the largest known has 10 KiB. */
export const MAX_PROFILE_BYTES = 131_072;
/** Registers of a meter profile: values and raw words of all of them fit one record. */
export const MAX_PROFILE_REGISTERS = 128;
/** Integers in all formats stay exact in JavaScript. */
export const MAX_INTEGER = Number.MAX_SAFE_INTEGER;
/** Bytes of one request body: 1,000 frames of the largest record and their framing. */
export const MAX_BODY_BYTES = MAX_BATCH * (MAX_RECORD_BYTES + 128) + 4_096;
