import { lintGutter, setDiagnostics, type Diagnostic } from '@codemirror/lint';
import { EditorView, placeholder as placeholderOf } from '@codemirror/view';
import { EditorState, type Text } from '@codemirror/state';
import { useEffect, useEffectEvent, useRef, type ReactNode } from 'react';
import { base, type Language } from './code-theme.ts';
import styles from './code.module.css';

export interface Mark {
  /** from 1 */
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

interface CodeEditorProps {
  readonly label: string;
  readonly value: string;
  readonly onChange?: (value: string) => void;
  readonly language: Language;
  /** shown in the gutter and under the text */
  readonly marks?: readonly Mark[];
  readonly readOnly?: boolean;
  readonly placeholder?: string;
  /** pixels, or it fills its parent */
  readonly height?: number;
  /** where the cursor goes; a new object goes there again */
  readonly goTo?: { readonly line: number; readonly column: number } | undefined;
}

const none: readonly Mark[] = [];

/** An editor with faults at their lines. Esc, then Tab leaves it. */
export function CodeEditor({ label, value, onChange, language, marks = none, readOnly = false, placeholder = '', height, goTo }: CodeEditorProps): ReactNode {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const current = useRef({ marks, value });
  current.current = { marks, value };
  const changed = useEffectEvent((text: string) => onChange?.(text));
  useEffect(() => {
    if (host.current === null) return;
    const editor = new EditorView({
      parent: host.current,
      state: EditorState.create({
        doc: current.current.value,
        extensions: [
          base(language, label, readOnly),
          placeholderOf(placeholder),
          lintGutter(),
          EditorView.updateListener.of((update) => update.docChanged && changed(update.state.doc.toString())),
        ],
      }),
    });
    view.current = editor;
    // lines were measured in another font while ours was loading
    void document.fonts.ready.then(() => editor.requestMeasure());
    return () => {
      editor.destroy();
      view.current = null;
    };
  }, [label, language, placeholder, readOnly]);
  useEffect(() => {
    const editor = view.current;
    if (editor && editor.state.doc.toString() !== value) editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } });
  }, [value]);
  useEffect(() => {
    const editor = view.current;
    if (editor)
      editor.dispatch(
        setDiagnostics(
          editor.state,
          marks.map((mark) => diagnosticOf(editor.state.doc, mark)),
        ),
      );
  }, [marks]);
  useEffect(() => {
    const editor = view.current;
    if (editor === null || goTo === undefined) return;
    const { from } = diagnosticOf(editor.state.doc, { ...goTo, message: '' });
    editor.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: 'center' }) });
    editor.focus();
  }, [goTo]);
  return <div ref={host} className={styles['editor']} style={{ height: height ?? '100%' }} />;
}

function diagnosticOf(doc: Text, { line, column, message }: Mark): Diagnostic {
  const at = doc.line(Math.max(1, Math.min(doc.lines, line)));
  const from = Math.min(at.to, at.from + Math.max(0, column - 1));
  return { from, to: at.to, severity: 'error', message };
}
