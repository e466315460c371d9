import type { SettingsDelivery } from '../core/requests.ts';
import type { UserSettings } from '../core/users.ts';
import type { Account, Registry } from './registry.ts';
import type { Replies } from './replies.ts';
import type { Session } from './session.ts';

/** What users have set for all conversations: as it was read or told last, and the sessions that are to be told. */
export class SettingsNews {
  readonly #registry: Registry;
  readonly #replies: Replies;

  constructor({ registry, replies }: { readonly registry: Registry; readonly replies: Replies }) {
    this.#registry = registry;
    this.#replies = replies;
  }

  told({ user, settings }: SettingsDelivery): void {
    const account = this.#registry.account(user);
    if (account !== undefined) this.heard(account, settings);
  }

  /** Of two, those that were set later count. */
  heard(account: Account, settings: UserSettings): void {
    if (settings.at <= account.settings.at) return;
    account.settings = settings;
    for (const session of account.sessions) this.settle(session);
  }

  /** The session takes events again. */
  settle(session: Session): void {
    const settings = session.account?.settings;
    if (settings === undefined || session.mode !== 'push' || settings.at <= session.settingsAt) return;
    session.settingsAt = settings.at;
    const { receipts, presence } = settings;
    this.#replies.frame(session, { t: 'prefs', receipts, presence }, '');
  }
}
