import type { ReactNode } from 'react';
import type { CanonicalRequest } from '../../../proxy/contract/approval-request.ts';
import { canonicalJson } from '../../../proxy/proof/canonical.ts';
import { Code } from '../../kit/code.tsx';
import { Copyable } from '../../kit/copy-button.tsx';
import { Facts } from '../../kit/page.tsx';
import { Time } from '../../kit/time.tsx';
import styles from './requests.module.css';

/** Every member that a decision signs, and the text itself. */
export function SignedPart({ canonical, digest }: { canonical: CanonicalRequest; digest: string }): ReactNode {
  const { subject, principal, policies, policyVersion, nonce, checkpoint, createdAt, expiresAt } = canonical;
  const operation: readonly (readonly [string, ReactNode])[] =
    subject.kind === 'operation'
      ? [
          ['Account', <code key="account">{subject.account}</code>],
          ['Database', <code key="database">{subject.database}</code>],
          ['Search path', <code key="path">{subject.searchPath}</code>],
          ['Origin', <code key="origin">{subject.origin}</code>],
          ['Session', <Copyable key="session" text={subject.session} label="Copy session id" />],
          ['Digest of the exact bytes', <Copyable key="digest" text={subject.digest} label="Copy digest of the command" />],
        ]
      : [];
  return (
    <details className={styles['details']}>
      <summary>What is signed</summary>
      <Facts
        items={[
          ['Request', <Copyable key="id" text={canonical.id} label="Copy request id" />],
          ['Principal', `${principal.name} (${principal.subject} of ${principal.issuer})`],
          ['Credential', <code key="credential">{principal.credential}</code>],
          ...operation,
          ['Policies', policies.join(', ')],
          ['Policy version', <Copyable key="version" text={policyVersion} label="Copy policy version" />],
          ['Asked', <Time key="asked" at={createdAt} exact />],
          ['Expires', <Time key="expires" at={expiresAt} exact />],
          ['Checkpoint', checkpoint === '' ? 'none yet' : <code key="checkpoint">{checkpoint}</code>],
          ['Nonce', <Copyable key="nonce" text={nonce} label="Copy nonce" />],
          ['SHA-256 of what is shown', <Copyable key="shown" text={digest} label="Copy digest of what is shown" />],
        ]}
      />
      <p className={styles['note']}>The reason, the ticket and the row estimate are the requester’s and the target’s own words: they are not signed.</p>
      <Code text={canonicalJson(canonical)} language="text" label="Canonical JSON that is signed" />
    </details>
  );
}
