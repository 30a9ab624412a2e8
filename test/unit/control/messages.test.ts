/**
 * Rule under test: the socket speaks JSON-RPC 2.0 (jsonrpc.org/specification), one bounded line a message, and what comes
 * off the wire is checked before anyone acts on it.
 */
import { describe, expect, it } from 'vitest';
import {
  decodeRequest,
  decodeResponse,
  encodeError,
  encodeRequest,
  encodeResult,
  LineSplitter,
  RPC_FAILED,
  RPC_INVALID_PARAMS,
  RPC_INVALID_REQUEST,
  RPC_METHOD_NOT_FOUND,
  RPC_PARSE_ERROR,
  RpcError,
  socketPath,
} from '../../../src/control/messages.ts';

function rpcCodeOf(line: string): number {
  try {
    decodeRequest(line);
  } catch (error) {
    return (error as RpcError).rpcCode;
  }
  return 0;
}

describe('control messages', () => {
  it('reads back every request it writes', () => {
    expect(decodeRequest(encodeRequest(1, 'status', {}))).toEqual({ id: 1, method: 'status', params: {} });
    expect(decodeRequest(encodeRequest('a', 'vector.disable', { message: 2 }))).toEqual({
      id: 'a',
      method: 'vector.disable',
      params: { message: 2 },
    });
  });

  it('writes one line a message, whatever the strings hold', () => {
    const line = encodeResult(1, { message: 1, disabled: true });
    expect(line.endsWith('\n')).toBe(true);
    expect(encodeError(new RpcError(RPC_FAILED, 'two\nlines')).split('\n')).toHaveLength(2);
  });

  it.each([
    ['{', RPC_PARSE_ERROR],
    ['[]', RPC_INVALID_REQUEST],
    ['null', RPC_INVALID_REQUEST],
    ['{"id":1,"method":"status"}', RPC_INVALID_REQUEST],
    ['{"jsonrpc":"2.0","id":1,"method":7}', RPC_INVALID_REQUEST],
    ['{"jsonrpc":"2.0","id":1,"method":"reboot"}', RPC_METHOD_NOT_FOUND],
    ['{"jsonrpc":"2.0","id":1,"method":"toString"}', RPC_METHOD_NOT_FOUND],
    ['{"jsonrpc":"2.0","id":1,"method":"vector.disable"}', RPC_INVALID_PARAMS],
    ['{"jsonrpc":"2.0","id":1,"method":"vector.disable","params":{"message":-1}}', RPC_INVALID_PARAMS],
    ['{"jsonrpc":"2.0","id":1,"method":"vector.disable","params":{"message":1.5}}', RPC_INVALID_PARAMS],
    ['{"jsonrpc":"2.0","id":1,"method":"vector.enable","params":{"message":"0"}}', RPC_INVALID_PARAMS],
    ['{"jsonrpc":"2.0","id":1,"method":"vector.enable","params":{"message":2048}}', RPC_INVALID_PARAMS],
  ])('answers %s with the code %i of the specification', (line, code) => {
    expect(rpcCodeOf(line)).toBe(code);
  });

  it('carries an error of ours over the wire with all its parts', () => {
    const data = { code: 'E_STATE', action: 'Cannot a', cause: 'b', cure: 'c' };
    const line = encodeError(new RpcError(RPC_FAILED, 'Cannot a: b. c', 5, data));
    expect(() => decodeResponse(line)).toThrow(RpcError);
    try {
      decodeResponse(line);
    } catch (error) {
      expect(error).toMatchObject({ rpcCode: RPC_FAILED, requestId: 5, data });
    }
  });

  it('joins split lines and splits joined ones', () => {
    const splitter = new LineSplitter(100);
    const lines: string[] = [];
    for (const piece of ['{"a"', ':1}\n{"b":2}\n', '\n{"c":', '3}\n']) splitter.push(piece, (line) => lines.push(line));
    expect(lines).toEqual(['{"a":1}', '{"b":2}', '{"c":3}']);
  });

  it('refuses a line longer than its bound, finished or not', () => {
    expect(() => new LineSplitter(10).push('x'.repeat(11), () => undefined)).toThrow(RangeError);
    expect(() => new LineSplitter(10).push(`${'x'.repeat(11)}\n`, () => undefined)).toThrow(RangeError);
  });

  it('puts the socket of a NIC under /run', () => {
    expect(socketPath('0000:01:00.0')).toBe('/run/ndis-vfio/0000:01:00.0.sock');
  });
});
