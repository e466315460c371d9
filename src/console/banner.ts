import type { Client } from '../client/client.ts';
import type { ConnectionState } from '../client/link.ts';
import { type Cancel, realSystem } from '../client/system.ts';
import { element } from './dom.ts';

/** A wait shorter than this is not worth a word. */
const PATIENCE_MS = 700;

export interface BannerActions {
  /** Connects this tab again, after it was replaced. */
  takeOver(): void;
  signIn(): void;
}

/** Says when there is no connection, why, and what will be done about it. */
export class Banner {
  readonly root = element('div', { class: 'banner', role: 'status', hidden: true });
  readonly #client: Client;
  readonly #actions: BannerActions;
  #cancel: Cancel | undefined;

  constructor(client: Client, actions: BannerActions) {
    this.#client = client;
    this.#actions = actions;
    client.on('state', (state) => this.#stateIs(state));
    this.#stateIs(client.state);
  }

  #stateIs(state: ConnectionState): void {
    this.#cancel?.();
    if (state.is === 'online') this.root.hidden = true;
    else if (state.is === 'waiting') this.#countDown(state.reason, realSystem.now() + state.retryInMs);
    else if (state.is === 'closed') this.#closed(state.reason);
    else this.#cancel = realSystem.after(PATIENCE_MS, () => this.#show('Connecting…'));
  }

  #countDown(reason: string, at: number): void {
    const seconds = Math.max(0, Math.ceil((at - realSystem.now()) / 1_000));
    const why = reason === 'draining' ? 'The server restarts.' : 'No connection.';
    this.#show(`${why} Trying again in ${seconds} s. What you write is sent then.`, 'Now', () =>
      this.#client.connect(),
    );
    if (seconds > 0) this.#cancel = realSystem.after(1_000, () => this.#countDown(reason, at));
  }

  #closed(reason: string): void {
    if (reason === 'closed') this.root.hidden = true;
    else if (reason === 'replaced')
      this.#show('This chat was opened in another tab.', 'Use it here', this.#actions.takeOver);
    else this.#show(`The server closed the connection: ${reason}.`, 'Sign in again', this.#actions.signIn);
  }

  #show(text: string, label?: string, action?: () => void): void {
    const button =
      label !== undefined &&
      action !== undefined &&
      element('button', { class: 'link', type: 'button', on: { click: action } }, label);
    this.root.replaceChildren(text, ' ', button || '');
    this.root.hidden = false;
  }
}
