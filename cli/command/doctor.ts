/**
 * @module
 * Owns `atoll doctor`: what must hold on a node and whether it does, documents that are out of use, and alarms. SPEC.md CL23.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { DoctorAnswer } from '../client.ts';
import type { CommandContext } from '../context.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import type { Output } from '../output.ts';
import { formatCount } from '../progress.ts';

export interface DoctorOptions {
  /** Read and check everything that is stored before reporting. */
  readonly scrub?: boolean;
}

const POLL_MS = 250;
const QUARANTINED_MAX = 20;

export async function examineNode(context: CommandContext, { scrub = false }: DoctorOptions): Promise<ExitCode> {
  const { output } = context;
  const client = context.client();
  let report = await client.doctor({ scrub });
  while (scrub && report.scrub.running) {
    await delay(POLL_MS);
    report = await client.doctor();
  }
  await output.result(report, () => renderReport(output, report));
  return report.healthy ? EXIT.ok : EXIT.degraded;
}

function renderReport(output: Output, report: DoctorAnswer): string {
  const { name, node, checks, quarantined, alarms, alarmsTotal, scrub } = report;
  const verdict = report.healthy ? output.paint('green', 'healthy') : output.paint('red', 'not healthy');
  const rows = checks.map(({ check, database, ok, detail }) => [
    ok ? output.paint('green', 'ok') : output.paint('red', 'WRONG'),
    check,
    database ?? '',
    detail,
  ]);
  const lines = [`node ${output.paint('bold', name)} (${node}) is ${verdict}`, ''];
  lines.push(output.table({ columns: ['', 'CHECK', 'DATABASE', ''], rows }));
  if (quarantined.length > 0) {
    const documents = quarantined
      .slice(0, QUARANTINED_MAX)
      .map(({ database, collection, id, reason, since }) => [`${database}/${collection}/${id}`, reason, since]);
    lines.push('', output.table({ columns: ['QUARANTINED', 'REASON', 'SINCE'], rows: documents }));
    if (quarantined.length > QUARANTINED_MAX)
      lines.push(`… and ${quarantined.length - QUARANTINED_MAX} more; see --json`);
  }
  if (alarms.length > 0) {
    const told = alarms.map(({ at, kind, database, peer, documents, repaired, examples }) => [
      at,
      kind,
      database,
      `${repaired} of ${formatCount(documents)}`,
      peer ?? '',
      examples.join(', '),
    ]);
    lines.push(
      '',
      output.table({ columns: ['ALARM', 'KIND', 'DATABASE', 'REPAIRED HERE', 'PEER', 'DOCUMENTS'], rows: told }),
    );
    if (alarmsTotal > alarms.length) lines.push(`… the last of ${formatCount(alarmsTotal)} since the start`);
  }
  lines.push(
    '',
    `${formatCount(scrub.checked)} documents checked since the start, ${scrub.documentsPerSecond} a second by itself`,
  );
  return lines.join('\n');
}
