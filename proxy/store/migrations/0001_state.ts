/* eslint-disable postern/kebab-file -- migrations are named by their number */
/** `position`: the event of the audit log that made the row what it is. Documents are the values of `contract/`, as JSON. */
export const sql = `
CREATE TABLE cursor (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  position INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT;
INSERT INTO cursor VALUES (1, -1, 0);

CREATE TABLE service_accounts (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  position INTEGER NOT NULL,
  document TEXT NOT NULL
) STRICT;

CREATE TABLE tokens (
  id TEXT PRIMARY KEY,
  service_account TEXT NOT NULL REFERENCES service_accounts (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  document TEXT NOT NULL
) STRICT;
CREATE INDEX tokens_by_service_account ON tokens (service_account);

CREATE TABLE resources (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  position INTEGER NOT NULL,
  document TEXT NOT NULL
) STRICT;

CREATE TABLE secrets (
  id TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  position INTEGER NOT NULL
) STRICT;

CREATE TABLE policy_sets (
  position INTEGER PRIMARY KEY,
  version TEXT NOT NULL,
  files TEXT NOT NULL
) STRICT;

CREATE TABLE masking_rules (
  place INTEGER PRIMARY KEY,
  position INTEGER NOT NULL,
  document TEXT NOT NULL
) STRICT;
`;
