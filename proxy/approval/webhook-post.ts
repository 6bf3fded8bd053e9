export interface Outcome {
  readonly delivered: boolean;
  /** 410: it will never be taken */
  readonly gone: boolean;
  /** for people; never holds the address, which may itself be a secret */
  readonly detail: string;
}

interface Post {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const maxAnswerBytes = 65_536;

/** One attempt. Never rejects; ends after `timeoutMs`, or when `signal` aborts. */
export async function post({ url, headers, body }: Post, limits: { timeoutMs: number; signal: AbortSignal }): Promise<Outcome> {
  const deadline = AbortSignal.timeout(limits.timeoutMs);
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'accept-encoding': 'identity', 'user-agent': 'Postern', ...headers },
      body,
      // an answer must not choose where the notification goes
      redirect: 'manual',
      signal: AbortSignal.any([limits.signal, deadline]),
    });
    await discard(response.body);
    const { ok, status } = response;
    const moved = status >= 300 && status < 400 ? '; redirects are not followed' : '';
    return { delivered: ok, gone: status === 410, detail: `The receiver answered ${String(status)}${moved}.` };
  } catch (error) {
    return { delivered: false, gone: false, detail: deadline.aborted ? `No answer within ${String(limits.timeoutMs)} ms.` : reasonOf(error) };
  }
}

/** Reads a little, so that the connection can be used again; the answer's status is known already. */
async function discard(body: AsyncIterable<Uint8Array> | null): Promise<void> {
  if (body === null) return;
  let seen = 0;
  try {
    for await (const chunk of body) {
      seen += chunk.byteLength;
      if (seen > maxAnswerBytes) break;
    }
  } catch {
    // cut off, or too slow: nothing in it matters
  }
}

/** The system's own code (`ECONNREFUSED`, `CERT_HAS_EXPIRED`): messages quote addresses. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined;
  return typeof code === 'string' && /^[A-Z0-9_]{3,64}$/.test(code) ? `No connection: ${code}.` : 'The request could not be sent.';
}
