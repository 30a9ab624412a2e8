/** Rules of the page `nc-ndis-miniport_reset`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  DISPATCH_LEVEL,
  KeGetCurrentIrql,
  NDIS_STATUS_HARD_ERRORS,
  NDIS_STATUS_NOT_SUPPORTED,
  NDIS_STATUS_PENDING,
  NDIS_STATUS_SUCCESS,
  NdisMPauseComplete,
  NdisMResetComplete,
  NdisMResetMiniport,
  OID_802_3_MULTICAST_LIST,
  OID_GEN_CURRENT_PACKET_FILTER,
  OID_GEN_VENDOR_DRIVER_VERSION,
} from '../../../src/ndis/index.ts';
import { initialized, running } from './fake-miniport.ts';
import { microtasks, turn } from './fake-pci.ts';

describe('MiniportResetEx', () => {
  it('runs at DISPATCH_LEVEL, changes no state, and its status reaches the host', async () => {
    let level = -1;
    const { adapter } = await running({
      handlers: {
        ResetHandlerEx: () => {
          level = KeGetCurrentIrql();
          return NDIS_STATUS_HARD_ERRORS;
        },
      },
    });
    const seen: number[] = [];
    adapter.onReset((status) => seen.push(status));
    expect(await adapter.reset()).toBe(NDIS_STATUS_HARD_ERRORS);
    expect(seen).toEqual([NDIS_STATUS_HARD_ERRORS]);
    expect(level).toBe(DISPATCH_LEVEL);
    expect(adapter.state).toBe('Running');
  });

  it('with AddressingReset has the packet filter and the multicast list sent again', async () => {
    const { adapter, miniport } = await running({
      handlers: {
        ResetHandlerEx: (_context, addressingReset) => {
          addressingReset.Value = true;
          return NDIS_STATUS_SUCCESS;
        },
      },
    });
    await adapter.setMulticastList([Uint8Array.of(1, 0, 0, 0, 0, 1)]);
    miniport.oids = [];
    await adapter.reset();
    expect(miniport.oids).toEqual([
      { oid: OID_802_3_MULTICAST_LIST, type: 1, bytes: [1, 0, 0, 0, 0, 1] },
      { oid: OID_GEN_CURRENT_PACKET_FILTER, type: 1, bytes: [1, 0, 0, 0] },
    ]);
  });

  it('completes late through NdisMResetComplete, with its AddressingReset', async () => {
    const { adapter, miniport } = await running({ handlers: { ResetHandlerEx: () => NDIS_STATUS_PENDING } });
    miniport.oids = [];
    const resetting = adapter.reset();
    expect(adapter.reset()).toBe(resetting);
    await turn();
    NdisMResetComplete(miniport.handle, NDIS_STATUS_SUCCESS, true);
    expect(await resetting).toBe(NDIS_STATUS_SUCCESS);
    expect(miniport.oids).toHaveLength(2);
  });

  it('may overlap a pause, and either may complete first (trap 52)', async () => {
    const { adapter, miniport } = await running({
      handlers: { ResetHandlerEx: () => NDIS_STATUS_PENDING, PauseHandler: () => NDIS_STATUS_PENDING },
    });
    const resetting = adapter.reset();
    const pausing = adapter.pause();
    await turn();
    NdisMPauseComplete(miniport.handle);
    await pausing;
    expect(adapter.state).toBe('Paused');
    NdisMResetComplete(miniport.handle, NDIS_STATUS_SUCCESS, false);
    expect(await resetting).toBe(NDIS_STATUS_SUCCESS);
  });

  it('completed when none is pending is bug check 0x7C/0x0F', async () => {
    const { miniport, faults } = await running({ handlers: { ResetHandlerEx: () => NDIS_STATUS_SUCCESS } });
    NdisMResetComplete(miniport.handle, NDIS_STATUS_SUCCESS, false);
    await microtasks();
    expect(faults[0]).toMatchObject({ bugCheck: 0x0f });
  });

  it('can be asked for by the miniport, and is NOT_SUPPORTED where there is no handler', async () => {
    const { miniport } = await running({
      handlers: {
        ResetHandlerEx: () => {
          miniport.log.push('reset');
          return NDIS_STATUS_SUCCESS;
        },
      },
    });
    NdisMResetMiniport(miniport.handle);
    expect(miniport.log).not.toContain('reset');
    await turn();
    expect(miniport.log).toContain('reset');
    expect(await (await running()).adapter.reset()).toBe(NDIS_STATUS_NOT_SUPPORTED);
  });

  it('is refused before initialization', async () => {
    const { adapter } = await initialized();
    await adapter.halt();
    await expect(adapter.reset()).rejects.toMatchObject({ code: 'E_STATE' });
  });
});

describe('MiniportCheckForHangEx', () => {
  it.each([
    [0, 2],
    [5, 4],
    [6, 6],
  ])('with %i s is called every %i s', async (CheckForHangTimeInSeconds, seconds) => {
    let calls = 0;
    const { clock } = await running({
      registration: { CheckForHangTimeInSeconds },
      handlers: {
        CheckForHangHandlerEx: () => {
          calls++;
          return false;
        },
        ResetHandlerEx: () => NDIS_STATUS_SUCCESS,
      },
    });
    await clock.pass(seconds * 1000 - 1);
    expect(calls).toBe(0);
    await clock.pass(1);
    expect(calls).toBe(1);
    await clock.pass(seconds * 2000);
    expect(calls).toBe(3);
  });

  it('that returns TRUE is followed by a reset, and by events for the host', async () => {
    const events: string[] = [];
    let hung = true;
    const { adapter, clock } = await running({
      handlers: {
        CheckForHangHandlerEx: () => hung,
        ResetHandlerEx: () => {
          hung = false;
          events.push('reset');
          return NDIS_STATUS_SUCCESS;
        },
      },
    });
    adapter.onHang(() => events.push('hang'));
    adapter.onReset((status) => events.push(`status ${status}`));
    await clock.pass(4000);
    expect(events).toEqual(['hang', 'reset', 'status 0']);
  });

  it('is not called when the host does not want it, nor after halt', async () => {
    let calls = 0;
    const handlers = {
      CheckForHangHandlerEx: () => {
        calls++;
        return false;
      },
      ResetHandlerEx: () => NDIS_STATUS_SUCCESS,
    };
    const off = await running({ handlers }, {}, { checkForHang: false });
    await off.clock.pass(10_000);
    const halted = await initialized({ handlers });
    await halted.adapter.halt();
    await halted.clock.pass(10_000);
    expect(calls).toBe(0);
  });

  it('is helped by NDIS, which resets when an OID request takes four periods', async () => {
    let resets = 0;
    const { adapter, clock } = await running({
      handlers: {
        OidRequestHandler: (_context, request) =>
          request.DATA.Oid === OID_GEN_VENDOR_DRIVER_VERSION ? NDIS_STATUS_PENDING : NDIS_STATUS_SUCCESS,
        ResetHandlerEx: () => {
          resets++;
          return NDIS_STATUS_SUCCESS;
        },
      },
    });
    void adapter.queryOid(OID_GEN_VENDOR_DRIVER_VERSION, 4).catch(() => undefined);
    await turn();
    await clock.pass(6000);
    expect(resets).toBe(0);
    await clock.pass(2000);
    expect(resets).toBe(1);
  });
});
