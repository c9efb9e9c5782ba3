// A service with a replica inside: it counts visits, answers without asking anybody, and goes on when the cluster is away.
//
//   node service.js DIRECTORY PORT NODE SECRET
//
//   curl -X POST localhost:8080/visits/home      counts
//   curl localhost:8080/visits/home              reads
import { createServer } from 'node:http';
import { createWebSocketDialer, RocksDbStore } from 'atolldb';
import { createReplica } from 'atolldb/sync';

const [directory = 'service-data', port = '8080', node = 'http://127.0.0.1:7400', secret = ''] = process.argv.slice(2);

const replica = await createReplica({
  store: await RocksDbStore.open(directory),
  transport: createWebSocketDialer(),
  peers: [node],
  secret,
  name: 'visits',
});

async function answer({ method, url }, response) {
  const page = decodeURIComponent(url.split('/')[2] ?? '');
  if (!url.startsWith('/visits/') || page === '') return send(response, 404, { error: 'try /visits/PAGE' });
  // The database has to come from the cluster once; from then on it is here.
  if (!replica.databases().includes('app')) return send(response, 503, { error: 'not synced yet' });
  const database = replica.database('app');
  if (method === 'POST') {
    // An increment, not a new number: what others count meanwhile adds up.
    const operations = [{ op: 'increment', path: '/count', value: 1 }];
    await database.write('visits', page, { kind: 'operations', operations });
  }
  const stored = await database.get('visits', page);
  const { count = 0 } = stored === null ? {} : JSON.parse(new TextDecoder().decode(stored.json));
  return send(response, 200, { page, count });
}

function send(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

const server = createServer((request, response) => {
  answer(request, response).catch((error) => send(response, 500, { error: error.message }));
});
server.listen(Number(port), '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ ready: true, url: `http://127.0.0.1:${server.address().port}` })}\n`);
});

process.once('SIGTERM', () => {
  server.close();
  void replica.close();
});
