import { Pencil, Plus, Power, Trash2 } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import type { ServiceAccountView } from '../../../proxy/contract/api-views.ts';
import { useCall, useMutationCall } from '../../data/calls.ts';
import { useLink, usePlace } from '../../data/place.ts';
import { ActionButton, useNeed } from '../../kit/action-button.tsx';
import { State } from '../../kit/badge.tsx';
import { Confirm } from '../../kit/confirm.tsx';
import { Copyable } from '../../kit/copy-button.tsx';
import { EndingSessions, useLiveSessions } from '../../kit/ending-sessions.tsx';
import { Facts, Page, Section } from '../../kit/page.tsx';
import { Fault, Loaded } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { useToast } from '../../kit/toasts.tsx';
import { AccountForm } from './account-form.tsx';
import { Groups } from './groups.tsx';
import { groupsOf } from './person-form.ts';
import { NewToken } from './new-token.tsx';
import { TokenList } from './token-list.tsx';

type Asked = 'edit' | 'disable' | 'delete' | 'token' | null;

export function AccountDetail({ name }: { name: string }): ReactNode {
  const call = useCall('showServiceAccount', { name });
  const others = useCall('listServiceAccounts', { limit: 1_000 });
  const [asked, setAsked] = useState<Asked>(null);
  const link = useLink();
  const { open } = usePlace();
  const close = (): void => setAsked(null);
  return (
    <Page
      title={name}
      back={{ href: link('principals', 'accounts'), label: 'Service accounts' }}
      actions={call.data && <Actions account={call.data} ask={setAsked} />}
    >
      <Loaded call={call}>
        {(account) => (
          <>
            <Section title="Account">
              <AccountFacts account={account} />
            </Section>
            <Section title="Tokens" actions={<NewTokenButton account={account} ask={() => setAsked('token')} />}>
              <TokenList serviceAccount={name} />
            </Section>
            {asked === 'edit' && <AccountForm account={account} proposals={groupsOf(others.data?.items ?? [])} onClose={close} onDone={close} />}
            {asked === 'token' && <NewToken serviceAccount={name} onClose={close} />}
            <Disable name={name} open={asked === 'disable'} onClose={close} />
            <Delete name={name} open={asked === 'delete'} onClose={close} onDone={() => open('accounts')} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function NewTokenButton({ account, ask }: { account: ServiceAccountView; ask: () => void }): ReactNode {
  const need = useNeed('administrator');
  return (
    <ActionButton
      variant="primary"
      reason={need ?? (account.disabled ? 'Enable the service account first: a disabled one gets no tokens' : undefined)}
      onPress={ask}
    >
      <Plus size={14} aria-hidden />
      Create token
    </ActionButton>
  );
}

function Actions({ account: { name, disabled }, ask }: { account: ServiceAccountView; ask: (asked: Asked) => void }): ReactNode {
  const need = useNeed('administrator');
  const { run, running, fault } = useMutationCall('updateServiceAccount');
  const toast = useToast();
  const enable = async (): Promise<void> => {
    if ((await run({ name, disabled: false })) !== null) toast({ tone: 'good', text: `${name} may connect again, with the tokens it has.` });
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

function AccountFacts({ account: { id, name, owner, purpose, groups, disabled, createdAt } }: { account: ServiceAccountView }): ReactNode {
  const link = useLink();
  const live = useLiveSessions({ principal: name });
  return (
    <Facts
      items={[
        ['State', <State key="state" of={disabled ? 'disabled' : 'enabled'} />],
        ['Owner', owner],
        ['Purpose', purpose],
        ['Groups', <Groups key="groups" of={groups} wrap none="none: policies let it in nowhere" />],
        [
          'Sessions',
          live && (
            <a key="live" href={link('sessions')}>
              {live.count === 0 ? 'none live' : live.words}
            </a>
          ),
        ],
        ['Created', <Time key="created" at={createdAt} />],
        ['Id', <Copyable key="id" text={id} label="Copy id" />],
      ]}
    />
  );
}

interface AskProps {
  readonly name: string;
  readonly open: boolean;
  readonly onClose: () => void;
}

function Disable({ name, open, onClose }: AskProps): ReactNode {
  const { run, running, fault, reset } = useMutationCall('updateServiceAccount');
  const toast = useToast();
  const close = (): void => {
    reset();
    onClose();
  };
  const confirm = async (): Promise<void> => {
    if ((await run({ name, disabled: true })) === null) return;
    toast({ tone: 'good', text: `${name} is disabled.` });
    close();
  };
  return (
    <Confirm title={`Disable ${name}?`} action="Disable" open={open} onClose={close} onConfirm={() => void confirm()} pending={running} fault={fault}>
      It cannot connect until it is enabled again; its tokens stay. <EndingSessions principal={name} />
    </Confirm>
  );
}

function Delete({ name, open, onClose, onDone }: AskProps & { onDone: () => void }): ReactNode {
  const { run, running, fault, reset } = useMutationCall('deleteServiceAccount');
  const toast = useToast();
  const close = (): void => {
    reset();
    onClose();
  };
  const confirm = async (): Promise<void> => {
    if ((await run({ name })) === null) return;
    toast({ tone: 'good', text: `${name} was deleted, and its tokens were revoked.` });
    close();
    onDone();
  };
  return (
    <Confirm
      title={`Delete ${name}?`}
      action="Delete service account"
      open={open}
      onClose={close}
      onConfirm={() => void confirm()}
      typed={name}
      pending={running}
      fault={fault}
    >
      All its tokens are revoked. <EndingSessions principal={name} /> What it did stays in the audit log.
    </Confirm>
  );
}
