/**
 * Rules under test: openNic carries frames by copy and without, a batch comes back once, every slot comes back, and
 * closing leaves nothing behind. Runs the built-in miniports on the simulated NICs.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Nic, openNic, type ReceivedBatch } from '../../../src/application/nic.ts';
import type { EndReason } from '../../../src/application/watch-end.ts';
import { createSimMachine, frameTo, type SimMachine } from './sim-machine.ts';

const PEER = Uint8Array.of(0x02, 0, 0, 0, 0, 9);

describe.each(['igb', 'e1000e'] as const)('openNic on %s', (chip) => {
  let world: SimMachine;
  let nic: Nic;

  async function receiveAll(count: number): Promise<void> {
    for (let number = 0; number < count; number++) {
      world.sim.peer.send(frameTo(world.sim.mac, number));
      await world.sim.settle();
    }
  }

  beforeEach(async () => {
    world = createSimMachine(chip);
    nic = await world.sim.run(openNic('0000:01:00.0', { machine: world.machine, sendSlots: 32 }));
    for (let i = 0; i < 400 && !nic.link.up; i++) await world.sim.advance(25);
  });
  afterEach(async () => {
    await world.sim.run(nic.close()).finally(world.restore);
    expect(world.sim.pci.closed).toBe(true);
    expect(world.sim.pci.held).toEqual([]);
    expect(world.sim.clock.softwareTimers).toBe(0);
  });

  it('knows its address, MAC, MTU and link', () => {
    expect(nic).toMatchObject({ address: '0000:01:00.0', mtu: 1500 });
    expect(Uint8Array.from(nic.mac)).toEqual(world.sim.mac);
    expect(nic.link).toEqual({ up: true, speedMbps: 1000, duplex: 'full' });
  });

  it('sends more frames than it has slots, in order, and says how many were sent', async () => {
    const frames = Array.from({ length: 100 }, (_, number) => frameTo(PEER, number));
    expect(await world.sim.run(nic.send(frames))).toBe(100);
    expect(await world.sim.run(nic.send(frameTo(PEER, 100)))).toBe(1);
    expect(world.sim.peer.take().map((frame) => frame[14])).toEqual(Array.from({ length: 101 }, (_, n) => n));
  });

  it('refuses frames no Ethernet carries', () => {
    expect(() => nic.send(new Uint8Array(13))).toThrow(RangeError);
    expect(() => nic.send(new Uint8Array(1519))).toThrow(RangeError);
  });

  it('hands received frames out as copies that stay', async () => {
    const frames: Uint8Array[] = [];
    nic.onReceive((frame) => frames.push(frame));
    await receiveAll(20);
    expect(frames.map((frame) => frame[14])).toEqual(Array.from({ length: 20 }, (_, number) => number));
    nic.onReceive(undefined);
    await receiveAll(2);
    expect((await world.sim.run(nic.statistics())).received).toEqual({ frames: 20, dropped: 2, oversize: 0 });
  });

  it('hands received frames out without a copy until each batch is released', async () => {
    const held: ReceivedBatch[] = [];
    nic.onReceiveBatch((batch) => held.push(batch));
    await receiveAll(5);
    expect(held.flatMap((batch) => Array.from({ length: batch.count }, (_, i) => batch.frame(i)[14]))).toEqual([
      0, 1, 2, 3, 4,
    ]);
    expect(nic.adapter.receivesOutstanding).toBe(5);
    for (const batch of held) batch.release();
    for (const batch of held) batch.release();
    expect(nic.adapter.receivesOutstanding).toBe(0);
    expect(() => held[0]!.frame(0)).toThrow(RangeError);
  });

  it('takes back batches the application forgot when it closes', async () => {
    nic.onReceiveBatch(() => undefined);
    await receiveAll(5);
    await world.sim.run(nic.close());
    expect(world.sim.broken).toEqual([]);
  });

  it('sends from slots without a copy, and slots come back', async () => {
    const pairs = new Uint32Array(64);
    let calls = 0;
    nic.onSlotsFree(() => calls++);
    expect(nic.takeSlots(pairs, 64)).toBe(32);
    expect(nic.takeSlots(new Uint32Array(2), 1)).toBe(0);
    for (let i = 0; i < 32; i++) {
      nic.sendMemory.set(frameTo(PEER, i), pairs[2 * i]!);
      pairs[2 * i + 1] = 60;
    }
    nic.sendBatch(pairs, 30);
    expect(() => nic.sendBatch(pairs, 1)).toThrow(RangeError);
    nic.releaseSlots(pairs.subarray(60), 2);
    await world.sim.settle();
    for (let i = 0; i < 40; i++) await world.sim.advance(1);
    expect(world.sim.peer.take().map((frame) => frame[14])).toEqual(Array.from({ length: 30 }, (_, n) => n));
    expect(calls).toBeGreaterThan(0);
    expect(nic.takeSlots(pairs, 64)).toBe(32);
  });

  it('refuses to send after close, and close twice is one close', async () => {
    const first = nic.close();
    expect(nic.close()).toBe(first);
    await world.sim.run(first);
    await expect(nic.send(frameTo(PEER, 1))).rejects.toMatchObject({ code: 'E_STATE' });
  });

  it('tells the application when the device has gone, after it was closed', async () => {
    const reasons: EndReason[] = [];
    nic.onEnd((reason) => reasons.push(reason));
    world.sim.nic.remove('ones');
    for (let i = 0; i < 400 && reasons.length === 0; i++) await world.sim.advance(25);
    expect(reasons).toMatchObject([{ kind: 'gone', error: { code: 'E_DEVICE_GONE' } }]);
    expect(world.sim.pci.closed).toBe(true);
  });
});
