/**
 * @module
 * Owns what a benchmark hands back and how it is shown: one row per measure, with the yardstick of the same run and a verdict.
 */

export interface Target {
  /** What is held against the bound: the number itself or its ratio to the yardstick. */
  readonly of: 'value' | 'ratio';
  readonly atLeast?: number;
  readonly atMost?: number;
}

export interface Measure {
  readonly name: string;
  readonly value: number;
  /** E.g. `/s`, `ms`, `B`. */
  readonly unit: string;
  readonly yardstick?: { readonly name: string; readonly value: number };
  readonly target?: Target;
  readonly detail?: string;
}

export interface SuiteResult {
  readonly suite: string;
  readonly question: string;
  readonly measures: readonly Measure[];
  readonly seconds: number;
}

export type Verdict = 'met' | 'missed' | '';

export function ratioOf({ value, yardstick }: Measure): number | null {
  return yardstick === undefined ? null : value / yardstick.value;
}

export function judge(measure: Measure): Verdict {
  const { target } = measure;
  if (target === undefined) return '';
  const held = target.of === 'value' ? measure.value : (ratioOf(measure) ?? Number.NaN);
  const isMet = held >= (target.atLeast ?? -Infinity) && held <= (target.atMost ?? Infinity);
  return isMet ? 'met' : 'missed';
}

/** One line for a terminal. */
export function renderLine(measure: Measure): string {
  const [name = '', value = '', yardstick = '', ratio = '', target = '', verdict = ''] = cells(measure);
  const comparison = yardstick === '' ? '' : ` against ${yardstick} = ${ratio}`;
  return `  ${name}: ${value}${comparison}${target === '' ? '' : ` [${target}: ${verdict}]`}${measure.detail === undefined ? '' : ` (${measure.detail})`}`;
}

export function renderMarkdown(
  environment: readonly (readonly [string, string])[],
  results: readonly SuiteResult[],
): string {
  const lines = [
    '# Results',
    '',
    'Written by `npm run bench`; what is asked, and why, is in [README.md](README.md). Yardsticks move between runs: compare ratios.',
    '',
    ...table(['environment', ''], environment),
  ];
  for (const { suite, question, measures, seconds } of results) {
    const rows = measures.map((measure) => [...cells(measure), measure.detail ?? '']);
    lines.push('', `## ${suite}`, '', `${question} (${seconds.toFixed(0)} s)`, '');
    lines.push(...table(['measure', 'Atoll', 'yardstick', 'ratio', 'target', 'verdict', 'detail'], rows));
  }
  return `${lines.join('\n')}\n`;
}

function cells(measure: Measure): string[] {
  const { name, value, unit, yardstick, target } = measure;
  const ratio = ratioOf(measure);
  return [
    name,
    formatValue(value, unit),
    yardstick === undefined ? '' : `${formatValue(yardstick.value, unit)} ${yardstick.name}`,
    ratio === null ? '' : ratio.toFixed(2),
    target === undefined ? '' : formatTarget(target, unit),
    judge(measure),
  ];
}

function formatTarget({ of, atLeast, atMost }: Target, unit: string): string {
  const bound = atLeast ?? atMost ?? Number.NaN;
  return `${atLeast === undefined ? '≤' : '≥'} ${of === 'ratio' ? `${bound} ×` : formatValue(bound, unit)}`;
}

function formatValue(value: number, unit: string): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  const text = value.toLocaleString('en-US', { maximumFractionDigits: digits });
  return unit === '' || unit.startsWith('/') ? text + unit : `${text} ${unit}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (row: readonly string[]): string => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}
