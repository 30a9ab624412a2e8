/**
 * A machine with one simulated NIC, ready for a test. Layer: sim.
 * Usage: const sim = createSim({ chip: 'igb' }); drive sim.pci with the code under test; sim.peer is the other end of
 * the cable; await sim.settle() lets everything due now happen, sim.run(promise) also lets time pass.
 * Invariant: nothing here shares state between two simulations.
 */
import type { InterruptKind } from '../platform/index.ts';
import { SimClock } from './clock.ts';
import { SimE1000e } from './e1000e.ts';
import { SimPciFunction } from './function.ts';
import { SimIgb } from './igb.ts';
import { SimInterruptPort } from './interrupts.ts';
import { DmaSpace } from './memory.ts';
import type { NicParts } from './nic.ts';
import { DATASHEET, QEMU, type Quirks } from './quirks.ts';
import { Random } from './random.ts';
import { TurnQueue } from './turns.ts';
import { SimWire, type WireTester } from './wire.ts';

export { redirectSleep, SimClock } from './clock.ts';
export { ICR_82574, SimE1000e } from './e1000e.ts';
export { SimPciFunction } from './function.ts';
export { ICR_82576, SimIgb } from './igb.ts';
export { SimInterruptPort } from './interrupts.ts';
export { DmaSpace } from './memory.ts';
export { COMMON, E1000E, IGB, OCTETS, STATS } from './offsets.ts';
export { DATASHEET, QEMU, type Quirks } from './quirks.ts';
export { Random } from './random.ts';
export { SimTap } from './tap.ts';
export { TurnQueue } from './turns.ts';
export { SimWire, type WireTester } from './wire.ts';

export type Chip = 'igb' | 'e1000e';
export type Profile = 'datasheet' | 'qemu';

/** What to simulate. */
export interface SimOptions {
  readonly chip: Chip;
  /** Whose side to take where data sheet and QEMU differ; default data sheet. */
  readonly profile?: Profile;
  /** Single switches on top of the profile. */
  readonly quirks?: Partial<Quirks>;
  readonly mac?: Uint8Array;
  readonly seed?: number;
  /** False: the MSI-X table cannot be mapped. Default true. */
  readonly hardwareMask?: boolean;
  /** Vectors the function offers; default 10 or 5 MSI-X, 1 MSI, 1 line. */
  readonly interruptCounts?: Partial<Record<InterruptKind, number>>;
  /** Share the event loop, the clock and the cable with another simulation: two NICs on one wire. */
  readonly world?: { readonly turns: TurnQueue; readonly clock: SimClock; readonly wire: SimWire };
}

/** The machine. */
export interface Sim {
  readonly chip: Chip;
  readonly nic: SimIgb | SimE1000e;
  readonly pci: SimPciFunction;
  readonly wire: SimWire;
  readonly peer: WireTester;
  readonly clock: SimClock;
  readonly turns: TurnQueue;
  readonly memory: DmaSpace;
  readonly random: Random;
  readonly mac: Uint8Array;
  /** Resolves when nothing is left to do at this moment. */
  settle(): Promise<void>;
  /** Lets `delayMs` of simulated time pass, everything due on the way included. */
  advance(delayMs: number): Promise<void>;
  /** Lets time pass until `promise` is settled; fails when `limitMs` of simulated time were not enough. */
  run<T>(promise: Promise<T>, limitMs?: number): Promise<T>;
  /** Rules of the data sheet or of DMA that were broken, as text: a test expects []. */
  readonly broken: string[];
}

/** Builds a machine. */
export function createSim(options: SimOptions): Sim {
  const turns = options.world?.turns ?? new TurnQueue();
  const clock = options.world?.clock ?? new SimClock(turns);
  const wire = options.world?.wire ?? new SimWire();
  const memory = new DmaSpace();
  const random = new Random(options.seed ?? 1);
  const quirks: Quirks = { ...(options.profile === 'qemu' ? QEMU : DATASHEET), ...options.quirks };
  const igb = options.chip === 'igb';
  const mac = options.mac ?? Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56);
  const ids = {
    vendorId: 0x8086,
    deviceId: igb ? 0x10c9 : 0x10d3,
    subsystemVendorId: 0x8086,
    subsystemId: igb ? 0xa02b : 0xa01f,
    revisionId: igb ? 1 : 0,
  };
  const interrupts = new SimInterruptPort(turns);
  const parts: NicParts = {
    clock,
    turns,
    memory,
    interrupts,
    wire,
    random,
    quirks,
    mac,
    deviceId: ids.deviceId,
    subsystemId: ids.subsystemId,
  };
  const nic = igb ? new SimIgb(parts) : new SimE1000e(parts);
  const pci = new SimPciFunction(nic, {
    ids,
    interruptCounts: { msix: igb ? 10 : 5, msi: 1, line: 1, ...options.interruptCounts },
    hardwareMask: options.hardwareMask ?? true,
    resetIsNoop: !igb && quirks.functionResetIsNoop,
  });
  return {
    chip: options.chip,
    nic,
    pci,
    wire,
    peer: wire.tester(),
    clock,
    turns,
    memory,
    random,
    mac,
    settle: () => turns.settle(),
    advance: (delayMs) => clock.advance(delayMs),
    run: (promise, limitMs) => run(clock, turns, promise, limitMs ?? 120_000),
    get broken() {
      const rules = nic.registers.violations.map((v) => `${v.rule}: ${v.detail}`);
      const faults = memory.faults.map(
        (f) => `DMA ${f.write ? 'write' : 'read'} ${f.kind}: ${f.what} at 0x${f.iova.toString(16)}+${f.lengthBytes}`,
      );
      return [...rules, ...faults];
    },
  };
}

async function run<T>(clock: SimClock, turns: TurnQueue, promise: Promise<T>, limitMs: number): Promise<T> {
  let over = false;
  const watched = promise.finally(() => {
    over = true;
  });
  watched.catch(() => {}); // the caller gets the rejection from the promise returned below
  const end = clock.nowUs() + limitMs * 1000;
  for (;;) {
    await turns.settle();
    if (over) return watched;
    const leftMs = (end - clock.nowUs()) / 1000;
    if (leftMs <= 0 || !(await clock.step(leftMs))) {
      throw new Error(`Not finished after ${limitMs} ms of simulated time`);
    }
  }
}
