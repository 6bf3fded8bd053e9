/* eslint-disable postern/kebab-file -- migrations are named by their number */
/** `user` is read from the document, so that a witness goes with its user. */
export const sql = `
CREATE TABLE witnesses (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  user TEXT NOT NULL GENERATED ALWAYS AS (json_extract(document, '$.user')) STORED REFERENCES users (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  document TEXT NOT NULL
) STRICT;
CREATE INDEX witnesses_by_user ON witnesses (user);

CREATE TABLE shadow_policies (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  position INTEGER NOT NULL,
  version TEXT NOT NULL,
  files TEXT NOT NULL
) STRICT;
`;
