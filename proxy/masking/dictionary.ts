import type { Tag } from '../contract/masking-rule.ts';

const sadWords = ['cvv', 'cvv2', 'cvc', 'cvc2', 'cvn', 'cvn2', 'cvd', 'cav', 'cav2', 'csc', 'cid', 'pin', 'track', 'track1', 'track2', 'magstripe'];
/** followed by what the value is */
const sadEnds = [
  ...['cvv', 'cvv2', 'cvc', 'cvc2', 'cvn', 'securitycode', 'cardcode', 'verificationvalue', 'verificationcode', 'cardverification'],
  ...['cardverificationnumber', 'pinblock', 'cardpin', 'pincode', 'pinnumber', 'track1', 'track2', 'track1data', 'track2data', 'trackdata'],
  ...['magstripe', 'magstripedata', 'magneticstripe', 'magneticstripedata', 'pruefziffer', 'kartenpruefnummer', 'cryptogramme'],
];
const panWords = ['pan', 'ccn', 'ccno', 'ccnum', 'ccnr', 'ccnumber', 'panno', 'pannum', 'pannumber'];
const panEnds = [
  ...['creditcard', 'debitcard', 'cardno', 'cardnum', 'cardnr', 'cardnumber', 'cardpan', 'primaryaccount', 'primaryaccountno'],
  ...['primaryaccountnumber', 'kartennummer', 'kreditkarte', 'numerocarte', 'numerotarjeta'],
];
/** every name, in lower case and without what may stand between its words */
export const taggedNames: readonly string[] = [...sadWords, ...sadEnds, ...panWords, ...panEnds];

const sadWord = new RegExp(`^(?:${sadWords.join('|')})$`);
const sadEnd = new RegExp(`(?:${sadEnds.join('|')})$`);
const panEnd = new RegExp(`(?:^(?:${panWords.join('|')})|${panEnds.join('|')})$`);

const known = new Map<string, Tag | null>();
const maxKnown = 4096;
const maxName = 64;

/** What a column, key or label of this name holds, by its name alone; `null`: nothing we know. Case, `_`, `-`, `.` and spaces do not matter. */
export function suggestTag(name: string): Tag | null {
  if (name.length > maxName || !mayBeTagged(name)) return null;
  const cached = known.get(name);
  if (cached !== undefined) return cached;
  const tag = tagOf(words(name));
  if (known.size >= maxKnown) known.clear();
  known.set(name, tag);
  return tag;
}

/** the last two letters of all that a name may end with; digits share the places of letters */
const endings = new Uint8Array(1 << 10);
for (const name of taggedNames) endings[endingAt(name.charCodeAt(name.length - 2), name.charCodeAt(name.length - 1))] = 1;

function endingAt(first: number, last: number): number {
  return ((first & 0x1f) << 5) | (last & 0x1f);
}

/** False for most names that say nothing, by their ends alone; true when there is anything but ASCII there. Nothing is allocated. */
export function mayBeTagged(name: string): boolean {
  let last = 0;
  for (let at = name.length - 1; at >= 0; at--) {
    const code = name.charCodeAt(at);
    if (code < 0x20 || code > 0x7e) return true;
    if (code === 0x20 || code === 0x5f || code === 0x2d || code === 0x2e) continue;
    if (last !== 0) return endings[endingAt(code, last)] === 1;
    last = code;
  }
  return false;
}

/** Names whose values are often something else (`cid`: customer, `pin`: a pinned note, `track`: music): the value must look like it, too. */
export function isAmbiguous(name: string): boolean {
  return /^(?:cid|csc|cav2?|pin|track[12]?)$/.test(words(name).at(-1) ?? '');
}

function words(name: string): string[] {
  return name
    .replaceAll(/([a-z0-9])(?=[A-Z])/g, '$1_')
    .toLowerCase()
    .split(/[_\-. ]+/);
}

/** `shopping`, `placid`, `soundtrack`, `acc_no`: short words count only by themselves. */
function tagOf(parts: readonly string[]): Tag | null {
  const joined = parts.join('');
  const last = parts.at(-1) ?? '';
  if (sadWord.test(last) || sadEnd.test(joined)) return 'sad';
  // `user_cc_number`: the short word may stand behind others
  return panEnd.test(joined) || last === 'pan' || panEnd.test(parts.slice(-2).join('')) ? 'pan' : null;
}
