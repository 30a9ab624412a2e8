/**
 * Sending (contract 3.1; 82574 7.2, 82576 7.2). Layer: test/unit.
 * Rule: every NBL is completed exactly once, frames leave in order and unchanged but for the padding to 60 bytes.
 */
import { describe, expect, test } from 'vitest';
import {
  type MDL,
  NDIS_STATUS_INVALID_LENGTH,
  NDIS_STATUS_SEND_ABORTED,
  NDIS_STATUS_SUCCESS,
  NdisCancelSendNetBufferLists,
} from '../../../src/ndis/index.ts';
import { CASES, createRig, numbered, numbersOf, PEER, range, startRig } from './rig.ts';

describe.each(CASES)('%s by %s', (chip, profile) => {
  test('a frame reaches the wire unchanged and its NBL comes back with success', async () => {
    const rig = await startRig(chip, { profile });
    const frame = numbered(PEER, 1, 100);
    rig.send(frame);
    await rig.sim.settle();
    expect(rig.sim.peer.take()).toEqual([frame]);
    expect(rig.completed).toEqual([NDIS_STATUS_SUCCESS]);
    await rig.stop();
    rig.released();
    rig.clean();
  });

  test('1000 frames in one chain overflow the ring, wait in the queue and leave in order', async () => {
    const rig = await startRig(chip, { profile });
    rig.send(...range(1000).map((n) => numbered(PEER, n, 60 + (n % 200))));
    await rig.sim.settle();
    expect(numbersOf(rig.sim.peer.take())).toEqual(range(1000));
    expect(rig.completed).toEqual(new Array(1000).fill(NDIS_STATUS_SUCCESS));
    await rig.stop();
    rig.clean();
  });

  test('frames beyond the ring wait while the device does not move and all go out when it does', async () => {
    const rig = await startRig(chip, { profile, checkForHang: false });
    rig.sim.nic.transmitEngine.mode = 'hold';
    rig.send(...range(3000).map((n) => numbered(PEER, n, 64)));
    await rig.sim.settle();
    expect(rig.completed.length).toBe(0);
    expect(rig.outstanding).toBe(3000);
    rig.sim.nic.transmitEngine.mode = 'now';
    rig.sim.nic.transmitEngine.run(Number.POSITIVE_INFINITY);
    rig.sim.nic.kickTransmit(0);
    await rig.sim.settle();
    expect(numbersOf(rig.sim.peer.take())).toEqual(range(3000));
    expect(rig.outstanding).toBe(0);
    await rig.stop();
    rig.clean();
  });

  test('the ring wraps many times with single sends in between', async () => {
    const rig = await startRig(chip, { profile });
    let number = 0;
    for (let round = 0; round < 60; round += 1) {
      const count = 1 + ((round * 37) % 90);
      rig.send(...range(count, number).map((n) => numbered(PEER, n, 64)));
      number += count;
      await rig.sim.settle();
    }
    expect(numbersOf(rig.sim.peer.take())).toEqual(range(number));
    expect(rig.completed.length).toBe(number);
    await rig.stop();
    rig.clean();
  });

  test('a frame of 9,014 bytes that lies anywhere in its pages leaves whole, no buffer across a page', async () => {
    const rig = await startRig(chip, { profile, configuration: { '*JumboPacket': 9014 } });
    const arena = rig.sim.pci.allocateDma(5 * 4096);
    for (const ByteOffset of [0, 1, 2048, 4095]) {
      const frame = numbered(PEER, 7, 9014);
      arena.bytes.set(frame, ByteOffset);
      const mdl = {
        Next: null,
        StartVa: arena.bytes,
        ByteOffset,
        ByteCount: 9014,
        PhysicalAddress: arena.iova + ByteOffset,
      };
      rig.sendLists([rig.makeOf(mdl, 9014)]);
      await rig.sim.settle();
      expect(rig.sim.peer.take()).toEqual([frame]);
    }
    expect(rig.completed).toEqual([0, 0, 0, 0]);
    await rig.stop();
    arena.free();
    rig.clean();
  });

  test('a frame in pieces of DMA memory and of ordinary memory leaves as one', async () => {
    const rig = await startRig(chip, { profile });
    const arena = rig.sim.pci.allocateDma(8192);
    const frame = numbered(PEER, 9, 1514);
    const cuts = [0, 14, 15, 200, 1000, 1514];
    const build = (dma: (index: number) => boolean): MDL => {
      let chain: MDL | null = null;
      for (let i = cuts.length - 2; i >= 0; i -= 1) {
        const [from, to] = [cuts[i]!, cuts[i + 1]!];
        const start = 64 * i + from;
        if (dma(i)) arena.bytes.set(frame.subarray(from, to), start);
        chain = {
          Next: chain,
          StartVa: dma(i) ? arena.bytes : frame,
          ByteOffset: dma(i) ? start : from,
          ByteCount: to - from,
          PhysicalAddress: dma(i) ? arena.iova + start : 0,
        };
      }
      return chain!;
    };
    rig.sendLists([
      rig.makeOf(
        build(() => true),
        1514,
      ),
      rig.makeOf(
        build(() => false),
        1514,
      ),
      rig.makeOf(
        build((i) => i % 2 === 0),
        1514,
      ),
    ]);
    await rig.sim.settle();
    expect(rig.sim.peer.take()).toEqual([frame, frame, frame]);
    expect(rig.completed).toEqual([0, 0, 0]);
    await rig.stop();
    arena.free();
    rig.clean();
  });

  test('CurrentMdlOffset is skipped at the start of the chain', async () => {
    const rig = await startRig(chip, { profile });
    const frame = numbered(PEER, 4, 300);
    const padded = new Uint8Array(340).fill(0xee);
    padded.set(frame, 40);
    const mdl: MDL = { Next: null, StartVa: padded, ByteOffset: 0, ByteCount: 340, PhysicalAddress: 0 };
    rig.sendLists([rig.makeOf(mdl, 300, 40)]);
    await rig.sim.settle();
    expect(rig.sim.peer.take()).toEqual([frame]);
    await rig.stop();
    rig.clean();
  });

  test('frames shorter than 60 bytes are padded with zeros, whatever lies behind them in memory', async () => {
    const rig = await startRig(chip, { profile });
    const memory = new Uint8Array(4096).fill(0xaa);
    const lengths = [14, 17, 42, 59];
    const lists = lengths.map((length, i) => {
      memory.set(numbered(PEER, 0, 18).subarray(0, 14), 512 * i);
      const mdl = { Next: null, StartVa: memory, ByteOffset: 512 * i, ByteCount: 512, PhysicalAddress: 0 };
      return rig.makeOf(mdl, length);
    });
    rig.sendLists(lists);
    await rig.sim.settle();
    const frames = rig.sim.peer.take();
    expect(frames.map((frame) => frame.length)).toEqual([60, 60, 60, 60]);
    for (const [i, frame] of frames.entries()) {
      expect(frame.subarray(lengths[i]!).every((byte) => byte === 0)).toBe(true);
      expect(frame.subarray(14, lengths[i]!).every((byte) => byte === 0xaa)).toBe(true);
    }
    await rig.stop();
    rig.clean();
  });

  test('a frame longer than the MTU allows is refused with INVALID_LENGTH and the others go out', async () => {
    const rig = await startRig(chip, { profile });
    rig.send(numbered(PEER, 1, 1514), numbered(PEER, 2, 1600), numbered(PEER, 3, 64));
    await rig.sim.settle();
    expect(numbersOf(rig.sim.peer.take())).toEqual([1, 3]);
    expect(rig.completed.toSorted((a, b) => a - b)).toEqual([0, 0, NDIS_STATUS_INVALID_LENGTH]);
    await rig.stop();
    rig.clean();
  });

  test('a jumbo frame of 9014 bytes goes through when the MTU is 9000', async () => {
    const rig = await createRig(chip, { profile, configuration: { '*JumboPacket': 9014 } });
    await rig.start();
    const frame = numbered(PEER, 1, 9014);
    rig.send(frame);
    const back = numbered(rig.sim.mac, 2, 9014);
    rig.sim.peer.send(back);
    await rig.sim.settle();
    expect(rig.sim.peer.take()).toEqual([frame]);
    expect(rig.take()).toEqual([back]);
    await rig.stop();
    rig.clean();
  });

  test.each(['msix', 'msi', 'line'] as const)(
    '500 frames go out and complete with %s interrupts',
    async (interrupts) => {
      const rig = await startRig(chip, { profile, interrupts });
      for (let i = 0; i < 5; i += 1) {
        rig.send(...range(100, 100 * i).map((n) => numbered(PEER, n, 64)));
        await rig.sim.settle();
      }
      expect(numbersOf(rig.sim.peer.take())).toEqual(range(500));
      expect(rig.completed.length).toBe(500);
      await rig.stop();
      rig.released();
      rig.clean();
    },
  );

  test('cancelled NBLs that still wait come back with SEND_ABORTED and never go out, the others do', async () => {
    const rig = await startRig(chip, { profile, checkForHang: false });
    rig.sim.nic.transmitEngine.mode = 'hold';
    const lists = range(2600).map((n) => rig.make(numbered(PEER, n, 64)));
    const onTheRing = rig.sim.nic.registers.get(chip === 'igb' ? 0xe008 : 0x3808) / 16;
    const cancelId = { who: 'this test' };
    // Every third of those that cannot be on the ring, the very last one included.
    const cancelled = range(2600).filter((n) => n > onTheRing && n % 3 === 2599 % 3);
    for (const n of cancelled) lists[n]!.NetBufferListInfo.NetBufferListCancelId = cancelId;
    rig.sendLists(lists);
    await rig.sim.settle();
    NdisCancelSendNetBufferLists(rig.binding, cancelId);
    NdisCancelSendNetBufferLists(rig.binding, { who: 'nobody' });
    expect(rig.completed).toEqual(cancelled.map(() => NDIS_STATUS_SEND_ABORTED));
    rig.sim.nic.transmitEngine.mode = 'now';
    rig.sim.nic.transmitEngine.run(Number.POSITIVE_INFINITY);
    rig.sim.nic.kickTransmit(0);
    await rig.sim.settle();
    const gone = new Set(cancelled);
    expect(numbersOf(rig.sim.peer.take())).toEqual(range(2600).filter((n) => !gone.has(n)));
    expect(rig.outstanding).toBe(0);
    await rig.stop();
    rig.clean();
  });
});
