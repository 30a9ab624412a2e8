/**
 * Link state indications (contract 2.10; 82574 10.2.2.2 and 4.6.3, 82576 8.2.2 and 4.5.7). Layer: test/unit.
 * Rule: one NDIS_STATUS_LINK_STATE per edge, the same state is not repeated, and none is missed when its interrupt is.
 */
import { describe, expect, test } from 'vitest';
import { MediaConnectStateConnected, MediaConnectStateDisconnected } from '../../../src/ndis/index.ts';
import { CASES, createRig, numbered, PEER, type Rig, startRig } from './rig.ts';

const known = (rig: Rig) => rig.links.map((one) => one.MediaConnectState).filter((state) => state !== 0);

describe.each(CASES)('%s by %s', (chip, profile) => {
  test('reports Connected with 1 Gbit/s full duplex after autonegotiation', async () => {
    const rig = await startRig(chip, { profile });
    expect(rig.adapter.linkState.MediaConnectState).toBe(MediaConnectStateConnected);
    expect(rig.adapter.linkState.XmitLinkSpeed).toBe(1e9);
    expect(rig.adapter.linkState.MediaDuplexState).toBe(2);
    expect(known(rig).at(-1)).toBe(MediaConnectStateConnected);
    await rig.stop();
    rig.clean();
  });

  test('reports each edge once while the cable is pulled and put back three times', async () => {
    const rig = await startRig(chip, { profile });
    rig.links.length = 0;
    for (let i = 0; i < 3; i += 1) {
      rig.sim.wire.setCarrier(false);
      await rig.sim.advance(100);
      rig.sim.wire.setCarrier(true);
      await rig.sim.advance(1000);
    }
    const down = MediaConnectStateDisconnected;
    const up = MediaConnectStateConnected;
    expect(known(rig)).toEqual([down, up, down, up, down, up]);
    await rig.stop();
    rig.clean();
  });

  test('starts without a cable, says Disconnected, and sees it arrive later', async () => {
    const rig = await createRig(chip, { profile });
    rig.sim.wire.setCarrier(false);
    await rig.start();
    await rig.sim.advance(2000); // the first check for hang
    expect(rig.adapter.linkState.MediaConnectState).toBe(MediaConnectStateDisconnected);
    rig.sim.wire.setCarrier(true);
    await rig.sim.advance(1000);
    expect(rig.adapter.linkState.MediaConnectState).toBe(MediaConnectStateConnected);
    rig.send(numbered(PEER, 1, 64));
    await rig.sim.settle();
    expect(rig.sim.peer.take().length).toBe(1);
    await rig.stop();
    rig.clean();
  });

  test('notices an edge whose interrupt was lost within the check-for-hang period', async () => {
    const rig = await startRig(chip, { profile });
    for (let vector = 0; vector < 10; vector += 1) rig.sim.nic.interrupts.lose(vector, 1);
    rig.sim.wire.setCarrier(false);
    await rig.sim.advance(5000);
    expect(rig.adapter.linkState.MediaConnectState).toBe(MediaConnectStateDisconnected);
    for (let vector = 0; vector < 10; vector += 1) rig.sim.nic.interrupts.lose(vector, 0);
    await rig.stop();
    rig.clean();
  });

  test('completes sends while the link is down and sends again when it is back', async () => {
    const rig = await startRig(chip, { profile });
    rig.sim.wire.setCarrier(false);
    await rig.sim.advance(50);
    rig.send(numbered(PEER, 1, 64), numbered(PEER, 2, 64));
    await rig.sim.advance(6000);
    expect(rig.outstanding).toBe(0);
    rig.sim.wire.setCarrier(true);
    await rig.sim.advance(1500);
    rig.sim.peer.take();
    rig.send(numbered(PEER, 3, 64));
    await rig.sim.settle();
    expect(rig.sim.peer.take().length).toBe(1);
    await rig.stop();
    rig.clean();
  });
});
