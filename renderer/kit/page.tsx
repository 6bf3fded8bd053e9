import { ArrowLeft } from 'lucide-react';
import { useEffect, type ReactNode } from 'react';
import { cx } from './css.ts';
import styles from './page.module.css';

interface PageProps {
  readonly title: string;
  /** one line: what one sees and does here */
  readonly description?: ReactNode;
  readonly actions?: ReactNode;
  /** the list this belongs to */
  readonly back?: { readonly href: string; readonly label: string };
  /** the child fills the height and scrolls itself: a DataTable */
  readonly filled?: boolean;
  readonly children: ReactNode;
}

export function Page({ title, description, actions, back, filled = false, children }: PageProps): ReactNode {
  useEffect(() => {
    document.title = `${title} · Postern`;
  }, [title]);
  return (
    <div className={styles['page']}>
      <header className={styles['head']}>
        <div className={styles['words']}>
          {back && (
            <a className={styles['back']} href={back.href}>
              <ArrowLeft size={12} aria-hidden />
              {back.label}
            </a>
          )}
          <h1 className={styles['title']}>{title}</h1>
          {description !== undefined && <p className={styles['description']}>{description}</p>}
        </div>
        {actions !== undefined && <div className={styles['actions']}>{actions}</div>}
      </header>
      {/* scrolls: so it takes the focus, and arrow keys work */}
      <div className={cx(styles['body'], filled && styles['filled'])} {...(!filled && { tabIndex: 0, role: 'region', 'aria-label': title })}>
        {children}
      </div>
    </div>
  );
}

/** Above a list: search, filters; `end` stands at the right. */
export function Toolbar({ children, end }: { children: ReactNode; end?: ReactNode }): ReactNode {
  return (
    <div className={styles['toolbar']}>
      {children}
      <span className={styles['spacer']} />
      {end}
    </div>
  );
}

export function Section({ title, actions, children }: { title: string; actions?: ReactNode; children: ReactNode }): ReactNode {
  return (
    <section className={styles['section']}>
      <div className={styles['sectionHead']}>
        <h2 className={styles['sectionTitle']}>{title}</h2>
        {actions}
      </div>
      {children}
    </section>
  );
}

/** Pairs of name and value; those without a value are left out. */
export function Facts({ items }: { items: readonly (readonly [name: string, value: ReactNode])[] }): ReactNode {
  return (
    <dl className={styles['facts']}>
      {items
        .filter(([, value]) => value !== null && value !== undefined && value !== false && value !== '')
        .map(([name, value]) => (
          <FactRow key={name} name={name} value={value} />
        ))}
    </dl>
  );
}

function FactRow({ name, value }: { name: string; value: ReactNode }): ReactNode {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  );
}

/** Fields, a line below each other; Enter submits. `end`: the buttons. */
export function Form({ onSubmit, children, end }: { onSubmit: () => void; children: ReactNode; end?: ReactNode }): ReactNode {
  return (
    <form
      className={styles['form']}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        onSubmit();
      }}
    >
      {children}
      {end !== undefined && <div className={styles['formEnd']}>{end}</div>}
    </form>
  );
}
