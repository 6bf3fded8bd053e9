import type { AuditReader } from '../audit/reader.ts';
import { asAppError } from '../contract/errors.ts';

const firstMs = 500;
const lastMs = 5_000;

/**
 * A log that a failing disk took away is opened anew once the disk works again: everything is refused until then, and
 * `log.write-failed` says for how long. A log that is only full opens by itself.
 */
export function keepLogOpen(reader: Pick<AuditReader, 'status' | 'reopen'>, log: (line: string) => void): Disposable {
  let waitMs = firstMs;
  let timer: NodeJS.Timeout | null = null;
  const look = async (): Promise<void> => {
    const { condition, reason } = await reader.status();
    if (condition === 'open' || condition === 'full') {
      waitMs = firstMs;
      return;
    }
    log(`the log is ${condition}: ${reason ?? 'unknown reason'}`);
    waitMs = Math.min(waitMs * 2, lastMs);
    await reader.reopen();
    log('the log was opened anew');
  };
  const schedule = (): void => {
    timer = setTimeout(() => {
      void look()
        .catch((error: unknown) => {
          const { code, detail, message } = asAppError(error);
          // the audit process itself is gone: its supervisor starts it again
          if (code !== 'ERR_AUDIT_UNAVAILABLE') log(`the log could not be opened anew: ${detail ?? message}`);
        })
        .finally(() => {
          if (timer !== null) schedule();
        });
    }, waitMs);
  };
  schedule();
  return {
    [Symbol.dispose]: () => {
      if (timer !== null) clearTimeout(timer);
      timer = null;
    },
  };
}
