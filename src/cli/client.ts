/**
 * Client of a daemon's socket. Layer: cli. Invariant: one request, one answer, bounded in size and in time.
 */
import { readdirSync } from 'node:fs';
import { createConnection } from 'node:net';
import { ERROR_CODES, type ErrorCode, NdisVfioError } from '../base/errors.ts';
import {
  decodeResponse,
  encodeRequest,
  LineSplitter,
  MAX_RESPONSE_BYTES,
  type MethodName,
  type Methods,
  RpcError,
  SOCKET_FOLDER,
  socketPath,
} from '../control/messages.ts';

const TIMEOUT_MS = 5000;

/**
 * Asks the daemon that runs `address`.
 * @throws NdisVfioError: the daemon's own, or E_STATE when no daemon answers
 */
export async function request<Name extends MethodName>(
  address: string,
  method: Name,
  params: Methods[Name]['params'],
  path: string = socketPath(address),
): Promise<Methods[Name]['result']> {
  const action = `Cannot ask the daemon of ${address}`;
  try {
    const line = await exchange(path, encodeRequest(1, method, params));
    // The daemon is this package at this version; its results are taken at their word.
    return decodeResponse(line).result as Methods[Name]['result'];
  } catch (error) {
    throw explain(action, address, error);
  }
}

/** True when a request failed because no daemon serves the socket. */
export function isNotRunning(error: unknown): boolean {
  return error instanceof NdisVfioError && isNobody(error.origin);
}

function isNobody(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ENOENT' || code === 'ECONNREFUSED';
}

/** Addresses with a socket, running or left over. */
export function listSockets(): string[] {
  try {
    return readdirSync(SOCKET_FOLDER)
      .filter((name) => name.endsWith('.sock'))
      .map((name) => name.slice(0, -'.sock'.length))
      .sort();
  } catch {
    return [];
  }
}

function exchange(path: string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    const splitter = new LineSplitter(MAX_RESPONSE_BYTES);
    socket.setEncoding('utf8');
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    socket.on('connect', () => socket.write(line));
    socket.on('data', (text: string) => {
      try {
        splitter.push(text, (answer) => {
          resolve(answer);
          socket.destroy();
        });
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the connection closed without an answer')));
  });
}

function explain(action: string, address: string, error: unknown): unknown {
  if (error instanceof RpcError) {
    const { data } = error;
    if (data !== undefined && Object.hasOwn(ERROR_CODES, data.code)) {
      return new NdisVfioError(data.code as ErrorCode, data, error);
    }
    return new NdisVfioError(
      'E_STATE',
      { action, cause: error.message, cure: 'Look at the output of the daemon' },
      error,
    );
  }
  const code = (error as NodeJS.ErrnoException).code;
  if (isNobody(error)) {
    const cause = 'no daemon runs this NIC';
    return new NdisVfioError(
      'E_STATE',
      { action, cause, cure: `Start one: ndis-vfio up ${address} --tap tap0` },
      error,
    );
  }
  if (code === 'EACCES' || code === 'EPERM') {
    const cause = 'this user may not write to its socket';
    return new NdisVfioError('E_PERMISSION', { action, cause, cure: 'Run as root' }, error);
  }
  const cause = error instanceof Error ? error.message : String(error);
  return new NdisVfioError('E_STATE', { action, cause, cure: 'Look at the output of the daemon' }, error);
}
