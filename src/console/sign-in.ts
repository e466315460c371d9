import { isName } from '../core/ids.ts';
import { element, ICONS, icon } from './dom.ts';

export interface SignIn {
  /** As the server takes it: `dev:<user>`, or a JWT. */
  readonly token: string;
}

/** The form at the door: a name, or where the server asks for one, a token. */
export function signInView(
  problem: string | undefined,
  asksToken: boolean,
  done: (signIn: SignIn) => void,
): HTMLElement {
  const input = element('input', {
    id: 'who',
    name: 'who',
    class: 'field',
    autocomplete: asksToken ? 'off' : 'username',
    autocapitalize: 'none',
    spellcheck: 'false',
    maxlength: asksToken ? 8192 : 64,
    required: true,
    'aria-describedby': 'who-help',
  });
  const error = element('p', { class: 'problem', role: 'alert' }, problem ?? '');
  const submit = (event: Event): void => {
    event.preventDefault();
    const text = input.value.trim();
    if (!asksToken && !isName(text)) {
      error.textContent = 'Use 1 to 64 letters, digits and . _ @ : - (no spaces).';
      input.focus();
      return;
    }
    done({ token: asksToken ? text : `dev:${text}` });
  };
  const help = asksToken
    ? 'A JWT. For trying out, `carillon token --user NAME` makes one.'
    : 'Any name will do. Open a second tab under another one, and talk.';
  queueMicrotask(() => input.focus());
  return element(
    'main',
    { class: 'sign-in' },
    element(
      'form',
      { class: 'card', novalidate: true, on: { submit } },
      element('div', { class: 'brand' }, icon(ICONS.bell), element('h1', {}, 'Carillon')),
      element('label', { for: 'who' }, asksToken ? 'Your token' : 'Your name'),
      input,
      element('p', { id: 'who-help', class: 'hint' }, help),
      error,
      element('button', { class: 'primary', type: 'submit' }, 'Start chatting'),
    ),
  );
}
