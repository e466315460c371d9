import type { ActorFactory } from '../src/core/actor.ts';
import type { ConversationId, NodeId } from '../src/core/ids.ts';
import type { EdgeLink, Logger, System } from '../src/core/ports.ts';
import type { ConversationRequest } from '../src/core/requests.ts';
import type { ActivationPorts } from './activation.ts';
import type { ProjectionRates } from './projector.ts';
import type { ResidencyLimits } from './residency.ts';

/** Counters that the host raises and telemetry reads. */
export interface HostMetrics {
  readonly counts: { activations: number; appendRows: number; appendFailures: number; overloaded: number };
  readonly gauges: { actors: number };
  readonly appendBatchRows: { observe(rows: number): void };
  readonly appendSeconds: { observe(seconds: number): void };
}

export interface HostOptions {
  readonly ports: ActivationPorts;
  readonly edge: EdgeLink;
  readonly system: System;
  readonly logger: Logger;
  readonly metrics: HostMetrics;
  readonly makeActor: ActorFactory;
  /** A request for a conversation that another node owns. Embedded there is none. */
  readonly redirect?: (request: ConversationRequest, owner: NodeId) => void;
  /** Whether a request's edge still waits for its answer, asked of it now; default: always, since nothing is sent twice. */
  readonly isAwaited?: (request: ConversationRequest) => Promise<boolean>;
  /** Another owns a conversation whose members may not have been told of its last event: may be lost. */
  readonly showElsewhere?: (conv: ConversationId, owner: NodeId) => void;
  /** A conversation is in memory now. */
  readonly opened?: (conv: ConversationId) => void;
  /** For how long a conversation that the store fails is tried again, its requests waiting; default: not at all. */
  readonly openAgainMsMax?: number;
  /** How long requests may gather under load; default: GATHER_MS_MAX. */
  readonly gatherMsMax?: number;
  /** Default: PROJECTION_RATES. */
  readonly projectionRates?: ProjectionRates;
  /** Whether only what someone waits for should be written now; default: never. */
  readonly isRush?: () => boolean;
  /** Default: RESIDENCY_LIMITS. */
  readonly residency?: ResidencyLimits | undefined;
}
