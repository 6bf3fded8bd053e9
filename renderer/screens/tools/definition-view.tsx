import { useMemo, type ReactNode } from 'react';
import type { ToolPin } from '../../../proxy/contract/tool-pin.ts';
import { Tag } from '../../kit/badge.tsx';
import { Code } from '../../kit/code.tsx';
import { CopyButton } from '../../kit/copy-button.tsx';
import { Diff } from '../../kit/diff.tsx';
import { Section } from '../../kit/page.tsx';
import { Notice } from '../../kit/states.tsx';
import { definitionText, readDefinition, type ReadDefinition } from './definition.ts';
import styles from './tools.module.css';

/** What is offered, readable; and when it is another than what was agreed to, what changed. */
export function DefinitionView({ pin: { approved, approvedDefinition, offered, offeredDefinition } }: { pin: ToolPin }): ReactNode {
  const read = useMemo(() => readDefinition(offeredDefinition), [offeredDefinition]);
  const text = useMemo(() => definitionText(offeredDefinition), [offeredDefinition]);
  const before = useMemo(() => (approvedDefinition === null ? null : definitionText(approvedDefinition)), [approvedDefinition]);
  const isChange = before !== null && approved !== offered;
  return (
    <>
      {read?.hasUnseen === true && (
        <Notice tone="bad">
          It holds characters that people cannot see and models can read. They are shown by number, as <code>{'\\u{200b}'}</code>. That is seldom an accident.
        </Notice>
      )}
      {isChange && (
        <Section title="What changed since it was agreed to">
          {before === text ? (
            <Notice tone="warn">The two differ in what is masked or cut off here. Compare them at the server before you agree.</Notice>
          ) : (
            <div className={styles['diff']}>
              <Diff label="Definition: what was agreed to, and what is offered" before={before} after={text} language="text" />
            </div>
          )}
        </Section>
      )}
      {read !== null && <Words read={read} />}
      <Section title="Definition as offered, masked" actions={<CopyButton text={text} label="Copy definition" />}>
        <div className={styles['definition']}>
          <Code text={text} language="text" label="Definition" />
        </div>
      </Section>
    </>
  );
}

function Words({ read }: { read: ReadDefinition }): ReactNode {
  return (
    <Section title="What it says of itself">
      <div className={styles['words']}>
        {read.title !== '' && <strong>{read.title}</strong>}
        <p>{read.description === '' ? <span className={styles['muted']}>It has no description.</span> : read.description}</p>
        {read.hints.length > 0 && (
          <p className={styles['hints']}>
            {read.hints.map((hint) => (
              <Tag key={hint}>{hint}</Tag>
            ))}
            <span className={styles['muted']}>the server’s own words, not checked</span>
          </p>
        )}
      </div>
      {read.arguments.length > 0 && <Arguments read={read} />}
    </Section>
  );
}

function Arguments({ read }: { read: ReadDefinition }): ReactNode {
  return (
    <table className={styles['arguments']}>
      <caption className="visually-hidden">Arguments</caption>
      <thead>
        <tr>
          <th scope="col">Argument</th>
          <th scope="col">Type</th>
          <th scope="col">What it says</th>
        </tr>
      </thead>
      <tbody>
        {read.arguments.map(({ name, type, required, description }) => (
          <tr key={name}>
            <th scope="row">
              <code>{name}</code>
              {required && <span className={styles['muted']}> needed</span>}
            </th>
            <td>{type}</td>
            <td>{description}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
