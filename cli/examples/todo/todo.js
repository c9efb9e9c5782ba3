// A to-do list that works offline: the page is a replica, its data lies in IndexedDB, and a node is only somebody to sync with.
//
//   #node=http://127.0.0.1:7400   where to sync; the node must be started with --allow-origin of this page
//   &secret=…                     the secret of the cluster
import { createReplica, IndexedDbStore } from 'atolldb/sync';

const settings = new URLSearchParams(location.hash.slice(1));
const node = settings.get('node') ?? 'http://127.0.0.1:7400';

const replica = await createReplica({
  store: await IndexedDbStore.open('todo'),
  peers: [node],
  secret: settings.get('secret') ?? '',
  name: 'to-do',
});

const state = document.querySelector('#state');
const list = document.querySelector('ul');
const form = document.querySelector('form');

const isLinked = () => replica.status().links.some((link) => link.state === 'live');

// --- what the list shows

async function show() {
  state.textContent = isLinked() ? 'in sync' : 'offline';
  // On the very first visit the database has to come from a node.
  if (!replica.databases().includes('app')) return;
  const { items } = await replica.database('app').list('todos', { limit: 1000 });
  const todos = items.map(({ id, json }) => ({ id, ...JSON.parse(new TextDecoder().decode(json)) }));
  list.replaceChildren(...todos.sort((a, b) => a.atMs - b.atMs).map(rowOf));
}

function rowOf({ id, title, isDone }) {
  const row = document.createElement('li');
  const box = Object.assign(document.createElement('input'), { type: 'checkbox', id, checked: isDone });
  const label = Object.assign(document.createElement('label'), { textContent: title, htmlFor: id });
  const remove = Object.assign(document.createElement('button'), { textContent: '×', title: 'Remove' });
  box.onchange = () => write(id, { kind: 'merge-patch', patch: { isDone: box.checked } });
  remove.onclick = () => write(id, { kind: 'delete' });
  row.classList.toggle('done', isDone);
  row.append(box, label, remove);
  return row;
}

// Whatever changes, here or from elsewhere, is on the disk before we hear of it.
replica.engine.onDurable(() => void show());
setInterval(() => void show(), 1000);
await show();

// --- what the user does: every write is local

function write(id, change) {
  return replica.database('app').write('todos', id, change);
}

form.onsubmit = async (event) => {
  event.preventDefault();
  const input = form.querySelector('input');
  const title = input.value.trim();
  if (title === '') return;
  input.value = '';
  await write(crypto.randomUUID(), { kind: 'replace', value: { title, isDone: false, atMs: Date.now() } });
};
