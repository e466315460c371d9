import type { Client } from '../client/client.ts';
import type { Outgoing } from '../client/outbox.ts';
import { realSystem } from '../client/system.ts';
import type { Timeline } from '../client/timeline.ts';
import type { Message } from '../protocol/frames.ts';
import { avatar } from './avatar.ts';
import { type Child, element, ICONS, icon } from './dom.ts';
import { dayOf, fullTimeOf, linkParts, systemText, timeOf } from './format.ts';

/** Messages of one sender within this time form a group under one name. */
const GROUP_MS = 5 * 60_000;
/** Closer to the end than this counts as at the end; closer to the beginning loads older ones. */
const NEAR_END_PX = 60;
const NEAR_START_PX = 400;

/** The messages of a timeline: appended, prepended and acked in place, following the end while one is there. */
export class MessageList {
  readonly root: HTMLElement;
  readonly #client: Client;
  readonly #timeline: Timeline;
  readonly #sendAgain: (body: string | Uint8Array, kind: string) => void;
  readonly #isGroup: boolean;
  /** The read cursor and the head at opening: what lies between them is new. */
  readonly #readAt: number;
  readonly #headAt: number;
  readonly #list = element('ol', { class: 'messages' });
  readonly #pending = element('ol', { class: 'messages pending' });
  readonly #start = element('p', { class: 'start hint' }, 'Loading…');
  readonly #scroll: HTMLElement;
  readonly #toEnd: HTMLButtonElement;
  readonly #outgoing = new Map<string, HTMLElement>();
  readonly #offs: (() => void)[];
  #isAtEnd = true;
  #isLoading = false;
  #hasNewLine = false;

