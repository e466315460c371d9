/** The chat page: who one is, then the conversations and the one that is open. */
import { Client } from '../client/client.ts';
import { jsonCodec } from '../client/json-codec.ts';
import { webStorage } from '../client/storage.ts';
import { Banner } from './banner.ts';
import { ConversationView } from './conversation-view.ts';
import { element, ICONS, icon } from './dom.ts';
import { openNewChat } from './new-chat.ts';
import { Sidebar } from './sidebar.ts';
import { signInView } from './sign-in.ts';

/** Per tab: two tabs are two devices, perhaps of two people; a reload stays the same one. */
const storage = webStorage(sessionStorage);
const TOKEN = 'token';

function askWho(problem?: string, asksToken = false): void {
  storage.set(TOKEN, '');
  history.replaceState(null, '', location.pathname);
  document.title = 'Carillon';
  document.body.replaceChildren(
    signInView(problem, asksToken, ({ token }) => {
      storage.set(TOKEN, token);
      start(token);
    }),
  );
}

function start(token: string): void {
  const client = new Client({
    url: new URL('/v1/connect', location.href).href,
    token,
    codec: jsonCodec,
    storage,
  });
  document.body.replaceChildren(element('p', { class: 'splash', role: 'status' }, 'Connecting…'));
  let isShown = false;
  client.on('state', (state) => {
    if (state.is === 'online' && !isShown) {
      isShown = true;
      showChats(client);
    } else if (state.is === 'waiting' && !isShown) {
      document.querySelector('.splash')?.replaceChildren('No connection to the server. Trying again…');
    } else if (state.is === 'closed' && state.reason === 'unauthenticated') {
      const isDev = token.startsWith('dev:');
      askWho(isDev ? 'This server asks for a token.' : 'The server does not accept this token.', true);
    }
  });
  client.connect();
}

function showChats(client: Client): void {
  let open: ConversationView | undefined;
  const blank = element(
    'div',
    { class: 'blank' },
    icon(ICONS.bell),
    element('p', {}, 'Pick a conversation, or start one.'),
  );
  const main = element('main', { class: 'main' }, blank);

  const show = (): void => {
    const conv = location.hash.slice(1) || undefined;
    if (open?.conv === conv) return;
    open?.close();
    if (open !== undefined) client.timeline(open.conv).close();
    open = conv === undefined ? undefined : new ConversationView(client, conv, () => go(undefined));
    main.replaceChildren(open?.root ?? blank);
    layout.classList.toggle('has-open', open !== undefined);
    sidebar.select(conv);
    open?.shown();
  };
  const go = (conv: string | undefined): void => {
    history.pushState(null, '', conv === undefined ? location.pathname : `#${conv}`);
    show();
  };
  const leave = (): void => {
    client.close();
    removeEventListener('popstate', show);
    askWho();
  };

  const sidebar = new Sidebar(client, { open: go, newChat: () => openNewChat(client, go), signOut: leave });
  const takeOver = (): void => client.connect();
  const banner = new Banner(client, { takeOver, signIn: leave });
  const layout = element('div', { class: 'layout' }, sidebar.root, main);
  document.body.replaceChildren(banner.root, layout);

  client.on('conversation', (entry) => {
    sidebar.update();
    if (entry.conv !== open?.conv) return;
    if (entry.removed === undefined) open.update();
    else go(undefined);
  });
  client.on('presence', () => open?.update());
  client.on('synced', () => sidebar.update());
  addEventListener('popstate', show);
  addEventListener('focus', () => (open?.update(), sidebar.update()));
  addEventListener('online', () => client.connect());
  addEventListener('beforeunload', (event) => {
    if (client.unacked > 0) event.preventDefault(); // what is unsent would be lost
  });
  show();
}

const token = storage.get(TOKEN);
if (token) start(token);
else askWho();
