const PROBLEMS_MAX = 20;

/** What was found wrong: all counted, the first of them kept. */
export class Problems {
  readonly list: string[] = [];
  count = 0;

  readonly add = (text: string): void => {
    this.count++;
    if (this.list.length < PROBLEMS_MAX) this.list.push(text);
  };
}
