import { useState, type ReactNode } from 'react';
import { useMutationCall } from '../../data/calls.ts';
import { Tag } from '../../kit/badge.tsx';
import { Button } from '../../kit/button.tsx';
import { Code } from '../../kit/code.tsx';
import { TextField } from '../../kit/field.tsx';
import { Form, Section } from '../../kit/page.tsx';
import { Fault } from '../../kit/states.tsx';
import { ruleWords } from './ledger-rows.ts';
import type { Output } from '../../../proxy/contract/api.ts';
import styles from './masking.module.css';

const maxChars = 65_536;

/** The detector alone, on a text; tagged columns are known only in real replies. */
export function TryIt(): ReactNode {
  const { run, running, fault } = useMutationCall('tryMasking');
  const [text, setText] = useState('');
  const [tried, setTried] = useState<{ of: string; result: Output<'tryMasking'> } | null>(null);
  const mask = async (): Promise<void> => {
    if (text === '') return;
    const result = await run({ text });
    if (result !== null) setTried({ of: text, result });
  };
  return (
    <div className={styles['scroll']}>
      <div className={styles['sides']}>
        <Form onSubmit={() => void mask()}>
          <TextField
            label="Text"
            value={text}
            onChange={setText}
            rows={9}
            mono
            maxLength={maxChars}
            placeholder={'4111 1111 1111 1111\n{"cvv": "123"}'}
            help="Sent to the service, masked, and forgotten: it is not stored and not in the log. Even so, use test numbers."
          />
          <div className={styles['below']}>
            <Button type="submit" variant="primary" pending={running} disabled={text === ''}>
              Mask
            </Button>
          </div>
          {fault && <Fault of={fault} />}
        </Form>
        <Result tried={tried} isOld={tried !== null && tried.of !== text} />
      </div>
      <Section title="What the detector cannot see">
        <Limits />
      </Section>
    </div>
  );
}

function Result({ tried, isOld }: { tried: { result: Output<'tryMasking'> } | null; isOld: boolean }): ReactNode {
  return (
    <div role="status">
      <p className={styles['label']}>What callers see</p>
      {tried === null ? (
        <p className={styles['blank']}>The masked text appears here.</p>
      ) : (
        <>
          <Code text={tried.result.masked} language="text" label="Masked text" />
          <p className={styles['found']}>
            {tried.result.found.length === 0 && <span>Nothing recognised in what it saw.</span>}
            {tried.result.found.map(({ rule, count }) => (
              <Tag key={rule}>
                {ruleWords(rule)}: {count === 1 ? '1 match' : `${count} matches`}
              </Tag>
            ))}
            {isOld && <span className={styles['muted']}>The text was changed since.</span>}
          </p>
        </>
      )}
    </div>
  );
}

/** From docs/limits.md. */
function Limits(): ReactNode {
  return (
    <>
      <p className={styles['note']}>Outside of tagged columns these pass unmasked. Tag the columns that hold such values.</p>
      <ul className={styles['limits']}>
        <li>A bare three- or four-digit CVV in prose; PIN and track labels in prose.</li>
        <li>Card numbers that are reversed, in base64, encrypted, or built with chr() or arithmetic.</li>
        <li>Card numbers that are split over columns or rows, or written with digits of other scripts or JSON escapes.</li>
        <li>Separators other than spaces, dots, dashes and underscores; floats such as 4.11e15; decimal fractions.</li>
        <li>A card number inside a longer number without a card word nearby.</li>
        <li>Brands outside its table (Maestro, Mir, RuPay …) unless grouped 4-4-4-4.</li>
        <li>A number that is also a valid IBAN or EAN-13, or stands in a whole hash.</li>
      </ul>
      <p className={styles['note']}>
        It can also hide too much: of a million random 16-digit numbers some 27,000 look like card numbers. It says “nothing recognised in what it saw”, never
        “none”.
      </p>
    </>
  );
}
