import { Client, errors, type types } from 'cassandra-driver';
import type { Logger, System } from '../../core/ports.ts';
import { refreshOnceAtATime } from './control-connection.ts';
import { driverOptions } from './driver-options.ts';
import { type Failure, failureOf, storeUnavailable } from './failures.ts';
import { noMetrics, type ScyllaMetrics } from './metrics.ts';
import { DEFAULTS, type ScyllaOptions } from './options.ts';
import { type BatchRow, PackedBatches } from './packed-batches.ts';
import { type Execution, executionOf, type Params, type Statement } from './statements.ts';

export type Row = { readonly [column: string]: unknown };

export interface Page {
  readonly rows: readonly Row[];
  /** Where the next begins; undefined after the last. */
  readonly pageState: string | undefined;
}

/** Rows per answer: an inbox of a few thousand conversations is one. */
const FETCH_ROWS = 5_000;

export interface ScyllaSurroundings {
  readonly system: Pick<System, 'monotonic'>;
  readonly logger: Logger;
  readonly metrics?: ScyllaMetrics;
}

/** A statement with its text for the keyspace and its options, ready for the driver. */
interface Bound {
  readonly query: string;
  readonly execution: Execution;
}

/** The driver, with statements as values, failures sorted and everything measured. */
export class ScyllaClient {
  readonly keyspace: string;
  readonly localDc: string;
  /** For the schema alone: it is no business of statements. */
  readonly driver: Client;
  readonly #batches: PackedBatches;
  readonly #system: Pick<System, 'monotonic'>;
  readonly #metrics: ScyllaMetrics;
  readonly #logger: Logger;
  readonly #readTimeoutMs: number;
  readonly #leaseTimeoutMs: number;
  /** One per statement of the adapter, so bounded. */
  readonly #bound = new Map<Statement, Bound>();
  #open = 0;
  #closing = false;
  #whenIdle: (() => void) | undefined;

  private constructor(driver: Client, options: ScyllaOptions, surroundings: ScyllaSurroundings) {
    this.driver = driver;
    this.#batches = new PackedBatches(driver);
    this.keyspace = options.keyspace;
    this.localDc = options.localDc;
    this.#system = surroundings.system;
    this.#logger = surroundings.logger;
    this.#metrics = surroundings.metrics ?? noMetrics;
    this.#readTimeoutMs = options.readTimeoutMs ?? DEFAULTS.readTimeoutMs;
    this.#leaseTimeoutMs = options.leaseTimeoutMs ?? DEFAULTS.leaseTimeoutMs;
  }

  /** Rejects with StoreUnavailable when no contact point answers. */
  static async connect(options: ScyllaOptions, surroundings: ScyllaSurroundings): Promise<ScyllaClient> {
    const driver = new Client(driverOptions(options));
    const client = new ScyllaClient(driver, options, surroundings);
    const { logger } = surroundings;
    driver.on('log', (level: string, source: string, message: string) => {
      if (level === 'error' || level === 'warning') logger.warn({ source, detail: message }, 'store driver');
    });
    driver.on('hostDown', (host: { address: string }) =>
      logger.warn({ host: host.address }, 'store node down'),
    );
    driver.on('hostUp', (host: { address: string }) => logger.info({ host: host.address }, 'store node up'));
    // After an outage of all nodes the driver makes a new host of the first that answers, and forgets to end the
    // old one, which would go on connecting for ever.
    driver.on('hostRemove', (host: { shutdown(drain: boolean): Promise<void> }) => void host.shutdown(true));
    refreshOnceAtATime(driver, logger);
    try {
      await driver.connect();
    } catch (error) {
      await driver.shutdown();
      throw storeUnavailable(failureOf(error, false));
    }
    return client;
  }

  /** Store nodes that the driver holds for up: readiness. */
  get nodesUp(): number {
    let up = 0;
    for (const host of this.driver.hosts.values()) if (host.isUp()) up++;
    return up;
  }

  /** Requests sent and not answered. */
  get open(): number {
    return this.#open;
  }

