import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { createBrowserWebSocketDialer } from '../../sync/transport/browser-websocket.ts';
import { MemoryNetwork } from '../../sync/transport/memory.ts';
import { createMessagePortChannel, createMessagePortDialer } from '../../sync/transport/message-port.ts';
import { createWebSocketChannel, createWebSocketDialer } from '../../sync/transport/websocket.ts';
import type { Dialer, MessagePortLike } from '../../sync/index.ts';
import type { WebSocketConstructor } from '../../sync/transport/browser-websocket.ts';
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

const overSockets = async (dialer: Dialer): Promise<TransportFixture> => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', path: '/sync', perMessageDeflate: false });
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const fixture: TransportFixture = {
    dialer,
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
};

transportContract('The WebSocket transport', () => overSockets(createWebSocketDialer()));

// What `ws` offers as the WebSocket of browsers; the real one is met in a browser.
transportContract('The WebSocket transport of browsers', () =>
  overSockets(createBrowserWebSocketDialer(WebSocket as unknown as WebSocketConstructor)),
);

transportContract('The MessagePort transport', async () => {
  const ports: MessagePortLike[] = [];
  const fixture: TransportFixture = {
    dialer: createMessagePortDialer((url) => {
      if (url !== 'port://here') throw new Error(`nobody is at ${url}`);
      const { port1, port2 } = new MessageChannel();
      ports.push(port1, port2);
      fixture.accept(createMessagePortChannel(port2));
      return port1;
    }),
    url: 'port://here',
    deadUrl: 'port://nowhere',
    accept: () => undefined,
    destroy: async () => {
      for (const port of ports) port.close();
    },
  };
  return fixture;
});
