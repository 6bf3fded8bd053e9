import { Database, Globe, Wrench, type LucideIcon } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import { Button } from '../../kit/button.tsx';
import { Drawer } from '../../kit/dialog.tsx';
import { AddDatabase } from './add-database.tsx';
import { AddWeb } from './add-web.tsx';
import styles from './resources.module.css';

type Kind = 'postgres' | 'http' | 'mcp';

const kinds: readonly { readonly kind: Kind; readonly icon: LucideIcon; readonly name: string; readonly text: string }[] = [
  {
    kind: 'postgres',
    icon: Database,
    name: 'PostgreSQL database',
    text: 'Callers connect with any client; each statement is decided, and its rows are masked.',
  },
  {
    kind: 'http',
    icon: Globe,
    name: 'HTTP API',
    text: 'Callers send requests below /http/NAME; method, path and body are decided, bodies are masked both ways.',
  },
  {
    kind: 'mcp',
    icon: Wrench,
    name: 'MCP server',
    text: 'Agents and pipelines call tools at /mcp/NAME: one elsewhere, one that Postern starts here, or several as one. Tools are agreed to first.',
  },
];

interface AddResourceProps {
  readonly open: boolean;
  readonly onClose: () => void;
  readonly onDone: (name: string) => void;
}

/** The kind first, then a form for it. */
export function AddResource({ open, onClose, onDone }: AddResourceProps): ReactNode {
  const [kind, setKind] = useState<Kind | null>(null);
  const close = (): void => {
    setKind(null);
    onClose();
  };
  const done = (name: string): void => {
    setKind(null);
    onDone(name);
  };
  const form = { onBack: () => setKind(null), onClose: close, onDone: done };
  return (
    <>
      <Drawer title="Add resource" open={open && kind === null} onClose={close} actions={<Button onPress={close}>Cancel</Button>}>
        <p className={styles['muted']}>What is it that callers reach?</p>
        <div className={styles['kinds']}>
          {kinds.map(({ kind: each, icon: Icon, name, text }) => (
            <button key={each} type="button" className={styles['kind']} onClick={() => setKind(each)}>
              <Icon size={18} aria-hidden />
              <span className={styles['kindName']}>{name}</span>
              <span className={styles['muted']}>{text}</span>
            </button>
          ))}
        </div>
      </Drawer>
      <AddDatabase open={open && kind === 'postgres'} {...form} />
      <AddWeb protocol="http" open={open && kind === 'http'} {...form} />
      <AddWeb protocol="mcp" open={open && kind === 'mcp'} {...form} />
    </>
  );
}
