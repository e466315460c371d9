import type { MemberChange } from '../client/api.ts';
import type { Client } from '../client/client.ts';
import { asError } from '../client/errors.ts';
import type { Role } from '../core/entry.ts';
import { avatar } from './avatar.ts';
import { openDialog } from './dialog.ts';
import { element } from './dom.ts';
import { parseNames } from './new-chat.ts';

const RANK = { owner: 2, admin: 1, member: 0 } as const;

/** The members of a group, in a dialog: who they are, and what one's own role may change. */
export class MembersView {
  readonly #client: Client;
  readonly #conv: string;
  readonly #list = element('ul', { class: 'members', 'aria-label': 'Members' });
  readonly #error = element('p', { class: 'problem', role: 'alert' });
  readonly #names: HTMLInputElement;
  readonly #adding: HTMLFormElement;
  readonly #dialog: HTMLDialogElement;

  constructor(client: Client, conv: string, title: string) {
    this.#client = client;
    this.#conv = conv;
    this.#names = element('input', {
      class: 'field',
      'aria-label': 'Names to add',
      placeholder: 'Add by name',
      autocapitalize: 'none',
      autocomplete: 'off',
      spellcheck: 'false',
    });
    this.#adding = element(
      'form',
      {
        class: 'row',
        hidden: true,
        novalidate: true,
        on: { submit: (event) => (event.preventDefault(), this.#add()) },
      },
      this.#names,
      element('button', { class: 'primary', type: 'submit' }, 'Add'),
    );
    const leave = (): void => this.#change({ leave: true }, () => this.#dialog.close());
    const leaving = element(
      'button',
      { class: 'danger', type: 'button', on: { click: leave } },
      'Leave group',
    );
    this.#dialog = openDialog(
      title,
      this.#list,
      this.#adding,
      this.#error,
      element('div', { class: 'actions' }, leaving),
    );
    const off = client.on('message', (message) => {
      if (message.conv === conv && message.kind === 'sys.members') this.#load();
    });
    this.#dialog.addEventListener('close', off);
    this.#load();
  }

  #load(): void {
    this.#client.members(this.#conv).then(
      ({ members }) => this.#show(members),
      (error: unknown) => this.#fail(error),
    );
  }

  #show(members: readonly (readonly [string, Role])[]): void {
    const mine = members.find(([user]) => user === this.#client.user)?.[1] ?? 'member';
    this.#adding.hidden = mine === 'member';
    this.#list.replaceChildren(...members.map(([user, role]) => this.#row(user, role, mine)));
  }

  #row(user: string, role: Role, mine: Role): HTMLElement {
    const isSelf = user === this.#client.user;
    const mayRemove = !isSelf && (mine === 'owner' || RANK[mine] > RANK[role]);
    const remove = (): void => this.#change({ remove: [user] }, () => this.#load());
    return element(
      'li',
      { class: 'member' },
      avatar(user, 'small'),
      element('span', { class: 'member-name' }, isSelf ? `${user} (you)` : user),
      role !== 'member' && element('span', { class: 'role' }, role),
      mayRemove &&
        element(
          'button',
          { class: 'quiet', type: 'button', 'aria-label': `Remove ${user}`, on: { click: remove } },
          'Remove',
        ),
    );
  }

  #add(): void {
    const users = parseNames(this.#names.value, this.#client.user);
    if (typeof users === 'string') {
      this.#error.textContent = users;
      return;
    }
    this.#change({ add: users }, () => {
      this.#names.value = '';
      this.#load();
    });
  }

  #change(change: MemberChange, then: () => void): void {
    this.#error.textContent = '';
    this.#client.changeMembers(this.#conv, change).then(then, (error: unknown) => this.#fail(error));
  }

  #fail(error: unknown): void {
    this.#error.textContent = asError(error).message;
  }
}
