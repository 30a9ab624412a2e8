/**
 * The machine target: two PCI functions of one model on one wire, bound to vfio-pci, both in this process. Layer: test.
 * The lab's guest and a real machine are the same here; only the hand on the cable differs.
 */
import { openPciFunction, systemClock } from '../../src/host/index.ts';
import { builtInMiniport } from '../../src/miniports/index.ts';
import { Failure } from './bench.ts';
import { FaultyFunction } from './faulty-function.ts';
import type { Chip, Role, Target } from './target.ts';

/** Turns without a pause; after them the processor is left to others between two looks. */
const IMPATIENT_TURNS = 500;

export interface MachineOptions {
  /** PCI address of each NIC. */
  readonly addresses: Readonly<Record<Role, string>>;
  readonly setCable?: ((up: boolean) => Promise<void>) | undefined;
  /**
   * The NICs are QEMU's models: when receive buffers come back, QEMU 10.0 hands over all that has waited, and what does
   * not fit is gone without MPC or RNBC telling (net_queue_flush, e1000e_receive_internal).
   */
  readonly emulated: boolean;
}

/** @throws NdisVfioError when a function cannot be opened; Error when the two are not of one model the project drives. */
export function createMachineTarget({ addresses, setCable, emulated }: MachineOptions): Target {
  const families = (['dut', 'support'] as const).map((role) => {
    const pci = openPciFunction(addresses[role]);
    const name = builtInMiniport(pci.ids)?.name;
    pci.close();
    return name;
  });
  const chip = families[0];
  if ((chip !== 'igb' && chip !== 'e1000e') || families[1] !== chip) {
    throw new Error(`the two NICs are ${families.join(' and ')}; the suite needs two 82576 or two 82574L`);
  }
  return {
    kind: 'machine',
    chip: chip as Chip,
    countsDrops: !emulated,
    clock: systemClock,
    openFunction: (role) => new FaultyFunction(openPciFunction(addresses[role])),
    turn: (turns = 0) =>
      new Promise((resolve) => {
        if (turns < IMPATIENT_TURNS) setImmediate(resolve);
        else setTimeout(resolve, 1);
      }),
    drive: (promise, limitMs) => {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(new Failure(`not finished after ${limitMs} ms`)), limitMs);
      });
      return Promise.race([promise, late]).finally(() => clearTimeout(timer));
    },
    ...(setCable === undefined ? {} : { setCable }),
    broken: () => [],
    held: () => [],
    close: () => {},
  };
}
