/**
 * A process on the wire: the host side of the lab's `stream` back end, where every frame travels behind a 32-bit
 * big-endian length (QEMU, net/stream.c). It sees exactly what the NIC sends and decides what it receives. Layer: test.
 * Invariant: frames are delivered in order and whole; a broken peer rejects every pending wait.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';

/** EtherType for local experiments (IEEE 802): no stack on either side answers to it. */
export const TEST_ETHERTYPE = 0x88b5;

const HEADER_BYTES = 14;
/** Header, 32-bit sequence number, 16-bit length. */
const STAMP_BYTES = HEADER_BYTES + 6;

/** Builds frame number `sequence`: header, sequence, length, then bytes that depend on both. */
export function stampFrame(destination: Uint8Array, source: Uint8Array, sequence: number, lengthBytes: number): Buffer {
  const frame = Buffer.alloc(lengthBytes);
  frame.set(destination, 0);
  frame.set(source, 6);
  frame.writeUInt16BE(TEST_ETHERTYPE, 12);
  frame.writeUInt32BE(sequence, HEADER_BYTES);
  frame.writeUInt16BE(lengthBytes, HEADER_BYTES + 4);
  for (let at = STAMP_BYTES; at < lengthBytes; at++) frame[at] = (sequence * 31 + at * 7) & 0xff;
  return frame;
}

/** Sequence number of a stamped frame, or the reason why it is not one. */
export function checkStamp(frame: Buffer): number | string {
  if (frame.length < STAMP_BYTES) return `only ${frame.length} bytes`;
  if (frame.readUInt16BE(12) !== TEST_ETHERTYPE) return 'other EtherType';
  const sequence = frame.readUInt32BE(HEADER_BYTES);
  const lengthBytes = frame.readUInt16BE(HEADER_BYTES + 4);
  if (frame.length !== Math.max(60, lengthBytes))
    return `frame ${sequence}: ${frame.length} instead of ${lengthBytes} bytes`;
  for (let at = STAMP_BYTES; at < lengthBytes; at++) {
    if (frame[at] !== ((sequence * 31 + at * 7) & 0xff)) return `frame ${sequence}: byte ${at} differs`;
  }
  return sequence;
}

export class StreamWire {
  onFrame: (frame: Buffer) => void = () => {};
  framesSent = 0;
  framesReceived = 0;
  bytesSent = 0;
  bytesReceived = 0;
  readonly #server: Server | undefined;
  #socket: Socket | undefined;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  readonly #connected: Promise<void>;

  private constructor(server: Server | undefined, connected: Promise<Socket>) {
    this.#server = server;
    this.#connected = connected.then((socket) => {
      this.#socket = socket;
      socket.on('data', (chunk) => this.#receive(chunk));
      socket.on('error', () => {});
    });
  }

  /** Listens on a unix socket path; the NIC's back end connects to it. */
  static async listen(path: string): Promise<StreamWire> {
    let accept = (_socket: Socket): void => {};
    const connected = new Promise<Socket>((resolve) => {
      accept = resolve;
    });
    const server = createServer((socket) => accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    return new StreamWire(server, connected);
  }

  /** Connects to a back end that listens. */
  static connect(path: string): StreamWire {
    const socket = connect(path);
    return new StreamWire(
      undefined,
      new Promise((resolve, reject) => {
        socket.once('connect', () => resolve(socket));
        socket.once('error', reject);
      }),
    );
  }

  ready(): Promise<void> {
    return this.#connected;
  }

  #receive(chunk: Buffer): void {
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes < 4) return;
    let data = this.#pending.length === 1 ? chunk : Buffer.concat(this.#pending);
    while (data.length >= 4) {
      const end = 4 + data.readUInt32BE(0);
      if (data.length < end) break;
      this.framesReceived++;
      this.bytesReceived += end - 4;
      this.onFrame(data.subarray(4, end));
      data = data.subarray(end);
    }
    this.#pending = data.length > 0 ? [data] : [];
    this.#pendingBytes = data.length;
  }

  /** Puts frames on the wire in one write. Returns false when the peer should be given time: await {@link drained}. */
  send(...frames: Buffer[]): boolean {
    if (this.#socket === undefined) throw new Error('the wire has no peer yet: await ready() first');
    const parts: Buffer[] = [];
    for (const frame of frames) {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(frame.length);
      parts.push(length, frame);
      this.bytesSent += frame.length;
    }
    this.framesSent += frames.length;
    return this.#socket.write(Buffer.concat(parts));
  }

  drained(): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined || !socket.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        socket.off('drain', done);
        socket.off('close', done);
        resolve();
      };
      socket.on('drain', done);
      socket.on('close', done);
    });
  }

  close(): void {
    this.#socket?.destroy();
    this.#server?.close();
  }
}
