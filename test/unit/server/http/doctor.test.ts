import { afterEach, beforeEach, expect, test } from 'vitest';
import { openTestApp, type TestApp } from '../../../helper/http-app.ts';

const PATH = '/v1/_cluster/doctor';
let node: TestApp;

beforeEach(async () => {
  node = await openTestApp();
});

afterEach(() => node.close());

test('[HT22] the doctor tells what must hold and whether it does, and that nothing was counted yet', async () => {
  await node.send('PUT', '/v1/app');
  const answer = await node.send('GET', PATH);
  expect(answer.statusCode).toBe(200);
  const report = answer.json();
  expect(report).toMatchObject({
    node: node.context.replica.nodeId,
    name: 'test',
    healthy: true,
    quarantined: [],
    alarms: [],
  });
  expect(report.checks[0]).toEqual({ check: 'storage', database: null, ok: true, detail: 'takes writes' });
  const names = report.checks.map(({ check, database }: { check: string; database: string }) => `${check} ${database}`);
  expect(names).toEqual(expect.arrayContaining(['digest app.0', 'documents app.0', 'peers app.0']));
});

test('[HT22] a POST lets everything be read, which shows when it is done', async () => {
  await node.send('PUT', '/v1/app');
  for (let i = 0; i < 5; i++) await node.send('PUT', `/v1/app/c/docs/${i}`, { i });
  const begun = await node.send('POST', PATH);
  expect(begun.statusCode).toBe(202);
  await expect.poll(async () => (await node.send('GET', PATH)).json().scrub.running).toBe(false);
  const { healthy, scrub } = (await node.send('GET', PATH)).json();
  expect(healthy).toBe(true);
  expect(scrub.checked).toBeGreaterThanOrEqual(5);
  expect(Object.keys(scrub.passes)).toContain('app.0');
});
