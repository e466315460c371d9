import type { SocketServer, SocketServerOptions } from './socket.ts';

export type SocketLibrary = 'auto' | 'uws' | 'ws';

/** Listens with uWebSockets.js where its binary loads (`auto`), else with `ws`. */
export async function listen<T>(
  options: SocketServerOptions<T>,
  library: SocketLibrary = 'auto',
): Promise<SocketServer> {
  if (library !== 'ws') {
    const uws = await loadUws(options, library);
    if (uws !== undefined) return uws.listenUws(options);
  }
  const { listenWs } = await import('./ws-server.ts');
  return listenWs(options);
}

async function loadUws<T>(
  options: SocketServerOptions<T>,
  library: SocketLibrary,
): Promise<typeof import('./uws-server.ts') | undefined> {
  try {
    return await import('./uws-server.ts');
  } catch (error) {
    if (library === 'uws')
      throw new Error('uWebSockets.js does not load on this machine; set CARILLON_SOCKETS=ws', {
        cause: error,
      });
    options.logger.warn(
      { err: error },
      'uWebSockets.js does not load on this machine: serving with ws, more slowly',
    );
    return undefined;
  }
}
