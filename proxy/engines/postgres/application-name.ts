import { headerBytes } from './frames.ts';
import { frontend } from './messages.ts';

const setting = /^\s*set\s+(?:session\s+)?application_name\s*(?:=|\s+to\s)\s*(?:'(?:[^'\\]|'')*'|"[^"]*"|[a-z_][a-z0-9_]*)\s*;?\s*$/i;
const maxTextBytes = 512;
/** the value the session began with: the principal */
const instead = Buffer.from('SET application_name TO DEFAULT');

/**
 * At the target, application_name carries the principal; drivers set it to their own name when they connect. Such a Query or Parse becomes one
 * with the same answer that keeps the principal. Every other frame is given back as it is.
 */
export function keepPrincipal(frame: Buffer): Buffer {
  const start = frame[0] === frontend.query ? headerBytes : frame.indexOf(0, headerBytes) + 1;
  if (frame.length > maxTextBytes || !isSet(frame, start)) return frame;
  const end = frame.indexOf(0, start);
  if (end < 0 || !setting.test(frame.toString('latin1', start, end))) return frame;
  const changed = Buffer.concat([frame.subarray(0, start), instead, frame.subarray(end)]);
  changed.writeInt32BE(changed.length - 1, 1);
  return changed;
}

/** `s` and `t` two apart, after at most one space: settles it for all but SET and a few others, without making a string */
function isSet(frame: Buffer, start: number): boolean {
  const at = frame[start] === 0x20 || frame[start] === 0x0a ? start + 1 : start;
  return ((frame[at] ?? 0) | 0x20) === 0x73 && ((frame[at + 2] ?? 0) | 0x20) === 0x74;
}
