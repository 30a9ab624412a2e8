/**
 * Frames between the lab and the agent in the guest (guest/agent.c): type byte, little-endian 32-bit length, payload.
 * Layer: scripts. Invariant: this table and the two enums at the top of agent.c agree.
 */

export const ToGuest = /** @type {const} */ ({ stdin: 'i', stdinEnd: 'e', signal: 'k', window: 'w' });
export const FromGuest = /** @type {const} */ ({ started: 's', stdout: 'o', stderr: 'r', exit: 'x', failed: 'f' });

/** Longest payload the agent accepts, in bytes. */
export const MAX_PAYLOAD = 65_536;

/**
 * One frame, or several where the payload is longer than the agent accepts.
 * @param {string} type
 * @param {Uint8Array} [payload]
 * @returns {Buffer}
 */
export function encodeFrame(type, payload = new Uint8Array(0)) {
  const parts = [];
  for (let at = 0; at === 0 || at < payload.length; at += MAX_PAYLOAD) {
    const body = payload.subarray(at, at + MAX_PAYLOAD);
    const head = Buffer.alloc(5);
    head.write(type, 0, 'latin1');
    head.writeUInt32LE(body.length, 1);
    parts.push(head, body);
  }
  return Buffer.concat(parts);
}

/** Takes bytes as they come and calls `onFrame(type, payload)` for every complete frame. */
export class FrameReader {
  /** @type {Buffer} */
  #rest = Buffer.alloc(0);
  #onFrame;

  /** @param {(type: string, payload: Buffer) => void} onFrame */
  constructor(onFrame) {
    this.#onFrame = onFrame;
  }

  /** @param {Buffer} chunk */
  push(chunk) {
    let buffer = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    while (buffer.length >= 5) {
      const length = buffer.readUInt32LE(1);
      if (buffer.length < 5 + length) break;
      this.#onFrame(buffer.toString('latin1', 0, 1), buffer.subarray(5, 5 + length));
      buffer = buffer.subarray(5 + length);
    }
    this.#rest = buffer;
  }
}
