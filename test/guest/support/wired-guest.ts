/**
 * A guest whose first NIC hangs on a wire this process holds the other end of; two more share a hub. Layer: test.
 * Invariant: what it made is gone after close(): guest, socket, capture.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OpenParams, OpenResult, Snapshot } from '../cases/edge.ts';
import { type EchoOptions, type EchoResult, runEcho } from './echo.ts';
import { type Chip, GuestSession, ONE_CPU } from './session.ts';
import { StreamWire } from './wire.ts';

export class WiredGuest {
  readonly chip: Chip;
  readonly session: GuestSession;
  readonly wire: StreamWire;
  /** What QEMU saw of the first NIC's wire, from {@link capture}(true) to {@link capture}(false). */
  readonly captureFile: string;
  /** The adapter that is open. */
  opened: OpenResult | undefined;
  readonly #folder: string;

  private constructor(chip: Chip, session: GuestSession, wire: StreamWire, folder: string) {
    this.chip = chip;
    this.session = session;
    this.wire = wire;
    this.#folder = folder;
    this.captureFile = join(folder, 'wire.pcap');
  }

  static async boot(chip: Chip): Promise<WiredGuest> {
    const folder = mkdtempSync(join(tmpdir(), 'ndis-vfio-guest-'));
    const path = join(folder, 'wire');
    const wire = await StreamWire.listen(path);
    try {
      const session = await GuestSession.boot({
        cpus: ONE_CPU,
        nics: [
          { model: chip, wire: `stream:${path}` },
          { model: chip, wire: 'hub' },
          { model: chip, wire: 'hub' },
        ],
        dump: join(folder, 'wire.pcap'),
        timeoutSeconds: 400,
      });
      const guest = new WiredGuest(chip, session, wire, folder);
      await guest.capture(false);
      await wire.ready();
      return guest;
    } catch (error) {
      wire.close();
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Address of NIC `index` in the guest. */
  bdf(index: number): string {
    return this.session.guest.nics[index]!.bdf;
  }

  /** Switches the capture of the first NIC's wire. */
  async capture(on: boolean): Promise<void> {
    await this.session.guest.qmp('qom-set', {
      path: '/objects/dump0',
      property: 'status',
      value: on ? 'on' : 'off',
    });
  }

  /** Calls a function of test/guest/cases/edge.ts. */
  edge<T>(fn: string, params: unknown = {}): Promise<T> {
    return this.session.call<T>('edge', fn, params);
  }

  /** Opens the first NIC and starts an echo on it; ends the one that was open. */
  async open(params: Omit<OpenParams, 'bdf'> = {}): Promise<OpenResult> {
    this.opened = await this.edge<OpenResult>('open', { bdf: this.bdf(0), ...params });
    return this.opened;
  }

  /** Sends frames through the open adapter and back. */
  echo(options: Omit<EchoOptions, 'nicMac'>): Promise<EchoResult> {
    if (this.opened === undefined) throw new Error('no adapter is open');
    return runEcho(this.wire, { nicMac: Uint8Array.from(this.opened.mac), ...options });
  }

  snapshot(): Promise<Snapshot> {
    return this.edge<Snapshot>('snapshot');
  }

  async close(): Promise<void> {
    try {
      await this.session.close();
    } finally {
      this.wire.close();
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }
}
