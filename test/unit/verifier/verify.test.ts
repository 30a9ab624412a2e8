/**
 * `ndis-vfio verify`: the report card of a good and of a bad miniport, on the simulated NIC and on "a real one".
 * Layer: test.
 */
import { describe, expect, it, vi } from 'vitest';
import * as e1000e from '../../../src/miniports/e1000e/miniport.ts';
import * as igb from '../../../src/miniports/igb/miniport.ts';
import { type MiniportModule, NDIS_STATUS_FAILURE, NdisStallExecution } from '../../../src/ndis/index.ts';
import { EXERCISES, formatReportCard, type ReportCard, verifyModule } from '../../../src/verify/index.ts';
import { createSimMachine } from '../application/sim-machine.ts';
import { type MiniportScript, moduleOf, TestMiniport } from '../ndis/fake-miniport.ts';

vi.setConfig({ testTimeout: 60_000 });

// For --nic only, which no test here asks for: real time stays.
const { machine, restore } = createSimMachine('igb');
restore();

/** A miniport that drives no hardware, with this mistake. */
function scripted(script: MiniportScript): MiniportModule {
  return moduleOf(new TestMiniport(script));
}

function verify(module: MiniportModule, options = {}): Promise<ReportCard> {
  return verifyModule(module, 'the miniport', { loops: 1, ...options }, machine);
}

describe('the report card', () => {
  it.each([
    ['igb', igb],
    ['e1000e', e1000e],
  ] as const)('of %s is clean, with every exercise and every resource call made to fail', async (_name, module) => {
    const card = await verify(module);
    expect(formatReportCard(card)).toContain('Clean: no rule broken, no exercise failed.');
    expect(card.findings).toEqual([]);
    expect(card.notes).toEqual([]);
    expect(card.clean).toBe(true);
    expect(card.exercises.map((one) => one.name)).toEqual([...EXERCISES.map((one) => one.name), 'faults']);
    expect(card.exercises.find((one) => one.name === 'faults')?.runs).toBeGreaterThan(4);
  });

  it('of a miniport that forgets its interrupt names rule, bug check, page and fix', async () => {
    const card = await verify(scripted({ forget: ['interrupt'] }));
    expect(card.clean).toBe(false);
    expect(card.findings.map((one) => one.violation.rule)).toContain('0x7C/0x08');
    const text = formatReportCard(card);
    expect(text).toContain('FAIL  life');
    expect(text).toContain('*** STOP: 0x0000007C (0x00000008, ');
    expect(text).toContain('fix    Call NdisMDeregisterInterruptEx early in MiniportHaltEx');
    expect(text).toContain('page   https://learn.microsoft.com/windows-hardware/drivers/debugger/bug-check-0x7c');
    expect(text).toMatch(/Not clean: \d+ rules? broken/);
  });

  it('shows where in the miniport a rule was broken', async () => {
    const stallsTooLong = (): number => {
      NdisStallExecution(60);
      return 0;
    };
    const card = await verify(scripted({ handlers: { PauseHandler: stallsTooLong } }));
    const finding = card.findings.find((one) => one.violation.rule === 'NdisStallExecution_Delay');
    expect(finding?.violation.callback).toBe('MiniportPause');
    expect(finding?.violation.stack[0]).toMatch(/stallsTooLong.*verify\.test\.ts/);
    expect(finding?.violation.stack.join()).not.toContain('/src/ndis/');
    expect(finding?.count).toBeGreaterThan(1);
  });

  it('of a miniport that does not start fails its exercises with the reason', async () => {
    const card = await verify(scripted({ initialized: () => NDIS_STATUS_FAILURE, forget: [] }));
    const life = card.exercises.find((one) => one.name === 'life');
    expect(life?.firstFailure).toContain('MiniportInitializeEx returned NDIS_STATUS_FAILURE');
    expect(card.clean).toBe(false);
  });

  it('survives JSON', async () => {
    const card = await verify(scripted({ forget: ['dma'] }));
    expect(JSON.parse(JSON.stringify(card))).toEqual(card);
  });

  it('refuses hardware that is not simulated, and says what is', async () => {
    const other: MiniportModule = { ...scripted({}), HardwareIds: ['PCI\\VEN_10EC&DEV_8168'] };
    await expect(verify(other)).rejects.toThrow(/simulated are the 82576 \(8086:10c9\) and the 82574L/);
  });
});
