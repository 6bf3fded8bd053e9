import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { PostgreSQL, sql } from '@codemirror/lang-sql';
import { bracketMatching, HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { searchKeymap } from '@codemirror/search';
import { EditorState, type Extension } from '@codemirror/state';
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view';
import { tagHighlighter, tags, type Tag } from '@lezer/highlight';
import { cedar } from './cedar-mode.ts';

export type Language = 'sql' | 'cedar' | 'text';

const groups = {
  keyword: [tags.keyword, tags.operatorKeyword, tags.modifier, tags.bool, tags.null],
  string: [tags.string, tags.special(tags.string)],
  number: [tags.number],
  comment: [tags.comment, tags.lineComment, tags.blockComment],
  name: [tags.typeName, tags.meta, tags.standard(tags.name)],
} as const satisfies Record<string, readonly Tag[]>;

/** Names instead of styles: the read-only view colours by its own classes. */
export const kinds = tagHighlighter(Object.entries(groups).map(([name, tag]) => ({ tag, class: name })));

const colours = HighlightStyle.define(Object.entries(groups).map(([name, tag]) => ({ tag, color: `var(--code-${name})` })));

const theme = EditorView.theme({
  '&': { height: '100%', color: 'var(--text)', backgroundColor: 'var(--surface)', fontSize: 'var(--size-small)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '19px' },
  '.cm-gutters': { backgroundColor: 'var(--surface)', color: 'var(--text-faint)', border: 'none', paddingRight: '4px' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'color-mix(in srgb, var(--accent) 6%, transparent)' },
  // the page's policy has no data: images, of which the defaults are made
  '.cm-lintRange-error': { backgroundImage: 'none', textDecoration: 'underline wavy var(--bad)' },
  '.cm-lint-marker-error': { content: '""', width: '8px', height: '8px', margin: '5px 0 0 3px', borderRadius: '50%', background: 'var(--bad)' },
  '.cm-placeholder': { color: 'var(--text-faint)' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'color-mix(in srgb, var(--accent) 26%, transparent) !important' },
  '.cm-matchingBracket': { backgroundColor: 'var(--selected)', outline: '1px solid var(--line-strong)' },
  '.cm-panels': { backgroundColor: 'var(--raised)', color: 'var(--text)' },
  '.cm-tooltip': { backgroundColor: 'var(--raised)', color: 'var(--text)', border: '1px solid var(--line-strong)', borderRadius: 'var(--radius)' },
  '.cm-diagnostic': { fontFamily: 'var(--font)', borderLeftColor: 'var(--bad)' },
  '.cm-changedLine, .cm-insertedLine': { backgroundColor: 'var(--added) !important' },
  '.cm-deletedChunk, &.cm-merge-a .cm-changedLine': { backgroundColor: 'var(--removed) !important' },
  '.cm-changedText, .cm-insertedLine .cm-changedText': { background: 'linear-gradient(var(--good), var(--good)) bottom / 100% 1px no-repeat !important' },
  '.cm-deletedText, &.cm-merge-a .cm-changedText': { background: 'linear-gradient(var(--bad), var(--bad)) bottom / 100% 1px no-repeat !important' },
  '.cm-collapsedLines:before, .cm-collapsedLines:after': { content: '"⋯"' },
  '.cm-collapsedLines': { background: 'var(--sunken)', color: 'var(--text-muted)' },
});

/** The nonce that the page came with: without it the browser drops styles that code adds. */
function pageNonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? '';
}

export function languageOf(language: Language): Extension {
  if (language === 'sql') return sql({ dialect: PostgreSQL });
  return language === 'cedar' ? cedar : [];
}

/** What every editor of ours has. */
export function base(language: Language, label: string, readOnly: boolean): Extension {
  return [
    EditorView.cspNonce.of(pageNonce()),
    lineNumbers(),
    drawSelection(),
    bracketMatching(),
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0' }),
    syntaxHighlighting(colours),
    languageOf(language),
    theme,
    readOnly ? EditorState.readOnly.of(true) : [history(), highlightActiveLine()],
    // Esc, then Tab leaves the editor: the keyboard is not caught
    keymap.of([...defaultKeymap, ...historyKeymap, ...searchKeymap, indentWithTab]),
  ];
}
