/**
 * What a row works with: opens stations on its target, exchanges frames, notes evidence, and takes everything down again.
 * Layer: test. Invariants: a row that ends, however it ends, leaves both NICs closed; what the watchers found against the
 * miniport (rules of NDIS, of the data sheet, of DMA; things left behind) fails the row.
 */
import {
  makeOidRequest,
  NDIS_PACKET_TYPE_BROADCAST,
  NDIS_PACKET_TYPE_DIRECTED,
  type NDIS_STATUS,
  NdisOidRequest,
  statusName,
} from '../../src/ndis/index.ts';
import { hex, numbered, numberOf, padded } from './frames.ts';
import { Station, type StationOptions } from './station.ts';
import type { Role, Target } from './target.ts';

/** Directed and broadcast: the filter of a station unless a row wants another. */
export const USUAL_FILTER = NDIS_PACKET_TYPE_DIRECTED | NDIS_PACKET_TYPE_BROADCAST;

/** Frames under way at once in an exchange that must not lose any: well below the packet buffer of both chips. */
const WINDOW = 16;
/** Longest wait for frames, completions and the link. */
const PATIENCE_MS = 8000;

export class Failure extends Error {}

/** What came of an OID request. */
export interface OidResult {
  readonly status: NDIS_STATUS;
  readonly bytesWritten: number;
  readonly bytesRead: number;
  readonly bytesNeeded: number;
  readonly buffer: Uint8Array;
}

/** Where a station stands, for a row that failed. */
async function describe(station: Station): Promise<string> {
  const { adapter } = station;
  const counters = await adapter.statistics().catch(() => ({}));
  const counted = Object.entries(counters).filter(([, value]) => value !== 0);
  const messages = (adapter.interrupt?.messages ?? []).slice(0, 3);
  return (
    `${station.role}: ${adapter.state}, link ${station.linkUp ? 'up' : 'down'}, ${station.received.length} received, ` +
    `${station.completed.length} of ${station.sent} sends complete, NDIS ${JSON.stringify(adapter.traffic)}, ` +
    `device ${JSON.stringify(Object.fromEntries(counted))}; ` +
    messages.map((one, i) => `message ${i}: ${one.wakes} wakes, ${one.isrCalls} ISR, ${one.dpcRuns} DPC`).join('; ') +
    station.logs.slice(-3).map((entry) => `; ${entry.message}`)
  );
}

export interface Pair {
  readonly dut: Station;
  readonly support: Station;
}

export class Bench {
  readonly target: Target;
  readonly evidence: string[] = [];
  readonly #scale: number;
  readonly #verify: boolean;
  #state: number;
  readonly #stations: Station[] = [];
  readonly #complaints: string[] = [];

  /** `scale` multiplies every number of frames and repetitions; `verify`: every adapter runs under NDIS's verifier. */
  constructor(target: Target, scale = 1, verify = false, seed = 1) {
    this.target = target;
    this.#verify = verify;
    this.#scale = scale;
    this.#state = seed >>> 0 || 1;
  }

  // ---- Judging --------------------------------------------------------------------------------------------------------

  /** A line of evidence. */
  note(text: string): void {
    this.evidence.push(text);
  }

  check(condition: boolean, what: string): void {
    if (!condition) throw new Failure(what);
  }

  equal(actual: unknown, expected: unknown, what: string): void {
    if (actual !== expected) throw new Failure(`${what}: ${String(actual)} instead of ${String(expected)}`);
  }

  status(actual: NDIS_STATUS, expected: NDIS_STATUS | readonly NDIS_STATUS[], what: string): void {
    const allowed = typeof expected === 'number' ? [expected] : expected;
    if (allowed.includes(actual)) return;
    throw new Failure(`${what}: ${statusName(actual)} instead of ${allowed.map(statusName).join(' or ')}`);
  }

  // ---- Amounts, chance and time -----------------------------------------------------------------------------------------

