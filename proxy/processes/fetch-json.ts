import { fail } from '../contract/errors.ts';
import type { FetchJson } from '../identity/issuer-keys.ts';
import { readAll } from '../wire/web/read-all.ts';
import type { Upstreams } from '../wire/web/upstream.ts';

/** Under the rules that hold for targets: checked addresses, no redirects. */
export function jsonFetcher(upstreams: Upstreams): FetchJson {
  return async (url, { ca, allowLocal, maxBytes, signal }) => {
    const { origin, pathname, search } = new URL(url);
    const upstream = upstreams.for({ url: origin, ca, allowLocal });
    const { status, body } = await upstream.request({
      method: 'GET',
      path: `${pathname}${search}`,
      headers: ['accept', 'application/json'],
      body: null,
      signal,
    });
    const text = await readAll(body, maxBytes, signal);
    if (status !== 200) throw fail('ERR_TARGET_UNREACHABLE', { detail: `${origin} answered ${String(status)}` });
    return JSON.parse(text.toString()) as unknown;
  };
}
