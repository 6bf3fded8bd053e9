import { useState, type ReactNode } from 'react';
import type { AppError } from '../../../proxy/lib/errors.ts';
import { appErrorOf } from '../../data/calls.ts';
import { useAppliance, useBridge } from '../../data/outside.tsx';
import { Button } from '../../kit/button.tsx';
import { TextField } from '../../kit/field.tsx';
import { Fault } from '../../kit/states.tsx';
import styles from './requests.module.css';

/** High-risk requests need a sign-in that is younger than two minutes. */
export function FreshSignIn(): ReactNode {
  const bridge = useBridge();
  const { id, keyProtection } = useAppliance();
  const [passphrase, setPassphrase] = useState('');
  const [state, setState] = useState<'asked' | 'running' | 'done'>('asked');
  const [fault, setFault] = useState<AppError | null>(null);
  const asks = keyProtection === 'passphrase';
  const signIn = (): void => {
    setState('running');
    setFault(null);
    bridge.appliances.signIn(id, asks ? passphrase : undefined).then(
      () => setState('done'),
      (error: unknown) => {
        setState('asked');
        setFault(appErrorOf(error));
      },
    );
  };
  if (state === 'done') return <p className={styles['hint']}>You are signed in afresh. Decide within two minutes.</p>;
  return (
    <div className={styles['formRow']}>
      {fault !== null && <Fault of={fault} />}
      {asks && <TextField label="Passphrase of your key" type="password" value={passphrase} onChange={setPassphrase} />}
      <Button pending={state === 'running'} onPress={signIn}>
        Sign in again
      </Button>
    </div>
  );
}
