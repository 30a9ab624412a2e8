/** Rules of the page `processing-the-surprise-removal-of-a-nic`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  NDIS_STATUS_NOT_ACCEPTED,
  NDIS_STATUS_PENDING,
  NDIS_STATUS_SUCCESS,
  NdisMPauseComplete,
  NdisMRemoveMiniport,
  NdisSendNetBufferLists,
  type NET_BUFFER_LIST,
  OID_GEN_VENDOR_DRIVER_VERSION,
} from '../../../src/ndis/index.ts';
import { makeOidRequest } from '../../../src/ndis/oid.ts';
import { bench, bind, initialized, running } from './fake-miniport.ts';
import { microtasks, turn } from './fake-pci.ts';

describe('A surprise removal', () => {
  it('notifies, pauses and halts with NdisHaltDeviceSurpriseRemoved, in this order (trap 53)', async () => {
    const { adapter, miniport } = await running();
    await adapter.surpriseRemoved();
    expect(miniport.log.slice(-3)).toEqual(['pnp 2', 'pause', 'halt 3']);
    expect(adapter.state).toBe('Halted');
  });

  it('answers sends and OIDs with NDIS_STATUS_NOT_ACCEPTED from the notice on', async () => {
    const { adapter, miniport } = await running({ handlers: { PauseHandler: () => NDIS_STATUS_PENDING } });
    const protocol = bind(adapter);
    const pool = adapter.allocateSendPool({ frames: 1, frameBytes: 64 });
    const removing = adapter.surpriseRemoved();
    NdisSendNetBufferLists(protocol.handle, pool.take() as NET_BUFFER_LIST, 0, 0);
    expect(protocol.completed[0]?.Status).toBe(NDIS_STATUS_NOT_ACCEPTED);
    const status = adapter.oidRequest(makeOidRequest(0, OID_GEN_VENDOR_DRIVER_VERSION, new Uint8Array(4)));
    expect(await status).toBe(NDIS_STATUS_NOT_ACCEPTED);
    await turn();
    NdisMPauseComplete(miniport.handle);
    await removing;
    expect(adapter.state).toBe('Halted');
  });

  it('waits for an operation in progress and happens once', async () => {
    const { adapter, miniport } = await running({ handlers: { PauseHandler: () => NDIS_STATUS_PENDING } });
    const pausing = adapter.pause();
    const removing = adapter.surpriseRemoved();
    expect(adapter.surpriseRemoved()).toBe(removing);
    await turn();
    NdisMPauseComplete(miniport.handle);
    await Promise.all([pausing, removing]);
    expect(miniport.log.filter((line) => line.startsWith('halt'))).toEqual(['halt 3']);
  });

  it('and the miniport giving its device up at once end in one pause and one halt', async () => {
    const { adapter, miniport, faults } = await running();
    NdisMRemoveMiniport(miniport.handle);
    NdisMRemoveMiniport(miniport.handle);
    await microtasks();
    await adapter.surpriseRemoved();
    await turn();
    expect(miniport.log.filter((line) => /^(pause|halt)/.test(line))).toEqual(['pause', 'halt 4']);
    expect(adapter.state).toBe('Halted');
    expect(faults).toHaveLength(1);
  });

  it('is harmless while Halted and from Paused needs no pause', async () => {
    const halted = await bench();
    await halted.adapter.surpriseRemoved();
    expect(halted.miniport.log).toEqual([]);
    const paused = await initialized();
    await paused.adapter.surpriseRemoved();
    expect(paused.miniport.log.slice(-2)).toEqual(['pnp 2', 'halt 3']);
  });

  it('fails an initialization under way, which leaves the adapter Halted', async () => {
    let proceed: () => void = () => {};
    const made = await bench({
      initialized: () =>
        new Promise((resolve) => {
          proceed = () => resolve(NDIS_STATUS_SUCCESS);
        }),
    });
    const initializing = made.adapter.initialize();
    const removing = made.adapter.surpriseRemoved();
    await turn();
    proceed();
    await expect(initializing).rejects.toMatchObject({ code: 'E_INITIALIZE' });
    await removing;
    expect(made.adapter.state).toBe('Halted');
  });

  it('is the host’s decision: the kernel’s request and device errors only reach its listeners', async () => {
    const { adapter, pci } = await running();
    const events: string[] = [];
    adapter.onRemovalRequest(() => events.push('removal'));
    adapter.onDeviceError(() => events.push('error'));
    pci.onRemovalRequest?.();
    pci.onDeviceError?.();
    expect(events).toEqual(['removal', 'error']);
    expect(adapter.state).toBe('Running');
  });
});
