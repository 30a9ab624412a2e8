/** Rules of the page `nc-ndis-miniport_pause`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_PAUSED,
  NDIS_STATUS_PENDING,
  NDIS_STATUS_RESOURCES,
  NDIS_STATUS_SUCCESS,
  NdisMIndicateReceiveNetBufferLists,
  NdisMPauseComplete,
  NdisMRestartComplete,
  NdisMSendNetBufferListsComplete,
  NdisReturnNetBufferLists,
  NdisSendNetBufferLists,
  type NET_BUFFER_LIST,
} from '../../../src/ndis/index.ts';
import { bind, initialized, running } from './fake-miniport.ts';
import { microtasks, turn } from './fake-pci.ts';

describe('MiniportPause', () => {
  it('that returns PENDING keeps the adapter Pausing until NdisMPauseComplete (trap 51)', async () => {
    const { adapter, miniport } = await running({ handlers: { PauseHandler: () => NDIS_STATUS_PENDING } });
    const pausing = adapter.pause();
    await turn();
    expect(adapter.state).toBe('Pausing');
    NdisMPauseComplete(miniport.handle);
    await pausing;
    expect(adapter.state).toBe('Paused');
  });

  it('may complete before it returns PENDING', async () => {
    const made = await running({
      handlers: {
        PauseHandler: () => {
          NdisMPauseComplete(made.miniport.handle);
          return NDIS_STATUS_PENDING;
        },
      },
    });
    await made.adapter.pause();
    expect(made.faults).toEqual([]);
  });

  it('may return a Promise', async () => {
    const made = await running({ handlers: { PauseHandler: () => Promise.resolve(NDIS_STATUS_SUCCESS) } });
    await made.adapter.pause();
    expect(made.adapter.state).toBe('Paused');
  });

  it('has new sends rejected per NBL with NDIS_STATUS_PAUSED from its call on', async () => {
    const made = await running({
      handlers: {
        PauseHandler: () => {
          NdisSendNetBufferLists(protocol.handle, chain, 0, 0);
          return NDIS_STATUS_SUCCESS;
        },
      },
    });
    const protocol = bind(made.adapter);
    const pool = made.adapter.allocateSendPool({ frames: 2, frameBytes: 64 });
    const chain = pool.take() as NET_BUFFER_LIST;
    chain.Next = pool.take();
    await made.adapter.pause();
    expect(protocol.completed.map((nbl) => nbl.Status)).toEqual([NDIS_STATUS_PAUSED, NDIS_STATUS_PAUSED]);
    expect(made.miniport.sends).toEqual([]);
    expect(made.adapter.sendsOutstanding).toBe(0);
  });

  it('has indications refused afterwards: the NBLs go back to the miniport at once', async () => {
    const { adapter, miniport, log } = await running();
    const protocol = bind(adapter);
    await adapter.pause();
    NdisMIndicateReceiveNetBufferLists(miniport.handle, miniport.takeChain(3), 0, 3, 0);
    expect(protocol.received).toEqual([]);
    expect(miniport.returned).toHaveLength(3);
    expect(log.some((entry) => entry.message.startsWith('INT-17'))).toBe(true);
  });

  it('that completes with frames still out is reported (INT-19)', async () => {
    const { adapter, miniport, log } = await running();
    const protocol = bind(adapter);
    NdisMIndicateReceiveNetBufferLists(miniport.handle, miniport.takeChain(1), 0, 1, 0);
    expect(adapter.receivesOutstanding).toBe(1);
    await adapter.pause();
    expect(log.some((entry) => entry.message.startsWith('INT-19'))).toBe(true);
    NdisReturnNetBufferLists(protocol.handle, protocol.received[0]?.nbls[0] as NET_BUFFER_LIST, 0);
    expect(adapter.receivesOutstanding).toBe(0);
  });

  it('that waits for its frames and sends completes when the last of them is back', async () => {
    const made = await running({ handlers: { PauseHandler: () => NDIS_STATUS_PENDING } });
    const { adapter, miniport } = made;
    const protocol = bind(adapter);
    const pool = adapter.allocateSendPool({ frames: 1, frameBytes: 64 });
    NdisSendNetBufferLists(protocol.handle, pool.take() as NET_BUFFER_LIST, 0, 0);
    const pausing = adapter.pause();
    const sent = miniport.sends[0] as NET_BUFFER_LIST;
    sent.Status = NDIS_STATUS_SUCCESS;
    NdisMSendNetBufferListsComplete(miniport.handle, sent, 0);
    NdisMPauseComplete(miniport.handle);
    await pausing;
    expect(made.log.filter((entry) => entry.message.startsWith('INT-19'))).toEqual([]);
    expect(protocol.completed).toHaveLength(1);
  });

  it('may only return SUCCESS or PENDING; anything else is a fault and the adapter is Paused', async () => {
    const { adapter, faults } = await running({ handlers: { PauseHandler: () => NDIS_STATUS_FAILURE } });
    await adapter.pause();
    await microtasks();
    expect(adapter.state).toBe('Paused');
    expect(faults[0]?.message).toContain('NDIS_STATUS_FAILURE');
  });

  it('completed after a synchronous SUCCESS, or when nothing is pending, is bug check 0x7C/0x1F', async () => {
    const twice = await running({
      handlers: {
        PauseHandler: () => {
          NdisMPauseComplete(twice.miniport.handle);
          return NDIS_STATUS_SUCCESS;
        },
      },
    });
    await twice.adapter.pause();
    await microtasks();
    expect(twice.faults[0]).toMatchObject({ bugCheck: 0x1f });
    const idle = await initialized();
    NdisMPauseComplete(idle.miniport.handle);
    await microtasks();
    expect(idle.faults[0]).toMatchObject({ bugCheck: 0x1f });
  });

  it('that never completes is bug check 0x7C/0x25 after 10 s, and the halt can follow', async () => {
    const { adapter, clock, faults } = await running({ handlers: { PauseHandler: () => NDIS_STATUS_PENDING } });
    const pausing = adapter.pause();
    await clock.pass(10_001);
    await pausing;
    expect(adapter.state).toBe('Paused');
    expect(faults[0]).toMatchObject({ bugCheck: 0x25 });
    await adapter.halt();
    expect(adapter.state).toBe('Halted');
  });

  it('is cut short when the adapter faults meanwhile', async () => {
    const { adapter, clock, pci, miniport } = await running({
      handlers: { PauseHandler: () => NDIS_STATUS_PENDING },
      isr: () => {
        throw new Error('broken');
      },
    });
    const pausing = adapter.pause();
    pci.armed.fire(0);
    await turn();
    await clock.pass(600);
    await pausing;
    expect(adapter.state).toBe('Paused');
    expect(miniport.log).toContain('isr 0');
  });
});

describe('MiniportRestart', () => {
  it('that fails leaves the adapter Paused', async () => {
    const { adapter } = await initialized({ handlers: { RestartHandler: () => NDIS_STATUS_RESOURCES } });
    await expect(adapter.restart()).rejects.toThrow(/NDIS_STATUS_RESOURCES/);
    expect(adapter.state).toBe('Paused');
  });

  it('that returns PENDING is completed by NdisMRestartComplete with its status', async () => {
    const { adapter, miniport } = await initialized({ handlers: { RestartHandler: () => NDIS_STATUS_PENDING } });
    const restarting = adapter.restart();
    await turn();
    expect(adapter.state).toBe('Restarting');
    NdisMRestartComplete(miniport.handle, NDIS_STATUS_SUCCESS);
    await restarting;
    expect(adapter.state).toBe('Running');
    const failing = await initialized({ handlers: { RestartHandler: () => NDIS_STATUS_PENDING } });
    const failed = failing.adapter.restart();
    NdisMRestartComplete(failing.miniport.handle, NDIS_STATUS_FAILURE);
    await expect(failed).rejects.toThrow(/NDIS_STATUS_FAILURE/);
  });

  it('may be indicating already when it is called; sends wait until it has completed (trap 49)', async () => {
    const made = await initialized({
      handlers: {
        RestartHandler: () => {
          const { miniport } = made;
          NdisMIndicateReceiveNetBufferLists(miniport.handle, miniport.takeChain(1), 0, 1, 0);
          NdisSendNetBufferLists(protocol.handle, pool.take() as NET_BUFFER_LIST, 0, 0);
          return NDIS_STATUS_SUCCESS;
        },
      },
    });
    const protocol = bind(made.adapter);
    const pool = made.adapter.allocateSendPool({ frames: 1, frameBytes: 64 });
    await made.adapter.setPacketFilter(1);
    await made.adapter.restart();
    expect(protocol.received).toHaveLength(1);
    expect(protocol.completed[0]?.Status).toBe(NDIS_STATUS_PAUSED);
  });
});
