/** Types of frames.mjs for the tests. Layer: scripts. */
export const ToGuest: { readonly stdin: 'i'; readonly stdinEnd: 'e'; readonly signal: 'k'; readonly window: 'w' };
export const FromGuest: {
  readonly started: 's';
  readonly stdout: 'o';
  readonly stderr: 'r';
  readonly exit: 'x';
  readonly failed: 'f';
};
/** Bytes. */
export const MAX_PAYLOAD: number;
export function encodeFrame(type: string, payload?: Uint8Array): Buffer;
export class FrameReader {
  constructor(onFrame: (type: string, payload: Buffer) => void);
  push(chunk: Buffer): void;
}
