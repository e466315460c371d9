/** The part of hashring (which ships no types) that ring.ts uses. */
declare module 'hashring' {
  class HashRing {
    constructor(servers: readonly string[], algorithm: string, options: Readonly<Record<string, number>>);
    get(key: string): string | undefined;
  }
  export = HashRing;
}
