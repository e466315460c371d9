import type { Client } from '../client/client.ts';
import { realSystem } from '../client/system.ts';
import type { Entry } from '../core/entry.ts';
import { avatar } from './avatar.ts';
import { element, ICONS, icon } from './dom.ts';
import { mentionsIn, nameOf, presenceText } from './format.ts';
import { MembersView } from './members-view.ts';
import { MessageList } from './message-list.ts';

/** Messages kept of a conversation while it is open. */
const MESSAGES_MAX = 3_000;

/** Whether somebody is there is a convenience: where that cannot be had, nothing is said. */
function ignore(): void {}

/** One conversation: its head, its messages, and where one types. */
export class ConversationView {
  readonly conv: string;
  readonly root: HTMLElement;
  readonly #client: Client;
  readonly #messages: MessageList;
  readonly #title = element('h2', { class: 'title', tabindex: -1 });
  readonly #subtitle = element('p', { class: 'subtitle' });
  readonly #face = element('span', { class: 'face' });
  readonly #people: HTMLButtonElement;
  readonly #input: HTMLTextAreaElement;
  readonly #problem = element('p', { class: 'problem', role: 'alert' });
  readonly #composer: HTMLFormElement;
  #watched: string | undefined;

  constructor(client: Client, conv: string, close: () => void) {
    this.conv = conv;
    this.#client = client;
    this.#messages = new MessageList(
      client,
      client.timeline(conv, { messagesMax: MESSAGES_MAX }),
      (body, kind) => this.#sendBody(body, kind),
    );
    this.#people = element(
      'button',
      {
        class: 'round',
        type: 'button',
        'aria-label': 'Members',
        title: 'Members',
        on: { click: () => this.#showMembers() },
      },
      icon(ICONS.people),
    );
    this.#input = element('textarea', {
      class: 'field',
      rows: 1,
      'aria-label': 'Message',
      placeholder: 'Write a message',
      enterkeyhint: 'send',
      on: { keydown: (event) => this.#keyDown(event), input: () => this.#grow() },
    });
    this.#composer = element(
      'form',
      { class: 'composer', on: { submit: (event) => (event.preventDefault(), this.#send()) } },
      this.#problem,
      element(
        'div',
        { class: 'row' },
        this.#input,
        element(
          'button',
          { class: 'round accent', type: 'submit', 'aria-label': 'Send', title: 'Send' },
          icon(ICONS.send),
        ),
      ),
    );
    const back = element(
      'button',
      { class: 'round back', type: 'button', 'aria-label': 'Back to the list', on: { click: close } },
      icon(ICONS.back),
    );
    const head = element('div', { class: 'names' }, this.#title, this.#subtitle);
    this.root = element(
      'section',
      { class: 'conversation-view', 'aria-label': 'Conversation' },
      element('header', { class: 'bar' }, back, this.#face, head, this.#people),
      this.#messages.root,
      this.#composer,
    );
    this.update();
  }

  /** To be called once the view is in the page. */
  shown(): void {
    this.#messages.scrollToEnd();
    if (matchMedia('(hover: hover)').matches) this.#input.focus();
    else this.#title.focus({ preventScroll: true });
  }

  /** The entry changed, or the page came back into view. */
  update(): void {
    const entry: Entry | undefined = this.#client.conversation(this.conv);
    const name = entry === undefined ? 'Conversation' : nameOf(entry);
    this.#title.textContent = name;
    this.#watch(entry?.peer);
    this.#subtitle.textContent = this.#subtitleOf(entry);
    this.#face.replaceChildren(avatar(name, 'small'));
    this.#people.hidden = entry === undefined || entry.kind === 'direct';
    this.#composer.hidden = entry?.removed !== undefined;
    this.#messages.markRead();
  }

  #subtitleOf(entry: Entry | undefined): string {
    if (entry === undefined) return '';
    if (entry.peer === undefined) return `Group · you are ${article(entry.role)}`;
    return presenceText(this.#client.users.of(entry.peer), realSystem.now());
  }

  /** Of a direct chat: whether the other is there. */
  #watch(peer: string | undefined): void {
    if (peer === this.#watched) return;
    this.#unwatch();
    this.#watched = peer;
    if (peer !== undefined) this.#client.users.watch([peer]).catch(ignore);
  }

  #unwatch(): void {
    if (this.#watched !== undefined) this.#client.users.unwatch([this.#watched]).catch(ignore);
    this.#watched = undefined;
  }

  close(): void {
    this.#unwatch();
    this.#messages.close();
    this.root.remove();
  }

  #showMembers(): void {
    new MembersView(this.#client, this.conv, this.#title.textContent || 'Members');
  }

  #keyDown(event: KeyboardEvent): void {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#send();
  }

  #send(): void {
    const text = this.#input.value.trim();
    if (text === '') return;
    this.#input.value = '';
    this.#grow();
    this.#sendBody(text, 'text');
    this.#messages.scrollToEnd();
  }

  #sendBody(body: string | Uint8Array, kind: string): void {
    this.#problem.textContent = '';
    const timeline = this.#client.timeline(this.conv);
    const mentions = typeof body === 'string' ? mentionsIn(body) : [];
    this.#client.send(this.conv, body, { kind, mentions }).catch((error: Error) => {
      if (timeline.outgoing.some((outgoing) => outgoing.error === error)) return; // shown beside the message
      this.#problem.textContent = `Not sent: ${error.message}`;
      if (typeof body === 'string' && this.#input.value === '') this.#input.value = body;
    });
  }

  #grow(): void {
    this.#input.style.height = 'auto';
    this.#input.style.height = `${Math.min(this.#input.scrollHeight + 2, 180)}px`;
  }
}

function article(role: string): string {
  return role === 'member' ? 'a member' : role === 'owner' ? 'the owner' : 'an admin';
}
