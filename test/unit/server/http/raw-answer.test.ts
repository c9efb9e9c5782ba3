import fastify, { type FastifyReply } from 'fastify';
import { expect, test } from 'vitest';
import { sendTogether } from '../../../../server/http/raw-answer.ts';

test('[QU72] pages of one turn go out together, eight at most, and the last of them with the turn', async () => {
  const sent: string[] = [];
  const answer = (id: string): void => {
    const raw = { writeHead: () => {}, end: (body: string) => void sent.push(body) };
    const reply = { hijack: () => {}, raw, request: { id } } as unknown as FastifyReply;
    sendTogether(reply, 200, [], Buffer.from(id));
  };
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const ids = Array.from({ length: 11 }, (_, i) => `r${i}`);
  for (const id of ids.slice(0, 7)) answer(id);
  expect(sent).toEqual([]);
  answer('r7');
  expect(sent).toEqual(ids.slice(0, 8));
  for (const id of ids.slice(8)) answer(id);
  expect(sent).toEqual(ids.slice(0, 8));
  await turn();
  expect(sent).toEqual(ids);
  answer('alone');
  await turn();
  expect(sent.at(-1)).toBe('alone');
});

test('[QU73] an answer that fails is the failure of its request, and those of the same turn go out', async () => {
  const app = fastify();
  // A line break in a header: Node refuses it when the head is written.
  app.get('/bad', (_request, reply) => sendTogether(reply, 200, ['x-odd', 'a\nb'], Buffer.from('{}')));
  app.get('/good', (_request, reply) => sendTogether(reply, 200, [], Buffer.from('{}')));
  for (const count of [3, 8]) {
    const paths = Array.from({ length: count }, (_, i) => (i === 1 ? '/bad' : '/good'));
    const answers = await Promise.all(paths.map((path) => app.inject(path)));
    expect(answers.map(({ statusCode }) => statusCode)).toEqual(paths.map((path) => (path === '/bad' ? 500 : 200)));
  }
  await app.close();
});
