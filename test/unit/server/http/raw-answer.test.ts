import type { FastifyReply } from 'fastify';
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
