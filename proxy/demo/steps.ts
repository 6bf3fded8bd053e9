import { relative } from 'node:path';
import { approverKeyFile } from './approver.ts';

export interface DemoPlace {
  /** the checkout */
  readonly root: string;
  readonly cwd: string;
  readonly dataDir: string;
  readonly psql: string;
  readonly port: number;
  /** of HTTP and MCP */
  readonly webPort: number;
  readonly verifierKey: string;
}

export interface Step {
  readonly title: string;
  /** one line for a shell, complete in itself */
  readonly command: string;
  readonly expect: string;
}

const plain = /^[A-Za-z0-9_./:=@,+-]+$/;

/** A word for a POSIX shell. */
export function quoted(word: string): string {
  return plain.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

export function psqlCommand(place: DemoPlace, principal: string): string {
  const connection = `host=127.0.0.1 port=${String(place.port)} user=${principal} dbname=payments sslmode=verify-full sslrootcert=${place.dataDir}/tls/ca.crt passfile=${place.dataDir}/demo.pgpass`;
  return `${quoted(place.psql)} ${quoted(connection)}`;
}

export function posternCommand({ root, cwd, dataDir }: DemoPlace): string {
  const script = relative(cwd, `${root}/build/postern.js`);
  return `node ${quoted(script.startsWith('..') ? `${root}/build/postern.js` : script)} --data ${quoted(dataDir)}`;
}

/** What a newcomer tries first, on the database. */
export function databaseSteps(place: DemoPlace): readonly Step[] {
  const psql = psqlCommand(place, 'ci-runner');
  const postern = posternCommand(place);
  const copy = quoted(`${place.dataDir}-tampered`);
  const writer = psqlCommand(place, 'release-bot');
  const key = `--key-file ${quoted(approverKeyFile(place.dataDir))}`;
  const save = quoted(`${place.dataDir}/demo.checkpoint`);
  return [
    {
      title: 'A masked select, with an ordinary psql and a token instead of the database password',
      command: `${psql} -c 'select holder, brand, pan, cvv from cards order by id limit 5'`,
      expect: 'card numbers as first 6 + last 4, no CVV',
    },
    {
      title: 'A refused statement; the session lives on',
      command: `${psql} -c 'drop table orders' -c 'select brand, count(*), min(pan) as pan from cards group by brand'`,
      expect: 'ERROR with the reason, then the answer to the next statement',
    },
    {
      title: 'Why was it refused?',
      command: `${postern} policy explain --principal ci-runner --resource payments --statement 'drop table orders'`,
      expect: 'each act, and the policies that were asked',
    },
    {
      title: 'What happened in that session?',
      command: `${postern} sessions replay last`,
      expect: 'the commands and the masked results, as they went to the client',
    },
    {
      title: 'Is the log whole? Keep a checkpoint, then verify against it',
      command: `${postern} audit checkpoint > ${save} && ${postern} audit verify --checkpoint ${save} --key ${quoted(place.verifierKey)}`,
      expect: 'every record, every proof, and the signature hold',
    },
    {
      title: 'Tamper with a copy of the log and verify again',
      command:
        `rm -rf ${copy} && cp -r ${quoted(`${place.dataDir}/audit`)} ${copy} && f=$(find ${copy}/tile/entries -type f | head -n 1) && ` +
        `printf X | dd of="$f" bs=1 seek=300 conv=notrunc status=none && ${postern} audit verify --dir ${copy} --checkpoint ${save} --key ${quoted(place.verifierKey)}`,
      expect: 'refused, and the first bad record is named',
    },
    {
      title: 'A delete waits for another human; leave it waiting',
      command: `${writer} -c 'delete from payment_events where id = 1'`,
      expect: 'NOTICE: Waiting for the approval of 1 of group approvers; Ctrl-C would withdraw it',
    },
    {
      title: 'In another terminal, as the approver: read it whole, then approve it with your own key',
      command: `${postern} requests show last ${key} && ${postern} requests approve last --reason 'a duplicate, see the ticket' --yes ${key}`,
      expect: 'the request, the signed decision; and in the first terminal: DELETE 1',
    },
    {
      title: 'Another one is denied',
      command: `(${writer} -c 'delete from payment_events where id = 2' &); sleep 3; ${postern} requests deny last --reason 'not on a Friday' --yes ${key}; sleep 1`,
      expect: 'ERROR with the reason; the row is still there',
    },
  ];
}

export function stepsText(steps: readonly Step[]): string {
  const lines = ['', 'Try these, in another terminal:', ''];
  for (const [index, { title, command, expect }] of steps.entries())
    lines.push(`${String(index + 1)}. ${title}`, '', `   ${command}`, '', `   → ${expect}`, '');
  return lines.join('\n');
}