  /** `base` times the scale of this run, at least `least`. */
  count(base: number, least = 1): number {
    return Math.max(least, Math.round(base * this.#scale));
  }

  /** A whole number from `low` to `high`; the same sequence in every run (xorshift32). */
  random(low: number, high: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return low + (this.#state % (high - low + 1));
  }

  /** Milliseconds of the target's time. */
  now(): number {
    return this.target.clock.nowUs() / 1000;
  }

  sleep(delayMs: number): Promise<void> {
    return this.target.clock.sleep(delayMs);
  }

  async until(what: string, probe: () => boolean, limitMs = PATIENCE_MS): Promise<void> {
    const end = this.now() + limitMs;
    for (let turns = 0; !probe(); turns += 1) {
      if (this.now() > end) throw new Failure(`${what}: not within ${limitMs} ms`);
      await this.target.turn(turns);
    }
  }

  /** Lets the wire run dry: nothing more arrives afterwards. */
  async quiet(): Promise<void> {
    await this.sleep(this.target.kind === 'simulated' ? 20 : 150);
  }

  // ---- Stations ---------------------------------------------------------------------------------------------------------

  /** A station in state Halted. */
  async create(role: Role, options: StationOptions = {}): Promise<Station> {
    const station = await Station.create(role, this.target.openFunction(role), this.target.clock, {
      ...(this.#verify ? { verifier: 'report' } : {}),
      ...options,
    });
    this.#stations.push(station);
    return station;
  }

  /** A station in state Running, the link not awaited. */
  async open(role: Role, options: StationOptions = {}, filter = USUAL_FILTER): Promise<Station> {
    const station = await this.create(role, options);
    await station.initialize();
    await station.start(filter);
    return station;
  }

  /** Both NICs, running, with their links up. */
  async pair(
    dutOptions: StationOptions = {},
    filter = USUAL_FILTER,
    supportOptions: StationOptions = {},
  ): Promise<Pair> {
    const dut = await this.open('dut', dutOptions, filter);
    const support = await this.open('support', supportOptions);
    await this.linked(dut, support);
    return { dut, support };
  }

  async linked(...stations: readonly Station[]): Promise<void> {
    await this.until('a link at both ends', () => stations.every((station) => station.linkUp));
  }

  /** The open station of a role. */
  station(role: Role): Station {
    const found = this.#stations.find((one) => one.role === role);
    if (found === undefined) throw new Error(`no ${role} station is open`);
    return found;
  }

  /** Halts a station, closes its NIC and keeps what there is against it. `gaveUp`: its device was taken away. */
  async end(station: Station, gaveUp = false): Promise<void> {
    const at = this.#stations.indexOf(station);
    if (at < 0) return;
    this.#stations.splice(at, 1);
    try {
      if (gaveUp) station.forget();
      else await station.stop();
      await station.driver.unload();
      this.#complaints.push(...station.complaints(gaveUp));
      if (!gaveUp) this.#complaints.push(...this.target.held(station.role).map((what) => `${station.role}: ${what}`));
    } finally {
      station.pci.close();
    }
  }

  /** The regular end of a row. @throws Failure with what the watchers found. */
  async finish(): Promise<void> {
    for (const station of [...this.#stations].reverse()) await this.end(station);
    const found = [...this.#complaints, ...this.target.broken()];
    if (found.length > 0) throw new Failure(found.slice(0, 5).join('; '));
  }

  /** The end of a row that failed: both NICs closed, whatever state they are in. Never rejects. */
  async abandon(): Promise<void> {
    const stations = this.#stations.splice(0);
    for (const station of stations) {
      this.evidence.push(await describe(station));
      // As if the device were taken away: whatever is still under way comes to its end, in bounded time.
      station.pci.vanish();
      await station.adapter.surpriseRemoved().catch(() => undefined);
      station.pci.close();
    }
    this.target.broken();
  }

  // ---- Frames -----------------------------------------------------------------------------------------------------------

  /** `count` numbered frames with lengths from `length`. */
  frames(from: Station, to: Uint8Array, count: number, length: (n: number) => number): Uint8Array[] {
    return Array.from({ length: count }, (_, n) => numbered(to, from.mac, n, length(n)));
  }

  /** Sends frames, a window at a time, and checks that they arrive unchanged and in order and are completed. */
  async deliver(from: Station, to: Station, frames: readonly Uint8Array[], window = WINDOW): Promise<void> {
    to.takeReceived();
    const completed = from.completed.length;
    for (let at = 0; at < frames.length; at += window) {
      const some = frames.slice(at, at + window);
      from.send(some);
      await this.arrived(to, at + some.length);
    }
    await this.settled(from);
    this.same(to.takeReceived(), frames.map(padded), `${from.role} to ${to.role}`);
    const bad = from.completed.slice(completed).filter((status) => status !== 0);
    this.check(bad.length === 0, `${bad.length} sends failed, first ${statusName(bad[0] ?? 0)}`);
  }

  async arrived(to: Station, count: number): Promise<void> {
    await this.until(`frame ${count} at ${to.role}`, () => to.received.length >= count).catch((error: Error) => {
      const last = to.received.slice(-20).map((frame) => `${numberOf(frame)}/${frame.length}`);
      throw new Failure(
        `${error.message}; ${to.received.length} have come, the last (number/bytes): ${last.join(' ')}`,
      );
    });
  }

  /** Waits until every send has come back. */
  async settled(...stations: readonly Station[]): Promise<void> {
    await this.until('completion of all sends', () => stations.every((station) => station.outstanding === 0));
  }

  same(actual: readonly Uint8Array[], expected: readonly Uint8Array[], what: string): void {
    this.equal(actual.length, expected.length, `${what}: frames`);
    for (const [i, frame] of actual.entries()) {
      const wanted = expected[i]!;
      if (Buffer.compare(frame, wanted) === 0) continue;
      throw new Failure(
        `${what}: frame ${i} is ${frame.length} bytes ${hex(frame.subarray(0, 24))}..., expected ${wanted.length} bytes ` +
          `${hex(wanted.subarray(0, 24))}...`,
      );
    }
  }

  // ---- OIDs -------------------------------------------------------------------------------------------------------------

  /** One OID request of the station's protocol; `buffer` null: none, length 0. */
  async oid(station: Station, type: number, oid: number, buffer: Uint8Array | null): Promise<OidResult> {
    const request = makeOidRequest(type, oid, buffer ?? new Uint8Array(0));
    if (buffer === null) request.DATA.InformationBuffer = null;
    const status = await NdisOidRequest(station.binding, request);
    return {
      status,
      bytesWritten: request.DATA.BytesWritten,
      bytesRead: request.DATA.BytesRead,
      bytesNeeded: request.DATA.BytesNeeded,
      buffer: buffer ?? new Uint8Array(0),
    };
  }
}
