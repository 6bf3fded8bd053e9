import { Pencil, Power, Trash2 } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import type { TrustRule } from '../../../proxy/contract/trust-rule.ts';
import { useMutationCall, type Pages } from '../../data/calls.ts';
import { useLink, usePlace } from '../../data/place.ts';
import { ActionButton, useNeed } from '../../kit/action-button.tsx';
import { Badge, State } from '../../kit/badge.tsx';
import { Confirm } from '../../kit/confirm.tsx';
import { Copyable } from '../../kit/copy-button.tsx';
import { useLiveSessions } from '../../kit/ending-sessions.tsx';
import { Facts, Page, Section } from '../../kit/page.tsx';
import { Empty, Fault, Loading, Notice } from '../../kit/states.tsx';
import { duration, Time } from '../../kit/time.tsx';
import { useToast } from '../../kit/toasts.tsx';
import { platforms } from './platforms.ts';
import { RuleDrawer } from './rule-drawer.tsx';
import styles from './trust.module.css';
import { useAccountNames } from './use-account-names.ts';

type Asked = 'edit' | 'disable' | 'delete' | null;

export function RuleDetail({ name, pages }: { name: string; pages: Pages<TrustRule> }): ReactNode {
  const rule = pages.items.find((each) => each.name === name);
  const [asked, setAsked] = useState<Asked>(null);
  const link = useLink();
  const { open } = usePlace();
  const nameOf = useAccountNames();
  const close = (): void => setAsked(null);
  return (
    <Page title={name} back={{ href: link('trust'), label: 'Workloads' }} actions={rule && <Actions rule={rule} ask={setAsked} />}>
      {pages.fault ? (
        <Fault of={pages.fault} again={pages.again} />
      ) : rule === undefined ? (
        pages.loading || pages.more ? (
          <Loading />
        ) : (
          <Empty title={`There is no trust rule ${name}`}>It may have been deleted.</Empty>
        )
      ) : (
        <>
          <RuleFacts rule={rule} account={nameOf(rule.serviceAccount)} />
          {asked === 'edit' && <RuleDrawer rule={rule} account={nameOf(rule.serviceAccount)} onClose={close} onDone={close} />}
          <Ask rule={rule} account={nameOf(rule.serviceAccount)} asked={asked} onClose={close} onGone={() => open()} />
        </>
      )}
    </Page>
  );
}

function Actions({ rule: { name, disabled }, ask }: { rule: TrustRule; ask: (asked: Asked) => void }): ReactNode {
  const need = useNeed('administrator');
  const { run, running, fault } = useMutationCall('updateTrustRule');
  const toast = useToast();
  const enable = async (): Promise<void> => {
    if ((await run({ name, disabled: false })) !== null) toast({ tone: 'good', text: `${name} takes tokens again.` });
  };
  return (
    <>
      {fault && <Fault of={fault} />}
      <ActionButton reason={need} onPress={() => ask('edit')}>
        <Pencil size={14} aria-hidden />
        Edit
      </ActionButton>
      <ActionButton reason={need} pending={running} onPress={() => (disabled ? void enable() : ask('disable'))}>
        <Power size={14} aria-hidden />
        {disabled ? 'Enable' : 'Disable'}
      </ActionButton>
      <ActionButton reason={need} onPress={() => ask('delete')}>
        <Trash2 size={14} aria-hidden />
        Delete
      </ActionButton>
    </>
  );
}

