/**
 * MiniportPause, MiniportRestart, MiniportHaltEx (contract 2.5, 2.6). Layer: test/unit.
 * Rule: a pause waits for every NBL on both sides; after a halt the device does no DMA, raises no interrupt, and nothing
 * it was given is still held.
 */
import { describe, expect, test } from 'vitest';
import { NDIS_STATUS_PAUSED } from '../../../src/ndis/index.ts';
import { CASES, createRig, numbered, numbersOf, PEER, range, startRig } from './rig.ts';

describe.each(CASES)('%s by %s', (chip, profile) => {
  test('a pause waits until the protocol has returned every NBL', async () => {
    const rig = await startRig(chip, { profile });
    rig.holding = true;
    for (const n of range(10)) rig.sim.peer.send(numbered(rig.sim.mac, n, 64));
    await rig.sim.settle();
    expect(rig.held.length).toBe(10);
    let paused = false;
    const pause = rig.adapter.pause().then(() => {
      paused = true;
    });
    await rig.sim.advance(3000);
    expect(paused).toBe(false);
    expect(rig.adapter.state).toBe('Pausing');
    rig.giveBack(9);
    await rig.sim.advance(100);
    expect(paused).toBe(false);
    rig.giveBack();
    await rig.run(pause);
    expect(rig.adapter.state).toBe('Paused');
    await rig.stop();
    rig.released();
    rig.clean();
  });

  test('a pause waits until every send is complete, those in the queue too', async () => {
    const rig = await startRig(chip, { profile, checkForHang: false });
    rig.sim.nic.transmitEngine.mode = 'hold';
    rig.send(...range(1500).map((n) => numbered(PEER, n, 64)));
    let paused = false;
    const pause = rig.adapter.pause().then(() => {
      paused = true;
    });
    await rig.sim.settle();
    expect(paused).toBe(false);
    rig.sim.nic.transmitEngine.mode = 'now';
    rig.sim.nic.transmitEngine.run(Number.POSITIVE_INFINITY);
    rig.sim.nic.kickTransmit(0);
    await rig.run(pause);
    expect(rig.outstanding).toBe(0);
    await rig.stop();
    rig.clean();
  });

  test('a send in state Paused comes back at once with NDIS_STATUS_PAUSED', async () => {
    const rig = await startRig(chip, { profile });
    await rig.run(rig.adapter.pause());
    rig.send(numbered(PEER, 1, 64));
    await rig.sim.settle();
    expect(rig.completed).toEqual([NDIS_STATUS_PAUSED]);
    expect(rig.sim.peer.take()).toEqual([]);
    await rig.stop();
    rig.clean();
  });

  test('twenty rounds of pause and restart lose nothing sent between them', async () => {
    const rig = await startRig(chip, { profile });
    for (let round = 0; round < 20; round += 1) {
      await rig.run(rig.adapter.pause());
      await rig.run(rig.adapter.restart());
      await rig.sim.advance(1000);
      rig.take();
      for (const n of range(20, 100 * round)) rig.sim.peer.send(numbered(rig.sim.mac, n, 64));
      rig.send(numbered(PEER, round, 64));
      await rig.sim.settle();
      expect(numbersOf(rig.take())).toEqual(range(20, 100 * round));
    }
    expect(numbersOf(rig.sim.peer.take())).toEqual(range(20));
    await rig.stop();
    rig.clean();
  });

  test('after a halt the device touches no memory, whatever arrives', async () => {
    const rig = await startRig(chip, { profile });
    for (const n of range(100)) rig.sim.peer.send(numbered(rig.sim.mac, n, 64));
    rig.send(...range(100).map((n) => numbered(PEER, n, 64)));
    await rig.stop();
    rig.released();
    const before = rig.sim.memory.accesses;
    for (const n of range(50)) rig.sim.peer.send(numbered(rig.sim.mac, n, 64));
    rig.sim.wire.setCarrier(false);
    rig.sim.wire.setCarrier(true);
    await rig.sim.advance(10_000);
    expect(rig.sim.memory.accesses).toBe(before);
    expect(rig.sim.nic.interrupts.line).toBe(false);
    rig.clean();
  });

  test('a pause and halt under traffic both ways break nothing', async () => {
    const rig = await startRig(chip, { profile, seed: 11 });
    rig.sim.nic.transmitEngine.mode = 'random';
    rig.sim.nic.receiveWriteback.mode = 'random';
    rig.sim.nic.transmitWriteback.mode = 'random';
    for (const n of range(300)) rig.sim.peer.send(numbered(rig.sim.mac, n, 64));
    rig.send(...range(300).map((n) => numbered(PEER, n, 64)));
    await rig.run(rig.adapter.pause());
    expect(rig.outstanding).toBe(0);
    await rig.run(rig.adapter.halt());
    rig.released();
    rig.clean();
  });

  test('fifty lives in a row leave nothing behind', async () => {
    const rig = await createRig(chip, { profile });
    for (let life = 0; life < 50; life += 1) {
      await rig.initialize();
      await rig.stop();
    }
    rig.released();
    rig.clean();
  });

  test('a shutdown makes the device quiet without freeing its memory', async () => {
    const rig = await startRig(chip, { profile });
    rig.adapter.shutdown();
    await rig.sim.settle();
    expect(rig.adapter.state).toBe('Shutdown');
    expect(rig.sim.nic.quiet).toBe(true);
    expect(rig.sim.nic.enabled).toBe(0);
    const before = rig.sim.memory.accesses;
    rig.sim.peer.send(numbered(rig.sim.mac, 1, 64));
    await rig.sim.advance(5000);
    expect(rig.sim.memory.accesses).toBe(before);
    rig.clean();
  });

  test('a halt leaves no ring address behind for the next driver of a device without function reset', async () => {
    const rig = await startRig(chip, { profile });
    rig.send(numbered(PEER, 1, 64));
    await rig.stop();
    const { registers } = rig.sim.nic;
    const bases = chip === 'igb' ? [0xc000, 0xe000] : [0x2800, 0x3800];
    expect(bases.map((base) => registers.get(base))).toEqual([0, 0]);
    expect(bases.map((base) => registers.get(base + 8))).toEqual([0, 0]);
    rig.released();
    rig.clean();
  });
});
