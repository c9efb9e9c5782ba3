import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { LinkProxy } from '../../../cli/dev/link-proxy.ts';

test('[CL8] a cut ends what is open and refuses what comes, and healing lets new connections through', async () => {
  const server = createServer((socket: Socket) => void socket.on('error', () => undefined).pipe(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await LinkProxy.open(() => (server.address() as AddressInfo).port);
  const dial = (): Socket => connect(Number(new URL(proxy.url).port), '127.0.0.1').on('error', () => undefined);
  const echo = async (socket: Socket): Promise<string> => {
    socket.write('hello');
    return String((await once(socket, 'data'))[0]);
  };
  const first = dial();
  expect(await echo(first)).toBe('hello');
  const closed = async (socket: Socket): Promise<void> =>
    new Promise((resolve) => socket.once('close', () => resolve()));
  const ended = closed(first);
  proxy.cut();
  await ended;
  const second = dial();
  await closed(second);
  expect(proxy.isCut).toBe(true);
  proxy.heal();
  const third = dial();
  expect(await echo(third)).toBe('hello');
  await proxy.close();
  server.close();
});
