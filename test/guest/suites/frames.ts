/**
 * Frames through the whole path: wire, NIC, DPC, protocol, NIC, wire. Layer: test.
 * Which counter holds what: the wire, the capture and the protocol count octets without FCS; the registers TOR and TOT
 * (82574 10.2.7, 82576 8.18) with its 4; NDIS_STATISTICS_INFO, made from GORC and GOTC, without.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import type { CloseResult, Snapshot } from '../cases/edge.ts';
import { type CaptureCounts, countCapture } from '../support/capture.ts';
import { BROADCAST_MAC, type EchoResult, FLAWLESS, MULTICAST_MAC, mixedSize, PARTNER_MAC } from '../support/echo.ts';
import { STAMP_BYTES, type WireCounts } from '../support/wire.ts';
import type { WiredGuest } from '../support/wired-guest.ts';

const FRAMES = 100_000;
const FCS_BYTES = 4;

/** Every 50th frame goes to everyone, every 40th to a group, the others to the NIC. */
function mixedDestination(mac: Uint8Array): (sequence: number) => Uint8Array {
  return (sequence) => (sequence % 50 === 0 ? BROADCAST_MAC : sequence % 40 === 1 ? MULTICAST_MAC : mac);
}

export function frameSuite(guest: () => WiredGuest): void {
  describe('100,000 frames each way', () => {
    let echo: EchoResult;
    let before: Snapshot;
    let after: Snapshot;
    let wireBefore: WireCounts;
    let wireAfter: WireCounts;
    let captured: Map<string, CaptureCounts>;
    const delta = (name: keyof WireCounts): number => wireAfter[name] - wireBefore[name];

    beforeAll(async () => {
      const { wire } = guest();
      const { mac } = await guest().open();
      // Compiles the loops on both sides, so that the run below is steady.
      expect(await guest().echo({ count: 3000 })).toMatchObject(FLAWLESS);
      await guest().capture(true);
      before = await guest().snapshot();
      wireBefore = wire.counts();
      echo = await guest().echo({ count: FRAMES, destination: mixedDestination(Uint8Array.from(mac)) });
      after = await guest().snapshot();
      wireAfter = wire.counts();
      await guest().capture(false);
      captured = await countCapture(guest().captureFile);
      const rate = Math.round(FRAMES / echo.seconds);
      console.log(`  ${guest().chip}: ${FRAMES} frames each way in ${echo.seconds.toFixed(1)} s, ${rate} frames/s`);
    });

    it('come back with none lost, duplicated, reordered or corrupted', () => {
      expect(echo.notes).toEqual([]);
      expect(echo).toMatchObject({ ...FLAWLESS, sent: FRAMES, received: FRAMES });
    });

    it('are counted alike by the wire, the capture, the registers, NDIS and the protocol, to the frame', () => {
      const nicMac = Buffer.from(guest().opened!.mac).toString('hex');
      const frames = { received: FRAMES, sent: FRAMES };
      expect({ received: delta('framesSent'), sent: delta('framesReceived') }).toEqual(frames);
      expect({
        received: captured.get(PARTNER_MAC.toString('hex'))?.frames,
        sent: captured.get(nicMac)?.frames,
      }).toEqual(frames);
      expect([...captured.keys()].sort()).toEqual([PARTNER_MAC.toString('hex'), nicMac].sort());
      expect({ received: after.registers.framesReceived, sent: after.registers.framesSent }).toEqual(frames);
      expect({
        received: after.counts.received - before.counts.received,
        sent: after.counts.sent - before.counts.sent,
      }).toEqual(frames);
      expect(after.counts.completed - before.counts.completed).toBe(FRAMES);
      expect(after.counts).toMatchObject({ failed: 0, noSlot: 0 });
    });

    it('are counted by NDIS as unicast, multicast and broadcast, exactly as sent', () => {
      const { unicast, multicast, broadcast } = echo;
      expect(unicast + multicast + broadcast).toBe(FRAMES);
      const change = (name: keyof Snapshot['statistics']): number => after.statistics[name] - before.statistics[name];
      expect({
        in: [change('ifHCInUcastPkts'), change('ifHCInMulticastPkts'), change('ifHCInBroadcastPkts')],
        out: [change('ifHCOutUcastPkts'), change('ifHCOutMulticastPkts'), change('ifHCOutBroadcastPkts')],
      }).toEqual({ in: [unicast, multicast, broadcast], out: [unicast, multicast, broadcast] });
      for (const name of ['ifInDiscards', 'ifInErrors', 'ifOutErrors', 'ifOutDiscards'] as const) {
        expect(change(name), name).toBe(0);
      }
    });

    it('are counted alike to the octet; only the registers include the FCS', () => {
      const bytes = echo.bytesSent;
      const change = (name: keyof Snapshot['statistics']): number => after.statistics[name] - before.statistics[name];
      expect(echo.bytesReceived).toBe(bytes);
      expect({ to: delta('bytesSent'), from: delta('bytesReceived') }).toEqual({ to: bytes, from: bytes });
      const bySource = [PARTNER_MAC.toString('hex'), Buffer.from(guest().opened!.mac).toString('hex')];
      expect(bySource.map((mac) => captured.get(mac))).toEqual([
        { frames: FRAMES, bytes, truncated: 0 },
        { frames: FRAMES, bytes, truncated: 0 },
      ]);
      expect({
        in: after.counts.receivedBytes - before.counts.receivedBytes,
        out: after.counts.sentBytes - before.counts.sentBytes,
      }).toEqual({ in: bytes, out: bytes });
      expect({ in: change('ifHCInOctets'), out: change('ifHCOutOctets') }).toEqual({ in: bytes, out: bytes });
      expect({
        in: change('ifHCInUcastOctets') + change('ifHCInMulticastOctets') + change('ifHCInBroadcastOctets'),
        out: change('ifHCOutUcastOctets') + change('ifHCOutMulticastOctets') + change('ifHCOutBroadcastOctets'),
      }).toEqual({ in: bytes, out: bytes });
      expect({ in: after.registers.octetsReceived, out: after.registers.octetsSent }).toEqual({
        in: bytes + FCS_BYTES * FRAMES,
        out: bytes + FCS_BYTES * FRAMES,
      });
    });

    it('used the receive budget of 64 NBLs and never more in one DPC', () => {
      expect(after.counts.maxNblsInOneDpc).toBeLessThanOrEqual(64);
      for (const message of after.messages) expect(message.maxNblsInOneDpc).toBeLessThanOrEqual(64);
    });
  });

  it('pads frames below 60 bytes in both directions and passes every length from 20 to 60', async () => {
    const result = await guest().echo({ count: 200, window: 8, size: (sequence) => STAMP_BYTES + (sequence % 41) });
    expect(result.notes).toEqual([]);
    expect(result).toMatchObject({ ...FLAWLESS, bytesReceived: 200 * 60 });
  });

  it('pads what a protocol sends below 60 bytes, down to a bare header, with zeros and not with old memory', async () => {
    const { wire } = guest();
    const lengths = [14, 15, 46, 59, 60, 61];
    const frames: Buffer[] = [];
    const previous = wire.onFrame;
    wire.onFrame = (frame) => frames.push(Buffer.from(frame));
    try {
      for (const bytes of lengths) {
        expect(await guest().edge<number>('send', { count: 1, bytes })).toBe(1);
      }
      await expect.poll(() => frames.length, { timeout: 2000 }).toBe(lengths.length);
    } finally {
      wire.onFrame = previous;
    }
    expect(frames.map((frame) => frame.length)).toEqual([60, 60, 60, 60, 60, 61]);
    // The slots held echoed frames before.
    const padding = frames.map((frame, index) => frame.subarray(lengths[index]));
    expect(padding.filter((bytes) => bytes.some((byte) => byte !== 0))).toEqual([]);
  });

  it('is Halted with nothing outstanding and nothing to complain about after close, and carries frames when opened again', async () => {
    const ended = await guest().edge<CloseResult>('close');
    expect(ended).toMatchObject({ state: 'Halted', sendsOutstanding: 0, receivesOutstanding: 0, logs: [] });
    await guest().open();
    const result = await guest().echo({ count: 500, size: mixedSize });
    expect(result.notes).toEqual([]);
    expect(result).toMatchObject(FLAWLESS);
  });

  it('carries jumbo frames of every size to 9,014 bytes with an MTU of 9,000', async () => {
    const { mtu } = await guest().open({ mtu: 9000 });
    expect(mtu).toBe(9000);
    const size = (sequence: number): number => (sequence % 10 === 0 ? 9014 : 60 + ((sequence * 7919) % 8955));
    const result = await guest().echo({ count: 3000, window: 32, size });
    expect(result.notes).toEqual([]);
    expect(result).toMatchObject(FLAWLESS);
  });
}
