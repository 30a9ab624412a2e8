/**
 * Reads QEMU's filter-dump: an independent witness of what crossed the wire. Layer: test.
 * Format: classic pcap, a file header of 24 bytes, then records of 16 bytes [seconds, microseconds, captured, original]
 * (https://www.ietf.org/archive/id/draft-gharris-opsawg-pcap-01.html). Frames are without FCS.
 */
import { createReadStream } from 'node:fs';

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const MAGIC = 0xa1b2_c3d4;

export interface CaptureCounts {
  frames: number;
  /** Octets without FCS. */
  bytes: number;
  /** Cut by the capture's length limit. */
  truncated: number;
}

/** Counts a capture's frames by source address (lower-case hexadecimal without colons). */
export async function countCapture(file: string): Promise<Map<string, CaptureCounts>> {
  const bySource = new Map<string, CaptureCounts>();
  let data: Buffer = Buffer.alloc(0);
  let headerSeen = false;
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    data = data.length === 0 ? chunk : Buffer.concat([data, chunk]);
    let at = 0;
    if (!headerSeen) {
      if (data.length < FILE_HEADER_BYTES) continue;
      if (data.readUInt32LE(0) !== MAGIC) throw new Error(`${file} is no pcap file of this machine's byte order`);
      headerSeen = true;
      at = FILE_HEADER_BYTES;
    }
    while (data.length - at >= RECORD_HEADER_BYTES) {
      const captured = data.readUInt32LE(at + 8);
      const end = at + RECORD_HEADER_BYTES + captured;
      if (data.length < end) break;
      const source = data.toString('hex', at + RECORD_HEADER_BYTES + 6, at + RECORD_HEADER_BYTES + 12);
      let counts = bySource.get(source);
      if (counts === undefined) {
        counts = { frames: 0, bytes: 0, truncated: 0 };
        bySource.set(source, counts);
      }
      const original = data.readUInt32LE(at + 12);
      counts.frames++;
      counts.bytes += original;
      if (original !== captured) counts.truncated++;
      at = end;
    }
    data = data.subarray(at);
  }
  if (data.length > 0) throw new Error(`${file} ends inside a record`);
  return bySource;
}
