/**
 * A Machine whose NIC and TAP are simulated: the daemon and openNic run on it as on Linux. Layer: test.
 */
import type { Machine } from '../../../src/application/machine.ts';
import { NdisVfioError } from '../../../src/base/errors.ts';
import { redirectSleep } from '../../../src/sim/clock.ts';
import { type Chip, createSim, type Sim, SimTap } from '../../../src/sim/index.ts';

export interface SimMachine {
  readonly machine: Machine;
  readonly sim: Sim;
  /** The TAP, once it was opened. */
  tap: SimTap | undefined;
  /** Fault: opening the TAP fails. */
  tapFails: boolean;
  /** Gives real time back to the process. */
  restore(): void;
}

export function createSimMachine(chip: Chip): SimMachine {
  const sim = createSim({ chip, profile: 'qemu' });
  const state: SimMachine = {
    sim,
    tap: undefined,
    tapFails: false,
    restore: redirectSleep(sim.clock),
    machine: {
      clock: sim.clock,
      findFunction: () => ({ address: sim.pci.address, ids: sim.pci.ids }),
      openPciFunction: () => sim.pci,
      openTap: (name, { mtu }) => {
        if (state.tapFails) {
          const text = { action: 'Cannot create the TAP', cause: 'it is taken', cure: 'Choose another' };
          throw new NdisVfioError('E_TAP_NAME', text);
        }
        state.tap = new SimTap(sim.turns, { name, mtu });
        return state.tap;
      },
    },
  };
  return state;
}

/** A frame from one station to another, `number` in its payload. */
export function frameTo(destination: Uint8Array, number: number, lengthBytes = 60): Uint8Array {
  const frame = new Uint8Array(lengthBytes);
  frame.set(destination, 0);
  frame.set([0x02, 0, 0, 0, 0, 9], 6);
  frame.set([0x88, 0xb5], 12);
  frame[14] = number & 0xff;
  frame[15] = number >>> 8;
  return frame;
}
