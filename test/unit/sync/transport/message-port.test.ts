import { expect, test } from 'vitest';
import { createMessagePortChannel, createMessagePortDialer } from '../../../../sync/index.ts';
import type { Channel, MessagePortLike } from '../../../../sync/index.ts';
import { waitFor } from '../../../helper/test-node.ts';

test('[EM5] what the other end has not taken counts as buffered', async () => {
  const { port1, port2 } = new MessageChannel();
  const dialed = await dialOver(port1, port2);
  const received: number[] = [];
  dialed[1].onMessage = (message): void => void received.push(message.length);
  dialed[0].send(new Uint8Array(1000));
  dialed[0].send(new Uint8Array(24));
  expect(dialed[0].bufferedBytes).toBe(1024);
  await waitFor(() => dialed[0].bufferedBytes === 0);
  expect(received).toEqual([1000, 24]);
  dialed[0].close(4500, '');
});

test('[EM5] a port that nobody answers on is given up', async () => {
  const { port1 } = new MessageChannel();
  const dialer = createMessagePortDialer(() => port1, 10);
  await expect(dialer.dial('port://nobody')).rejects.toThrow('nobody answers at port://nobody');
});

test('[EM5] an end that is gone without a word ends the channel', async () => {
  const { port1, port2 } = new MessageChannel();
  const [dialed] = await dialOver(port1, port2);
  const closes: number[] = [];
  dialed.onClose = (code): void => void closes.push(code);
  port2.close();
  await waitFor(() => closes.length === 1);
  expect(closes).toEqual([1006]);
  expect(() => dialed.send(new Uint8Array(1))).not.toThrow();
});

async function dialOver(near: MessagePortLike, far: MessagePortLike): Promise<[Channel, Channel]> {
  const accepted = createMessagePortChannel(far);
  return [await createMessagePortDialer(() => near).dial('port://here'), accepted];
}
