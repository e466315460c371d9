import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { loadConfig, loadScylla } from '../../src/config.ts';
import { createMetrics } from '../../src/telemetry.ts';
import { parseYaml, type Yaml, type YamlMap } from '../support/yaml.ts';
import { listFiles, readText, ROOT } from '../tidy/tree.ts';

const COMPOSE = 'ops/compose.yaml';
const GRID_COLUMNS = 24;

function map(value: Yaml | undefined): YamlMap {
  assert.ok(typeof value === 'object' && value !== null && !Array.isArray(value), 'a mapping');
  return value as YamlMap;
}

function list(value: Yaml | undefined): readonly Yaml[] {
  return Array.isArray(value) ? (value as readonly Yaml[]) : [];
}

function strings(value: Yaml | undefined): string[] {
  return list(value).map((one) => {
    assert.equal(typeof one, 'string');
    return one as string;
  });
}

const compose = map(parseYaml(readText(COMPOSE)));
const services = Object.entries(map(compose.services)).map(([name, value]) => ({ name, ...parts(value) }));

function parts(value: Yaml) {
  const service = map(value);
  const env = service.environment === undefined ? {} : (map(service.environment) as Record<string, string>);
  const ports = strings(service.ports).map((port) => {
    const [, published, inside] = /^127\.0\.0\.1:(\d+):(\d+)$/.exec(port) ?? [];
    assert.ok(published !== undefined && inside !== undefined, `${port} is not published on loopback alone`);
    return { published, inside };
  });
  return { service, env, ports, volumes: strings(service.volumes) };
}

const nodes = services.filter(({ env }) => env.CARILLON_ROLES !== undefined);

test('what YAML our reader takes it reads as YAML means it, and it refuses the rest', () => {
  const text = [
    'a: &base',
    '  b: 1',
    '  # a comment',
    '  c: ["x, y", z]',
    'd:',
    '  <<: *base',
    '  b: --two',
    'e:',
    '  - f: x:y',
    '    g:',
    '  - "h # i"',
    '  - |',
    '    # kept',
    '      j',
    '',
    'k: http://l:1/',
  ].join('\n');
  assert.deepEqual(parseYaml(text), {
    a: { b: '1', c: ['x, y', 'z'] },
    d: { b: '--two', c: ['x, y', 'z'] },
    e: [{ f: 'x:y', g: null }, 'h # i', '# kept\n  j\n'],
    k: 'http://l:1/',
  });
  for (const wrong of [
    'a: 1\na: 2',
    'a: 1\n  b: 2',
    '\ta: 1',
    'a: b: c',
    'a: *b',
    'a: {b: 1}',
    'a: 1 # b',
    "a: 'b'",
  ])
    assert.throws(() => parseYaml(wrong), /^Error: line \d/, wrong);
});

test('every file of ops can be read', () => {
  const paths = listFiles().filter((path) => path.startsWith('ops/'));
  assert.ok(paths.length >= 6);
  for (const path of paths) {
    if (path.endsWith('.json')) JSON.parse(readText(path));
    else if (/\.ya?ml$/.test(path)) parseYaml(readText(path));
    else assert.fail(`${path}: of a kind that nothing checks`);
  }
});

test('compose: the nodes start with these settings', () => {
  const roles = nodes.map(({ env }) => env.CARILLON_ROLES);
  assert.deepEqual(roles, ['sequencer', 'edge', 'edge']);
  for (const { name, env } of nodes) {
    const loaded = loadConfig([], { ...env, CARILLON_JWT_KEY: join(ROOT, COMPOSE) }); // theirs is made at the start
    assert.deepEqual(loaded.warnings, [], name);
    assert.ok(loaded.ok, `${name}: ${loaded.ok ? '' : loaded.problems.join('; ')}`);
    assert.notEqual(loaded.config.cluster?.redis, undefined);
  }
  const schema = services.find(({ name }) => name === 'schema');
  const loaded = loadScylla([], schema?.env ?? {});
  assert.ok(loaded.ok && loaded.warnings.length === 0);
  const known = new Set(nodes.flatMap(({ env }) => Object.entries(env).map(String)));
  for (const setting of Object.entries(schema?.env ?? {}))
    assert.ok(known.has(String(setting)), `${setting}: the nodes have another`);
});

