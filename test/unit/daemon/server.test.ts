/**
 * Rules under test: the control socket is 0660 from its first moment, bounded in every direction, and gone after close.
 */
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NdisVfioError } from '../../../src/base/errors.ts';
import { request } from '../../../src/cli/client.ts';
import { type ControlServer, openControlServer, type RequestHandler } from '../../../src/daemon/server.ts';

let folder = '';
let path = '';
let server: ControlServer | undefined;

const handler: RequestHandler = async (call) => {
  if (call.method === 'vector.disable') return { message: call.params.message, disabled: true };
  throw new NdisVfioError('E_STATE', { action: 'Cannot x', cause: 'y', cure: 'z' });
};

/** Sends raw text and collects what comes back until the server closes or `lines` answers are there. */
function talk(text: string, lines: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    let got = '';
    const socket = createConnection(path, () => socket.write(text));
    const finish = (): void => {
      socket.destroy();
      resolve(got.split('\n').filter((line) => line !== ''));
    };
    socket.on('data', (data) => {
      got += data;
      if (got.split('\n').length > lines) finish();
    });
    socket.on('close', finish);
    socket.on('error', (error) => ((error as NodeJS.ErrnoException).code === 'EPIPE' ? finish() : reject(error)));
  });
}

describe('control socket', () => {
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'control-'));
    path = join(folder, 'deep', '0000:01:00.0.sock');
    server = await openControlServer(path, handler);
  });
  afterEach(() => {
    server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('has mode 0660', () => {
    expect(statSync(path).mode & 0o777).toBe(0o660);
  });

  it('answers a request with its result', async () => {
    expect(await request('0000:01:00.0', 'vector.disable', { message: 3 }, path)).toEqual({
      message: 3,
      disabled: true,
    });
  });

  it('answers a failure with code, action, cause and cure', async () => {
    await expect(request('0000:01:00.0', 'status', {}, path)).rejects.toMatchObject({
      code: 'E_STATE',
      text: { action: 'Cannot x', cause: 'y', cure: 'z' },
    });
  });

  it('answers several requests of one client in their order, bad ones included', async () => {
    const call = (id: number) => `{"jsonrpc":"2.0","id":${id},"method":"vector.disable","params":{"message":${id}}}\n`;
    const answers = (await talk(`${call(1)}nonsense\n${call(2)}`, 3)).map((line) => JSON.parse(line));
    expect(answers.map((answer) => answer.result?.message ?? answer.error.code)).toEqual([1, -32700, 2]);
  });

  it('cuts off a client whose line has no end', async () => {
    const answers = await talk('x'.repeat(5000), 1);
    expect(answers.join()).toContain('longer than 4096');
  });

  it('cuts off a client that sends too many requests ahead', async () => {
    const line = '{"jsonrpc":"2.0","id":1,"method":"status"}\n';
    const answers = await talk(line.repeat(65), 1000);
    expect(answers.some((answer) => answer.includes('more than 64 requests waiting'))).toBe(true);
  });

  it('replaces a file that a killed daemon left', async () => {
    server?.close();
    writeFileSync(path, '');
    server = await openControlServer(path, handler);
    expect(statSync(path).isSocket()).toBe(true);
  });

  it('removes its file on close, twice without harm', () => {
    server?.close();
    server?.close();
    expect(existsSync(path)).toBe(false);
  });

  it('tells a client that no daemon runs when there is none', async () => {
    server?.close();
    await expect(request('0000:01:00.0', 'status', {}, path)).rejects.toMatchObject({
      code: 'E_STATE',
      text: { cause: 'no daemon runs this NIC' },
    });
  });
});
