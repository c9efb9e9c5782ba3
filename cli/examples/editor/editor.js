// A shared text editor: CodeMirror and y-websocket as they come, on any node of the cluster.
//
//   ?nodes=127.0.0.1:7400,127.0.0.1:7401   where to connect, the first that answers; started with --allow-origin of this page
//   &name=Ada                              what others see beside the cursor
//   &token=…                               when the cluster asks for one
import { basicSetup, EditorView } from 'codemirror';
import { yCollab } from 'y-codemirror.next';
import { WebsocketProvider } from 'y-websocket';
import * as Y from 'yjs';

const settings = new URLSearchParams(location.search);
const nodes = (settings.get('nodes') ?? '127.0.0.1:7400').split(',');
const token = settings.get('token');

// The document `welcome` of the collection `notes` in the database `app`; its text is the member `body`.
const doc = new Y.Doc();
const text = doc.getText('body');
const provider = new WebsocketProvider(`ws://${nodes[0]}/yjs`, 'app/notes/welcome', doc, {
  params: token === null ? {} : { token },
});

// The provider connects again by itself. After a node that does not answer it tries the next one.
let attempts = 0;
provider.on('connection-error', () => {
  provider.serverUrl = `ws://${nodes[++attempts % nodes.length]}/yjs`;
});

const colors = ['#2f6fdb', '#c2410c', '#7c3aed', '#0f766e', '#be185d'];
const color = colors[doc.clientID % colors.length];
provider.awareness.setLocalStateField('user', { name: settings.get('name') ?? 'Somebody', color });

const state = document.querySelector('#state');
provider.on('status', ({ status }) => {
  state.textContent = status;
  state.classList.toggle('connected', status === 'connected');
});

new EditorView({
  doc: text.toJSON(),
  extensions: [basicSetup, EditorView.lineWrapping, yCollab(text, provider.awareness)],
  parent: document.querySelector('#editor'),
});
