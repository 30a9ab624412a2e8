/**
 * The simulated target: two simulated NICs of one model on one wire, in simulated time. Layer: test.
 * Invariants: nothing is shared between two targets but the process's setTimeout, which NdisMSleep uses and which is
 * simulated from construction to close(); one target at a time.
 */

import { SimPciFunction } from '../../src/sim/function.ts';
import { createSim, type Profile, redirectSleep, type Sim } from '../../src/sim/index.ts';
import { FaultyFunction } from './faulty-function.ts';
import type { Chip, Role, Target } from './target.ts';

const MACS: Readonly<Record<Role, Uint8Array>> = {
  dut: Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56),
  support: Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x57),
};
/** One turn, so that a wait for a frame costs next to no simulated time. */
const TURN_MS = 0.02;
const IMPATIENT_TURNS = 50;
/** For waits of another order, such as autonegotiation's. */
const LONG_TURN_MS = 2;

/** Nobody touches a device sooner after it was plugged in (PCI Express Base 4.0, 6.6.1: 100 ms). */
const PLUGGED_IN_US = 100_000;

export function createSimulatedTarget(chip: Chip, profile: Profile = 'datasheet'): Target {
  const quirks = { moderation: true };
  const first = createSim({ chip, profile, quirks, mac: MACS.dut, seed: 11 });
  const second = createSim({ chip, profile, quirks, mac: MACS.support, seed: 12, world: first });
  const sims: Readonly<Record<Role, Sim>> = { dut: first, support: second };
  const functions = new Map<Role, SimPciFunction>();
  const restoreSleep = redirectSleep(first.clock);
  return {
    kind: 'simulated',
    chip,
    countsDrops: true,
    clock: first.clock,
    openFunction(role) {
      const { nic, pci } = sims[role];
      if (nic.gone !== 'no') {
        // Plugged in again.
        nic.gone = 'no';
        nic.functionReset();
        first.clock.stall(PLUGGED_IN_US);
      }
      const opened = new SimPciFunction(nic, {
        ids: pci.ids,
        interruptCounts: pci.interruptCounts,
        hardwareMask: true,
        resetIsNoop: nic.quirks.functionResetIsNoop && chip === 'e1000e',
      });
      functions.set(role, opened);
      return new FaultyFunction(opened, () => nic.remove('ones'));
    },
    turn: (turns = 0) => first.clock.sleep(turns < IMPATIENT_TURNS ? TURN_MS : LONG_TURN_MS),
    drive: (promise, limitMs) => first.run(promise, limitMs),
    setCable: (up) => {
      first.wire.setCarrier(up);
      return Promise.resolve();
    },
    sendDamaged: (frame, damage) => first.peer.send(frame, damage),
    broken() {
      const found = [...first.broken, ...second.broken];
      for (const sim of [first, second]) {
        sim.nic.registers.violations.length = 0;
        sim.memory.faults.length = 0;
      }
      return found;
    },
    held: (role) => [
      ...(functions.get(role)?.held ?? []),
      ...(sims[role].nic.quiet ? [] : ['a receiver or transmitter that runs']),
    ],
    close: restoreSleep,
  };
}
