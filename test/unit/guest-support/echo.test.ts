/**
 * The judge of the guest tests, judged: an echo with faults of each kind must be found out. Layer: test.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { countCapture } from '../../guest/support/capture.ts';
import { FLAWLESS, mixedSize, PARTNER_MAC, runEcho } from '../../guest/support/echo.ts';
import { checkStamp, frameChunk, StreamWire, stampFrame } from '../../guest/support/wire.ts';

const NIC_MAC = Buffer.from([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

let folder: string;
let wire: StreamWire;
let peer: Socket;
let mirror: StreamWire;
/** What the echo does with frame number n, counted from 0: returns the frames it sends for it. */
let fault: (frame: Buffer, n: number) => Buffer[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'echo-test-'));
  const path = join(folder, 'wire');
  wire = await StreamWire.listen(path);
  mirror = await StreamWire.connect(path);
  await wire.ready();
  fault = (frame) => [frame];
  let n = 0;
  mirror.onFrame = (received) => {
    const frame = Buffer.from(received);
    frame.copy(frame, 0, 6, 12);
    NIC_MAC.copy(frame, 6);
    const answer = fault(frame, n++);
    if (answer.length > 0) mirror.send(...answer);
  };
});

afterEach(() => {
  peer?.destroy();
  mirror.close();
  wire.close();
  rmSync(folder, { recursive: true });
});

const run = (count: number) => runEcho(wire, { nicMac: NIC_MAC, count, stallMs: 200 });

describe('the judge of an echo', () => {
  it('finds nothing where nothing is wrong, and counts both ways', async () => {
    const result = await run(3000);
    expect(result).toMatchObject({ ...FLAWLESS, sent: 3000, received: 3000, unicast: 3000, notes: [] });
    expect(result.bytesReceived).toBe(result.bytesSent);
    expect(wire.counts()).toMatchObject({ framesSent: 3000, framesReceived: 3000, bytesSent: result.bytesSent });
    expect(mirror.counts()).toMatchObject({ framesReceived: 3000, bytesReceived: result.bytesSent });
  });

  it('finds a lost frame', async () => {
    fault = (frame, n) => (n === 777 ? [] : [frame]);
    expect(await run(1000)).toMatchObject({ ...FLAWLESS, lost: 1 });
  });

  it('finds a duplicate, also of the last frame', async () => {
    fault = (frame, n) => (n === 500 || n === 999 ? [frame, frame] : [frame]);
    expect(await run(1000)).toMatchObject({ ...FLAWLESS, duplicated: 2 });
  });

  it('finds two frames that changed places', async () => {
    let held: Buffer | undefined;
    fault = (frame, n) => {
      if (n === 300) held = frame;
      return n === 300 ? [] : n === 301 ? [frame, held as Buffer] : [frame];
    };
    expect(await run(1000)).toMatchObject({ ...FLAWLESS, reordered: 1 });
  });

  it.each([0, 7, 13, 20, 59])('finds a single changed bit in byte %i', async (at) => {
    fault = (frame, n) => {
      if (n === 10) frame[at]! ^= 0x10;
      return [frame];
    };
    const result = await run(100);
    expect(result).toMatchObject({ corrupted: 1, lost: 1 });
    expect(result.notes).toHaveLength(1);
  });

  it('finds a frame that was cut or grew', async () => {
    fault = (frame, n) =>
      n === 10 ? [frame.subarray(0, frame.length - 1)] : n === 11 ? [Buffer.concat([frame, frame])] : [frame];
    expect(await run(100)).toMatchObject({ corrupted: 2, lost: 2 });
  });

  it('finds a frame of an earlier run', async () => {
    let old: Buffer | undefined;
    fault = (frame) => {
      old ??= Buffer.from(frame);
      return [frame];
    };
    await run(10);
    fault = (frame, n) => (n === 15 ? [frame, old as Buffer] : [frame]);
    expect(await run(100)).toMatchObject({ ...FLAWLESS, corrupted: 1 });
  });

  it('uses every length from 60 to 1514', () => {
    const lengths = new Set(Array.from({ length: 100_000 }, (_, sequence) => mixedSize(sequence)));
    expect([Math.min(...lengths), Math.max(...lengths), lengths.size]).toEqual([60, 1514, 1455]);
  });
});

describe('a stamped frame', () => {
  it.each([20, 59, 60, 61, 1514, 9014])('of %i bytes is recognised by every byte of it', (lengthBytes) => {
    const frame = stampFrame(NIC_MAC, PARTNER_MAC, 4_000_000_123, lengthBytes);
    const padded = Buffer.concat([frame, Buffer.alloc(Math.max(0, 60 - lengthBytes))]);
    expect(checkStamp(padded)).toBe(4_000_000_123);
    for (let at = 20; at < lengthBytes; at++) {
      padded[at]! ^= 1;
      expect(checkStamp(padded)).toContain(`byte ${at} `);
      padded[at]! ^= 1;
    }
  });
});

describe('a wire', () => {
  it('keeps frames whole however the stream is cut', async () => {
    const frames = [60, 1514, 61, 300].map((lengthBytes, n) => stampFrame(PARTNER_MAC, NIC_MAC, n, lengthBytes));
    const arrived: (number | string)[] = [];
    wire.onFrame = (frame) => arrived.push(checkStamp(Buffer.from(frame)));
    peer = connect(join(folder, 'wire'));
    await new Promise<void>((resolve) => peer.once('connect', resolve));
    for (const byte of frameChunk(frames)) {
      peer.write(Buffer.from([byte]));
      if (byte % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await expect.poll(() => arrived).toEqual([0, 1, 2, 3]);
  });
});

describe('a capture', () => {
  it('is counted by source address', async () => {
    const header = Buffer.alloc(24);
    header.writeUInt32LE(0xa1b2_c3d4, 0);
    const records = [NIC_MAC, PARTNER_MAC, NIC_MAC].map((source, n) => {
      const frame = stampFrame(PARTNER_MAC, source, n, 60 + n);
      const record = Buffer.alloc(16);
      record.writeUInt32LE(frame.length, 8);
      record.writeUInt32LE(frame.length, 12);
      return Buffer.concat([record, frame]);
    });
    const file = join(folder, 'wire.pcap');
    writeFileSync(file, Buffer.concat([header, ...records]));
    expect(await countCapture(file)).toEqual(
      new Map([
        ['525400123456', { frames: 2, bytes: 122, truncated: 0 }],
        ['020000000001', { frames: 1, bytes: 61, truncated: 0 }],
      ]),
    );
  });
});
