import type { Tag } from '../contract/masking-rule.ts';

const sadWord = /^(?:cvv2?|cvc2?|cvn2?|cvd|cav2?|csc|cid|pin|track[12]?|magstripe)$/;
/** followed by what the value is */
const sadEnd =
  /(?:cvv2?|cvc2?|cvn|securitycode|cardcode|verification(?:value|code)|cardverification|cardverificationnumber|pinblock|cardpin|pincode|pinnumber|track[12](?:data)?|trackdata|magstripe(?:data)?|magneticstripe(?:data)?|pruefziffer|kartenpruefnummer|cryptogramme)$/;
const panEnd =
  /(?:^pan|^ccn|^cc(?:no|num|nr|number)|^pan(?:no|num|number)|creditcard|debitcard|cardno|cardnum|cardnr|cardnumber|cardpan|primaryaccount|primaryaccountno|primaryaccountnumber|kartennummer|kreditkarte|numerocarte|numerotarjeta)$/;

const known = new Map<string, Tag | null>();
const maxKnown = 4096;
const maxName = 64;

/** What a column, key or label of this name holds, by its name alone; `null`: nothing we know. Case, `_`, `-`, `.` and spaces do not matter. */
export function suggestTag(name: string): Tag | null {
  if (name.length > maxName) return null;
  const cached = known.get(name);
  if (cached !== undefined) return cached;
  const tag = tagOf(words(name));
  if (known.size >= maxKnown) known.clear();
  known.set(name, tag);
  return tag;
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
