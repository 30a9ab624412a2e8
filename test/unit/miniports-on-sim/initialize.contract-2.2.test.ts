/**
 * MiniportInitializeEx and MiniportRestart on both chips (contract 2.2, 2.5; 82574 4.6, 82576 4.5). Layer: test/unit.
 * Rule: a failed initialisation leaves nothing behind, whatever failed, and the same device can be started afterwards.
 */
import { describe, expect, test } from 'vitest';
import { hasCode } from '../../../src/base/errors.ts';
import { COMMON } from '../../../src/sim/index.ts';
import { CASES, createRig, numbered, PEER, rigOn, startRig } from './rig.ts';

describe.each(CASES)('%s by %s', (chip, profile) => {
  test('goes from Halted over Paused to Running and tells the address of the NVM', async () => {
    const rig = await createRig(chip, { profile });
    expect(rig.adapter.state).toBe('Halted');
    await rig.initialize();
    expect(rig.adapter.state).toBe('Paused');
    expect(rig.adapter.macAddress).toEqual(rig.sim.mac);
    rig.bind();
    await rig.run(rig.adapter.restart());
    expect(rig.adapter.state).toBe('Running');
    await rig.stop();
    expect(rig.adapter.state).toBe('Halted');
    rig.released();
    rig.clean();
  });

  test('resets the device before bus mastering, so that a dead driver’s rings do no harm', async () => {
    const rig = await createRig(chip, { profile });
    const { nic } = rig.sim;
    // As a killed driver leaves an 82574 under QEMU: the receiver on, rings at addresses that are no longer mapped.
    const ring = chip === 'igb' ? 0xc000 : 0x2800;
    nic.registers.set(ring, 0x7f00_0000);
    nic.registers.set(ring + 8, 4096);
    nic.registers.set(ring + 0x18, 100);
    nic.registers.set(COMMON.RCTL, 0x0400_801a);
    nic.registers.set(COMMON.CTRL, 0x40);
    nic.registers.set(COMMON.STATUS, 2);
    nic.registers.set(chip === 'igb' ? 0x1508 : 0xd0, 0x94);
    rig.sim.peer.send(numbered(rig.sim.mac, 1, 64));
    // What the dead driver's rings cause up to here is not ours.
    rig.sim.memory.faults.length = 0;
    nic.registers.violations.length = 0;
    await rig.start();
    rig.send(numbered(PEER, 1, 64));
    await rig.sim.settle();
    expect(rig.sim.peer.take().length).toBe(1);
    await rig.stop();
    rig.clean();
  });

  test('a second life on the same device works like the first', async () => {
    const first = await startRig(chip, { profile });
    await first.stop();
    first.released();
    const second = await rigOn(first.sim);
    await second.start();
    second.send(numbered(PEER, 5, 64));
    first.sim.peer.send(numbered(first.sim.mac, 6, 64));
    await first.sim.settle();
    expect(second.received.length).toBe(1);
    expect(second.completed).toEqual([0]);
    await second.stop();
    second.released();
    second.clean();
  });

  const failures: ReadonlyArray<readonly [string, (rig: Awaited<ReturnType<typeof createRig>>) => void]> = [
    ['the BAR cannot be mapped', (rig) => (rig.sim.pci.faults.failMapBar = true)],
    ['no vector can be enabled', (rig) => (rig.sim.pci.faults.failEnableInterrupts = true)],
    ['CTRL.RST never completes', (rig) => (rig.sim.nic.resetHangs = true)],
    [
      'neither RAL nor the NVM holds an address',
      (rig) => {
        rig.sim.nic.nvm.fill(0);
        rig.sim.nic.fixNvmChecksum();
      },
    ],
    [
      'the NVM does not answer and RAL is empty',
      (rig) => {
        rig.sim.nic.nvm.fill(0);
        rig.sim.nic.nvmHangs = true;
      },
    ],
    ['the device is gone and reads all ones', (rig) => rig.sim.nic.remove('ones')],
    ['the device is gone and reads zero', (rig) => rig.sim.nic.remove('zero')],
  ];

  test.each(failures)('fails with E_INITIALIZE and leaves nothing behind when %s', async (_, inject) => {
    const rig = await createRig(chip, { profile });
    inject(rig);
    const error = await rig.initialize().then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(hasCode(error, 'E_INITIALIZE')).toBe(true);
    expect(rig.adapter.state).toBe('Halted');
    rig.released();
    rig.clean();
  });

  test('fails cleanly at each DMA allocation in turn and starts once memory is there', async () => {
    const probe = await createRig(chip, { profile });
    await probe.initialize();
    const allocations = probe.sim.pci.dmaAllocations;
    await probe.stop();
    expect(allocations).toBeGreaterThanOrEqual(1);
    for (let nth = 1; nth <= allocations; nth += 1) {
      const rig = await createRig(chip, { profile });
      rig.sim.pci.faults.failAllocateDma = nth;
      await expect(rig.initialize()).rejects.toMatchObject({ code: 'E_INITIALIZE' });
      rig.released();
      rig.clean();
      await rig.initialize();
      await rig.stop();
      rig.released();
      rig.clean();
    }
  });

  test.each([1, 2, 3, 4])('runs when the kernel grants at most %i vectors', async (most) => {
    const rig = await createRig(chip, { profile });
    rig.sim.pci.faults.maxVectors = most;
    await rig.start();
    rig.send(numbered(PEER, 1, 64));
    rig.sim.peer.send(numbered(rig.sim.mac, 2, 64));
    await rig.sim.settle();
    expect(rig.completed).toEqual([0]);
    expect(rig.received.length).toBe(1);
    await rig.stop();
    rig.released();
    rig.clean();
  });

  test('survives configuration reads that come back short', async () => {
    const rig = await createRig(chip, { profile });
    rig.sim.pci.faults.configReadLimit = 1;
    const failed = await rig.initialize().then(
      () => false,
      () => true,
    );
    if (failed) {
      rig.released();
    } else {
      expect(rig.adapter.state).toBe('Paused');
      await rig.stop();
      rig.released();
    }
    rig.clean();
  });
});
