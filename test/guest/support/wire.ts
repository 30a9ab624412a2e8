/**
 * A process on the wire: the host side of the lab's `stream` back end, where every frame travels behind a 32-bit
 * big-endian length (QEMU, net/stream.c). It sees exactly what the NIC sends and decides what it receives. Layer: test.
 * Invariants: frames are delivered in order and whole; they carry no FCS and are counted without it; the last peer that
 * connected counts (the lab boots a second time when a boot hangs).
 */
import { connect, createServer, type Server, type Socket } from 'node:net';

/** EtherType for local experiments (IEEE 802): no stack on either side answers to it. */
export const TEST_ETHERTYPE = 0x88b5;

const HEADER_BYTES = 14;
/** Header, 32-bit sequence number, 16-bit length. */
export const STAMP_BYTES = HEADER_BYTES + 6;
/** Shortest frame without FCS: shorter ones are padded on the way (IEEE 802.3, 3.2.8). */
export const FRAME_BYTES_MIN = 60;

/**
 * Body byte `at` of frame `sequence` is (31 * sequence + 7 * at) mod 256: one period of 256 bytes, so a body is a slice of
 * this table from phase(sequence) on. 183 is the inverse of 7 modulo 256.
 */
const PATTERN = Buffer.from(Uint8Array.from({ length: 256 + 65_536 }, (_, at) => (7 * at) & 0xff));
const phase = (sequence: number): number => (((sequence * 31) & 0xff) * 183) & 0xff;

/** Builds frame number `sequence`: header, sequence, length, then bytes that depend on both. At least 20 bytes. */
export function stampFrame(destination: Uint8Array, source: Uint8Array, sequence: number, lengthBytes: number): Buffer {
  const frame = Buffer.allocUnsafe(lengthBytes);
  frame.set(destination, 0);
  frame.set(source, 6);
  frame.writeUInt16BE(TEST_ETHERTYPE, 12);
  frame.writeUInt32BE(sequence, HEADER_BYTES);
  frame.writeUInt16BE(lengthBytes, HEADER_BYTES + 4);
  PATTERN.copy(frame, STAMP_BYTES, phase(sequence) + STAMP_BYTES, phase(sequence) + lengthBytes);
  return frame;
}

/** Sequence number of a stamped frame, or the reason why it is not one. Checks every byte behind the addresses. */
export function checkStamp(frame: Buffer): number | string {
  if (frame.length < STAMP_BYTES) return `only ${frame.length} bytes`;
  if (frame.readUInt16BE(12) !== TEST_ETHERTYPE) return 'other EtherType';
  const sequence = frame.readUInt32BE(HEADER_BYTES);
  const lengthBytes = frame.readUInt16BE(HEADER_BYTES + 4);
  if (frame.length !== Math.max(FRAME_BYTES_MIN, lengthBytes))
    return `frame ${sequence}: ${frame.length} instead of ${lengthBytes} bytes`;
  const from = phase(sequence);
  if (frame.compare(PATTERN, from + STAMP_BYTES, from + lengthBytes, STAMP_BYTES, lengthBytes) !== 0) {
    let at = STAMP_BYTES;
    while (frame[at] === PATTERN[from + at]) at++;
    return `frame ${sequence}: byte ${at} of ${lengthBytes} differs`;
  }
  return sequence;
}

export interface WireCounts {
  readonly framesSent: number;
  readonly framesReceived: number;
  /** Octets without FCS. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
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
  #connected = (): void => {};
  readonly #ready = new Promise<void>((resolve) => {
    this.#connected = resolve;
  });

  private constructor(server: Server | undefined) {
    this.#server = server;
  }

  #attach(socket: Socket): void {
    this.#socket?.destroy();
    this.#socket = socket;
    this.#pending = [];
    this.#pendingBytes = 0;
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', () => {});
    this.#connected();
  }

  /** Listens on a unix socket path; the NIC's back end connects to it. */
  static async listen(path: string): Promise<StreamWire> {
    const server = createServer();
    const wire = new StreamWire(server);
    server.on('connection', (socket) => wire.#attach(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    return wire;
  }

  /** Connects to a back end that listens. */
  static async connect(path: string): Promise<StreamWire> {
    const socket = connect(path);
    const wire = new StreamWire(undefined);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    wire.#attach(socket);
    return wire;
  }

  /** Resolves once there is a peer. */
  ready(): Promise<void> {
    return this.#ready;
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
    return this.sendFramed(frameChunk(frames), frames.length);
  }

  /** Puts a chunk of {@link frameChunk} with `count` frames on the wire; for floods, where building it costs too much. */
  sendFramed(chunk: Buffer, count: number): boolean {
    if (this.#socket === undefined) throw new Error('the wire has no peer yet: await ready() first');
    this.framesSent += count;
    this.bytesSent += chunk.length - 4 * count;
    return this.#socket.write(chunk);
  }

  /** Resolves when everything sent has been handed to the kernel, or the peer is gone. */
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

  counts(): WireCounts {
    const { framesSent, framesReceived, bytesSent, bytesReceived } = this;
    return { framesSent, framesReceived, bytesSent, bytesReceived };
  }

  close(): void {
    this.#socket?.destroy();
    this.#server?.close();
  }
}

/** Frames behind their lengths, as the back end reads them. */
export function frameChunk(frames: readonly Buffer[]): Buffer {
  let total = 0;
  for (const frame of frames) total += 4 + frame.length;
  const chunk = Buffer.allocUnsafe(total);
  let at = 0;
  for (const frame of frames) {
    at = chunk.writeUInt32BE(frame.length, at);
    at += frame.copy(chunk, at);
  }
  return chunk;
}
