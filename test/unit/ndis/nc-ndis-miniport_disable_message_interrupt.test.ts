/** Rules of the page `nc-ndis-miniport_disable_message_interrupt`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  DIRQL,
  KeGetCurrentIrql,
  type NDIS_HANDLE,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_INVALID_PARAMETER,
  NDIS_STATUS_NOT_SUPPORTED,
  NDIS_STATUS_SUCCESS,
  NdisDiagnosticDisableInterrupt,
  NdisDiagnosticDisableMessageInterrupt,
  NdisDiagnosticEnableMessageInterrupt,
} from '../../../src/ndis/index.ts';
import { initialized, running } from './fake-miniport.ts';
import { microtasks, turn } from './fake-pci.ts';

describe('MiniportDisableMessageInterrupt and its pair', () => {
  it('are called at DIRQL, only on request, and the counters show it', async () => {
    const levels: number[] = [];
    const { miniport, adapter } = await initialized({
      interrupt: {
        DisableMessageInterruptHandler: () => levels.push(KeGetCurrentIrql()),
        EnableMessageInterruptHandler: () => levels.push(KeGetCurrentIrql()),
      },
    });
    expect(levels).toEqual([]);
    expect(NdisDiagnosticDisableMessageInterrupt(miniport.interrupt, 1)).toBe(NDIS_STATUS_SUCCESS);
    expect(adapter.interrupt?.messages[1]?.diagnosticDisabled).toBe(true);
    expect(NdisDiagnosticEnableMessageInterrupt(miniport.interrupt, 1)).toBe(NDIS_STATUS_SUCCESS);
    expect(adapter.interrupt?.messages[1]?.diagnosticDisabled).toBe(false);
    expect(levels).toEqual([DIRQL, DIRQL]);
  });

  it('are not part of pause, restart, reset, DPC or halt (trap 38)', async () => {
    const { miniport, adapter, pci } = await running();
    pci.armed.fire(0);
    await turn();
    await adapter.pause();
    await adapter.halt();
    expect(miniport.log.filter((line) => /^(en|dis)able/.test(line))).toEqual([]);
  });

  it('exclude the ISR of the message while they run', async () => {
    const made = await initialized({
      interrupt: {
        DisableMessageInterruptHandler: () => {
          made.pci.armed.fire(0);
          made.miniport.log.push('disabled');
        },
      },
    });
    NdisDiagnosticDisableMessageInterrupt(made.miniport.interrupt, 0);
    await microtasks();
    expect(made.miniport.log.slice(1, 3)).toEqual(['disabled', 'isr 0']);
  });

  it('match the grant: the line pair for a line, the message pair for messages', async () => {
    const { miniport } = await initialized();
    expect(NdisDiagnosticDisableInterrupt(miniport.interrupt)).toBe(NDIS_STATUS_NOT_SUPPORTED);
    const line = await initialized({}, { msix: 0, msi: 0 });
    expect(NdisDiagnosticDisableMessageInterrupt(line.miniport.interrupt, 0)).toBe(NDIS_STATUS_NOT_SUPPORTED);
  });

  it('are refused for a wrong message or handle, and a handler that throws is a fault', async () => {
    const { miniport, faults } = await initialized({
      interrupt: {
        DisableMessageInterruptHandler: () => {
          throw new Error('broken');
        },
      },
    });
    expect(NdisDiagnosticDisableMessageInterrupt(miniport.interrupt, 4)).toBe(NDIS_STATUS_INVALID_PARAMETER);
    expect(NdisDiagnosticDisableMessageInterrupt({} as NDIS_HANDLE, 0)).toBe(NDIS_STATUS_INVALID_PARAMETER);
    expect(NdisDiagnosticDisableMessageInterrupt(miniport.interrupt, 0)).toBe(NDIS_STATUS_FAILURE);
    await microtasks();
    expect(faults).toHaveLength(1);
  });
});