test('compose: what it names is there', () => {
  const names = services.map(({ name }) => name);
  const declared = Object.keys(map(compose.volumes));
  for (const { name, service, env, volumes } of services) {
    const needed = service.depends_on === undefined ? [] : Object.entries(service.depends_on ?? {});
    for (const [other, how] of Array.isArray(service.depends_on) ? [] : needed) {
      const on = services.find((each) => each.name === other);
      assert.ok(on !== undefined, `${name} depends on ${other}`);
      const condition = map(how).condition;
      if (condition === 'service_healthy')
        assert.ok(on.service.healthcheck !== undefined, `${other}: no check`);
      else assert.equal(condition, 'service_completed_successfully');
    }
    for (const volume of volumes) {
      const source = volume.split(':')[0] as string;
      const found = source.startsWith('.')
        ? existsSync(join(ROOT, 'ops', source))
        : declared.includes(source);
      assert.ok(found, `${name}: there is no ${source}`);
    }
    const addresses = [env.CARILLON_SCYLLA_CONTACT_POINTS, env.CARILLON_NATS_URL, env.CARILLON_REDIS_URL];
    for (const address of addresses.flatMap((each) => each?.split(',') ?? [])) {
      const host = address.replace(/^\w+:\/\//, '').replace(/:\d+$/, '');
      assert.ok(names.includes(host), `${name}: there is no service ${host}`);
    }
  }
});

test('compose, the image, Prometheus and Grafana agree on the ports', () => {
  const published = services.flatMap(({ ports }) => ports.map((port) => port.published));
  assert.equal(new Set(published).size, published.length);
  const exposed = /^EXPOSE (.*)$/m.exec(readText('Dockerfile'))?.[1]?.split(' ');
  for (const { name, env, ports } of nodes) {
    assert.deepEqual(exposed, [env.CARILLON_PORT, env.CARILLON_ADMIN_PORT]);
    const open = ports.map((port) => port.inside);
    assert.deepEqual(open, env.CARILLON_ROLES === 'edge' ? [env.CARILLON_PORT] : [], name);
  }
  const head = readText(COMPOSE).split('\nname:')[0] as string;
  for (const [, port] of head.matchAll(/http:\/\/127\.0\.0\.1:(\d+)/g))
    assert.ok(published.includes(port as string), `the heading names port ${port}`);

  const scrapes = list(map(parseYaml(readText('ops/prometheus/prometheus.yml'))).scrape_configs).map(map);
  const scraped = scrapes.flatMap((job) => [
    ...list(job.static_configs).flatMap((each) => strings(map(each).targets)),
    ...list(job.dns_sd_configs).flatMap((each) =>
      strings(map(each).names).map((name) => `${name}:${map(each).port}`),
    ),
  ]);
  for (const { name, env } of nodes) assert.ok(scraped.includes(`${name}:${env.CARILLON_ADMIN_PORT}`), name);
  for (const target of scraped) {
    const host = target.split(':')[0] as string;
    assert.ok(host === 'localhost' || services.some(({ name }) => name === host), `there is no ${host}`);
  }
  const [source] = list(map(parseYaml(readText('ops/grafana/datasource.yaml'))).datasources).map(map);
  const prometheus = services.find(({ name }) => name === 'prometheus');
  assert.equal(source?.url, `http://prometheus:${prometheus?.ports[0]?.inside}`);
});

/** Name -> type of all metrics that a process can have. */
async function knownMetrics(): Promise<Map<string, string>> {
  const metrics = createMetrics();
  metrics.scylla().watch({ open: 0, nodesUp: 0 });
  metrics.nats().watch({ pendingBytes: 0 });
  metrics.redis().watch({ pendingWrites: 0, pendingBytes: 0 });
  metrics.cluster();
  metrics.peers('edge', { counts: NONE, gauges: NONE });
  const { text } = await metrics.scrape();
  return new Map(
    [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) => [name, type] as [string, string]),
  );
}

/** Only the names count here. */
const NONE = new Proxy({}, { get: () => 0 }) as never;

function checkExpression(where: string, expr: string, known: ReadonlyMap<string, string>): void {
  const names = expr.match(/\b(carillon|nodejs|process)_\w+/g) ?? [];
  for (const name of names) {
    const ofHistogram = name.replace(/_(bucket|count|sum)$/, '');
    const type = known.get(name) ?? (known.get(ofHistogram) === 'histogram' ? 'of a histogram' : undefined);
    assert.notEqual(type, undefined, `${where}: there is no metric ${name}`);
    assert.notEqual(type, 'histogram', `${where}: ${name} needs _bucket, _count or _sum`);
    const isRated = new RegExp(`(rate|increase)\\(${name}\\b`).test(expr);
    assert.equal(isRated, type === 'counter' || type === 'of a histogram', `${where}: ${name} is a ${type}`);
  }
  assert.equal(expr.split('(').length, expr.split(')').length, `${where}: brackets`);
}

test('alert rules name metrics that exist, and say how bad and what', async () => {
  const known = await knownMetrics();
  const rules = list(map(parseYaml(readText('ops/prometheus/alerts.yml'))).groups).flatMap((group) =>
    list(map(group).rules).map(map),
  );
  assert.ok(rules.length >= 10);
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
  for (const { alert, expr, labels, annotations } of rules) {
    checkExpression(String(alert), String(expr), known);
    assert.match(String(map(labels).severity), /^(critical|warning)$/);
    assert.ok(map(annotations).summary, `${alert} has no summary`);
  }
});

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
}

test('the dashboard names metrics that exist and a data source that is provided, panels side by side', async () => {
  const known = await knownMetrics();
  const [source] = list(map(parseYaml(readText('ops/grafana/datasource.yaml'))).datasources).map(map);
  const { panels } = JSON.parse(readText('ops/grafana/carillon.json')) as { panels: readonly Panel[] };
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Set<string>();
  for (const { title, gridPos, targets = [] } of panels) {
    for (const { expr, datasource } of targets) {
      checkExpression(title, expr, known);
      assert.equal(datasource.uid, source?.uid);
    }
    assert.ok(gridPos.x + gridPos.w <= GRID_COLUMNS, `${title} is too wide`);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        assert.ok(!taken.has(`${x},${y}`), `${title} covers another`);
        taken.add(`${x},${y}`);
      }
    }
  }
  const used = new Set(
    panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => expr.match(/\bcarillon_[a-z]+/g))),
  );
  for (const part of ['carillon_scylla', 'carillon_nats', 'carillon_redis', 'carillon_peer'])
    assert.ok(used.has(part), `nothing shows ${part}_*`);
});
