/**
 * The daemon's socket: JSON-RPC, one message a line, answers in the order of the requests. Layer: daemon.
 * Invariants: mode 0660 from the moment it exists, so only its owner and group can write; a client that sends too long
 * a line, does not read its answers, or is one too many is cut off; the file is gone after close().
 */
import { mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { NdisVfioError } from '../base/errors.ts';
import {
  decodeRequest,
  encodeError,
  encodeResult,
  LineSplitter,
  MAX_REQUEST_BYTES,
  type Methods,
  type Request,
  RPC_FAILED,
  RPC_INVALID_REQUEST,
  RpcError,
} from '../control/messages.ts';

/** Clients at once; a bound, not a service level. */
const MAX_CLIENTS = 16;
/** Answers a client may leave unread, in bytes. */
const MAX_UNREAD_BYTES = 4 << 20;
/** Requests a client may send ahead of their answers. */
const MAX_QUEUED_REQUESTS = 64;

/** Runs a request; what it throws becomes the answer. */
export type RequestHandler = (request: Request) => Promise<Methods[Request['method']]['result']>;

export interface ControlServer {
  readonly path: string;
  /** Ends every connection and removes the socket's file. Idempotent. */
  close(): void;
}

/**
 * Listens on `path`. A file left by a killed daemon is replaced: the caller holds the device, so no other daemon serves it.
 * @throws NdisVfioError E_PERMISSION when the folder or the socket cannot be made.
 */
export async function openControlServer(path: string, handler: RequestHandler): Promise<ControlServer> {
  const clients = new Set<Socket>();
  const server = createServer((socket) => serve(socket, clients, handler));
  server.maxConnections = MAX_CLIENTS;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    rmSync(path, { force: true });
    await listen(server, path);
  } catch (error) {
    throw new NdisVfioError(
      'E_PERMISSION',
      {
        action: `Cannot open the control socket ${path}`,
        cause: error instanceof Error ? error.message : String(error),
        cure: 'Run as root, or make the folder writable',
      },
      error,
    );
  }
  // The socket serves a running adapter; it must not keep the process alive by itself.
  server.unref();
  let open = true;
  return {
    path,
    close: () => {
      if (!open) return;
      open = false;
      server.close();
      for (const client of clients) client.destroy();
      rmSync(path, { force: true });
    },
  };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // The mode comes from the umask at bind(2), which Node runs inside listen(); a chmod afterwards would leave a gap.
    const previous = process.umask(0o117);
    try {
      server.listen(path, resolve);
    } finally {
      process.umask(previous);
    }
  });
}

function serve(socket: Socket, clients: Set<Socket>, handler: RequestHandler): void {
  clients.add(socket);
  socket.setEncoding('utf8');
  const splitter = new LineSplitter(MAX_REQUEST_BYTES);
  let queued = 0;
  let last: Promise<void> = Promise.resolve();
  const reply = (line: string): void => {
    if (socket.destroyed) return;
    socket.write(line);
    if (socket.writableLength > MAX_UNREAD_BYTES) socket.destroy();
  };
  const refuse = (reason: string): void => {
    socket.end(encodeError(new RpcError(RPC_INVALID_REQUEST, reason)));
    socket.removeAllListeners('data');
    socket.resume();
  };
  socket.on('data', (text: string) => {
    try {
      splitter.push(text, (line) => {
        if (++queued > MAX_QUEUED_REQUESTS) throw new RangeError(`more than ${MAX_QUEUED_REQUESTS} requests waiting`);
        last = last.then(async () => {
          reply(await answer(line, handler));
          queued--;
        });
      });
    } catch (error) {
      refuse((error as Error).message);
    }
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => clients.delete(socket));
}

async function answer(line: string, handler: RequestHandler): Promise<string> {
  let request: Request;
  try {
    request = decodeRequest(line);
  } catch (error) {
    return encodeError(error as RpcError);
  }
  try {
    return encodeResult(request.id, await handler(request));
  } catch (error) {
    if (error instanceof RpcError) return encodeError(error);
    const message = error instanceof Error ? error.message : String(error);
    const data = error instanceof NdisVfioError ? { code: error.code, ...error.text } : undefined;
    return encodeError(new RpcError(RPC_FAILED, message, request.id, data));
  }
}
