/** Elements from values. Text becomes text nodes, never markup. */
export type Child = Node | string | undefined | false;

type Listeners = { readonly [K in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[K]) => void };

/** `on` holds listeners; of the rest, undefined and false leave the attribute out, true sets it empty. */
export type Properties = { readonly on?: Listeners } & {
  readonly [name: string]: string | number | boolean | undefined | Listeners;
};

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'object') {
      for (const [type, listener] of Object.entries(value))
        node.addEventListener(type, listener as EventListener);
    } else if (value !== undefined && value !== false) {
      node.setAttribute(name, value === true ? '' : String(value));
    }
  }
  for (const child of children) if (child !== undefined && child !== false) node.append(child);
  return node;
}

/** A drawing of one path on a 24 by 24 grid, for the eye only. */
export function icon(path: string): SVGSVGElement {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', 'icon');
  const shape = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  shape.setAttribute('d', path);
  svg.append(shape);
  return svg;
}

export const ICONS = {
  add: 'M12 5v14M5 12h14',
  back: 'M15 5l-7 7 7 7',
  send: 'M4 12l16-8-5 16-3.500-6.500z',
  people:
    'M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM2.500 20c.5-3.500 3-5.500 6.500-5.500s6 2 6.500 5.500M16 4.500a3.500 3.500 0 0 1 0 6.300M18 14.800c2 .7 3.200 2.500 3.500 5.200',
  close: 'M6 6l12 12M18 6L6 18',
  clock: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7.500V12l3 2',
  check: 'M5 12.500l4.500 4.500L19 7.500',
  down: 'M12 5v14M6 13l6 6 6-6',
  out: 'M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9',
  bell: 'M12 4a5.500 5.500 0 0 0-5.500 5.500V13L4.500 16.500h15L17.500 13V9.500A5.500 5.500 0 0 0 12 4zM10 19.500a2 2 0 0 0 4 0',
} as const;
