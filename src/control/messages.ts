/**
 * Messages of the daemon's socket: JSON-RPC 2.0, one message a line, UTF-8. Layer: control (imports base).
 * Invariants: encode and decode stand side by side; a line has a bound; what comes off the wire is
 * checked here once, and nowhere else. The daemon serves these shapes, the command line consumes them.
 */
import type { ErrorText } from '../base/errors.ts';

/** Longest line either side accepts from a client; a longer one closes the connection. */
export const MAX_REQUEST_BYTES = 4096;
/** Longest answer a client accepts. */
export const MAX_RESPONSE_BYTES = 1 << 20;

/** Folder of the sockets; one `<BDF>.sock` for each running daemon. */
export const SOCKET_FOLDER = '/run/ndis-vfio';

/** Path of the socket of the daemon that runs `address`. */
export function socketPath(address: string): string {
  return `${SOCKET_FOLDER}/${address}.sock`;
}

/** Count, sum and maximum of a measured time, in microseconds. */
export interface TimeSummary {
  readonly count: number;
  readonly totalUs: number;
  readonly maxUs: number;
}

/** One interrupt message of the adapter. */
export interface MessageStatus {
  readonly message: number;
  /** Wake-ups of the event loop, i.e. eventfd reads. */
  readonly wakes: number;
  /** Messages folded into an earlier wake-up. */
  readonly coalesced: number;
  readonly isrCalls: number;
  /** ISR calls that answered "not mine". */
  readonly isrFalse: number;
  readonly dpcRuns: number;
  /** DPC runs that ended with MoreNblsPending and were repeated. */
  readonly dpcBudgetExhausted: number;
  readonly nblsIndicated: number;
  readonly maxNblsInOneDpc: number;
  readonly isr: TimeSummary;
  readonly dpc: TimeSummary;
  /** From the end of the ISR to the start of its DPC. */
  readonly isrToDpc: TimeSummary;
  /** Switched off by `vector disable`. */
  readonly disabled: boolean;
  /** Mask bit of the MSI-X table entry; null where the hardware has none. */
  readonly masked: boolean | null;
  /** Pending bit of the MSI-X table entry; null where the hardware has none. */
  readonly pending: boolean | null;
}

/** Link as the adapter reports it. */
export interface LinkStatus {
  readonly state: 'up' | 'down' | 'unknown';
  /** Megabits per second; 0 when unknown. */
  readonly speedMbps: number;
  readonly duplex: 'full' | 'half' | 'unknown';
}

/** Frame counters of the bridge; `toNic` is TAP to NIC, `toTap` NIC to TAP. */
export interface BridgeStatus {
  readonly toNic: {
    readonly frames: number;
    readonly bytes: number;
    readonly batches: number;
    readonly completed: number;
    /** Completed with a failure status: not sent. */
    readonly failed: number;
    /** Times reading from the TAP stopped because no send slot was free. */
    readonly stalls: number;
    readonly inFlight: number;
  };
  readonly toTap: {
    readonly frames: number;
    readonly bytes: number;
    readonly batches: number;
    /** Frames gathered from several buffers, copied once. */
    readonly copied: number;
    readonly dropped: {
      /** The TAP had no room. */
      readonly noRoom: number;
      /** The kernel refused the frame, e.g. the interface is down. */
      readonly refused: number;
      /** Longer than the largest frame of this MTU. */
      readonly oversize: number;
    };
  };
}

/** Answer to `status`. */
export interface StatusResult {
  readonly address: string;
  readonly pid: number;
  readonly version: string;
  readonly miniport: string;
  readonly ids: string;
  /** NDIS adapter state, e.g. `Running`. */
  readonly state: string;
  readonly uptimeMs: number;
  /** From the start of the process to Running. */
  readonly startMs: number;
  readonly link: LinkStatus;
  readonly mac: string;
  /** Bytes. */
  readonly mtu: number;
  readonly tap: string;
  readonly interrupts: { readonly kind: string; readonly messages: readonly MessageStatus[] };
  /** NDIS_STATISTICS_INFO under its own names. */
  readonly statistics: Readonly<Record<string, number>>;
  readonly bridge: BridgeStatus;
  /** Times the adapter was reset since it started. */
  readonly resets: number;
}

/** Answer to `vector.disable` and `vector.enable`. */
export interface VectorResult {
  readonly message: number;
  readonly disabled: boolean;
}

/** Methods with their parameters and results. */
export interface Methods {
  status: { params: Record<string, never>; result: StatusResult };
  'vector.disable': { params: { readonly message: number }; result: VectorResult };
  'vector.enable': { params: { readonly message: number }; result: VectorResult };
}

export type MethodName = keyof Methods;

const METHOD_NAMES: readonly string[] = ['status', 'vector.disable', 'vector.enable'] satisfies MethodName[];

/** JSON-RPC error codes; -32000 is ours and carries a {@link ErrorData}. */
export const RPC_PARSE_ERROR = -32700;
export const RPC_INVALID_REQUEST = -32600;
export const RPC_METHOD_NOT_FOUND = -32601;
export const RPC_INVALID_PARAMS = -32602;
export const RPC_FAILED = -32000;