  /** All rows. Rejects with StoreUnavailable. */
  async read(statement: Statement, params: Params): Promise<readonly Row[]> {
    const first = await this.page(statement, params, FETCH_ROWS, undefined);
    if (first.pageState === undefined) return first.rows;
    const rows = [...first.rows];
    for (let pageState: string | undefined = first.pageState; pageState !== undefined; ) {
      const page: Page = await this.page(statement, params, FETCH_ROWS, pageState);
      for (const row of page.rows) rows.push(row);
      pageState = page.pageState;
    }
    return rows;
  }

  /** Up to `rowsMax` rows from where `pageState` says: one request. Rejects with StoreUnavailable. */
  async page(
    statement: Statement,
    params: Params,
    rowsMax: number,
    pageState: string | undefined,
  ): Promise<Page> {
    const { query, execution } = this.#bind(statement);
    const options = { ...execution, fetchSize: rowsMax, ...(pageState !== undefined && { pageState }) };
    const result = await this.#run(statement, this.#execute(query, params, options));
    if ('kind' in result) throw storeUnavailable(result);
    return { rows: result.rows, pageState: result.pageState ?? undefined };
  }

  async first(statement: Statement, params: Params): Promise<Row | undefined> {
    return (await this.read(statement, params))[0];
  }

  /** One write; undefined when it is done. */
  async write(statement: Statement, params: Params): Promise<Failure | undefined> {
    const { query, execution } = this.#bind(statement);
    const result = await this.#run(statement, this.#execute(query, params, execution));
    return 'kind' in result ? result : undefined;
  }

  /** Writes to one partition, as one unlogged batch; `bytes` for the metrics. */
  async batch(rows: readonly BatchRow[], bytes: number): Promise<Failure | undefined> {
    const { statement } = rows[0] as BatchRow;
    const { execution } = this.#bind(statement);
    this.#metrics.batch(statement.name, rows.length, bytes);
    const sent = this.#closing ? refuseClosed() : this.#batches.send(rows, this.#queryOf, execution);
    const result = await this.#run(statement, sent);
    return 'kind' in result ? result : undefined;
  }

  /** Whether a conditional write was applied, or how it failed. */
  async conditional(statement: Statement, params: Params): Promise<boolean | Failure> {
    const { query, execution } = this.#bind(statement);
    const result = await this.#run(statement, this.#execute(query, params, execution));
    return 'kind' in result ? result : result.wasApplied();
  }

  /** Takes nothing more, lets what is under way end (each has its timeout), and disconnects. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#open > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
    await this.driver.shutdown();
  }

  #execute(query: string, params: Params, options: Execution): Promise<types.ResultSet> {
    return this.#closing ? refuseClosed() : this.driver.execute(query, params as unknown[], options);
  }

  async #run<T>({ name, kind }: Statement, request: Promise<T>): Promise<T | Failure> {
    const start = this.#system.monotonic();
    this.#open++;
    try {
      const answer = await request;
      this.#metrics.answered(name, (this.#system.monotonic() - start) / 1_000);
      return answer;
    } catch (error) {
      const failure = failureOf(error, kind === 'conditional');
      this.#metrics.failed(name, (this.#system.monotonic() - start) / 1_000, failure.kind);
      if (failure.kind === 'rejected')
        this.#logger.error({ statement: name, error: failure.error }, 'the store rejected a statement');
      return failure;
    } finally {
      if (--this.#open === 0) this.#whenIdle?.();
    }
  }

  readonly #queryOf = (statement: Statement): string => this.#bind(statement).query;

  #bind(statement: Statement): Bound {
    let bound = this.#bound.get(statement);
    if (bound === undefined) {
      const timeoutMs = statement.lease === true ? this.#leaseTimeoutMs : this.#readTimeoutMs;
      const query = statement.cql.replaceAll('{ks}', this.keyspace);
      this.#bound.set(statement, (bound = { query, execution: executionOf(statement, timeoutMs) }));
    }
    return bound;
  }
}

async function refuseClosed(): Promise<never> {
  throw new errors.NoHostAvailableError({}, 'the store is closed');
}
