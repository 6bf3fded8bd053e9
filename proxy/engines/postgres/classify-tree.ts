/** A struct of the parser's JSON. Polymorphic fields hold `{ TypeName: struct }`, the others hold the struct itself. */
export type Tree = Readonly<Record<string, unknown>>;

export interface Node {
  readonly type: string;
  readonly body: Tree;
}

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The node a polymorphic field holds, or null. */
export function nodeOf(value: unknown): Node | null {
  if (!isTree(value)) return null;
  for (const type in value) {
    const body = value[type];
    const first = type.charCodeAt(0);
    if (first < 65 || first > 90 || !isTree(body)) return null;
    return { type, body };
  }
  return null;
}

export function nodeAt(tree: Tree, field: string): Node | null {
  return nodeOf(tree[field]);
}

export function treeAt(tree: Tree, field: string): Tree | null {
  const value = tree[field];
  return isTree(value) ? value : null;
}

const none: readonly unknown[] = [];

export function listAt(tree: Tree, field: string): readonly unknown[] {
  const value = tree[field];
  return Array.isArray(value) ? value : none;
}

export function textAt(tree: Tree, field: string): string {
  const value = tree[field];
  return typeof value === 'string' ? value : '';
}

/** The texts of a list of String nodes; other elements are left out. */
export function namesOf(list: readonly unknown[]): readonly string[] {
  const names: string[] = [];
  for (const item of list) {
    const node = nodeOf(item);
    if (node?.type === 'String') names.push(textAt(node.body, 'sval'));
  }
  return names;
}

/** A node's type for a struct that stands in a monomorphic field; empty when it needs no treatment of its own. */
export function bareType(field: string, body: Tree): string {
  if ('relname' in body) return 'RangeVar';
  if ('typemod' in body) return 'TypeName';
  if ('ctes' in body) return 'WithClause';
  if (field === 'larg' || field === 'rarg') return 'SelectStmt';
  if (field === 'funccall') return 'FuncCall';
  if ('rel' in body && 'onCommit' in body) return 'IntoClause';
  return '';
}

/** Calls `visit` for every struct below `value`; `visit` gives false to skip what is inside. */
export function walk(value: unknown, visit: (type: string, body: Tree) => boolean, field = ''): void {
  if (Array.isArray(value)) {
    for (const item of value) walk(item, visit, field);
    return;
  }
  if (!isTree(value)) return;
  const node = nodeOf(value);
  const type = node?.type ?? bareType(field, value);
  const body = node?.body ?? value;
  if (!visit(type, body)) return;
  for (const name in body) {
    const inner = body[name];
    if (typeof inner === 'object') walk(inner, visit, name);
  }
}

/** The text of a string constant, casts taken off; null when it is anything else. */
export function constantText(value: unknown): string | null {
  const node = nodeOf(value);
  if (node?.type === 'TypeCast') return constantText(node.body['arg']);
  if (node?.type !== 'A_Const') return null;
  const text = treeAt(node.body, 'sval');
  // the parser's JSON leaves out empty strings
  return text === null ? null : textAt(text, 'sval');
}

export function isConstant(value: unknown): boolean {
  const node = nodeOf(value);
  if (node?.type === 'TypeCast') return isConstant(node.body['arg']);
  return node?.type === 'A_Const' || node?.type === 'ParamRef';
}