function RuleFacts({ rule, account }: { rule: TrustRule; account: string }): ReactNode {
  const link = useLink();
  const { id, platform, issuer, keys, algorithms, recorded, resources, networks, tokenSeconds, disabled, createdAt, changedAt } = rule;
  return (
    <>
      <Section title="Who comes as whom">
        <Facts
          items={[
            ['State', <State key="state" of={disabled ? 'disabled' : 'enabled'} />],
            ['Platform', platforms[platform].label],
            [platform === 'client' ? 'Client id' : 'Issuer', <Copyable key="issuer" text={issuer} label="Copy issuer" />],
            [
              'Comes as',
              <a key="account" href={link('principals', 'accounts', account)}>
                <code>{account}</code>
              </a>,
            ],
            ['Keys', keysText(keys)],
            ['Addresses of this machine', keys.from === 'issuer' && keys.allowLocal && <Badge tone="warn">allowed</Badge>],
            ['Signatures', algorithms.join(', ')],
          ]}
        />
      </Section>
      {platform !== 'client' && (
        <Section title="If all of this holds">
          <Conditions rule={rule} />
          <Notice tone="quiet">{platforms[platform].fixed}</Notice>
        </Section>
      )}
      <Section title="What its tokens are good for">
        <Facts
          items={[
            ['Resources', resources.length === 0 ? 'all that policies permit' : <code>{resources.join(', ')}</code>],
            ['From', networks.length === 0 ? 'any network' : <code>{networks.join(', ')}</code>],
            ['Tokens got in exchange', `good for ${duration(tokenSeconds)}`],
            ['Recorded with each event', recorded.length === 0 ? 'issuer, subject and jti' : <code>{recorded.join(', ')}</code>],
            ['Added', <Time key="added" at={createdAt} />],
            ['Changed', <Time key="changed" at={changedAt} />],
            ['Id', <Copyable key="id" text={id} label="Copy id" />],
          ]}
        />
      </Section>
    </>
  );
}

function keysText(keys: TrustRule['keys']): string {
  if (keys.from === 'uploaded') return 'uploaded here';
  return `fetched from the issuer; it is trusted by ${keys.ca === undefined ? 'authorities of the operating system' : 'the pasted authority only'}`;
}

function Conditions({ rule: { conditions } }: { rule: TrustRule }): ReactNode {
  return (
    <table className={styles['conditions']}>
      <thead>
        <tr>
          <th scope="col">Claim</th>
          <th scope="col">Is</th>
          <th scope="col">Value</th>
        </tr>
      </thead>
      <tbody>
        {conditions.map(({ claim, test }, at) => (
          <tr key={`${at} ${claim}`}>
            <th scope="row">
              <code>{claim}</code>
            </th>
            <td>{test.is === 'like' ? 'like' : test.values.length > 1 ? 'one of' : 'exactly'}</td>
            <td>
              <code>{test.is === 'like' ? test.pattern : test.values.join(', ')}</code>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

interface AskProps {
  readonly rule: TrustRule;
  readonly account: string;
  readonly asked: Asked;
  readonly onClose: () => void;
  readonly onGone: () => void;
}

function Ask({ rule: { name }, account, asked, onClose, onGone }: AskProps): ReactNode {
  const update = useMutationCall('updateTrustRule');
  const remove = useMutationCall('deleteTrustRule');
  const toast = useToast();
  const live = useLiveSessions({ principal: account }, asked === 'disable' || asked === 'delete');
  const close = (): void => {
    update.reset();
    remove.reset();
    onClose();
  };
  const disable = async (): Promise<void> => {
    if ((await update.run({ name, disabled: true })) === null) return;
    toast({ tone: 'good', text: `${name} is disabled.` });
    close();
  };
  const forget = async (): Promise<void> => {
    if ((await remove.run({ name })) === null) return;
    toast({ tone: 'good', text: `${name} was deleted.` });
    close();
    onGone();
  };
  const ending = (
    <>
      What rests on it ends within a second: sessions, and tokens that were got in exchange. What {account} does by its other credentials goes on
      {live === null ? '.' : live.count === 0 ? '; it has no live session now.' : `; it has ${live.words} now.`}
    </>
  );
  return (
    <>
      <Confirm
        title={`Disable ${name}?`}
        action="Disable"
        open={asked === 'disable'}
        onClose={close}
        onConfirm={() => void disable()}
        pending={update.running}
        fault={update.fault}
      >
        No token is taken by it until it is enabled again. {ending}
      </Confirm>
      <Confirm
        title={`Delete ${name}?`}
        action="Delete trust rule"
        open={asked === 'delete'}
        onClose={close}
        onConfirm={() => void forget()}
        typed={name}
        pending={remove.running}
        fault={remove.fault}
      >
        Its workloads cannot come any more. {ending} What they did stays in the audit log.
      </Confirm>
    </>
  );
}
