-- field.db: what the field may never lose or use twice. One owner: the field role.
--
-- The connection sets (daemon/src/agent/field-store.ts):
--   journal_mode = WAL      a reader (status, prove) never waits for the writer
--   synchronous  = FULL     a sequence number that was used stays used after a power cut; NORMAL loses commits
--   foreign_keys = ON       a record without its meter is damage
--   busy_timeout = 5000     a reader that closes may hold the file for a moment; the writer waits for it

CREATE TABLE IF NOT EXISTS meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;

-- One row per meter that was ever configured; never deleted, so that a number is never given again.
CREATE TABLE IF NOT EXISTS meter (
  number       INTEGER PRIMARY KEY AUTOINCREMENT,   -- names the key file: IDs never become file names
  id           TEXT NOT NULL UNIQUE,
  state        TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'offered', 'enrolled')),
  subject      INTEGER,
  salt         BLOB,
  identity_key BLOB,
  nonce        BLOB,                                -- of the platform's answer, until the enrolment is confirmed
  first_seq    INTEGER,                             -- of the first enrolment: from here on every number is accounted for
  next_seq     INTEGER NOT NULL DEFAULT 1,
  anchored_to  INTEGER NOT NULL DEFAULT 0,          -- no number up to here is sent to the chain any more
  serial       TEXT                                 -- the device's own number, as first read or since accepted
) STRICT;

-- version 0 is the reading as first made; 1 is the void record of a number whose reading the platform refused for good, or
-- of a number in `lost` that the chain would otherwise wait for.
CREATE TABLE IF NOT EXISTS record (
  meter       INTEGER NOT NULL REFERENCES meter (number),
  seq         INTEGER NOT NULL,
  version     INTEGER NOT NULL CHECK (version IN (0, 1)),
  bytes       BLOB NOT NULL,
  hash        BLOB NOT NULL,
  entry_index INTEGER,                              -- the receipt: where the chain holds it
  PRIMARY KEY (meter, seq, version)
) STRICT, WITHOUT ROWID;

-- Numbers that were in use before this database was put back to an earlier copy: their readings are not here, and they are
-- never given to others.
CREATE TABLE IF NOT EXISTS lost (
  meter INTEGER NOT NULL REFERENCES meter (number),
  first INTEGER NOT NULL,
  last  INTEGER NOT NULL,
  PRIMARY KEY (meter, first)
) STRICT, WITHOUT ROWID;

-- What one collector has acknowledged of one meter.
CREATE TABLE IF NOT EXISTS delivery (
  meter           INTEGER NOT NULL REFERENCES meter (number),
  collector       BLOB NOT NULL,                    -- the collector's key
  first           INTEGER NOT NULL,
  acked_to        INTEGER NOT NULL,                 -- first − 1 while nothing is
  running_hash    BLOB NOT NULL,                    -- over first…acked_to
  acknowledgement BLOB,                             -- the latest, signed; it may lie behind acked_to, see reconciliation.ts
  chained_to      INTEGER NOT NULL DEFAULT 0,       -- an acknowledgement up to here is on the chain
  chained_ms      INTEGER NOT NULL DEFAULT 0,       -- and since when
  PRIMARY KEY (meter, collector)
) STRICT, WITHOUT ROWID;

-- Void records that a collector has acknowledged, beside the readings that they stand for.
CREATE TABLE IF NOT EXISTS void_delivery (
  meter     INTEGER NOT NULL REFERENCES meter (number),
  collector BLOB NOT NULL,
  seq       INTEGER NOT NULL,
  PRIMARY KEY (meter, collector, seq)
) STRICT, WITHOUT ROWID;

-- What the chain still has to be told, in the order in which it happened.
CREATE TABLE IF NOT EXISTS event (
  id   INTEGER PRIMARY KEY AUTOINCREMENT,
  body TEXT NOT NULL                                -- JSON
) STRICT;
