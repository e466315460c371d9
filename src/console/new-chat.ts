import type { Client } from '../client/client.ts';
import { asError } from '../client/errors.ts';
import { isName } from '../core/ids.ts';
import { LIMITS } from '../protocol/limits.ts';
import { openDialog } from './dialog.ts';
import { element } from './dom.ts';

/** Asks with whom, creates the conversation, and hands its id to `done`. */
export function openNewChat(client: Client, done: (conv: string) => void): void {
  const names = element('input', {
    id: 'names',
    class: 'field',
    autocapitalize: 'none',
    autocomplete: 'off',
    spellcheck: 'false',
    placeholder: 'bob, or bob, cleo, dan',
    'aria-describedby': 'names-help',
  });
  const title = element('input', {
    id: 'title',
    class: 'field',
    autocomplete: 'off',
    maxlength: LIMITS.titleCharsMax,
  });
  const error = element('p', { class: 'problem', role: 'alert' });
  const button = element('button', { class: 'primary', type: 'submit' }, 'Start');

  const submit = async (): Promise<void> => {
    const users = parseNames(names.value, client.user);
    if (typeof users === 'string') {
      error.textContent = users;
      names.focus();
      return;
    }
    const wanted = title.value.trim();
    button.disabled = true;
    try {
      const isDirect = users.length === 1 && wanted === '';
      const name = wanted || [client.user, ...users].join(', ').slice(0, LIMITS.titleCharsMax);
      const conv = isDirect
        ? await client.create('direct', users)
        : await client.create('group', users, name);
      dialog.close();
      done(conv);
    } catch (failure) {
      error.textContent = asError(failure).message;
      button.disabled = false;
    }
  };
  const form = element(
    'form',
    { class: 'stack', novalidate: true, on: { submit: (event) => (event.preventDefault(), void submit()) } },
    element('label', { for: 'names' }, 'With whom?'),
    names,
    element(
      'p',
      { id: 'names-help', class: 'hint' },
      'One name for a direct chat; several, with commas, for a group.',
    ),
    element('label', { for: 'title' }, 'Group name ', element('span', { class: 'hint' }, '(optional)')),
    title,
    error,
    element('div', { class: 'actions' }, button),
  );
  const dialog = openDialog('New chat', form);
  names.focus();
}

/** The names in `text`, without doubles and without `self`; a string says what is wrong. */
export function parseNames(text: string, self: string): string[] | string {
  const users = [...new Set(text.split(/[\s,;]+/).filter((name) => name !== ''))];
  for (const name of users) {
    if (!isName(name))
      return `“${name.slice(0, 70)}” can't be a name: 1 to 64 of letters, digits and . _ @ : -`;
  }
  const others = users.filter((name) => name !== self);
  if (others.length === 0) return users.length > 0 ? 'That is you. Who else?' : 'Type at least one name.';
  if (others.length >= LIMITS.groupMembersMax)
    return `A group has at most ${LIMITS.groupMembersMax} members.`;
  return others;
}
