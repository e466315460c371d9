import type { Client } from '../client/client.ts';
import { realSystem } from '../client/system.ts';
import type { Entry } from '../core/entry.ts';
import { avatar } from './avatar.ts';
import { element, ICONS, icon } from './dom.ts';
import { fullTimeOf, nameOf, previewOf, whenOf } from './format.ts';

export interface SidebarActions {
  open(conv: string): void;
  newChat(): void;
  signOut(): void;
}

const ROWS_STEP = 100;

/** The list of conversations, the most recently active first. */
export class Sidebar {
  readonly root: HTMLElement;
  readonly #client: Client;
  readonly #actions: SidebarActions;
  readonly #list = element('ul', { class: 'conversations' });
  readonly #more = element('button', { class: 'quiet', type: 'button', hidden: true }, 'Show more');
  readonly #me = element('div', { class: 'me' });
  readonly #rows = new Map<string, HTMLElement>();
  readonly #welcome: HTMLElement;
  #selected: string | undefined;
  #rowsMax = ROWS_STEP;
  #isScheduled = false;

  constructor(client: Client, actions: SidebarActions) {
    this.#client = client;
    this.#actions = actions;
    this.#more.addEventListener('click', () => {
      this.#rowsMax += ROWS_STEP;
      this.update();
    });
    const add = element(
      'button',
      {
        class: 'round accent',
        type: 'button',
        'aria-label': 'New chat',
        title: 'New chat',
        on: { click: actions.newChat },
      },
      icon(ICONS.add),
    );
    const out = element(
      'button',
      {
        class: 'round',
        type: 'button',
        'aria-label': 'Sign out',
        title: 'Sign out',
        on: { click: actions.signOut },
      },
      icon(ICONS.out),
    );
    this.#welcome = element(
      'li',
      { class: 'nobody' },
      element('p', {}, 'No conversations yet.'),
      element('button', { class: 'primary', type: 'button', on: { click: actions.newChat } }, 'Start one'),
    );
    this.root = element(
      'nav',
      { class: 'sidebar', 'aria-label': 'Conversations' },
      element('header', { class: 'bar' }, this.#me, out, add),
      element('div', { class: 'scroll' }, this.#list, this.#more),
    );
    this.#list.addEventListener('keydown', (event) => this.#moveFocus(event));
    this.update();
  }

  select(conv: string | undefined): void {
    this.#selected = conv;
    this.update();
  }

  /** Draws what the client knows, once per frame at most. */
  update(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    requestAnimationFrame(() => {
      this.#isScheduled = false;
      this.#draw();
    });
  }

  #draw(): void {
    const { user, conversations } = this.#client;
    this.#me.replaceChildren(avatar(user, 'small'), element('span', { class: 'me-name' }, user));
    const shown = conversations.slice(0, this.#rowsMax);
    this.#place(shown.length === 0 ? [this.#welcome] : shown.map((entry) => this.#row(entry, user)));
    if (this.#rows.size > shown.length) {
      const convs = new Set(shown.map((entry) => entry.conv));
      for (const conv of this.#rows.keys()) if (!convs.has(conv)) this.#rows.delete(conv);
    }
    this.#more.hidden = conversations.length <= this.#rowsMax;
    const { unread } = this.#client;
    document.title = unread > 0 ? `(${unread}) Carillon` : 'Carillon';
  }

  /** Makes `rows` the list's, moving only what is not in its place. */
  #place(rows: readonly HTMLElement[]): void {
    const focused = this.#list.contains(document.activeElement) ? document.activeElement : null;
    for (const [i, row] of rows.entries()) {
      const there = this.#list.children[i];
      if (there !== row) this.#list.insertBefore(row, there ?? null);
    }
    while (this.#list.children.length > rows.length) this.#list.lastElementChild?.remove();
    if (focused instanceof HTMLElement && focused !== document.activeElement)
      focused.focus({ preventScroll: true });
  }

  #row(entry: Entry, user: string): HTMLElement {
    let row = this.#rows.get(entry.conv);
    if (row === undefined) {
      const open = (): void => this.#actions.open(entry.conv);
      row = element('li', {}, element('button', { type: 'button', on: { click: open } }));
      this.#rows.set(entry.conv, row);
    }
    this.#fill(row.firstElementChild as HTMLElement, entry, user);
    return row;
  }

  #fill(button: HTMLElement, entry: Entry, user: string): void {
    const name = nameOf(entry);
    const isSelected = entry.conv === this.#selected;
    const unread = isSelected && document.hasFocus() ? 0 : entry.unread;
    const isMentioned = (entry.mentions ?? 0) > 0;
    button.className = unread > 0 ? 'conversation has-unread' : 'conversation';
    if (isSelected) button.setAttribute('aria-current', 'true');
    else button.removeAttribute('aria-current');
    button.replaceChildren(
      avatar(name),
      element(
        'span',
        { class: 'conversation-text' },
        element(
          'span',
          { class: 'line' },
          element('span', { class: 'conversation-name' }, name),
          element('time', { class: 'when', title: fullTimeOf(entry.ts) }, whenOf(entry.ts, realSystem.now())),
        ),
        element(
          'span',
          { class: 'line' },
          element('span', { class: 'preview' }, previewOf(entry, user)),
          unread > 0 &&
            element(
              'span',
              {
                class: 'unread',
                'aria-label': `${unread} unread${isMentioned ? ', you are mentioned' : ''}`,
              },
              `${isMentioned ? '@ ' : ''}${unread > 999 ? '999+' : unread}`,
            ),
        ),
      ),
    );
  }

  #moveFocus(event: KeyboardEvent): void {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const rows = [...this.#list.querySelectorAll<HTMLElement>('.conversation')];
    const at = rows.indexOf(document.activeElement as HTMLElement);
    rows[Math.max(0, Math.min(rows.length - 1, at + step))]?.focus();
  }
}
