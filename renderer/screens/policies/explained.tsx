import type { ReactNode } from 'react';
import { usePlace } from '../../data/place.ts';
import { Badge, State } from '../../kit/badge.tsx';
import { Code } from '../../kit/code.tsx';
import type { Answer } from './explain.tsx';
import styles from './policies.module.css';
import { filePlaceOf } from './policy-tests.ts';
import type { PolicyFile } from './policy-set.ts';
import { verdictOf, type Explanation } from './verdict.ts';

type Act = Explanation['acts'][number];

/** The verdict in a sentence, then each act with the policies that decided it. */
export function Explained({ answer: { question, explanation }, files }: { answer: Answer; files: readonly PolicyFile[] }): ReactNode {
  const { tone, word, sentence } = verdictOf(explanation, question);
  return (
    <div role="status">
      <div className={styles['verdictRow']}>
        <Badge tone={tone}>{word}</Badge>
        <p className={styles['verdict']}>{sentence}</p>
        {!explanation.permitted && explanation.hint !== '' && <p className={styles['muted']}>{explanation.hint}</p>}
      </div>
      <ul aria-label="Acts">
        {explanation.acts.map((act, at) => (
          <ActRow key={`${act.action} ${act.object} ${at}`} act={act} files={files} />
        ))}
      </ul>
      <p className={styles['muted']}>
        Policies <code>{explanation.policyVersion}</code>
      </p>
    </div>
  );
}

function ActRow({ act: { action, object, permitted, message, policies }, files }: { act: Act; files: readonly PolicyFile[] }): ReactNode {
  return (
    <li className={styles['act']}>
      <div className={styles['actHead']}>
        <State of={permitted ? 'permit' : 'forbid'} />
        <code>{action}</code>
        <code className={styles['muted']}>{object}</code>
      </div>
      {message !== '' && <p className={styles['muted']}>{message}</p>}
      {policies.length === 0 && <p className={styles['muted']}>No policy permits it.</p>}
      {policies.map((policy) => (
        <Cited key={policy.name} policy={policy} files={files} />
      ))}
    </li>
  );
}

function Cited({ policy: { name, effect, file, line, text }, files }: { policy: Act['policies'][number]; files: readonly PolicyFile[] }): ReactNode {
  const { open } = usePlace();
  // where it is in the text being edited; it may have moved since
  const place = filePlaceOf(files, name) ?? { file, line };
  return (
    <div className={styles['cited']}>
      <button type="button" className={styles['policyLink']} onClick={() => open('edit', place.file, String(place.line))}>
        <code>{name}</code> {place.file}:{place.line}
      </button>
      <details>
        <summary>The {effect} policy</summary>
        <Code text={text} language="cedar" label={`Policy ${name}`} />
      </details>
    </div>
  );
}
