import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { MemoryNetwork } from '../../sync/transport/memory.ts';
import { createWebSocketChannel, createWebSocketDialer } from '../../sync/transport/websocket.ts';
import { transportContract } from './transport.ts';
import type { TransportFixture } from './transport.ts';

transportContract('The memory transport', async () => {
  const network = new MemoryNetwork();
  const fixture: TransportFixture = {
    dialer: network.dialer,
    url: 'memory://a',
    deadUrl: 'memory://nobody',
    accept: () => undefined,
    destroy: async () => undefined,
  };
  network.listen('memory://a', (channel) => fixture.accept(channel));
  return fixture;
});

transportContract('The WebSocket transport', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', path: '/sync', perMessageDeflate: false });
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const fixture: TransportFixture = {
    dialer: createWebSocketDialer(),
    url: `http://127.0.0.1:${port}`,
    deadUrl: 'http://127.0.0.1:1',
    accept: () => undefined,
    destroy: () => {
      for (const socket of server.clients) socket.terminate();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  server.on('connection', (socket) => fixture.accept(createWebSocketChannel(socket)));
  return fixture;
});