/** What an error of ours becomes on the wire. */
export interface ErrorData extends ErrorText {
  readonly code: string;
}

/** A failure on its way to the client. */
export class RpcError extends Error {
  readonly rpcCode: number;
  readonly data: ErrorData | undefined;
  /** Id of the request, when it could be read. */
  readonly requestId: RequestId;

  constructor(rpcCode: number, message: string, requestId: RequestId = null, data?: ErrorData) {
    super(message);
    this.name = 'RpcError';
    this.rpcCode = rpcCode;
    this.requestId = requestId;
    this.data = data;
  }
}

export type RequestId = string | number | null;

/** A checked request. */
export type Request = {
  [Name in MethodName]: { readonly id: RequestId; readonly method: Name; readonly params: Methods[Name]['params'] };
}[MethodName];

/** Highest message number a table can have (PCIe: MSI-X has 2,048 entries). */
const MAX_MESSAGE = 2047;

/** Writes a request as one line. */
export function encodeRequest<Name extends MethodName>(
  id: RequestId,
  method: Name,
  params: Methods[Name]['params'],
): string {
  return `${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`;
}

/** Reads a request line. @throws RpcError with the code for the answer. */
export function decodeRequest(line: string): Request {
  const message = parseObject(line, RPC_PARSE_ERROR);
  const rawId = message['id'];
  const id: RequestId = typeof rawId === 'string' || typeof rawId === 'number' ? rawId : null;
  const method = message['method'];
  if (message['jsonrpc'] !== '2.0' || typeof method !== 'string') {
    throw new RpcError(RPC_INVALID_REQUEST, 'not a JSON-RPC 2.0 request', id);
  }
  if (!METHOD_NAMES.includes(method)) {
    throw new RpcError(RPC_METHOD_NOT_FOUND, `no method "${method}"; there are ${METHOD_NAMES.join(', ')}`, id);
  }
  if (method === 'status') return { id, method, params: {} };
  const params = message['params'];
  const number = isObject(params) ? params['message'] : undefined;
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 0 || number > MAX_MESSAGE) {
    throw new RpcError(RPC_INVALID_PARAMS, `${method} needs {"message": 0 to ${MAX_MESSAGE}}`, id);
  }
  return { id, method: method as 'vector.disable' | 'vector.enable', params: { message: number } };
}

/** Writes a result as one line. */
export function encodeResult(id: RequestId, result: Methods[MethodName]['result']): string {
  return `${JSON.stringify({ jsonrpc: '2.0', id, result })}\n`;
}

/** Writes a failure as one line. */
export function encodeError(error: RpcError): string {
  const { rpcCode, message, data, requestId } = error;
  return `${JSON.stringify({ jsonrpc: '2.0', id: requestId, error: { code: rpcCode, message, data } })}\n`;
}

/** Reads an answer line. @throws RpcError when the answer is a failure or no answer at all. */
export function decodeResponse(line: string): { readonly id: RequestId; readonly result: unknown } {
  const message = parseObject(line, RPC_PARSE_ERROR);
  const rawId = message['id'];
  const id: RequestId = typeof rawId === 'string' || typeof rawId === 'number' ? rawId : null;
  const error = message['error'];
  if (isObject(error)) {
    const code = typeof error['code'] === 'number' ? error['code'] : RPC_FAILED;
    throw new RpcError(code, String(error['message']), id, readErrorData(error['data']));
  }
  if (message['jsonrpc'] !== '2.0' || !('result' in message)) {
    throw new RpcError(RPC_INVALID_REQUEST, 'not a JSON-RPC 2.0 answer', id);
  }
  return { id, result: message['result'] };
}

function readErrorData(data: unknown): ErrorData | undefined {
  if (!isObject(data)) return undefined;
  const { code, action, cause, cure } = data;
  if (typeof code !== 'string' || typeof action !== 'string') return undefined;
  if (typeof cause !== 'string' || typeof cure !== 'string') return undefined;
  return { code, action, cause, cure };
}

function parseObject(line: string, rpcCode: number): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new RpcError(rpcCode, 'the line is not JSON');
  }
  if (!isObject(value)) throw new RpcError(RPC_INVALID_REQUEST, 'the line is not a JSON object');
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Cuts a byte stream into lines, holding at most `maxBytes` of an unfinished one.
 * Invariant: `push` throws once when the bound is passed; the caller then closes the stream.
 */
export class LineSplitter {
  private readonly maxBytes: number;
  private pending = '';

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Adds decoded text; calls `onLine` for each finished line, without its line feed. @throws RangeError when a line is too long. */
  push(text: string, onLine: (line: string) => void): void {
    this.pending += text;
    let end = this.pending.indexOf('\n');
    while (end >= 0) {
      const line = this.pending.slice(0, end);
      this.pending = this.pending.slice(end + 1);
      if (line.length > this.maxBytes) throw new RangeError(`line longer than ${this.maxBytes} bytes`);
      if (line.length > 0) onLine(line);
      end = this.pending.indexOf('\n');
    }
    if (this.pending.length > this.maxBytes) throw new RangeError(`line longer than ${this.maxBytes} bytes`);
  }
}