  constructor(
    client: Client,
    timeline: Timeline,
    sendAgain: (body: string | Uint8Array, kind: string) => void,
  ) {
    const entry = client.conversation(timeline.conv);
    this.#client = client;
    this.#timeline = timeline;
    this.#sendAgain = sendAgain;
    this.#isGroup = entry?.kind !== 'direct';
    this.#readAt = entry?.read ?? 0;
    this.#headAt = entry?.head ?? 0;
    this.#toEnd = element(
      'button',
      {
        class: 'to-end',
        type: 'button',
        hidden: true,
        'aria-label': 'Go to the newest message',
        on: { click: () => this.scrollToEnd() },
      },
      icon(ICONS.down),
      element('span', {}, 'New messages'),
    );
    this.#scroll = element(
      'div',
      {
        class: 'scroll thread',
        tabindex: 0,
        role: 'log',
        'aria-label': 'Messages',
        on: { scroll: () => this.#scrolled() },
      },
      this.#start,
      this.#list,
      this.#pending,
    );
    this.root = element('div', { class: 'thread-frame' }, this.#scroll, this.#toEnd);
    this.#offs = [
      timeline.on('append', (messages) => this.#append(messages)),
      timeline.on('prepend', (messages) => this.#prepend(messages)),
      timeline.on('trim', (count) => this.#trim(count)),
      timeline.on('reset', () => this.#clear()),
      timeline.on('outgoing', () => this.#drawOutgoing()),
      timeline.on('failed', () => this.#drawStart()),
    ];
    this.#append(timeline.messages);
    this.#drawOutgoing();
    const resized = new ResizeObserver(() => this.#isAtEnd && this.scrollToEnd());
    resized.observe(this.#scroll);
    this.#offs.push(() => resized.disconnect());
  }

  close(): void {
    for (const off of this.#offs) off();
  }

  scrollToEnd(): void {
    this.#isAtEnd = true;
    this.#toEnd.hidden = true;
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    this.markRead();
  }

  /** Tells that what is in view was read, if somebody is there to see it. */
  markRead(): void {
    const { conv, last } = this.#timeline;
    if (this.#isAtEnd && last > 0 && document.visibilityState === 'visible' && document.hasFocus()) {
      this.#client.read(conv, last);
    }
  }

  #scrolled(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroll;
    this.#isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    if (this.#isAtEnd) {
      this.#toEnd.hidden = true;
      this.markRead();
    }
    if (scrollTop < NEAR_START_PX) this.#loadOlder();
  }

  #loadOlder(): void {
    if (this.#isLoading || this.#timeline.isAtStart || this.#timeline.messages.length === 0) return;
    this.#isLoading = true;
    void this.#timeline.loadOlder().then((more) => {
      this.#isLoading = false;
      this.#drawStart();
      // Whoever is still at the top, after a short page say, scrolls no further to ask for more.
      if (more && this.#scroll.isConnected && this.#scroll.scrollTop < NEAR_START_PX) this.#loadOlder();
    });
  }

  #append(messages: readonly Message[]): void {
    const wasAtEnd = this.#isAtEnd;
    let previous = this.#timeline.messages[this.#timeline.messages.length - messages.length - 1];
    const nodes: Node[] = [];
    for (const message of messages) {
      nodes.push(...this.#nodes(message, previous, true));
      previous = message;
    }
    this.#list.append(...nodes);
    this.#drawStart();
    const isOwn = messages.at(-1)?.from === this.#client.user;
    if (wasAtEnd || isOwn) this.scrollToEnd();
    else if (messages.length > 0) this.#toEnd.hidden = false;
    if (this.#scroll.isConnected && this.#scroll.scrollHeight <= this.#scroll.clientHeight) this.#loadOlder();
  }

  #prepend(messages: readonly Message[]): void {
    const { scrollHeight, scrollTop } = this.#scroll;
    let previous: Message | undefined;
    const nodes: Node[] = [];
    for (const message of messages) {
      nodes.push(...this.#nodes(message, previous, false));
      previous = message;
    }
    // The first one drawn before now has a neighbour: whether it begins a day or a group is to be said anew.
    const first = this.#timeline.messages[messages.length];
    if (first !== undefined) {
      this.#list.querySelectorAll(`[data-seq="${first.seq}"]`).forEach((node) => node.remove());
      nodes.push(...this.#nodes(first, previous, false));
    }
    this.#list.prepend(...nodes);
    this.#drawStart();
    this.#scroll.scrollTop = scrollTop + this.#scroll.scrollHeight - scrollHeight;
  }

  #trim(count: number): void {
    const first = this.#timeline.messages[0]?.seq ?? 0;
    for (let i = 0; i < count * 3; i++) {
      const node = this.#list.firstElementChild as HTMLElement | null;
      if (node === null || Number(node.dataset.seq) >= first) break;
      node.remove();
    }
    this.#drawStart();
  }

  #clear(): void {
    this.#list.replaceChildren();
    this.#hasNewLine = false;
    this.#isAtEnd = true;
    this.#drawStart();
  }

  #drawStart(): void {
    const { failure, isAtStart, isCurrent, messages } = this.#timeline;
    if (failure !== undefined) this.#start.textContent = `These messages can't be shown: ${failure.message}`;
    else if (messages.length === 0)
      this.#start.textContent = isCurrent ? 'No messages yet. Say hello.' : 'Loading…';
    else
      this.#start.textContent = isAtStart
        ? 'This is where it begins.'
        : this.#isLoading
          ? 'Loading older messages…'
          : '';
  }

  /** A message with what goes before it: the day, the line above what is new. All carry its seq. */
  #nodes(message: Message, previous: Message | undefined, isLive: boolean): HTMLElement[] {
    const nodes: HTMLElement[] = [];
    const now = realSystem.now();
    const isNewDay = previous === undefined || dayOf(previous.ts, now) !== dayOf(message.ts, now);
    if (isNewDay)
      nodes.push(
        element('li', { class: 'day', 'data-seq': message.seq }, element('span', {}, dayOf(message.ts, now))),
      );
    if (isLive && this.#isFirstNew(message, previous)) {
      this.#hasNewLine = true;
      nodes.push(element('li', { class: 'new-line', 'data-seq': message.seq }, element('span', {}, 'New')));
    }
    if (message.kind.startsWith('sys.')) {
      const text = systemText(message);
      if (text !== '')
        nodes.push(
          element('li', { class: 'system', 'data-seq': message.seq, title: fullTimeOf(message.ts) }, text),
        );
      return nodes;
    }
    const continues =
      !isNewDay &&
      previous?.from === message.from &&
      !previous.kind.startsWith('sys.') &&
      message.ts - previous.ts < GROUP_MS;
    const isOwn = message.from === this.#client.user;
    const shown = message.cmid === undefined ? undefined : this.#outgoing.get(message.cmid);
    const node = shown ?? element('li', {});
    if (message.cmid !== undefined) this.#outgoing.delete(message.cmid);
    node.className = `message${isOwn ? ' own' : ''}${continues ? ' continues' : ''}`;
    node.dataset.seq = String(message.seq);
    const showsName = this.#isGroup && !isOwn && !continues;
    node.replaceChildren(
      ...this.#face(message, isOwn, continues),
      element(
        'div',
        { class: 'bubble' },
        element('span', { class: showsName ? 'from' : 'visually-hidden' }, isOwn ? 'You' : message.from),
        bodyOf(message),
        element(
          'span',
          { class: 'meta' },
          element('time', { title: fullTimeOf(message.ts) }, timeOf(message.ts)),
          isOwn && state('sent'),
        ),
      ),
    );
    nodes.push(node);
    return nodes;
  }

  #face(message: Message, isOwn: boolean, continues: boolean): Node[] {
    if (isOwn || !this.#isGroup) return [];
    return [continues ? element('span', { class: 'avatar-space' }) : avatar(message.from, 'small')];
  }

  /** Whether it is the first that came while nobody looked. */
  #isFirstNew(message: Message, previous: Message | undefined): boolean {
    if (this.#hasNewLine || message.from === this.#client.user || message.kind.startsWith('sys.'))
      return false;
    if (previous === undefined || message.seq > this.#headAt) return false;
    return previous.seq <= this.#readAt && message.seq > this.#readAt;
  }

  #drawOutgoing(): void {
    const keep = new Set<string>();
    for (const outgoing of this.#timeline.outgoing) {
      keep.add(outgoing.cmid);
      let node = this.#outgoing.get(outgoing.cmid);
      if (node === undefined) {
        node = element('li', {});
        this.#outgoing.set(outgoing.cmid, node);
        this.#pending.append(node);
      } else if (outgoing.error === undefined) {
        continue;
      }
      this.#fillOutgoing(node, outgoing);
    }
    for (const [cmid, node] of this.#outgoing) {
      if (keep.has(cmid)) continue;
      node.remove();
      this.#outgoing.delete(cmid);
    }
    if (keep.size > 0 && this.#isAtEnd) this.scrollToEnd();
  }

  #fillOutgoing(node: HTMLElement, outgoing: Outgoing): void {
    const { error } = outgoing;
    node.className = `message own ${error === undefined ? 'sending' : 'failed'}`;
    const children: Child[] = [
      element(
        'div',
        { class: 'bubble' },
        element('span', { class: 'visually-hidden' }, 'You'),
        bodyOf(outgoing),
        element(
          'span',
          { class: 'meta' },
          element('time', {}, timeOf(outgoing.at)),
          error === undefined && state('sending'),
        ),
      ),
    ];
    if (error !== undefined) {
      const again = (): void => {
        this.#timeline.dismiss(outgoing.cmid);
        this.#sendAgain(outgoing.body, outgoing.kind);
      };
      children.push(
        element(
          'div',
          { class: 'failure', role: 'alert' },
          `Not sent: ${error.message}. `,
          element('button', { class: 'link', type: 'button', on: { click: again } }, 'Try again'),
          element(
            'button',
            { class: 'link', type: 'button', on: { click: () => this.#timeline.dismiss(outgoing.cmid) } },
            'Discard',
          ),
        ),
      );
    }
    node.replaceChildren(...(children as Node[]));
  }
}

function bodyOf(message: { readonly body: string | Uint8Array; readonly kind: string }): HTMLElement {
  if (typeof message.body !== 'string') {
    return element('span', { class: 'body bytes' }, `${message.body.length} bytes (${message.kind})`);
  }
  const parts = linkParts(message.body).map((part) =>
    part.isLink
      ? element('a', { href: part.text, target: '_blank', rel: 'noopener noreferrer nofollow' }, part.text)
      : part.text,
  );
  return element('span', { class: 'body', dir: 'auto' }, ...parts);
}

function state(is: 'sending' | 'sent'): HTMLElement {
  const label = is === 'sending' ? 'Sending' : 'Sent';
  return element(
    'span',
    { class: 'state', role: 'img', 'aria-label': label, title: label },
    icon(is === 'sending' ? ICONS.clock : ICONS.check),
  );
}
