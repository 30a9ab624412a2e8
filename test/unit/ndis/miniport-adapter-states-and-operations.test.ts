/** Rules of the page `miniport-adapter-states-and-operations`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import { NDIS_STATUS_SUCCESS } from '../../../src/ndis/index.ts';
import {
  ADAPTER_TRANSITIONS,
  type AdapterEvent,
  type AdapterState,
  isTransition,
  nextState,
} from '../../../src/ndis/state.ts';
import { bench, initialized, running } from './fake-miniport.ts';

const STATES: AdapterState[] = ['Halted', 'Shutdown', 'Initializing', 'Paused', 'Restarting', 'Running', 'Pausing'];

describe('The adapter’s states', () => {
  it('allow exactly the transitions of the table; every other one names both states', () => {
    const legal: string[] = [];
    for (const event of Object.keys(ADAPTER_TRANSITIONS) as AdapterEvent[]) {
      for (const state of STATES) {
        if (isTransition(state, event)) legal.push(`${state} ${event} ${nextState(state, event)}`);
        else expect(() => nextState(state, event)).toThrow(new RegExp(`it is ${state}.*does it become `));
      }
    }
    expect(legal).toEqual([
      'Halted initialize Initializing',
      'Initializing initializeComplete Paused',
      'Initializing initializeFailed Halted',
      'Paused restart Restarting',
      'Restarting restartComplete Running',
      'Restarting restartFailed Paused',
      'Running pause Pausing',
      'Pausing pauseComplete Paused',
      'Paused halt Halted',
      'Paused shutdown Shutdown',
      'Restarting shutdown Shutdown',
      'Running shutdown Shutdown',
      'Pausing shutdown Shutdown',
    ]);
  });

  it('go Halted, Paused, Running, Paused, Halted in a whole life', async () => {
    const { adapter, miniport } = await bench();
    expect(adapter.state).toBe('Halted');
    await adapter.initialize();
    await adapter.restart();
    expect(adapter.state).toBe('Running');
    await adapter.pause();
    await adapter.halt();
    expect(adapter.state).toBe('Halted');
    expect(miniport.log).toEqual(['initialize', 'restart', 'pause', 'halt 0']);
  });

  it('refuse a halt from anything but Paused (trap 50)', async () => {
    const { adapter } = await running();
    await expect(adapter.halt()).rejects.toThrow(/Running/);
    expect(adapter.state).toBe('Running');
  });

  it('refuse a second operation while one is under way', async () => {
    const { adapter } = await initialized();
    const halting = adapter.halt();
    await expect(adapter.halt()).rejects.toMatchObject({ code: 'E_STATE' });
    await halting;
    const initializing = adapter.initialize();
    await expect(adapter.initialize()).rejects.toThrow(/Initializing/);
    await initializing;
    const restarting = adapter.restart();
    await expect(adapter.restart()).rejects.toThrow(/Restarting/);
    await restarting;
  });

  it('end for good in Shutdown: no halt follows and no ISR runs (trap 50)', async () => {
    const { adapter, miniport, pci } = await running();
    adapter.shutdown();
    expect(adapter.state).toBe('Shutdown');
    expect(miniport.log.at(-1)).toBe('shutdown 0');
    await expect(adapter.halt()).rejects.toMatchObject({ code: 'E_STATE' });
    await expect(adapter.initialize()).rejects.toMatchObject({ code: 'E_STATE' });
    pci.armed.listener(0, 1);
    expect(miniport.log.at(-1)).toBe('shutdown 0');
    expect(pci.armed.closed).toBe(true);
  });

  it('keep interrupts coming while Paused (trap 43)', async () => {
    const { pci, miniport } = await initialized({ handlers: { PauseHandler: () => NDIS_STATUS_SUCCESS } });
    pci.armed.fire(0);
    expect(miniport.log.at(-1)).toBe('isr 0');
  });
});
