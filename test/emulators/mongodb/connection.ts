/** One client's socket: messages in, replies out, one after another. */
import type { Socket } from 'node:net';
import { execute } from './commands.js';
import type { ClientState, ServerState } from './context.js';
import { decodeRequest, encodeReply, MessageReader } from './wire.js';

export function serve(socket: Socket, state: ServerState, client: ClientState): void {
  const reader = new MessageReader();
  const waiting: Buffer[] = [];
  let busy = false;
  let responseId = 0;

  async function work(): Promise<void> {
    busy = true;
    for (let message = waiting.shift(); message && !socket.destroyed; message = waiting.shift()) {
      const request = decodeRequest(message);
      const reply = await execute(request.command, request.legacy, state, client);
      if (request.replyExpected && socket.writable) socket.write(encodeReply(request, ++responseId, reply));
    }
    busy = false;
  }

  socket.setNoDelay(true);
  socket.on('data', (chunk: Buffer) => {
    try {
      waiting.push(...reader.push(chunk));
    } catch {
      socket.destroy();
      return;
    }
    // What cannot be decoded or must not be answered ends the connection, as a server ends it.
    if (!busy) work().catch(() => socket.destroy());
  });
  // A client that went away is no concern of the server's; 'close' follows.
  socket.on('error', () => {});
  socket.on('close', () => {
    client.stats.open = false;
  });
}
