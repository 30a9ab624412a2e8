/**
 * The cable. Layer: sim.
 * Invariant: a frame sent by one end reaches every other end once, in order, without its FCS; a test is an end too.
 */

/** How a frame arrives: clean, or damaged on the way. */
export type FrameError = 'crc' | 'alignment' | 'symbol';

/** Something at an end of the wire. */
export interface WireEnd {
  receive(frame: Uint8Array, error: FrameError | undefined): void;
  carrier(up: boolean): void;
}

/** What an end gets to send with. */
export interface WirePort {
  send(frame: Uint8Array): void;
}

/** The test's end: keeps what the NIC sends, sends what the test wants. */
export class WireTester {
  /** Frames that came from the other ends, oldest first. */
  readonly frames: Uint8Array[] = [];
  readonly #send: (frame: Uint8Array, error?: FrameError) => void;

  constructor(send: (frame: Uint8Array, error?: FrameError) => void) {
    this.#send = send;
  }

  send(frame: Uint8Array, error?: FrameError): void {
    this.#send(frame, error);
  }

  /** Takes all frames received so far. */
  take(): Uint8Array[] {
    return this.frames.splice(0, this.frames.length);
  }
}

/** One segment. */
export class SimWire {
  #up = true;
  #ends: WireEnd[] = [];

  get up(): boolean {
    return this.#up;
  }

  attach(end: WireEnd): WirePort {
    this.#ends.push(end);
    return { send: (frame) => this.#spread(end, frame, undefined) };
  }

  /** A test on the wire. */
  tester(): WireTester {
    const end: WireEnd = {
      receive: (frame) => tester.frames.push(frame),
      carrier: () => {},
    };
    this.#ends.push(end);
    const tester = new WireTester((frame, error) => this.#spread(end, frame, error));
    return tester;
  }

  /** Plugs the cable in or out. */
  setCarrier(up: boolean): void {
    if (up === this.#up) return;
    this.#up = up;
    for (const end of this.#ends) end.carrier(up);
  }

  #spread(from: WireEnd, frame: Uint8Array, error: FrameError | undefined): void {
    if (!this.#up) return;
    for (const end of this.#ends) if (end !== from) end.receive(frame, error);
  }
}
