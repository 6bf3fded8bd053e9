import type { Client } from '../cli/client.ts';
import { demoPeople } from './configure.ts';

export type ConsoleLinks = Readonly<Record<(typeof demoPeople)[number]['name'], string | null>>;

/** A one-time link for each person of the demo who has no key yet; null: they have one. Links of an earlier start are void. */
export async function consoleLinks(client: Client, url: string): Promise<ConsoleLinks> {
  const { items } = await client.call('listUsers', { limit: 1_000 });
  const links: Partial<Record<string, string | null>> = {};
  for (const { name, human, groups, roles } of demoPeople) {
    const known = items.find((user) => user.name === name);
    if (known?.key) {
      links[name] = null;
      continue;
    }
    if (known) await client.call('deleteUser', { name });
    await client.call('createUser', { name, human, groups: [...groups], roles: [...roles] });
    links[name] = `${url}/#enrol=${(await client.call('inviteUser', { name })).code}`;
  }
  return { olivia: links['olivia'] ?? null, bob: links['bob'] ?? null };
}

/** What the demo says first. */
export function consoleText(url: string, links: ConsoleLinks): string {
  const lines = demoPeople.map(({ name, does }) => {
    const link = links[name];
    return link === null
      ? `  ${name} (${does}) has enrolled in a browser already`
      : `  ${name} (${does}), open once in a browser on this machine:\n    ${link}`;
  });
  return ['', `Console: ${url}/  (the certificate is the demo's own)`, ...lines, ''].join('\n');
}
