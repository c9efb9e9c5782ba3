import { createHash } from 'node:crypto';
import { appendFileSync, readFileSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { PROTOCOL_VERSION_MAX, PROTOCOL_VERSION_MIN, negotiateVersion } from '../../../sync/protocol/version.ts';

const GOLDEN = new URL('../../golden/', import.meta.url);
/** A line per version of the wire: its number and the hash over the bytes of all messages in it. */
const VERSIONS = new URL('wire-versions.txt', GOLDEN);

function hashMessages(): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(GOLDEN).sort()) {
    if (/^link-.*\.hex$/.test(name)) hash.update(`${name}\n${readFileSync(new URL(name, GOLDEN), 'utf8')}`);
  }
  return hash.digest('hex');
}

function readVersions(): Map<number, string> {
  const lines = readFileSync(VERSIONS, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  return new Map(lines.map((line) => line.split(' ')).map(([version, hash]) => [Number(version), hash!]));
}

test('[SY30] the bytes of messages do not change without a new version of the wire', () => {
  const current = hashMessages();
  // A new version may be added by machine; the line of an old one is changed by hand, and only while nobody runs it.
  if (process.env['GOLDEN_UPDATE'] === '1' && !readVersions().has(PROTOCOL_VERSION_MAX)) {
    appendFileSync(VERSIONS, `${PROTOCOL_VERSION_MAX} ${current}\n`);
  }
  expect(
    readVersions().get(PROTOCOL_VERSION_MAX),
    `The messages have other bytes than version ${PROTOCOL_VERSION_MAX} of the wire had: raise PROTOCOL_VERSION_MAX in ` +
      'sync/protocol/version.ts, say what changed in PROTOCOL.md, and run the tests with GOLDEN_UPDATE=1.',
  ).toBe(current);
});

test('[SY30] every version that is spoken has its bytes recorded, and a line in PROTOCOL.md', () => {
  const protocol = readFileSync(new URL('../../../PROTOCOL.md', import.meta.url), 'utf8');
  for (let version = PROTOCOL_VERSION_MIN; version <= PROTOCOL_VERSION_MAX; version++) {
    expect(readVersions().has(version)).toBe(true);
    expect(protocol).toMatch(new RegExp(`^\\| ${version} \\| `, 'm'));
  }
});

test('[SY30] nodes speak the highest version that both know, and none when there is none', () => {
  const range = (versionMin: number, versionMax: number) => ({ versionMin, versionMax });
  expect(negotiateVersion(range(1, 3), range(2, 5))).toBe(3);
  expect(negotiateVersion(range(2, 5), range(1, 3))).toBe(3);
  expect(negotiateVersion(range(1, 1), range(2, 2))).toBeNull();
});
