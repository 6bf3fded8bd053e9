import { Bell, Plus } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import type { Output } from '../../../proxy/contract/api.ts';
import { useMutationCall, usePages } from '../../data/calls.ts';
import { ActionButton, useNeed } from '../../kit/action-button.tsx';
import { Badge, Tag } from '../../kit/badge.tsx';
import { Confirm } from '../../kit/confirm.tsx';
import { Copyable } from '../../kit/copy-button.tsx';
import { Facts, Section } from '../../kit/page.tsx';
import { SecretOnce } from '../../kit/secret-once.tsx';
import { Empty, Fault, Loading, Notice } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { useToast } from '../../kit/toasts.tsx';
import { WebhookForm } from './webhook-form.tsx';
import styles from './settings.module.css';

type Webhook = Output<'listWebhooks'>['items'][number];
const pageSize = 100;
const number = new Intl.NumberFormat('en-GB');

/** Who is told of requests. Receivers never get a command, nor can they decide. */
export function Webhooks(): ReactNode {
  const need = useNeed('administrator');
  const pages = usePages('listWebhooks', { limit: pageSize });
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState<{ name: string; key: string } | null>(null);
  const add = (
    <ActionButton reason={need} onPress={() => setAdding(true)}>
      <Plus size={14} aria-hidden />
      Add webhook
    </ActionButton>
  );
  return (
    <div className={styles['wide']}>
      <Section title="Webhooks" actions={pages.fault === null && pages.items.length > 0 && add}>
        <p className={styles['note']}>
          They tell people or programs that a request waits and how it ended: never the command, and nothing can be decided through them.
        </p>
        {pages.fault ? (
          <Fault of={pages.fault} again={pages.again} />
        ) : pages.loading ? (
          <Loading lines={4} />
        ) : pages.items.length === 0 ? (
          <Empty title="Nobody is told" icon={Bell} actions={add}>
            Add Slack, Teams or a program of yours, so that approvers hear of requests wherever they are.
          </Empty>
        ) : (
          <ul className={styles['list']} aria-label="Webhooks">
            {pages.items.map((webhook) => (
              <Row key={webhook.id} webhook={webhook} />
            ))}
          </ul>
        )}
      </Section>
      {adding && (
        <WebhookForm
          onClose={() => setAdding(false)}
          onDone={(name, key) => {
            setAdding(false);
            setMade({ name, key });
          }}
        />
      )}
      {made && (
        <SecretOnce title={`Signing key of ${made.name}`} secret={made.key} onClose={() => setMade(null)}>
          <p>A receiver checks with it that a message is from this service. To replace it, delete the webhook and add it again.</p>
        </SecretOnce>
      )}
    </div>
  );
}

function Row({ webhook }: { webhook: Webhook }): ReactNode {
  const { name, url, format, createdAt, delivered, waiting, dead } = webhook;
  const need = useNeed('administrator');
  const test = useMutationCall('testWebhook');
  const [tested, setTested] = useState<Output<'testWebhook'> | null>(null);
  const [deleting, setDeleting] = useState(false);
  const send = async (): Promise<void> => setTested(await test.run({ name }));
  return (
    <li className={styles['service']}>
      <div className={styles['serviceHead']}>
        <strong>{name}</strong>
        <Tag>{format}</Tag>
        {dead.length > 0 ? <Badge tone="warn">{dead.length === 1 ? '1 given up' : `${number.format(dead.length)} given up`}</Badge> : null}
        <span className={styles['grow']} />
        <ActionButton small reason={need} pending={test.running} onPress={() => void send()} label={`Send a test to ${name}`}>
          Send a test
        </ActionButton>
        <ActionButton small reason={need} onPress={() => setDeleting(true)} label={`Delete ${name}`}>
          Delete…
        </ActionButton>
      </div>
      <Facts
        items={[
          ['Address', <Copyable key="url" text={url} label="Copy address" />],
          ['Deliveries', `${number.format(delivered)} delivered, ${number.format(waiting)} waiting`],
          ['Added', <Time key="added" at={createdAt} />],
        ]}
      />
      {tested && (
        <div className={styles['below']}>
          <Notice tone={tested.delivered ? 'good' : 'bad'}>
            {tested.delivered ? `The test was delivered: ${tested.detail}` : `The test was not delivered: ${tested.detail}`}
          </Notice>
        </div>
      )}
      {test.fault && <Fault of={test.fault} />}
      {dead.length > 0 && <Dead dead={dead} />}
      {deleting && <Delete name={name} onClose={() => setDeleting(false)} />}
    </li>
  );
}

function Dead({ dead }: Pick<Webhook, 'dead'>): ReactNode {
  return (
    <details className={styles['dead']}>
      <summary>Given up after the last try</summary>
      <ul>
        {dead.toReversed().map(({ at, event, error }, place) => (
          <li key={`${at} ${place}`}>
            <Time at={at} exact />
            <code>{event}</code>
            <span>{error}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}

function Delete({ name, onClose }: { name: string; onClose: () => void }): ReactNode {
  const { run, running, fault } = useMutationCall('deleteWebhook');
  const toast = useToast();
  const confirm = async (): Promise<void> => {
    if ((await run({ name })) === null) return;
    toast({ tone: 'good', text: `${name} was deleted, with its key.` });
    onClose();
  };
  return (
    <Confirm
      title={`Delete ${name}?`}
      action="Delete webhook"
      open
      onClose={onClose}
      onConfirm={() => void confirm()}
      typed={name}
      pending={running}
      fault={fault}
    >
      This receiver is told of nothing any more; deliveries that wait are dropped, and its signing key is removed from the vault. Requests do not depend on it.
    </Confirm>
  );
}
