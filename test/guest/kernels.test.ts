/**
 * The smoke test on both kernels: one guest with both chips on one wire, each in turn ours with the other one under the
 * kernel's driver. Layer: test (host side of cases/traffic.ts).
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CommandResult, PingResult } from '../../scripts/guest/tools.ts';
import type { StatusResult } from '../../src/control/messages.ts';
import type { IperfBothWays, VectorByCli } from './cases/traffic.ts';
import { GuestSession, ONE_CPU } from './support/session.ts';
import type { DaemonEnd, Leftovers } from './support/stage.ts';

const IGB = '0000:01:00.0';
const E1000E = '0000:02:00.0';
const NOTHING_LEFT: Leftovers = { interfaces: [], sockets: [], holders: [] };

describe.each(['6.1', '6.12'] as const)('on kernel %s', (kernel) => {
  let session: GuestSession;
  beforeAll(async () => {
    session = await GuestSession.boot({ cpus: ONE_CPU, kernel, nics: [{ model: 'igb' }, { model: 'e1000e' }] });
  });
  afterAll(() => session?.close());

  describe.each([
    { chip: 'igb', bdf: IGB, other: E1000E },
    { chip: 'e1000e', bdf: E1000E, other: IGB },
  ])('$chip', ({ chip, bdf, other }) => {
    const call = <T>(fn: string, params: object = {}): Promise<T> => session.call('traffic', fn, { bdf, ...params });

    test('comes up with a link and several messages, and the kernel of the guest is the one asked for', async () => {
      expect(await session.call('traffic', 'kernelRelease')).toMatch(new RegExp(`^${kernel.replace('.', '\\.')}\\.`));
      await session.call('traffic', 'setStage', { own: bdf, other });
      const { state, link, interrupts } = await call<StatusResult>('up');
      expect({ state, link }).toEqual({ state: 'Running', link: { state: 'up', speedMbps: 1000, duplex: 'full' } });
      expect(interrupts.kind).toBe('MSI-X');
      expect(interrupts.messages.length).toBeGreaterThanOrEqual(2);
    });

    test('answers 50 pings and sends 50', async () => {
      const params = { count: 50, bytes: 56 };
      expect(await call<PingResult>('pingRun', { ...params, direction: 'in' })).toMatchObject({ received: 50 });
      expect(await call<PingResult>('pingRun', { ...params, direction: 'out' })).toMatchObject({ received: 50 });
    });

    test('carries one second of iperf3 each way', async () => {
      const { toUs, fromUs } = await call<IperfBothWays>('iperfBothWays', { seconds: 1 });
      console.log(`${chip} on ${kernel}: ${toUs.mbps.toFixed(1)} Mbit/s in, ${fromUs.mbps.toFixed(1)} Mbit/s out`);
      expect(toUs.mbps).toBeGreaterThan(1);
      expect(fromUs.mbps).toBeGreaterThan(1);
    });

    test('keeps its receive message pending while `vector disable` holds it, and goes on after `vector enable`', async () => {
      const facts = await call<VectorByCli>('vectorByCli');
      const row = (status: StatusResult) => status.interrupts.messages[facts.message]!;
      expect(facts.disable).toMatchObject({ status: 0, stdout: `${bdf} vector ${facts.message} disabled\n` });
      expect(row(facts.masked)).toMatchObject({ disabled: true, masked: true, pending: true });
      expect(row(facts.masked).isrCalls).toBe(row(facts.before).isrCalls);
      expect(facts.repliesWhileDisabled).toBe(0);
      expect(facts.enable).toMatchObject({ status: 0, stdout: `${bdf} vector ${facts.message} enabled\n` });
      expect(row(facts.after)).toMatchObject({ disabled: false, masked: false });
      expect(row(facts.after).isrCalls).toBeGreaterThan(row(facts.masked).isrCalls);
      expect(facts.afterwards).toMatchObject({ received: 20, duplicates: 0 });
    });

    test('shows its state with `status`', async () => {
      const { status, stdout } = await call<CommandResult>('statusByCli');
      expect(status).toBe(0);
      expect(stdout).toMatch(/Running/);
      expect(stdout).toMatch(/up 1000 Mbit\/s full duplex/);
    });

    test('ends within 2 s of SIGTERM with exit status 0 and nothing left', async () => {
      const end = await call<DaemonEnd & { left: Leftovers }>('down');
      expect(end).toMatchObject({ status: 0, signal: null, left: NOTHING_LEFT });
      expect(end.elapsedMs).toBeLessThanOrEqual(2000);
    });
  });
});
