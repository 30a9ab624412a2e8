/**
 * What a miniport is verified on: a simulated NIC, or a real one. Layer: verify.
 * Invariants: a target is made for one life of an adapter and ended after it; on the simulation time is simulated, so
 * that a run takes seconds however long the miniport waits.
 */

import type { Machine } from '../application/machine.ts';
import { dmaNeedBytes, formatIds } from '../application/open-adapter.ts';
import { NdisVfioError } from '../base/errors.ts';
import { hardwareIdMatches } from '../ndis/index.ts';
import type { Clock, PciFunction, PciIds } from '../platform/index.ts';
import { type Chip, createSim, redirectSleep } from '../sim/index.ts';

export interface Target {
  readonly pci: PciFunction;
  readonly clock: Clock;
  /** Station address of the NIC on the simulation; null: there is nobody on the wire to send. */
  readonly mac: Uint8Array | null;
  /** Waits for a promise, letting time pass. @throws what it rejects with, or an Error when it takes too long. */
  run<T>(promise: Promise<T>): Promise<T>;
  /** Lets time pass. */
  pass(delayMs: number): Promise<void>;
  /** Somebody on the wire sends a frame. */
  send(frame: Uint8Array): void;
  /** Takes the device away. */
  remove(): void;
  /** Rules of the hardware that were broken, and what was not given back. */
  faults(): string[];
  end(): void;
}

export interface TargetKind {
  /** For the report card, e.g. `simulated 82576 (8086:10c9)`. */
  readonly name: string;
  readonly simulated: boolean;
  open(): Target;
  close(): void;
}

const CHIPS: Readonly<Record<Chip, { readonly name: string; readonly ids: PciIds }>> = {
  igb: { name: '82576', ids: ids(0x10c9, 0xa02b, 1) },
  e1000e: { name: '82574L', ids: ids(0x10d3, 0xa01f, 0) },
};

function ids(deviceId: number, subsystemId: number, revisionId: number): PciIds {
  return { vendorId: 0x8086, deviceId, subsystemVendorId: 0x8086, subsystemId, revisionId };
}

/** The simulated NIC that hardware ids name. @throws NdisVfioError E_NOT_SUPPORTED when they name none. */
export function simulatedTarget(hardwareIds: readonly string[]): TargetKind {
  const chips = Object.keys(CHIPS) as Chip[];
  const chip = chips.find((one) => hardwareIds.some((id) => hardwareIdMatches(id, CHIPS[one].ids)));
  if (chip === undefined) {
    throw new NdisVfioError('E_NOT_SUPPORTED', {
      action: 'Cannot simulate a NIC for this miniport',
      cause: `it drives ${hardwareIds.join(', ')}; simulated are the 82576 (8086:10c9) and the 82574L (8086:10d3)`,
      cure: 'Give the address of a real one with --nic BDF, or add the id to HardwareIds',
    });
  }
  const { name, ids: identity } = CHIPS[chip];
  return {
    name: `simulated ${name} (8086:${identity.deviceId.toString(16)})`,
    simulated: true,
    open: () => openSimulated(chip),
    close: () => {},
  };
}

function openSimulated(chip: Chip): Target {
  const sim = createSim({ chip });
  const restore = redirectSleep(sim.clock);
  return {
    pci: sim.pci,
    clock: sim.clock,
    mac: sim.mac,
    run: (promise) => sim.run(promise),
    pass: (delayMs) => sim.advance(delayMs),
    send: (frame) => sim.peer.send(frame),
    remove: () => sim.nic.remove('ones'),
    faults: () => [...new Set(sim.broken), ...sim.pci.held.map((what) => `not given back: ${what}`)],
    end: restore,
  };
}

/** A NIC of this machine. It is opened once and closed at the end. @throws as Machine.findFunction and openPciFunction. */
export function realTarget(machine: Machine, address: string, hardwareIds: readonly string[]): TargetKind {
  const found = machine.findFunction(address);
  if (!hardwareIds.some((id) => hardwareIdMatches(id, found.ids))) {
    throw new NdisVfioError('E_NOT_SUPPORTED', {
      action: `Cannot run ${found.address}`,
      cause: `the miniport drives ${hardwareIds.join(', ')}`,
      cure: 'Give the address of such a function, or add the id to HardwareIds',
    });
  }
  const pci = machine.openPciFunction(found.address, dmaNeedBytes(1500, 0));
  return {
    name: `${found.address} (${formatIds(found.ids)})`,
    simulated: false,
    open: () => ({
      pci,
      clock: machine.clock,
      mac: null,
      run: (promise) => promise,
      pass: (delayMs) => machine.clock.sleep(delayMs),
      send: () => {},
      remove: () => {},
      faults: () => [],
      end: () => {},
    }),
    close: () => pci.close(),
  };
}
