import { CheckCheck, Mail, Pencil, Power, Trash2 } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import type { User } from '../../../proxy/contract/user.ts';
import { useCall, useMutationCall } from '../../data/calls.ts';
import { useLink, usePlace } from '../../data/place.ts';
import { ActionButton, useNeed } from '../../kit/action-button.tsx';
import { Badge } from '../../kit/badge.tsx';
import { Confirm } from '../../kit/confirm.tsx';
import { Copyable } from '../../kit/copy-button.tsx';
import { Facts, Page, Section } from '../../kit/page.tsx';
import { Empty, Fault, Loaded } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { useToast } from '../../kit/toasts.tsx';
import { ConfirmReplacement } from './confirm-replacement.tsx';
import { Groups } from './groups.tsx';
import { Invite } from './invite.tsx';
import { PersonState } from './people-list.tsx';
import { PersonForm } from './person-drawer.tsx';
import { groupsOf } from './person-form.ts';
import styles from './principals.module.css';

type Asked = 'edit' | 'disable' | 'delete' | 'invite' | 'confirm' | null;

/** `people/NAME`, and `people/NAME/confirm/inv_…`: what the first administrator hands to the second. */
export function PersonDetail({ name }: { name: string }): ReactNode {
  const call = useCall('listUsers', { limit: 1_000 });
  const link = useLink();
  const { path, open, replace } = usePlace();
  const invitation = path[2] === 'confirm' ? (path[3] ?? '') : '';
  const [pressed, setPressed] = useState<Asked>(null);
  const asked = pressed ?? (invitation === '' ? null : 'confirm');
  const close = (): void => {
    setPressed(null);
    if (invitation !== '') replace('people', name);
  };
  const user = call.data?.items.find((each) => each.name === name);
  const dialogs = user && {
    edit: <PersonForm user={user} proposals={groupsOf(call.data?.items ?? [])} onClose={close} onDone={close} />,
    invite: <Invite user={user} onClose={close} />,
    confirm: <ConfirmReplacement user={user} given={invitation} onClose={close} />,
    disable: <Disable name={name} onClose={close} />,
    delete: <Delete name={name} onClose={close} onDone={() => open('people')} />,
  };
  return (
    <Page title={name} back={{ href: link('principals', 'people'), label: 'People' }} actions={user && <Actions user={user} ask={setPressed} />}>
      <Loaded call={call}>
        {() =>
          user === undefined ? (
            <Empty title={`There is nobody called ${name}`}>They may have been deleted. The list of people has who there is.</Empty>
          ) : (
            <>
              <Person user={user} />
              {dialogs && asked !== null && dialogs[asked]}
            </>
          )
        }
      </Loaded>
    </Page>
  );
}

function Actions({ user: { name, disabled, key }, ask }: { user: User; ask: (asked: Asked) => void }): ReactNode {
  const need = useNeed('administrator');
  const { run, running, fault } = useMutationCall('updateUser');
  const toast = useToast();
  const enable = async (): Promise<void> => {
    if ((await run({ name, disabled: false })) !== null) toast({ tone: 'good', text: `${name} may sign in and decide again.` });
  };
  const off = disabled ? 'Enable the person first: a disabled one cannot enrol' : undefined;
  return (
    <>
      {fault && <Fault of={fault} />}
      <ActionButton variant={key === null && !disabled ? 'primary' : 'plain'} reason={need ?? off} onPress={() => ask('invite')}>
        <Mail size={14} aria-hidden />
        {key === null ? 'Invite' : 'Invite to replace the key'}
      </ActionButton>
      {key !== null && (
        <ActionButton reason={need} onPress={() => ask('confirm')}>
          <CheckCheck size={14} aria-hidden />
          Confirm replacement
        </ActionButton>
      )}
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

function Person({ user: { id, human, groups, roles, disabled, key, createdAt } }: { user: User }): ReactNode {
  return (
    <>
      <Section title="Person">
        <Facts
          items={[
            [
              'State',
              disabled ? (
                <Badge key="state" tone="quiet">
                  Disabled
                </Badge>
              ) : (
                <Badge key="state" tone="good">
                  Enabled
                </Badge>
              ),
            ],
            ['Person', human],
            ['Decides for groups', <Groups key="groups" of={groups} wrap none="none: no policy asks them" />],
            ['Roles', <Groups key="roles" of={roles} wrap none="none: decides only" />],
            ['Added', <Time key="added" at={createdAt} />],
            ['Id', <Copyable key="id" text={id} label="Copy id" />],
          ]}
        />
      </Section>
      <Section title="Key">
        {key === null ? (
          <p className={styles['muted']}>
            <PersonState of={{ disabled, key }} /> They cannot sign in or decide until they enrol a key with a one-time code.
          </p>
        ) : (
          <Facts
            items={[
              ['Algorithm', 'Ed25519, made and kept on their machine'],
              ['Key', <Copyable key="key" text={key.id} label="Copy key id" />],
              ['Public key', <Copyable key="public" text={key.publicKey} label="Copy public key" />],
              ['Enrolled', <Time key="at" at={key.enrolledAt} />],
            ]}
          />
        )}
      </Section>
    </>
  );
}

interface AskProps {
  readonly name: string;
  readonly onClose: () => void;
}

function Disable({ name, onClose }: AskProps): ReactNode {
  const { run, running, fault } = useMutationCall('updateUser');
  const toast = useToast();
  const confirm = async (): Promise<void> => {
    if ((await run({ name, disabled: true })) === null) return;
    toast({ tone: 'good', text: `${name} is disabled.` });
    onClose();
  };
  return (
    <Confirm title={`Disable ${name}?`} action="Disable" open onClose={onClose} onConfirm={() => void confirm()} pending={running} fault={fault}>
      They are signed out at once and cannot decide. Their approvals of statements that have not begun yet count no more. Sessions of callers go on.
    </Confirm>
  );
}

function Delete({ name, onClose, onDone }: AskProps & { onDone: () => void }): ReactNode {
  const { run, running, fault } = useMutationCall('deleteUser');
  const toast = useToast();
  const confirm = async (): Promise<void> => {
    if ((await run({ name })) === null) return;
    toast({ tone: 'good', text: `${name} was deleted.` });
    onDone();
  };
  return (
    <Confirm
      title={`Delete ${name}?`}
      action="Delete person"
      open
      onClose={onClose}
      onConfirm={() => void confirm()}
      typed={name}
      pending={running}
      fault={fault}
    >
      They are signed out at once; their key is forgotten and their open invitations are void. What they decided stays in the audit log, with their signatures.
      Sessions of callers go on.
    </Confirm>
  );
}
