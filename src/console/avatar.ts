import { element } from './dom.ts';
import { hueOf, initialsOf } from './format.ts';

/** A disc with a name's initials, for the eye only. */
export function avatar(name: string, size: 'large' | 'small' = 'large'): HTMLElement {
  return element(
    'span',
    { class: `avatar hue-${hueOf(name)} ${size}`, 'aria-hidden': 'true' },
    initialsOf(name),
  );
}
