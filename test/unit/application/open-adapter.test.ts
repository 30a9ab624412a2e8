/**
 * Rules under test: the estimate for the locked-memory check covers what an adapter really allocates; what is wrong with
 * the options is found before anything is opened.
 */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openNic } from '../../../src/application/nic.ts';
import { checkSettings, dmaNeedBytes } from '../../../src/application/open-adapter.ts';
import { slotBytesFor } from '../../../src/bridge/edge.ts';
import { NDIS_STATUS_SUCCESS } from '../../../src/ndis/index.ts';
import { createSimMachine, type SimMachine } from './sim-machine.ts';

let world: SimMachine | undefined;
afterEach(() => world?.restore());

describe.each(['igb', 'e1000e'] as const)('opening an adapter on %s', (chip) => {
  it.each([68, 1500, 4000, 9000])(
    'needs no more DMA memory at MTU %i than was checked, and not much less',
    async (mtu) => {
      world = createSimMachine(chip);
      const { machine, sim } = world;
      const nic = await sim.run(openNic('0000:01:00.0', { machine, mtu, sendSlots: 256 }));
      const used = sim.memory.arenas.reduce((sum, arena) => sum + arena.lengthBytes, 0);
      const checked = dmaNeedBytes(mtu, 256 * slotBytesFor(mtu));
      expect(used).toBeLessThanOrEqual(checked);
      expect(used).toBeGreaterThan(checked / 2);
      await sim.run(nic.close());
    },
  );

  it('refuses a miniport for other hardware without opening the device', async () => {
    world = createSimMachine(chip);
    const openPciFunction = vi.fn(() => world!.sim.pci);
    const machine = { ...world.machine, openPciFunction };
    const miniport = { DriverEntry: () => NDIS_STATUS_SUCCESS, HardwareIds: ['PCI\\VEN_1234&DEV_0001'] };
    await expect(openNic('0000:01:00.0', { machine, miniport })).rejects.toMatchObject({ code: 'E_DRIVER_ENTRY' });
    expect(openPciFunction).not.toHaveBeenCalled();
  });

  it('reports a DriverEntry that throws without opening the device', async () => {
    world = createSimMachine(chip);
    const openPciFunction = vi.fn(() => world!.sim.pci);
    const machine = { ...world.machine, openPciFunction };
    const miniport = {
      DriverEntry: () => {
        throw new Error('on purpose');
      },
      HardwareIds: ['PCI\\VEN_8086'],
    };
    await expect(openNic('0000:01:00.0', { machine, miniport })).rejects.toMatchObject({
      code: 'E_DRIVER_ENTRY',
      text: { cause: 'it threw: on purpose' },
    });
    expect(openPciFunction).not.toHaveBeenCalled();
  });
});

describe('settings', () => {
  it.each([67, 9001, 0, -1, 1500.5, Number.NaN])('have no MTU of %d', (mtu) => {
    expect(() => checkSettings({ mtu })).toThrow(expect.objectContaining({ code: 'E_MTU' }));
  });

  it.each([0, 2049, 1.5, Number.NaN])('have no %d messages', (messages) => {
    expect(() => checkSettings({ messages })).toThrow(expect.objectContaining({ code: 'E_OPTION' }));
  });

  it('take the whole range', () => {
    checkSettings({});
    checkSettings({ mtu: 68, messages: 1 });
    checkSettings({ mtu: 9000, messages: 2048 });
  });
});
