import { KeyRound } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import type { TokenView } from '../../../proxy/contract/api-views.ts';
import { useMutationCall, usePages } from '../../data/calls.ts';
import { ActionButton, useNeed } from '../../kit/action-button.tsx';
import { Badge, State } from '../../kit/badge.tsx';
import { Confirm } from '../../kit/confirm.tsx';
import { Copyable } from '../../kit/copy-button.tsx';
import { DataTable, type Column } from '../../kit/data-table.tsx';
import { Empty } from '../../kit/states.tsx';
import { Time, useNow } from '../../kit/time.tsx';
import { useToast } from '../../kit/toasts.tsx';
import { Groups } from './groups.tsx';
import { tokenState } from './token-form.ts';

function TokenStateBadge({ token }: { token: TokenView }): ReactNode {
  const state = tokenState(token, useNow());
  return state === 'live' ? <Badge tone="good">Valid</Badge> : <State of={state} />;
}

function Ends({ token: { expiresAt, revokedAt } }: { token: TokenView }): ReactNode {
  return <Time at={revokedAt ?? expiresAt} />;
}

function Revoke({ token, ask }: { token: TokenView; ask: (token: TokenView) => void }): ReactNode {
  const need = useNeed('administrator');
  if (tokenState(token, useNow()) !== 'live') return null;
  return (
    <ActionButton small reason={need} label={`Revoke ${token.id}`} onPress={() => ask(token)}>
      Revoke
    </ActionButton>
  );
}

function columnsOf(ask: (token: TokenView) => void): readonly Column<TokenView>[] {
  return [
    { id: 'id', title: 'Token', width: 'minmax(160px, 1.2fr)', cell: ({ id }) => <Copyable text={id} label="Copy token id" /> },
    { id: 'state', title: 'State', width: '104px', cell: (token) => <TokenStateBadge token={token} /> },
    { id: 'ends', title: 'Expires / revoked', width: '136px', cell: (token) => <Ends token={token} />, sortBy: ({ expiresAt }) => expiresAt },
    { id: 'resources', title: 'Resources', width: 'minmax(110px, 1fr)', cell: ({ resources }) => <Groups of={resources} none="all" /> },
    { id: 'networks', title: 'Networks', width: 'minmax(110px, 1fr)', cell: ({ networks }) => <Groups of={networks} none="any" /> },
    { id: 'roles', title: 'Roles', width: '130px', cell: ({ roles }) => <Groups of={roles} none="none" /> },
    { id: 'created', title: 'Created', width: '120px', cell: ({ createdAt }) => <Time at={createdAt} />, sortBy: ({ createdAt }) => createdAt },
    { id: 'do', title: '', width: '88px', align: 'end', cell: (token) => <Revoke token={token} ask={ask} /> },
  ];
}

export function TokenList({ serviceAccount }: { serviceAccount: string }): ReactNode {
  const pages = usePages('listTokens', { serviceAccount, limit: 200 });
  const [asked, setAsked] = useState<TokenView | null>(null);
  const { run, running, fault, reset } = useMutationCall('revokeToken');
  const toast = useToast();
  const close = (): void => {
    reset();
    setAsked(null);
  };
  const confirm = async (): Promise<void> => {
    if (asked === null || (await run({ id: asked.id })) === null) return;
    toast({ tone: 'good', text: 'The token was revoked.' });
    close();
  };
  return (
    <>
      <DataTable
        label={`Tokens of ${serviceAccount}`}
        columns={columnsOf(setAsked)}
        rows={pages.items}
        idOf={({ id }) => id}
        loading={pages.loading}
        fault={pages.fault}
        again={pages.again}
        onEnd={pages.loadMore}
        more={pages.more}
        maxHeight={480}
        empty={
          <Empty title="It has no token" icon={KeyRound}>
            A token is its password. Without one it cannot connect.
          </Empty>
        }
      />
      <Confirm
        title="Revoke this token?"
        action="Revoke token"
        open={asked !== null}
        onClose={close}
        onConfirm={() => void confirm()}
        pending={running}
        fault={fault}
      >
        <code>{asked?.id}</code> is good for nothing any more; it cannot be given back. Sessions of {serviceAccount} that were opened with it end within a
        second.
      </Confirm>
    </>
  );
}
