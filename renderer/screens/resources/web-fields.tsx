import type { ReactNode } from 'react';
import { useCall } from '../../data/calls.ts';
import { FieldRow, TextField } from '../../kit/field.tsx';
import { Section } from '../../kit/page.tsx';
import { Select } from '../../kit/select.tsx';
import { TagsField } from '../../kit/tags-field.tsx';
import { AnalyserFields } from './analyser-fields.tsx';
import { ChildCredentialFields, ChildFields, SandboxFields } from './child-fields.tsx';
import { AccountField, AddressFields, bound, CredentialFields, type WebFieldsProps } from './reach-fields.tsx';

/** All that belongs to the kind at hand, below each other. */
export function WebFields(props: WebFieldsProps): ReactNode {
  return props.form.protocol === 'http' ? <ApiFields {...props} /> : <ServerFields {...props} />;
}

function NameField(props: WebFieldsProps): ReactNode {
  if (!props.isNew) return null;
  const at = props.form.protocol === 'http' ? '/http/NAME/…' : props.form.transport === 'group' ? '/mcp/group/NAME' : '/mcp/NAME';
  return (
    <TextField
      label="Name"
      {...bound(props, 'name')}
      mono
      required
      autoFocus
      maxLength={63}
      placeholder={props.form.protocol === 'http' ? 'orders' : 'files'}
      help={`Callers reach it at ${at}; policies and the log name it. It cannot be changed later.`}
    />
  );
}

const bodies = [
  { value: 'refuse', label: 'Refuse', note: 'the safe choice' },
  { value: 'pass', label: 'Pass', note: 'unmasked' },
] as const;

function ApiFields(props: WebFieldsProps): ReactNode {
  const { form, set } = props;
  return (
    <>
      <NameField {...props} />
      <Section title="Target">
        <AddressFields {...props} />
      </Section>
      <Section title="Credential">
        <CredentialFields {...props} />
      </Section>
      <Section title="Bodies">
        <FieldRow>
          <TextField
            label="Longest body, in KiB"
            {...bound(props, 'maxBodyKib')}
            mono
            type="number"
            maxLength={8}
            help="One that must be seen whole to be decided or masked is refused beyond this."
          />
          <Select
            label="Bodies that cannot be searched"
            value={form.otherBodies}
            onChange={(otherBodies) => set({ otherBodies })}
            options={bodies}
            help="Neither text nor JSON, XML or a form: images, archives. Card data in them would not be found."
          />
        </FieldRow>
      </Section>
      <OptionFields {...props} />
    </>
  );
}

const transports = [
  { value: 'streamable-http', label: 'Streamable HTTP', note: 'a server elsewhere' },
  { value: 'sse', label: 'HTTP with SSE', note: 'one of 2024' },
  { value: 'stdio', label: 'stdio', note: 'Postern starts it here' },
  { value: 'group', label: 'Group', note: 'several servers as one' },
] as const;
const media = [
  { value: 'drop', label: 'Leave out', note: 'the safe choice' },
  { value: 'pass', label: 'Pass', note: 'unmasked' },
] as const;

function ServerFields(props: WebFieldsProps): ReactNode {
  const { form, set } = props;
  const isGroup = form.transport === 'group';
  return (
    <>
      <NameField {...props} />
      <Section title="Server">
        <Select label="Transport" value={form.transport} onChange={(transport) => set({ transport })} options={transports} />
        <TargetFields {...props} />
      </Section>
      <ServerCredential {...props} />
      {form.transport === 'stdio' && (
        <Section title="Sandbox">
          <SandboxFields {...props} />
        </Section>
      )}
      {!isGroup && (
        <Section title="Arguments that are decided, too">
          <AnalyserFields {...props} />
        </Section>
      )}
      <Section title="Media">
        <Select
          label="Images, sound and other bytes"
          value={form.media}
          onChange={(next) => set({ media: next })}
          options={media}
          help="They cannot be searched for card data. Left out, callers get a sentence in their place."
        />
      </Section>
      <OptionFields {...props} />
    </>
  );
}

function ServerCredential(props: WebFieldsProps): ReactNode {
  const { transport } = props.form;
  return (
    <Section title="Credential">
      {transport === 'group' ? <AccountField {...props} /> : transport === 'stdio' ? <ChildCredentialFields {...props} /> : <CredentialFields {...props} />}
    </Section>
  );
}

function TargetFields(props: WebFieldsProps): ReactNode {
  const { transport } = props.form;
  if (transport === 'group') return <MemberField {...props} />;
  return transport === 'stdio' ? <ChildFields {...props} /> : <AddressFields {...props} />;
}

function MemberField({ form, set, faults }: WebFieldsProps): ReactNode {
  const resources = useCall('listResources', { limit: 1_000 });
  const servers = (resources.data?.items ?? []).filter((resource) => resource.protocol === 'mcp' && resource.upstream.transport !== 'group');
  return (
    <TagsField
      label="Servers"
      value={form.members}
      onChange={(members) => set({ members })}
      proposals={servers.map(({ name }) => name)}
      error={faults['members']}
      most={32}
      help="MCP resources of this service. Their tools are offered together, named SERVER__TOOL; each stays decided, agreed to and recorded as its own server's."
    />
  );
}

function OptionFields(props: WebFieldsProps): ReactNode {
  return (
    <Section title="Options">
      <FieldRow>
        <TextField
          label="Own port (optional)"
          {...bound(props, 'listenPort')}
          mono
          type="number"
          maxLength={5}
          help="A port for this resource alone, where the whole path is the target's. Empty: the shared port only."
        />
        <TextField
          label="Recorded per operation, in KiB"
          {...bound(props, 'recordKib')}
          mono
          type="number"
          maxLength={12}
          help="Masked bytes kept for replay; what is beyond is counted, not kept."
        />
      </FieldRow>
    </Section>
  );
}
