/** Rules of the page `nc-ndis-miniport_message_interrupt`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  DIRQL,
  DISPATCH_LEVEL,
  type ISR_OUTPUTS,
  KeGetCurrentIrql,
  NdisMQueueDpc,
  PASSIVE_LEVEL,
} from '../../../src/ndis/index.ts';
import { initialized } from './fake-miniport.ts';
import { microtasks, turn } from './fake-pci.ts';

describe('MiniportMessageInterrupt', () => {
  it('runs at DIRQL inside the wake-up and its DPC at DISPATCH_LEVEL in the microtasks after it', async () => {
    const levels: number[] = [];
    const { pci, miniport } = await initialized({
      isr: (_message, outputs) => {
        levels.push(KeGetCurrentIrql());
        outputs.QueueDefaultInterruptDpc = true;
        return true;
      },
      dpc: () => levels.push(KeGetCurrentIrql()),
    });
    pci.armed.fire(2);
    expect(miniport.log.slice(1)).toEqual(['isr 2']);
    expect(KeGetCurrentIrql()).toBe(PASSIVE_LEVEL);
    await microtasks();
    expect(miniport.log.slice(1)).toEqual(['isr 2', 'dpc 2']);
    expect(levels).toEqual([DIRQL, DISPATCH_LEVEL]);
  });

  it('is called once for several messages folded into one wake-up (trap 40)', async () => {
    const { pci, adapter } = await initialized();
    pci.armed.fire(1, 5);
    await microtasks();
    const row = adapter.interrupt?.messages[1];
    expect(row).toMatchObject({ wakes: 5, isrCalls: 1, coalesced: 4, dpcRuns: 1 });
    expect(row?.isrUs.count).toBe(1);
    expect(row?.dpcUs.count).toBe(1);
    expect(row?.isrToDpcUs.total).toBeGreaterThan(0);
  });

  it('finds its outputs cleared before every call, in one reused object (trap 21)', async () => {
    const seen: [ISR_OUTPUTS, boolean, number][] = [];
    const { pci } = await initialized({
      isr: (_message, outputs) => {
        seen.push([outputs, outputs.QueueDefaultInterruptDpc, outputs.TargetProcessors]);
        outputs.QueueDefaultInterruptDpc = true;
        outputs.TargetProcessors = 1;
        return true;
      },
    });
    pci.armed.fire(0);
    pci.armed.fire(1);
    expect(seen.map(([, queue, mask]) => [queue, mask])).toEqual([
      [false, 0],
      [false, 0],
    ]);
    expect(seen[0]?.[0]).toBe(seen[1]?.[0]);
  });

  it('with QueueDefaultInterruptDpc TRUE queues one DPC on the current processor and ignores the mask (trap 18)', async () => {
    const { pci, adapter } = await initialized(
      {
        isr: (_message, outputs) => {
          outputs.QueueDefaultInterruptDpc = true;
          outputs.TargetProcessors = 0b1110;
          return true;
        },
      },
      {},
      { processors: 4 },
    );
    pci.armed.fire(0);
    await microtasks();
    expect(adapter.interrupt?.messages[0]?.dpcRuns).toBe(1);
  });

  it('with a mask queues one DPC per processor in it, each with a null context (trap 28)', async () => {
    const contexts: unknown[] = [];
    const { pci } = await initialized(
      {
        isr: (_message, outputs) => {
          outputs.TargetProcessors = 0b1011;
          return true;
        },
        dpc: (_message, context) => contexts.push(context),
      },
      {},
      { processors: 4 },
    );
    pci.armed.fire(0);
    await microtasks();
    expect(contexts).toEqual([null, null, null]);
  });

  it('ignores mask bits of absent processors and says so', async () => {
    const { pci, adapter, log } = await initialized({
      isr: (_message, outputs) => {
        outputs.TargetProcessors = 0b101;
        return true;
      },
    });
    pci.armed.fire(0);
    await microtasks();
    expect(adapter.interrupt?.messages[0]?.dpcRuns).toBe(1);
    expect(log.some((entry) => entry.message.startsWith('INT-09'))).toBe(true);
  });

  it('queues the DPC also when it returns FALSE (trap 19) and FALSE is counted', async () => {
    const { pci, adapter } = await initialized({
      isr: (_message, outputs) => {
        outputs.QueueDefaultInterruptDpc = true;
        return false;
      },
    });
    pci.armed.fire(3);
    await microtasks();
    expect(adapter.interrupt?.messages[3]).toMatchObject({ isrFalse: 1, dpcRuns: 1 });
  });

  it('may queue DPCs itself beside its outputs; one processor named twice has one DPC (trap 23)', async () => {
    const contexts: unknown[] = [];
    const made = await initialized({
      isr: (message, outputs) => {
        NdisMQueueDpc(made.miniport.interrupt, message, 1, 'mine');
        outputs.TargetProcessors = 1;
        return true;
      },
      dpc: (_message, context) => contexts.push(context),
    });
    made.pci.armed.fire(0);
    await microtasks();
    expect(contexts).toEqual(['mine']);
  });

  it('that throws is a fault: the listeners are told, the level is restored, no further ISR runs, the process lives', async () => {
    const { pci, miniport, faults, adapter } = await initialized({
      isr: () => {
        throw new Error('broken ISR');
      },
    });
    pci.armed.fire(0);
    expect(KeGetCurrentIrql()).toBe(PASSIVE_LEVEL);
    await microtasks();
    expect(faults).toHaveLength(1);
    expect(faults[0]?.error).toMatchObject({ message: 'broken ISR' });
    expect(adapter.faulted).toBe(true);
    pci.armed.listener(1, 1);
    await turn();
    expect(miniport.log.filter((line) => line.startsWith('isr'))).toEqual(['isr 0']);
    await adapter.halt();
    expect(adapter.state).toBe('Halted');
  });

  it('that returns a Promise is a fault (INT-08)', async () => {
    const { pci, faults } = await initialized({
      interrupt: { MessageInterruptHandler: (() => Promise.resolve(true)) as never },
    });
    pci.armed.fire(0);
    await microtasks();
    expect(faults[0]?.message).toContain('INT-08');
  });

  it('interrupting a running DPC runs at once (an ISR pre-empts a DPC) and restores DISPATCH_LEVEL', async () => {
    const levels: number[] = [];
    const made = await initialized({
      dpc: (message) => {
        if (message !== 0) return;
        made.pci.armed.fire(1);
        levels.push(KeGetCurrentIrql());
      },
    });
    made.pci.armed.fire(0);
    await microtasks();
    expect(levels).toEqual([DISPATCH_LEVEL]);
    expect(made.miniport.log.slice(1)).toEqual(['isr 0', 'dpc 0', 'isr 1', 'dpc 1']);
  });

  it('is served for two messages in turn, each with its DPC between', async () => {
    const { pci, miniport } = await initialized();
    for (let round = 0; round < 3; round++) {
      pci.armed.fire(0);
      await microtasks();
      pci.armed.fire(1);
      await microtasks();
    }
    expect(miniport.log.slice(1)).toEqual(Array.from({ length: 3 }, () => ['isr 0', 'dpc 0', 'isr 1', 'dpc 1']).flat());
  });
});
