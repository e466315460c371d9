import type { CloseReason, ErrorCode } from '../core/errors.ts';

/** Plain numbers that an edge adds to; telemetry reads them. */
export interface EdgeMetrics {
  readonly counts: { framesIn: number; framesOut: number; sendsAcked: number; deliveries: number };
  readonly gauges: { connections: number; sessions: number; pullSockets: number };
  /** Errors told to clients, by code. */
  readonly errors: Record<ErrorCode, number>;
  /** Sockets that the edge closed, by reason. */
  readonly closes: Record<CloseReason, number>;
}
