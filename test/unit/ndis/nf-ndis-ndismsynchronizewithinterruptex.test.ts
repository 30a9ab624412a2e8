/** Rules of the page `nf-ndis-ndismsynchronizewithinterruptex`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import { DIRQL, KeGetCurrentIrql, NdisMSynchronizeWithInterruptEx, PASSIVE_LEVEL } from '../../../src/ndis/index.ts';
import { initialized } from './fake-miniport.ts';
import { microtasks } from './fake-pci.ts';

describe('NdisMSynchronizeWithInterruptEx', () => {
  it('calls the function once, at DIRQL, with its context, and returns its boolean (trap 46)', async () => {
    const { miniport } = await initialized();
    const calls: unknown[] = [];
    for (const answer of [true, false]) {
      const result = NdisMSynchronizeWithInterruptEx(
        miniport.interrupt,
        0,
        (context) => {
          calls.push([context, KeGetCurrentIrql()]);
          return answer;
        },
        'mine',
      );
      expect(result).toBe(answer);
    }
    expect(calls).toEqual([
      ['mine', DIRQL],
      ['mine', DIRQL],
    ]);
    expect(KeGetCurrentIrql()).toBe(PASSIVE_LEVEL);
  });

  it('holds back the ISR of its own message only (trap 45)', async () => {
    const { miniport, pci } = await initialized();
    NdisMSynchronizeWithInterruptEx(
      miniport.interrupt,
      1,
      () => {
        pci.armed.fire(1, 2);
        pci.armed.fire(2);
        miniport.log.push('inside');
        return true;
      },
      null,
    );
    await microtasks();
    expect(miniport.log.slice(1, 3)).toEqual(['isr 2', 'inside']);
    expect(miniport.log.filter((line) => line === 'isr 1')).toHaveLength(1);
  });

  it('holds back every ISR with MsiSyncWithAllMessages', async () => {
    const { miniport, pci } = await initialized({ interrupt: { MsiSyncWithAllMessages: true } });
    NdisMSynchronizeWithInterruptEx(
      miniport.interrupt,
      1,
      () => {
        pci.armed.fire(2);
        miniport.log.push('inside');
        return true;
      },
      null,
    );
    await microtasks();
    expect(miniport.log.slice(1, 3)).toEqual(['inside', 'isr 2']);
  });

  it('refuses to be called from the message’s own ISR, a deadlock on Windows (trap 47)', async () => {
    let own: unknown = null;
    let other: unknown = null;
    const made = await initialized({
      isr: (message) => {
        try {
          NdisMSynchronizeWithInterruptEx(made.miniport.interrupt, message, () => true, null);
        } catch (error) {
          own = error;
        }
        other = NdisMSynchronizeWithInterruptEx(made.miniport.interrupt, message + 1, () => true, null);
        return true;
      },
    });
    made.pci.armed.fire(0);
    expect(own).toMatchObject({ code: 'E_STATE' });
    expect(other).toBe(true);
  });

  it('restores the level and the lock when the function throws, and refuses one that returns a Promise', async () => {
    const { miniport } = await initialized();
    const call = (answer: () => unknown) =>
      NdisMSynchronizeWithInterruptEx(miniport.interrupt, 0, answer as () => boolean, null);
    expect(() =>
      call(() => {
        throw new Error('inside');
      }),
    ).toThrow('inside');
    expect(KeGetCurrentIrql()).toBe(PASSIVE_LEVEL);
    expect(() => call(() => Promise.resolve(true))).toThrow(/no boolean/);
    expect(call(() => true)).toBe(true);
  });

  it('ignores MessageId for a line and refuses a wrong one for messages', async () => {
    const line = await initialized({}, { msix: 0, msi: 0 });
    expect(NdisMSynchronizeWithInterruptEx(line.miniport.interrupt, 7, () => true, null)).toBe(true);
    const { miniport } = await initialized();
    expect(() => NdisMSynchronizeWithInterruptEx(miniport.interrupt, 4, () => true, null)).toThrow(/INT-10/);
  });
});
