/**
 * @module
 * Owns the Hocuspocus server that shared editing is compared with: as it comes, with its documents in SQLite. The binding is the one that
 * is installed without a compiler.
 *
 * Run as `node hocuspocus.js DIRECTORY`; prints a ready line like a node.
 */
import { join } from 'node:path';
import { Database } from '@hocuspocus/extension-database';
import { Server } from '@hocuspocus/server';
import Sqlite from 'libsql';

const sqlite = new Sqlite(join(process.argv[2]!, 'documents.sqlite'));
sqlite.pragma('journal_mode = WAL');
sqlite.exec('CREATE TABLE IF NOT EXISTS documents (name TEXT PRIMARY KEY, data BLOB NOT NULL)');
const select = sqlite.prepare('SELECT data FROM documents WHERE name = ?');
const replace = sqlite.prepare('INSERT OR REPLACE INTO documents (name, data) VALUES (?, ?)');

const server = new Server({
  address: '127.0.0.1',
  port: 0,
  quiet: true,
  stopOnSignals: false,
  extensions: [
    new Database({
      fetch: ({ documentName }) => {
        const row = select.get(documentName) as { readonly data: Buffer } | undefined;
        return Promise.resolve(row?.data ?? null);
      },
      store: ({ documentName, state }) => {
        replace.run(documentName, state);
        return Promise.resolve();
      },
    }),
  ],
});
await server.listen();
process.once('SIGTERM', () => process.exit(0));
process.stdout.write(`${JSON.stringify({ ready: true, url: `http://127.0.0.1:${server.address.port}` })}\n`);
