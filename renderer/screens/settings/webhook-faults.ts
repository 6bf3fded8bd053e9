import { Name } from '../../../proxy/contract/api-views.ts';

/** What is wrong with what was typed, in words, by field. */
export function webhookFaults({ name, url }: { name: string; url: string }): Readonly<Record<'name' | 'url', string | undefined>> {
  return {
    name: name === '' ? 'This is needed.' : Name.safeParse(name).success ? undefined : 'Lower-case letters, digits and dashes, beginning with a letter.',
    url: url === '' ? 'This is needed.' : protocolOf(url) === null ? 'An address begins with https:// or http://.' : undefined,
  };
}

export function isPlain(url: string): boolean {
  return protocolOf(url) === 'http:';
}

function protocolOf(url: string): 'http:' | 'https:' | null {
  const protocol = URL.parse(url)?.protocol;
  return protocol === 'http:' || protocol === 'https:' ? protocol : null;
}
