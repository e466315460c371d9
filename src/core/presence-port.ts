import type { DeviceId, UserId } from './ids.ts';

/**
 * Conveniences that nothing relies on: what is told here may be lost, late or forgotten, and a read may answer
 * that it does not know. No call throws, waits long or queues without a bound; what goes wrong shows in metrics.
 */

/** How long a device counts as online after it was last told of, and how often its edge tells of it. */
export const PRESENCE_MS = 90_000;
export const PRESENCE_REFRESH_MS = 30_000;

/** The service did not answer in time, or is away. */
export type Unknown = 'unknown';

export interface DeviceAt {
  readonly device: DeviceId;
  /** The edge that holds the device's connection. */
  readonly edge: string;
}

/** Which devices of a user are connected, and where: for HTTP and for the operator. */
export interface Presence {
  /** The device is connected to the edge, for PRESENCE_MS from now; only queues. */
  online(user: UserId, device: DeviceId, edge: string): void;
  /** The device left the edge; what another edge said of it stays. Only queues. */
  offline(user: UserId, device: DeviceId, edge: string): void;
  /** One entry per device, the edge that told of it last; sorted by device. */
  devices(user: UserId): Promise<readonly DeviceAt[] | Unknown>;
}
