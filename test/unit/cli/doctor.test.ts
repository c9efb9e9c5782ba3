import { afterAll, beforeAll, expect, test } from 'vitest';
import { FakeNode, runCli } from './fake-node.ts';

const SCRUB = { documentsPerSecond: 20, running: false, checked: 12, database: null, lastError: null, passes: {} };
const HEALTHY = {
  node: 'id1',
  name: 'n1',
  at: '2026-01-01T00:00:00.000Z',
  healthy: true,
  checks: [{ check: 'storage', database: null, ok: true, detail: 'takes writes' }],
  quarantined: [],
  alarms: [],
  alarmsTotal: 0,
  scrub: SCRUB,
};
const SICK = {
  ...HEALTHY,
  healthy: false,
  checks: [{ check: 'documents', database: 'app.0', ok: false, detail: '1 quarantined' }],
  quarantined: [
    { database: 'app.0', collection: 'c', id: 'x', since: '2026-01-01T00:00:00.000Z', reason: 'damage', peer: null },
  ],
  alarms: [
    {
      at: '2026-01-01T00:00:00.000Z',
      kind: 'damage',
      database: 'app.0',
      peer: null,
      documents: 1,
      repaired: 0,
      examples: ['c/x'],
    },
  ],
  alarmsTotal: 7,
};

let healthy: FakeNode;
let sick: FakeNode;
let looks = 0;

beforeAll(async () => {
  healthy = await FakeNode.open({
    'GET /v1/_cluster/doctor': () => ({ body: { ...HEALTHY, scrub: { ...SCRUB, running: ++looks < 3 } } }),
    'POST /v1/_cluster/doctor': { status: 202, body: { ...HEALTHY, scrub: { ...SCRUB, running: true } } },
  });
  sick = await FakeNode.open({ 'GET /v1/_cluster/doctor': { body: SICK } });
});

afterAll(async () => {
  await healthy.close();
  await sick.close();
});

test('[CL23] doctor prints what holds and exits with 0 when all of it does', async () => {
  const { code, stdout } = await runCli(['doctor', '--url', healthy.url]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/n1.*healthy/);
  expect(stdout).toMatch(/storage\s+takes writes/);
});

test('[CL23] doctor names quarantined documents and alarms, and exits with 5 when something is wrong', async () => {
  const { code, stdout } = await runCli(['doctor', '--url', sick.url], { terminal: true });
  expect(code).toBe(5);
  for (const part of ['not healthy', 'app.0/c/x', '0 of 1', 'the last of 7']) expect(stdout).toContain(part);
  const json = await runCli(['doctor', '--json', '--url', sick.url]);
  expect(json.code).toBe(5);
  expect(JSON.parse(json.stdout)).toEqual(SICK);
});

test('[CL23] doctor --scrub waits until the node has read everything', async () => {
  looks = 0;
  const { code } = await runCli(['doctor', '--scrub', '--url', healthy.url]);
  expect(code).toBe(0);
  expect(looks).toBeGreaterThanOrEqual(3);
});
