import { StreamLanguage, type StringStream } from '@codemirror/language';

const keywords = new Set([
  'permit',
  'forbid',
  'when',
  'unless',
  'principal',
  'action',
  'resource',
  'context',
  'in',
  'is',
  'has',
  'like',
  'if',
  'then',
  'else',
  'true',
  'false',
]);

/** Cedar 4 for the eye only: the service's validator decides what is right. */
export const cedar = StreamLanguage.define<null>({
  name: 'cedar',
  startState: () => null,
  token: (stream) => tokenOf(stream),
  languageData: { commentTokens: { line: '//' } },
});

function tokenOf(stream: StringStream): string | null {
  if (stream.eatSpace()) return null;
  if (stream.match('//')) {
    stream.skipToEnd();
    return 'comment';
  }
  if (stream.match(/^"(?:[^"\\]|\\.)*"?/)) return 'string';
  if (stream.match(/^-?\d+/)) return 'number';
  if (stream.match(/^@[A-Za-z_]\w*/)) return 'meta';
  if (stream.match(/^[A-Za-z_]\w*(?=\s*::)/)) return 'typeName';
  if (stream.match(/^[A-Za-z_]\w*/)) return keywords.has(stream.current()) ? 'keyword' : 'variableName';
  stream.next();
  return null;
}
