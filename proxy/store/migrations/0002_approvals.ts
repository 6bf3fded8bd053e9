/* eslint-disable postern/kebab-file -- migrations are named by their number */
/** `created`: position of the event that made the row; `position`: of the one that changed it last. Times in milliseconds since the epoch. */
export const sql = `
CREATE TABLE users (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  position INTEGER NOT NULL,
  document TEXT NOT NULL
) STRICT;

CREATE TABLE invitations (
  id TEXT PRIMARY KEY,
  user TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  document TEXT NOT NULL
) STRICT;
CREATE INDEX invitations_by_user ON invitations (user);

CREATE TABLE approval_requests (
  id TEXT PRIMARY KEY,
  created INTEGER NOT NULL UNIQUE,
  position INTEGER NOT NULL UNIQUE,
  status TEXT NOT NULL,
  kind TEXT NOT NULL,
  principal TEXT NOT NULL,
  session TEXT,
  approvers TEXT NOT NULL,
  expires INTEGER NOT NULL,
  document TEXT NOT NULL
) STRICT;
CREATE INDEX approval_requests_by_status ON approval_requests (status, expires);
CREATE INDEX approval_requests_by_principal ON approval_requests (principal, status);

CREATE TABLE grants (
  id TEXT PRIMARY KEY,
  created INTEGER NOT NULL UNIQUE,
  position INTEGER NOT NULL,
  ends INTEGER NOT NULL,
  request TEXT UNIQUE,
  document TEXT NOT NULL
) STRICT;
CREATE INDEX grants_by_end ON grants (ends);

CREATE TABLE webhooks (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  position INTEGER NOT NULL,
  document TEXT NOT NULL
) STRICT;
`;
