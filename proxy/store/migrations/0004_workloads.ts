/* eslint-disable postern/kebab-file -- migrations are named by their number */
/**
 * `service_account` and `resource` are read from the document: a rule goes with the account it leads to, a pin with the server it
 * is about (by name: whatever is added under that name later was agreed to by nobody). The indexes find the tokens of a rule, and the one that an assertion was used up for.
 */
export const sql = `
CREATE TABLE trust_rules (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  service_account TEXT NOT NULL GENERATED ALWAYS AS (json_extract(document, '$.serviceAccount')) STORED REFERENCES service_accounts (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  document TEXT NOT NULL
) STRICT;
CREATE INDEX trust_rules_by_service_account ON trust_rules (service_account);

CREATE TABLE tool_pins (
  id TEXT PRIMARY KEY,
  resource TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  position INTEGER NOT NULL,
  document TEXT NOT NULL,
  UNIQUE (resource, kind, name)
) STRICT;

CREATE INDEX tokens_by_trust_rule ON tokens (json_extract(document, '$.trustRule')) WHERE json_extract(document, '$.trustRule') IS NOT NULL;
CREATE INDEX tokens_by_assertion ON tokens (json_extract(document, '$.run.jti')) WHERE json_extract(document, '$.run.jti') IS NOT NULL;
`;
