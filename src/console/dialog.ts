import { element, ICONS, icon } from './dom.ts';

/** A modal dialog under a title; removed from the page when it closes. */
export function openDialog(title: string, ...content: readonly Node[]): HTMLDialogElement {
  const dialog = element(
    'dialog',
    { class: 'dialog', 'aria-labelledby': 'dialog-title' },
    element(
      'header',
      { class: 'dialog-head' },
      element('h2', { id: 'dialog-title' }, title),
      element(
        'button',
        { class: 'round', type: 'button', 'aria-label': 'Close', on: { click: () => dialog.close() } },
        icon(ICONS.close),
      ),
    ),
    ...content,
  );
  dialog.addEventListener('close', () => dialog.remove());
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close(); // the backdrop
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
