// A to-do list that works offline: the page is a leaf, its data lies in IndexedDB, and a node is only somebody to sync with.
//
//   #node=http://127.0.0.1:7400   where to sync; the node must be started with --allow-origin of this page
//   &token=…                      what lets the page in: atoll token create --role write --db app
import { createLeaf, IndexedDbStore } from 'atolldb/sync';

const settings = new URLSearchParams(location.hash.slice(1));

const leaf = await createLeaf({
  urls: settings.get('node') ?? 'http://127.0.0.1:7400',
  token: settings.get('token') ?? '',
  store: await IndexedDbStore.open('todo'),
  subscribe: [{ database: 'app', collection: 'todos' }],
});
const todos = leaf.collection('app', 'todos');

const state = document.querySelector('#state');
const list = document.querySelector('ul');
const form = document.querySelector('form');

// --- what the list shows

function show() {
  state.textContent = describe(leaf.status());
  list.replaceChildren(...[...todos.list()].sort((a, b) => a.doc.atMs - b.doc.atMs).map(rowOf));
}

function describe(status) {
  if (status.state === 'refused') return 'not let in';
  if (status.state !== 'online') return 'offline';
  return status.isSettled ? 'in sync' : 'syncing';
}

function rowOf({ id, doc: { title, isDone } }) {
  const row = document.createElement('li');
  const box = Object.assign(document.createElement('input'), { type: 'checkbox', id, checked: isDone });
  const label = Object.assign(document.createElement('label'), { textContent: title, htmlFor: id });
  const remove = Object.assign(document.createElement('button'), { textContent: '×', title: 'Remove' });
  box.onchange = () => todos.mergePatch(id, { isDone: box.checked });
  remove.onclick = () => todos.delete(id);
  row.classList.toggle('done', isDone);
  row.append(box, label, remove);
  return row;
}

// Whatever changes, here or from elsewhere, is on the disk before we hear of it.
leaf.onEvent((event) => {
  show();
  // What a node does not take, such as what a schema forbids, is gone from the list: say so.
  if (event.type === 'refused') alert(`Not taken: ${event.message}`);
});
show();

// --- what the user does: every write is local

form.onsubmit = async (event) => {
  event.preventDefault();
  const input = form.querySelector('input');
  const title = input.value.trim();
  if (title === '') return;
  input.value = '';
  await todos.put(crypto.randomUUID(), { title, isDone: false, atMs: Date.now() });
};
