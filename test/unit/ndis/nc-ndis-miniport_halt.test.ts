/** Rules of the page `nc-ndis-miniport_halt`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  type IoSpace,
  KeGetCurrentIrql,
  type NDIS_HANDLE,
  NDIS_STATUS_PENDING,
  NDIS_STATUS_REQUEST_ABORTED,
  NDIS_STATUS_SUCCESS,
  NdisAllocateTimerObject,
  NdisHaltDeviceStopped,
  NdisMMapIoSpace,
  NdisMRemoveMiniport,
  NdisSetTimerObject,
  out,
  PASSIVE_LEVEL,
} from '../../../src/ndis/index.ts';
import { initialized, running } from './fake-miniport.ts';
import { microtasks, turn } from './fake-pci.ts';

describe('MiniportHaltEx', () => {
  it('gets the halt action at PASSIVE_LEVEL, and nothing is left afterwards', async () => {
    let level = -1;
    const made = await initialized({
      handlers: {
        HaltHandlerEx: (_context, action) => {
          level = KeGetCurrentIrql();
          made.miniport.log.push(`halt ${action}`);
          made.miniport.release();
        },
      },
    });
    await made.adapter.halt(NdisHaltDeviceStopped);
    expect(made.miniport.log.at(-1)).toBe('halt 6');
    expect(level).toBe(PASSIVE_LEVEL);
    expect(made.log).toEqual([]);
    expect(made.pci.arenas.every((arena) => arena.freed)).toBe(true);
    expect(made.clock.armed).toBe(0);
  });

  it('that forgets memory, DMA, timers and I/O spaces has them taken back and each one logged', async () => {
    const fired: string[] = [];
    const made = await initialized({
      forget: ['memory', 'dma'],
      initialized: (miniport) => {
        const timer = out<NDIS_HANDLE | null>(null);
        NdisAllocateTimerObject(
          miniport.handle,
          { TimerFunction: () => void fired.push('timer'), FunctionContext: null },
          timer,
        );
        NdisSetTimerObject(timer.Value as NDIS_HANDLE, 10, 10, null);
        NdisMMapIoSpace(out<IoSpace | null>(null), miniport.handle, 0xfe00_0000, 4096);
        return NDIS_STATUS_SUCCESS;
      },
    });
    await made.adapter.halt();
    const leaks = made.log.filter((entry) => entry.kind === 'leak');
    expect(leaks).toHaveLength(4);
    expect(leaks).toContainEqual(expect.objectContaining({ bugCheck: 0x09 }));
    expect(made.pci.arenas.every((arena) => arena.freed)).toBe(true);
    expect(made.pci.mapped).toBe(0);
    await made.clock.pass(100);
    expect(fired).toEqual([]);
  });

  it('that throws is a fault, and the adapter is Halted with everything taken back', async () => {
    const made = await initialized({
      handlers: {
        HaltHandlerEx: () => {
          throw new Error('no halt');
        },
      },
    });
    await made.adapter.halt();
    await microtasks();
    expect(made.adapter.state).toBe('Halted');
    expect(made.faults).toHaveLength(1);
    expect(made.pci.arenas.every((arena) => arena.freed)).toBe(true);
    expect(made.pci.armed.closed).toBe(true);
  });

  it('that never returns is bug check 0x7C/0x25 and does not hold the adapter', async () => {
    const made = await initialized({ handlers: { HaltHandlerEx: () => new Promise<void>(() => {}) } });
    const halting = made.adapter.halt();
    await turn();
    await made.clock.pass(10_001);
    await halting;
    expect(made.faults[0]).toMatchObject({ bugCheck: 0x25 });
    expect(made.adapter.state).toBe('Halted');
  });

  it('is never called with an OID request outstanding: a slow one is cancelled, a stuck one aborted', async () => {
    const made = await initialized({ handlers: { OidRequestHandler: () => NDIS_STATUS_PENDING } });
    const stuck = made.adapter.oidRequest({
      Header: { Type: 0x96, Revision: 1, Size: 0 },
      RequestType: 0,
      PortNumber: 0,
      Timeout: 0,
      RequestId: null,
      RequestHandle: null,
      DATA: {
        Oid: 0x00010116,
        InformationBuffer: null,
        InformationBufferLength: 0,
        BytesWritten: 0,
        BytesRead: 0,
        BytesNeeded: 0,
      },
    });
    await microtasks();
    const halting = made.adapter.halt();
    await made.clock.pass(1001);
    expect(made.miniport.log).toContain('cancel oid');
    await made.clock.pass(1001);
    await halting;
    expect(made.adapter.state).toBe('Halted');
    expect(await stuck).toBe(NDIS_STATUS_REQUEST_ABORTED);
    await expect(made.adapter.queryOid(0x00010116, 4)).rejects.toThrow(/NDIS_STATUS_NOT_ACCEPTED/);
  });

  it('follows NdisMRemoveMiniport with NdisHaltDeviceFailed, and the host is told last', async () => {
    const made = await running();
    let stateAtFault = '';
    made.adapter.onFault(() => {
      stateAtFault = made.adapter.state;
    });
    expect(NdisMRemoveMiniport(made.miniport.handle)).toBe(NDIS_STATUS_SUCCESS);
    await turn();
    expect(made.miniport.log.slice(-2)).toEqual(['pause', 'halt 4']);
    expect(stateAtFault).toBe('Halted');
  });
});
