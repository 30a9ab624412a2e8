/**
 * A violation says everything and shows it four ways: object, text, JSON, bug check. Layer: test.
 */
import { describe, expect, it } from 'vitest';
import * as ndis from '../../../src/ndis/index.ts';
import {
  formatBugCheck,
  formatViolation,
  type NDIS_HANDLE,
  NdisMDeregisterInterruptEx,
  NdisMPauseComplete,
  pageUrl,
  RULES,
  VerifierError,
  type Violation,
  violationToJson,
} from '../../../src/ndis/index.ts';
import { initialized, running } from '../ndis/fake-miniport.ts';
import { turn } from '../ndis/fake-pci.ts';

/** The violation of a DPC of message 2 that completes a pause nobody asked for. */
async function violationOf(verifier: 'report' | 'throw'): Promise<{ violation: Violation; thrown: unknown }> {
  let thrown: unknown = null;
  const made = await running(
    {
      dpc: function completesWhatNobodyStarted() {
        try {
          NdisMPauseComplete(made.miniport.handle);
        } catch (error) {
          thrown = error;
          throw error;
        }
      },
    },
    {},
    { verifier },
  );
  made.pci.armed.fire(2);
  await turn();
  return { violation: made.adapter.violations[0] as Violation, thrown };
}

describe('a violation', () => {
  it('says rule, act, callback, IRQL, message, adapter, state, code, page and fix', async () => {
    const { violation, thrown } = await violationOf('report');
    expect(thrown).toBeNull();
    expect(violation).toMatchObject({
      rule: '0x7C/0x1F',
      severity: 'error',
      what: 'NdisMPauseComplete was called and no pause is pending',
      adapter: '0000:01:00.0',
      state: 'Running',
      callback: 'MiniportMessageInterruptDPC',
      afterCallback: false,
      irql: ndis.DISPATCH_LEVEL,
      message: 2,
      page: 'nf-ndis-ndismpausecomplete',
      bugCheck: [0x7c, 0x1f, 0x100, 2, 2],
    });
    expect(violation.stack[0]).toMatch(/completesWhatNobodyStarted.*violation\.test\.ts/);
    expect(violation.stack.join('\n')).not.toMatch(/src\/ndis|node:/);
  });

  it('is a text of several lines, a line of JSON, and a blue screen', async () => {
    const { violation } = await violationOf('report');
    const text = formatViolation(violation);
    expect(text).toContain('error: 0x7C/0x1F');
    expect(text).toContain('where  0000:01:00.0 (Running), MiniportMessageInterruptDPC, message 2, at DISPATCH_LEVEL');
    expect(text).toContain(
      'page   https://learn.microsoft.com/windows-hardware/drivers/ddi/ndis/nf-ndis-ndismpausecomplete',
    );
    expect(JSON.parse(violationToJson(violation))).toEqual(violation);
    expect(violationToJson(violation)).not.toContain('\n');
    expect(formatBugCheck(violation)).toMatch(
      /^\*\*\* STOP: 0x0000007C \(0x0000001F, 0x00000100, 0x00000002, 0x00000002\)\n {4}BUGCODE_NDIS_DRIVER: /,
    );
  });

  it('is thrown into the miniport in mode throw, and stops the adapter once', async () => {
    const { violation, thrown } = await violationOf('throw');
    expect(thrown).toBeInstanceOf(VerifierError);
    expect((thrown as VerifierError).violation).toBe(violation);
    expect((thrown as VerifierError).code).toBe('E_MINIPORT');
  });

  it('is reported once a place, counted each time, and told to listeners', async () => {
    const seen: string[] = [];
    const made = await initialized({}, {}, { verifier: { mode: 'report', onViolation: (one) => seen.push(one.rule) } });
    for (let time = 0; time < 3; time++) ndis.NdisMQueueDpc(made.miniport.interrupt, 99, 1, null);
    expect(seen).toEqual(['INT-10']);
    expect(made.adapter.core.verifier?.countOf('INT-10')).toBe(3);
  });

  it('does not exist while the verifier is off', async () => {
    const made = await initialized({ forget: ['interrupt'] });
    expect(made.adapter.core.verifier).toBeNull();
    await made.adapter.halt();
    expect(made.adapter.violations).toEqual([]);
  });

  it('after an await is traced to the callback that was awaited', async () => {
    const made = await initialized({}, {}, { verifier: 'report' });
    const handle: NDIS_HANDLE = made.miniport.interrupt;
    await made.adapter.halt();
    expect(() => NdisMDeregisterInterruptEx(handle)).toThrow(/handle/);
    const [violation] = made.adapter.violations;
    expect(violation?.rule).toBe('INT-04');
    expect(violation?.callback).toBeNull();
  });
});

describe('reasons and pages of the table', () => {
  it('are true where they say that the layer does not offer a function', () => {
    const absent = [
      'NdisMNetPnPEvent',
      'NdisMRegisterIoPortRange',
      'NdisAllocateGenericObject',
      'NDIS_RAISE_IRQL_TO_DISPATCH',
      'NDIS_LOWER_IRQL',
      'KeRaiseIrql',
    ];
    for (const name of absent) expect(Object.keys(ndis)).not.toContain(name);
  });

  it('lead to an address of the WDK documentation', () => {
    for (const rule of RULES)
      expect(pageUrl(rule.page)).toMatch(/^https:\/\/learn\.microsoft\.com\/windows-hardware\//);
    expect(pageUrl('nc-ndis-miniport_pause')).toBe(
      'https://learn.microsoft.com/windows-hardware/drivers/ddi/ndis/nc-ndis-miniport_pause',
    );
  });
});
