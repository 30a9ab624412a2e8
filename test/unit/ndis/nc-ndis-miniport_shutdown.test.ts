/** Rules of the page `nc-ndis-miniport_shutdown`, a test each. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  HIGH_LEVEL,
  KeGetCurrentIrql,
  NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER,
  NDIS_MINIPORT_ATTRIBUTES_REGISTER_BUGCHECK_CALLBACK,
  NdisMFreeSharedMemory,
  NdisShutdownBugCheck,
  NdisShutdownPowerOff,
  PASSIVE_LEVEL,
} from '../../../src/ndis/index.ts';
import { type MiniportScript, running } from './fake-miniport.ts';

async function shutting(script: MiniportScript = {}) {
  const calls: { readonly action: number; readonly irql: number }[] = [];
  const made = await running({
    ...script,
    handlers: {
      ShutdownHandlerEx: (_context, action) => void calls.push({ action, irql: KeGetCurrentIrql() }),
      ...script.handlers,
    },
  });
  return { ...made, calls };
}

const WANTS = {
  registration: {
    AttributeFlags: NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER | NDIS_MINIPORT_ATTRIBUTES_REGISTER_BUGCHECK_CALLBACK,
  },
};

describe('MiniportShutdownEx', () => {
  it('for a power-off runs at PASSIVE_LEVEL, and no halt or other callback follows', async () => {
    const { adapter, calls, miniport } = await shutting();
    adapter.shutdown();
    expect(calls).toEqual([{ action: NdisShutdownPowerOff, irql: PASSIVE_LEVEL }]);
    await expect(adapter.pause()).rejects.toMatchObject({ code: 'E_STATE' });
    await expect(adapter.halt()).rejects.toMatchObject({ code: 'E_STATE' });
    await adapter.surpriseRemoved();
    expect([adapter.state, miniport.log.includes('halt 3')]).toEqual(['Shutdown', false]);
  });

  it('for a bug check runs at a high IRQL, in a 6.30 driver that asked for it', async () => {
    const { adapter, calls } = await shutting(WANTS);
    adapter.shutdown(NdisShutdownBugCheck);
    expect(calls).toEqual([{ action: NdisShutdownBugCheck, irql: HIGH_LEVEL }]);
  });

  it('for a bug check is not called in a 6.30 driver that did not ask for it', async () => {
    const { adapter, calls } = await shutting();
    adapter.shutdown(NdisShutdownBugCheck);
    expect([adapter.state, calls]).toEqual(['Shutdown', []]);
  });

  it('for a bug check is called in every driver before 6.30', async () => {
    const { adapter, calls } = await shutting({ handlers: { MinorNdisVersion: 20 } });
    adapter.shutdown(NdisShutdownBugCheck);
    expect(calls).toHaveLength(1);
  });

  it('returns at once while a halt is running', async () => {
    const { adapter, calls } = await shutting(WANTS);
    await adapter.pause();
    const halt = adapter.halt();
    adapter.shutdown(NdisShutdownBugCheck);
    await halt;
    expect([adapter.state, calls]).toEqual(['Halted', []]);
  });

  it('may not free shared memory, which stays as it is', async () => {
    const { adapter, miniport } = await shutting({
      handlers: {
        ShutdownHandlerEx: () => {
          NdisMFreeSharedMemory(
            miniport.handle,
            miniport.memory.length,
            false,
            miniport.memory,
            miniport.memoryAddress,
          );
        },
      },
    });
    adapter.shutdown();
    expect(miniport.memory[0]).toBe(0);
  });
});
