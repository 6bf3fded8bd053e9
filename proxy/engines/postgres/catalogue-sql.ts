/**
 * Questions to a target's pg_catalog (PostgreSQL 13–18). Every name and operator is qualified: the target's search_path
 * may put other schemas first.
 */
export const catalogueSql = {
  /** oid, schema, name, kind, has row security or rules of its own */
  relations: `SELECT c.oid::pg_catalog.text, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, c.relkind::pg_catalog.text,
      (c.relrowsecurity OR c.relforcerowsecurity OR (c.relhasrules AND c.relkind OPERATOR(pg_catalog.<>) ALL (ARRAY['v', 'm']::pg_catalog."char"[])))::pg_catalog.text
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    WHERE c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'v', 'm', 'f', 'S']::pg_catalog."char"[])
      AND NOT (n.nspname OPERATOR(pg_catalog.~) '^pg_(toast|temp|toast_temp)')
    ORDER BY c.oid LIMIT 50001`,
  /** oid of the relation, attribute number, name */
  columns: `SELECT a.attrelid::pg_catalog.text, a.attnum::pg_catalog.text, a.attname::pg_catalog.text
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) a.attrelid
      JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    WHERE c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'v', 'm', 'f', 'S']::pg_catalog."char"[])
      AND NOT (n.nspname OPERATOR(pg_catalog.~) '^pg_(toast|temp|toast_temp)')
      AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
    ORDER BY a.attrelid, a.attnum LIMIT 200001`,
  /** child, parent */
  inheritance: `SELECT i.inhrelid::pg_catalog.text, i.inhparent::pg_catalog.text FROM pg_catalog.pg_inherits i
      JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.inhrelid
    WHERE c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'f']::pg_catalog."char"[])
    ORDER BY i.inhrelid, i.inhseqno LIMIT 200001`,
  /** oid, text */
  views: `SELECT c.oid::pg_catalog.text, pg_catalog.pg_get_viewdef(c.oid)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    WHERE c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['v', 'm']::pg_catalog."char"[]) AND c.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
      AND NOT (n.nspname OPERATOR(pg_catalog.~) '^pg_(toast|temp|toast_temp)')
    ORDER BY c.oid LIMIT 20001`,
  /** name, schema */
  functions: `SELECT DISTINCT p.proname::pg_catalog.text, n.nspname::pg_catalog.text
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
    WHERE n.nspname OPERATOR(pg_catalog.<>) 'pg_catalog' OR p.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
    ORDER BY 1, 2 LIMIT 200001`,
  /** true when an operator, cast, base type, or a type hiding one of pg_catalog was made by users */
  operators: `SELECT (
      EXISTS (SELECT FROM pg_catalog.pg_operator o WHERE o.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid)
      OR EXISTS (SELECT FROM pg_catalog.pg_cast k WHERE k.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid)
      OR EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
        AND t.typtype OPERATOR(pg_catalog.=) 'b'::pg_catalog."char" AND t.typcategory OPERATOR(pg_catalog.<>) 'A'::pg_catalog."char")
      OR EXISTS (SELECT FROM pg_catalog.pg_type t
        JOIN pg_catalog.pg_type s ON s.typname OPERATOR(pg_catalog.=) t.typname AND s.oid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
          AND s.typtype OPERATOR(pg_catalog.<>) 'c'::pg_catalog."char"
        WHERE t.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid)
    )::pg_catalog.text`,
} as const;
