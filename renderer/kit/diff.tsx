import { MergeView, unifiedMergeView } from '@codemirror/merge';
import { EditorState } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { useEffect, useRef, type ReactNode } from 'react';
import { base, type Language } from './code-theme.ts';
import styles from './code.module.css';

interface DiffProps {
  readonly label: string;
  readonly before: string;
  readonly after: string;
  readonly language: Language;
  /** two columns; default: one */
  readonly sideBySide?: boolean;
  readonly height?: number;
}

/** What changed between two texts; lines that did not are folded. */
export function Diff({ label, before, after, language, sideBySide = false, height }: DiffProps): ReactNode {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (host.current === null) return;
    const extensions = [base(language, label, true)];
    const collapseUnchanged = { margin: 3, minSize: 6 };
    if (sideBySide) {
      const merge = new MergeView({
        a: { doc: before, extensions: [base(language, `${label}: before`, true)] },
        b: { doc: after, extensions: [base(language, `${label}: after`, true)] },
        parent: host.current,
        collapseUnchanged,
      });
      return () => merge.destroy();
    }
    const view = new EditorView({
      parent: host.current,
      state: EditorState.create({ doc: after, extensions: [extensions, unifiedMergeView({ original: before, mergeControls: false, collapseUnchanged })] }),
    });
    return () => view.destroy();
  }, [after, before, label, language, sideBySide]);
  return <div ref={host} className={styles['editor']} style={height === undefined ? {} : { height }} />;
}
