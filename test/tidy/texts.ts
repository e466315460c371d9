/** Rules on the text of every file of the repository, whatever its kind. */
import type { Finding } from './rules.ts';

/** Written in pieces, so that this file does not find itself. */
const MACHINE_PATH = new RegExp(
  `(?<![\\w.~-])/(?:${['(?:work|root)/', '(?:home|Users)/\\w'].join('|')})|\\b[A-Z]:\\\\Users\\\\`,
);
const REGISTRY_HOST = new RegExp(
  [
    ['registry', '[\\w-]+'],
    ['proxy', 'golang'],
    ['repo[\\w-]*', '(?:maven|apache)'],
    ['deb', 'debian'],
    ['files', 'pythonhosted'],
    ['(?:static|index)', 'crates'],
  ]
    .map((labels) => `//(?:[\\w-]+\\.)*${labels.join('\\.')}\\.`)
    .join('|'),
);

export function checkText(path: string, text: string): Finding[] {
  const findings: Finding[] = [];
  const lines = text.split('\n');
  for (const [index, line] of lines.entries()) {
    const report = (rule: string, detail: string) => findings.push({ rule, path, line: index + 1, detail });
    const place = MACHINE_PATH.exec(line);
    if (place !== null) report('no-machine-paths', `names a path of one machine: ${place[0]}`);
    const host = REGISTRY_HOST.exec(line);
    if (host !== null) report('no-registry-hosts', `names a package registry's host: ${host[0]}`);
    if (path === 'package-lock.json' && /^\s*"resolved":/.test(line)) {
      report('no-registry-hosts', 'the lock file says where a package was fetched from');
    }
  }
  return findings;
}
