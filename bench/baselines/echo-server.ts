/** The bare uWebSockets.js echo: the least that any server on this library costs per message. */
import uws from 'uWebSockets.js';

uws
  .App()
  .ws('/*', {
    maxPayloadLength: 1024 * 1024,
    message: (socket, message, isBinary) => {
      socket.send(message, isBinary);
    },
  })
  .listen('127.0.0.1', 0, (listening) => {
    if (!listening) throw new Error('the echo server got no port');
    process.send?.({ port: uws.us_socket_local_port(listening) });
  });
process.on('disconnect', () => process.exit(0));
