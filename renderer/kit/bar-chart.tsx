import type { ReactNode } from 'react';
import { cx } from './css.ts';
import styles from './bar-chart.module.css';

export interface Bar {
  /** “14:00” */
  readonly label: string;
  /** one number a series */
  readonly values: readonly number[];
}

interface BarChartProps {
  /** what is counted, for screen readers: “Decisions per hour” */
  readonly label: string;
  /** at most three */
  readonly series: readonly string[];
  readonly bars: readonly Bar[];
  readonly height?: number;
}

const number = new Intl.NumberFormat('en-GB');
const step = 12;
const width = 9;

/** Stacked bars; the same numbers stand in a table that only screen readers see. */
export function BarChart({ label, series, bars, height = 72 }: BarChartProps): ReactNode {
  const totals = bars.map(({ values }) => values.reduce((sum, value) => sum + value, 0));
  const top = Math.max(1, ...totals);
  const span = bars.length * step;
  return (
    <figure className={styles['chart']}>
      <svg className={styles['plot']} viewBox={`0 0 ${span} ${height}`} height={height} preserveAspectRatio="none" aria-hidden>
        <line x1={0} x2={span} y1={height - 0.5} y2={height - 0.5} className={styles['base']} vectorEffect="non-scaling-stroke" />
        {bars.map((bar, at) => (
          <Stack key={bar.label} bar={bar} series={series} x={at * step + (step - width) / 2} scale={(height - 4) / top} height={height} />
        ))}
      </svg>
      <div className={styles['axis']} aria-hidden>
        <span>{bars[0]?.label}</span>
        <span>{bars.at(Math.floor(bars.length / 2))?.label}</span>
        <span>{bars.at(-1)?.label}</span>
      </div>
      <div className={styles['legend']} aria-hidden>
        {series.map((name, at) => (
          <span key={name} className={styles['key']}>
            <span className={cx(styles['swatch'], styles[`s${at}`])} />
            {name} <span className={styles['value']}>{number.format(bars.reduce((sum, { values }) => sum + (values[at] ?? 0), 0))}</span>
          </span>
        ))}
      </div>
      <Numbers label={label} series={series} bars={bars} />
    </figure>
  );
}

function Stack({ bar, series, x, scale, height }: { bar: Bar; series: readonly string[]; x: number; scale: number; height: number }): ReactNode {
  const ends = bar.values.map((_, at) => bar.values.slice(0, at + 1).reduce((sum, value) => sum + value, 0));
  return (
    <g>
      <title>{`${bar.label}: ${series.map((name, at) => `${number.format(bar.values[at] ?? 0)} ${name.toLowerCase()}`).join(', ')}`}</title>
      <rect x={x} y={0} width={width} height={height} fill="transparent" />
      {bar.values.map((value, at) => {
        // one of many must not vanish
        const tall = value === 0 ? 0 : Math.max(1.5, value * scale);
        return (
          <rect key={series[at]} className={styles[`s${at}`]} x={x} y={height - 1 - Math.max(tall, (ends[at] ?? 0) * scale)} width={width} height={tall} />
        );
      })}
    </g>
  );
}

function Numbers({ label, series, bars }: Pick<BarChartProps, 'label' | 'series' | 'bars'>): ReactNode {
  return (
    <table className="visually-hidden">
      <caption>{label}</caption>
      <thead>
        <tr>
          <th scope="col">Time</th>
          {series.map((name) => (
            <th key={name} scope="col">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {bars.map((bar) => (
          <tr key={bar.label}>
            <th scope="row">{bar.label}</th>
            {series.map((name, at) => (
              <td key={name}>{bar.values[at]}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
