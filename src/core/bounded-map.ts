/** Of a map that holds `sizeMax` entries, drops the one that was put in first. */
export function makeRoom<K>(map: Map<K, unknown>, sizeMax: number): void {
  if (map.size < sizeMax) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
