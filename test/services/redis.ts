import { once } from 'node:events';
import { connect } from 'node:net';
import { freePort } from './addresses.ts';
import { answers, hasTool, runTool, ServiceProcess } from './service-process.ts';

const READY_MS_MAX = 10_000;

export interface RedisServer {
  readonly url: string;
  /** Undefined of one that was given: it is not ours to kill or restart. */
  readonly process: ServiceProcess | undefined;
  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export interface Redis extends RedisServer {
  readonly port: number;
  readonly process: ServiceProcess;
}

/** Debian's redis-server, without persistence: presence is nothing to keep. */
export async function startRedis(): Promise<Redis> {
  if (!hasTool('redis-server')) {
    await runTool('apt-get', ['install', '-y', '-qq', 'redis-server'], {
      env: { DEBIAN_FRONTEND: 'noninteractive' },
    });
  }
  const port = await freePort();
  const start = async (): Promise<ServiceProcess> => {
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    const child = new ServiceProcess({ name: `redis on ${port}`, command: 'redis-server', args });
    await child.ready(READY_MS_MAX, () => answers('127.0.0.1', port));
    return child;
  };
  const redis = {
    url: `redis://127.0.0.1:${port}`,
    port,
    process: await start(),
    kill: () => redis.process.kill(),
    async restart() {
      await redis.process.kill();
      redis.process = await start();
    },
    stop: () => redis.process.stop(),
  };
  return redis;
}

/** A server that others run, left alone at the end. */
export function givenRedis(url: string): RedisServer {
  const refuse = async (): Promise<never> => {
    throw new Error(`the Redis at ${url} was given: it is not ours to end`);
  };
  return { url, process: undefined, kill: refuse, restart: refuse, stop: async () => undefined };
}

/** Says one thing to Redis, and hears its answer. */
export async function tellRedis(url: string, command: string): Promise<void> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(`${command}\r\n`);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  if (!answer.toString().startsWith('+OK')) throw new Error(`Redis: ${command}: ${answer.toString()}`);
}
