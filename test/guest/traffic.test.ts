/**
 * Frames through the TAP to the kernel's own driver on the other NIC: ping of three sizes, iperf3 each way, the three
 * kinds of interrupts, jumbo frames, the cable. Layer: test (host side of cases/traffic.ts and cases/robustness.ts).
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PingResult } from '../../scripts/guest/tools.ts';
import type { StatusResult } from '../../src/control/messages.ts';
import type { LinkFacts } from './cases/robustness.ts';
import type { IperfBothWays, PingParams } from './cases/traffic.ts';
import { CHIPS, GuestSession, ONE_CPU } from './support/session.ts';
import type { DaemonEnd, Leftovers } from './support/stage.ts';

const OWN = '0000:01:00.0';
const OTHER = '0000:02:00.0';
const STALL_LIMIT_SECONDS = 1;
const IPERF_SECONDS = 10;
const CABLE_PULLS = 3;

const NOTHING_LEFT: Leftovers = { interfaces: [], sockets: [], holders: [] };

describe.each(CHIPS)('%s bridged to a TAP, the kernel driver on the other end of the wire', (chip) => {
  let session: GuestSession;
  const pinged = (params: PingParams): Promise<PingResult> => session.call('traffic', 'pingRun', params);
  const up = (params: object = {}): Promise<StatusResult> => session.call('traffic', 'up', { bdf: OWN, ...params });
  const down = (): Promise<DaemonEnd & { left: Leftovers }> => session.call('traffic', 'down', { bdf: OWN });

  beforeAll(async () => {
    session = await GuestSession.boot({ cpus: ONE_CPU, nics: [{ model: chip }, { model: chip }] });
    await session.call('traffic', 'setStage', { own: OWN, other: OTHER });
  });
  afterAll(() => session?.close());

  describe('with MSI-X', () => {
    let started: StatusResult;
    beforeAll(async () => {
      started = await up();
    });

    test('it runs with the link up, several messages and the MAC of the card', () => {
      const { interrupts, state, link, mac } = started;
      expect({ kind: interrupts.kind, state, link: link.state, mac }).toEqual({
        kind: 'MSI-X',
        state: 'Running',
        link: 'up',
        mac: '52:54:00:12:34:56',
      });
      expect(interrupts.messages.length).toBeGreaterThanOrEqual(2);
    });

    test.each([
      [1000, 56],
      [200, 1472],
      [100, 8000],
    ])('%i pings of %i bytes all come back once', async (count, bytes) => {
      expect(await pinged({ count, bytes })).toMatchObject({ sent: count, received: count, duplicates: 0 });
    });

    test('100 pings of the partner are all answered', async () => {
      expect(await pinged({ count: 100, bytes: 56, direction: 'in' })).toMatchObject({ received: 100, duplicates: 0 });
    });

    test(`iperf3 TCP runs ${IPERF_SECONDS} s each way without a stall of more than ${STALL_LIMIT_SECONDS} s`, async () => {
      const { toUs, fromUs } = await session.call<IperfBothWays>('traffic', 'iperfBothWays', {
        seconds: IPERF_SECONDS,
      });
      for (const [way, run] of [
        ['kernel driver -> ndis-vfio', toUs],
        ['ndis-vfio -> kernel driver', fromUs],
      ] as const) {
        console.log(
          `${chip} ${way}: ${run.mbps.toFixed(1)} Mbit/s in ${run.seconds.toFixed(1)} s, ` +
            `${run.retransmits} retransmits, longest stall ${run.longestStallSeconds.toFixed(1)} s`,
        );
        expect(run.seconds).toBeGreaterThan(IPERF_SECONDS - 0.5);
        expect(run.longestStallSeconds).toBeLessThanOrEqual(STALL_LIMIT_SECONDS);
        expect(run.mbps).toBeGreaterThan(1);
      }
    });

    test('afterwards no send failed and every frame given to the NIC was completed', async () => {
      const { bridge } = await session.call<StatusResult>('traffic', 'status', { bdf: OWN });
      expect(bridge.toNic).toMatchObject({ failed: 0, inFlight: 0, completed: bridge.toNic.frames });
      expect(bridge.toTap.dropped).toEqual({ noRoom: 0, refused: 0, oversize: 0 });
    });

    test('every edge of the link is reported once, and the carrier of the TAP follows', async () => {
      const facts = (count: number): Promise<LinkFacts> =>
        session.call('robustness', 'linkEvents', { bdf: OWN, count });
      const before = (await facts(1)).events.length;
      for (let pull = 0; pull < CABLE_PULLS; pull++) {
        await session.guest.qmp('set_link', { name: session.guest.nics[0]!.netdev, up: false });
        const off = await facts(before + 2 * pull + 1);
        expect(off.events.slice(before + 2 * pull)).toEqual(['down']);
        expect(off.carrier).toBe('0');
        await session.guest.qmp('set_link', { name: session.guest.nics[0]!.netdev, up: true });
        const on = await facts(before + 2 * pull + 2);
        expect(on.events.slice(before + 2 * pull + 1)).toEqual(['up 1000 Mbit/s full duplex']);
        expect(on.carrier).toBe('1');
      }
      expect(await pinged({ count: 20, bytes: 56 })).toMatchObject({ received: 20, duplicates: 0 });
    });

    test('SIGTERM ends it within 2 s with exit status 0 and nothing left', async () => {
      const end = await down();
      expect(end).toMatchObject({ status: 0, signal: null, left: NOTHING_LEFT });
      expect(end.elapsedMs).toBeLessThanOrEqual(2000);
      expect(end.output).toMatch(/ stopped after .* sends completed/);
    });
  });

  test('one MSI message carries 200 pings without loss', async () => {
    const { interrupts } = await up({ extra: ['--interrupts', 'msi'] });
    expect(interrupts.kind).toBe('MSI');
    expect(interrupts.messages).toHaveLength(1);
    expect(await pinged({ count: 200, bytes: 56 })).toMatchObject({ received: 200, duplicates: 0 });
    expect((await down()).status).toBe(0);
  });

  test('the interrupt line carries 200 pings without loss', async () => {
    const { interrupts } = await up({ extra: ['--interrupts', 'line'] });
    expect(interrupts.kind).toBe('INTx');
    expect(await pinged({ count: 200, bytes: 56 })).toMatchObject({ received: 200, duplicates: 0 });
    const { interrupts: after } = await session.call<StatusResult>('traffic', 'status', { bdf: OWN });
    expect(after.messages[0]!.isrCalls).toBeGreaterThan(0);
    expect((await down()).status).toBe(0);
  });

  test('with an MTU of 9000, 100 pings of 8,972 bytes cross as single frames', async () => {
    const { mtu } = await up({ mtu: 9000 });
    expect(mtu).toBe(9000);
    const whole = await session.call<PingResult>('traffic', 'pingWhole', { count: 100, bytes: 8972 });
    expect(whole).toMatchObject({ sent: 100, received: 100, duplicates: 0 });
    expect(await pinged({ count: 50, bytes: 56 })).toMatchObject({ received: 50 });
    expect((await down()).status).toBe(0);
  });
});
