/**
 * MiniportCheckForHangEx and MiniportResetEx (contract 2.8; 82574 4.6.1, 82576 4.2.1.6). Layer: test/unit.
 * Rule: a reset completes what was outstanding, restores every filter and setting, and traffic goes on; a transmitter
 * that stands still for about two seconds with work to do is found and reset, one that has a reason to is not.
 */
import { describe, expect, test } from 'vitest';
import {
  NDIS_PACKET_TYPE_BROADCAST,
  NDIS_PACKET_TYPE_DIRECTED,
  NDIS_PACKET_TYPE_MULTICAST,
  NDIS_STATUS_SUCCESS,
} from '../../../src/ndis/index.ts';
import { CASES, numbered, numbersOf, PEER, range, startRig } from './rig.ts';

const groups = (count: number) =>
  range(count).map((n) => Uint8Array.of(0x01, 0x00, 0x5e, n & 0x7f, (n * 29) & 0xff, (n * 113) & 0xff));

describe.each(CASES)('%s by %s', (chip, profile) => {
  test('a reset restores filters, rings and interrupt routing to what they were', async () => {
    const rig = await startRig(chip, { profile });
    await rig.run(
      rig.adapter.setPacketFilter(NDIS_PACKET_TYPE_DIRECTED | NDIS_PACKET_TYPE_BROADCAST | NDIS_PACKET_TYPE_MULTICAST),
    );
    await rig.run(rig.adapter.setMulticastList(groups(40)));
    await rig.sim.settle();
    const { nic } = rig.sim;
    const before = nic.registers.dump(nic.configuration);
    expect(await rig.run(rig.adapter.reset())).toBe(NDIS_STATUS_SUCCESS);
    await rig.sim.advance(1500);
    expect(nic.registers.dump(nic.configuration)).toEqual(before);
    expect(rig.adapter.linkState.MediaConnectState).toBe(1);
    rig.sim.peer.send(numbered(groups(40)[39]!, 7, 64));
    rig.send(numbered(PEER, 8, 64));
    await rig.sim.settle();
    expect(numbersOf(rig.take())).toEqual([7]);
    expect(numbersOf(rig.sim.peer.take())).toEqual([8]);
    await rig.stop();
    rig.released();
    rig.clean();
  });

  test('a reset under load completes every send once and traffic goes on', async () => {
    const rig = await startRig(chip, { profile, seed: 3 });
    rig.sim.nic.transmitEngine.mode = 'hold';
    rig.holding = true;
    rig.send(...range(800).map((n) => numbered(PEER, n, 64)));
    for (const n of range(60)) rig.sim.peer.send(numbered(rig.sim.mac, n, 64));
    await rig.sim.settle();
    rig.sim.nic.transmitEngine.run(20);
    await rig.run(rig.adapter.reset());
    expect(rig.outstanding).toBe(0);
    expect(rig.completed.length).toBe(800);
    expect(rig.completed.some((status) => status !== NDIS_STATUS_SUCCESS)).toBe(true);
    rig.sim.nic.transmitEngine.mode = 'now';
    rig.holding = false;
    rig.giveBack();
    await rig.sim.advance(1500);
    rig.take();
    rig.sim.peer.take();
    for (const n of range(200)) {
      rig.sim.peer.send(numbered(rig.sim.mac, n, 64));
      rig.send(numbered(PEER, n, 64));
      if (n % 20 === 19) await rig.sim.settle();
    }
    await rig.sim.settle();
    expect(numbersOf(rig.take())).toEqual(range(200));
    expect(numbersOf(rig.sim.peer.take())).toEqual(range(200));
    await rig.stop();
    rig.released();
    rig.clean();
  });

  test('NBLs the protocol keeps over a reset are returned afterwards without harm', async () => {
    const rig = await startRig(chip, { profile });
    rig.holding = true;
    for (let round = 0; round < 4; round += 1) {
      for (const n of range(30, 30 * round)) rig.sim.peer.send(numbered(rig.sim.mac, n, 64));
      await rig.sim.settle();
      await rig.run(rig.adapter.reset());
      await rig.sim.advance(1500);
    }
    expect(numbersOf(rig.received.map((one) => one.bytes))).toEqual(range(120));
    rig.giveBack();
    rig.holding = false;
    rig.take();
    for (const n of range(100)) rig.sim.peer.send(numbered(rig.sim.mac, n, 64));
    await rig.sim.settle();
    expect(numbersOf(rig.take())).toEqual(range(100));
    await rig.stop();
    rig.clean();
  });

  test('a transmit hang is found, the adapter is reset, sends complete, and the next frame goes out', async () => {
    const rig = await startRig(chip, { profile });
    rig.sim.nic.transmitHang = true;
    rig.send(...range(5).map((n) => numbered(PEER, n, 64)));
    await rig.sim.advance(15_000);
    expect(rig.outstanding).toBe(0);
    expect(rig.resets.length).toBe(1);
    rig.sim.peer.take();
    rig.send(numbered(PEER, 99, 64));
    await rig.sim.settle();
    expect(numbersOf(rig.sim.peer.take())).toEqual([99]);
    expect(rig.completed.at(-1)).toBe(NDIS_STATUS_SUCCESS);
    await rig.stop();
    rig.clean();
  });

  test('a device that idles, or sends slowly, is never taken for hung', async () => {
    const rig = await startRig(chip, { profile });
    await rig.sim.advance(20_000);
    rig.sim.nic.transmitEngine.mode = 'hold';
    rig.send(...range(30).map((n) => numbered(PEER, n, 64)));
    for (let i = 0; i < 30; i += 1) {
      await rig.sim.advance(900);
      rig.sim.nic.transmitEngine.run(1);
      await rig.sim.settle();
    }
    expect(rig.resets).toEqual([]);
    rig.sim.nic.transmitEngine.mode = 'now';
    rig.sim.nic.transmitEngine.run(Number.POSITIVE_INFINITY);
    rig.sim.nic.kickTransmit(0);
    await rig.sim.settle();
    expect(numbersOf(rig.sim.peer.take())).toEqual(range(30));
    await rig.stop();
    rig.clean();
  });

  test('completions whose interrupt was lost are found without a reset', async () => {
    const rig = await startRig(chip, { profile });
    const transmit = rig.adapter.interrupt!.messageCount > 2 ? 1 : 0;
    rig.sim.nic.interrupts.lose(transmit, 1);
    rig.send(numbered(PEER, 1, 64));
    await rig.sim.advance(5000);
    expect(rig.completed).toEqual([NDIS_STATUS_SUCCESS]);
    expect(rig.resets).toEqual([]);
    rig.send(numbered(PEER, 2, 64));
    await rig.sim.settle();
    expect(rig.completed.length).toBe(2);
    await rig.stop();
    rig.clean();
  });

  test('ten resets in a row leave a working adapter', async () => {
    const rig = await startRig(chip, { profile });
    for (let i = 0; i < 10; i += 1) await rig.run(rig.adapter.reset());
    await rig.sim.advance(1500);
    rig.send(numbered(PEER, 1, 64));
    rig.sim.peer.send(numbered(rig.sim.mac, 2, 64));
    await rig.sim.settle();
    expect(rig.received.length).toBe(1);
    expect(rig.sim.peer.take().length).toBe(1);
    await rig.stop();
    rig.released();
    rig.clean();
  });
});
