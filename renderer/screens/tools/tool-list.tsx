import { CheckCheck, Wrench } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import type { ToolPin } from '../../../proxy/contract/tool-pin.ts';
import type { Pages } from '../../data/calls.ts';
import { useLink } from '../../data/place.ts';
import { ActionButton, useNeed } from '../../kit/action-button.tsx';
import { Tag } from '../../kit/badge.tsx';
import { Button, ButtonLink } from '../../kit/button.tsx';
import { DataTable, type Column } from '../../kit/data-table.tsx';
import { SearchField } from '../../kit/field.tsx';
import { Page, Toolbar } from '../../kit/page.tsx';
import { Select } from '../../kit/select.tsx';
import { Empty } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { visibleText } from '../../kit/visible.ts';
import { AgreeToAll } from './agree-to-all.tsx';
import { readDefinition } from './definition.ts';
import type { ToolFilter, ToolsPlace } from './place-of-tools.ts';
import { isQuarantined, nameOf, serversOf, stateOf } from './tool-state.ts';
import { ToolStateBadge } from './tool-state-badge.tsx';
import styles from './tools.module.css';

const stateOptions = [
  { value: 'all', label: 'All' },
  { value: 'quarantined', label: 'New or changed' },
  { value: 'agreed', label: 'Agreed' },
  { value: 'rejected', label: 'Refused' },
] as const;

const columns: readonly Column<ToolPin>[] = [
  { id: 'server', title: 'Server', width: 'minmax(110px, 0.7fr)', mono: true, cell: ({ resource }) => resource, sortBy: ({ resource }) => resource },
  { id: 'name', title: 'Name', width: 'minmax(170px, 1.2fr)', mono: true, cell: (pin) => visibleText(nameOf(pin)), sortBy: nameOf },
  { id: 'kind', title: 'Kind', width: '84px', cell: ({ kind }) => <Tag>{kind}</Tag>, sortBy: ({ kind }) => kind },
  { id: 'state', title: 'State', width: '176px', cell: (pin) => <ToolStateBadge pin={pin} />, sortBy: stateOf },
  { id: 'says', title: 'What it says of itself', width: 'minmax(160px, 2fr)', cell: ({ offeredDefinition }) => <Says definition={offeredDefinition} /> },
  { id: 'seen', title: 'First seen so', width: '112px', cell: ({ seenAt }) => <Time at={seenAt} />, sortBy: ({ seenAt }) => seenAt },
  { id: 'by', title: 'Decided by', width: '104px', cell: ({ decidedBy }) => decidedBy ?? '–', sortBy: ({ decidedBy }) => decidedBy ?? '' },
];

function Says({ definition }: { definition: string }): ReactNode {
  return <span className={styles['muted']}>{readDefinition(definition)?.description.slice(0, 200) ?? ''}</span>;
}

interface ToolListProps {
  readonly pins: readonly ToolPin[];
  readonly pages: Pages<ToolPin>;
  readonly place: ToolsPlace;
  readonly onChange: (part: Partial<ToolsPlace>) => void;
}

export function ToolList({ pins, pages, place, onChange }: ToolListProps): ReactNode {
  const { state, server, search, tool } = place;
  const [agreeing, setAgreeing] = useState<string | null>(null);
  const servers = serversOf(pins);
  const shown = pins.filter((pin) => fits(pin, place));
  const waiting = pins.filter(isQuarantined).length;
  const serverOptions = [
    { value: '', label: 'All' },
    ...servers.map(({ server: name, all, waiting: left }) => ({ value: name, label: name, note: left > 0 ? `${left} of ${all} wait` : String(all) })),
  ];
  return (
    <Page
      title="Tools"
      description="What MCP servers offer. A tool can be called only while it is exactly what somebody agreed to; what is new or changed waits here."
      actions={<AgreeButton servers={servers.filter(({ waiting: left }) => left > 0)} chosen={server} onPress={setAgreeing} />}
      filled
    >
      <Toolbar end={<span className={styles['muted']}>{waiting > 0 && `${waiting} new or changed`}</span>}>
        <SearchField label="Search tools" value={search} onChange={(text) => onChange({ search: text })} />
        <Select inline label="Server" value={server} onChange={(value) => onChange({ server: value })} options={serverOptions} />
        <Select<ToolFilter> inline label="State" value={state} onChange={(value) => onChange({ state: value })} options={stateOptions} />
      </Toolbar>
      <DataTable
        label="Tools"
        columns={columns}
        rows={shown}
        idOf={({ id }) => id}
        onOpen={({ id }) => onChange({ tool: id })}
        selected={tool ?? undefined}
        loading={pages.loading}
        fault={pages.fault}
        again={pages.again}
        empty={pins.length === 0 ? <NoTools /> : <NoneFits state={state} onClear={() => onChange({ state: 'all', server: '', search: '' })} />}
      />
      {agreeing !== null && <AgreeToAll server={agreeing} pins={pins} onClose={() => setAgreeing(null)} />}
    </Page>
  );
}

function fits(pin: ToolPin, { state, server, search }: ToolsPlace): boolean {
  const is = stateOf(pin);
  const wanted = state === 'all' || (state === 'quarantined' ? isQuarantined(pin) : is === state);
  const words = search.toLowerCase();
  return (
    wanted &&
    (server === '' || pin.resource === server) &&
    (words === '' || [pin.resource, nameOf(pin), pin.offeredDefinition].some((part) => part.toLowerCase().includes(words)))
  );
}

interface AgreeButtonProps {
  readonly servers: readonly { readonly server: string }[];
  readonly chosen: string;
  readonly onPress: (server: string) => void;
}

/** Of one server at a time: whoever agrees should know whom they trust. */
function AgreeButton({ servers, chosen, onPress }: AgreeButtonProps): ReactNode {
  const need = useNeed('administrator');
  if (servers.length === 0) return null;
  const server = servers.find((each) => each.server === chosen) ?? (servers.length === 1 ? servers[0] : undefined);
  const reason = need ?? (server === undefined ? 'Choose a server first' : undefined);
  return (
    <ActionButton reason={reason} onPress={() => server !== undefined && onPress(server.server)}>
      <CheckCheck size={14} aria-hidden />
      {server === undefined ? 'Agree to all of a server' : `Agree to all of ${server.server}`}
    </ActionButton>
  );
}

function NoTools(): ReactNode {
  const link = useLink();
  return (
    <Empty title="No server offered anything yet" icon={Wrench} actions={<ButtonLink href={link('resources')}>Go to resources</ButtonLink>}>
      Add an MCP server as a resource and test it: what it offers then waits here until somebody agrees to it.
    </Empty>
  );
}

function NoneFits({ state, onClear }: { state: ToolFilter; onClear: () => void }): ReactNode {
  return (
    <Empty
      title={state === 'quarantined' ? 'Nothing new or changed waits here' : 'No tool fits the filter'}
      icon={Wrench}
      actions={<Button onPress={onClear}>Clear filter</Button>}
    >
      {state === 'quarantined' ? 'What servers offer is what was agreed to.' : 'Search looks at servers, names and definitions.'}
    </Empty>
  );
}
