import type { ExchangeRecord } from '../../contract/exchange-record.ts';
import { member, text } from '../../lib/json/node.ts';
import type { DocumentMasker, Permit } from '../../pipeline/engine.ts';
import type { RequestMessage } from './envelope.ts';

/** What the recording says of a message beside its masked text (exchange-record.ts). */
export async function noteRequest(permit: Permit, masker: DocumentMasker, { method, params }: RequestMessage, bytes: number): Promise<void> {
  const path = text(member(params, 'name')) ?? text(member(params, 'uri')) ?? '';
  await note(permit, masker, { dir: 'request', method, path, headers: {}, bytes });
}

/** `millis`: from forwarding to the head of the answer */
export async function noteResponse(permit: Permit, masker: DocumentMasker, status: number, millis: number): Promise<void> {
  await note(permit, masker, { dir: 'response', status, headers: {}, millis: Math.round(millis) });
}

async function note(permit: Permit, masker: DocumentMasker, record: ExchangeRecord): Promise<void> {
  const noted = permit.note(masker.push(Buffer.from(JSON.stringify(record))));
  if (noted !== true) await noted;
}
