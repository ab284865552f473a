-- chain.db, format 1: the embedded chain and what the platform must remember beside it.
-- docs/chain.md tells what may be rebuilt from what. Heights, indexes and numbers are never used again.

-- A commit is one append to the WAL; `prove` and `fsck` read the last commit while the daemon writes the next.
PRAGMA journal_mode = WAL;
-- The WAL is synced before COMMIT answers: a signature that has left the process survives a power cut.
PRAGMA synchronous = FULL;
-- Keeps the WAL from staying as large as its largest commit.
PRAGMA journal_size_limit = 16777216;
-- A page whose cells do not fit is reported when it is read, not when it has already been believed.
PRAGMA cell_size_check = ON;
-- The schema of a file that somebody else has written must not run functions.
PRAGMA trusted_schema = OFF;

-- Exactly one row.
CREATE TABLE IF NOT EXISTS meta (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  format INTEGER NOT NULL,
  -- Origin without its epoch.
  platform_id TEXT NOT NULL
) STRICT;

-- What one commit appended: its entries, then a block-close.
CREATE TABLE IF NOT EXISTS block (
  height INTEGER NOT NULL PRIMARY KEY CHECK (height >= 1),
  -- Index of its first entry in the chain.
  first_index INTEGER NOT NULL UNIQUE,
  -- Entries with the block-close.
  count INTEGER NOT NULL CHECK (count >= 2),
  time_ms INTEGER NOT NULL,
  -- Of the tree that ends with this block.
  root BLOB NOT NULL,
  -- The checkpoint over that tree, signed.
  note TEXT NOT NULL,
  -- (u16 length, entry)*: one BLOB is twenty times faster than a row for each entry.
  entries BLOB NOT NULL
) STRICT;

-- Full tiles of hashes, 8,192 bytes each; partial ones are made from the entries on request.
CREATE TABLE IF NOT EXISTS tile (
  level INTEGER NOT NULL,
  number INTEGER NOT NULL,
  hashes BLOB NOT NULL,
  PRIMARY KEY (level, number)
) STRICT;

-- Where to look for an entry: numbers first_seq to last_seq of that type and subject stand in that block.
CREATE TABLE IF NOT EXISTS entry_range (
  type INTEGER NOT NULL,
  subject INTEGER NOT NULL,
  first_seq INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  height INTEGER NOT NULL,
  PRIMARY KEY (type, subject, first_seq, height)
) STRICT, WITHOUT ROWID;

-- Who a subject is: personal data, and the only place that opens its commitment.
CREATE TABLE IF NOT EXISTS meter (
  subject INTEGER NOT NULL PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  salt BLOB NOT NULL
) STRICT;

-- One row for each entry 01. Its code is spent.
CREATE TABLE IF NOT EXISTS enrolment (
  entry_index INTEGER NOT NULL PRIMARY KEY,
  subject INTEGER NOT NULL,
  code_sha256 BLOB NOT NULL,
  holder_salt BLOB NOT NULL,
  nonce BLOB NOT NULL,
  -- SHA-256 over the columns before, which no entry covers.
  digest BLOB NOT NULL
) STRICT;

-- Verdict statements with their signatures, as collectors sent them; entry 06 holds their hash.
CREATE TABLE IF NOT EXISTS verdict (
  hash BLOB NOT NULL PRIMARY KEY,
  entry_index INTEGER NOT NULL UNIQUE,
  signed BLOB NOT NULL
) STRICT;
