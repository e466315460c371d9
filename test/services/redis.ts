import { freePort } from './addresses.ts';
import { answers, hasTool, runTool, ServiceProcess } from './service-process.ts';

const READY_MS_MAX = 10_000;

export interface Redis {
  readonly url: string;
  readonly port: number;
  readonly process: ServiceProcess;
  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
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
