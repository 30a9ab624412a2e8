/**
 * What a conformance row runs on: two NICs of one model at the two ends of a wire, and a clock. Layer: test.
 * Two implementations: simulated.ts (simulated NICs, simulated time) and machine.ts (PCI functions bound to vfio-pci, in
 * the lab's guest or in a real machine). Invariant: a row sees nothing but this interface, so it is the same everywhere.
 */
import type { Clock } from '../../src/platform/index.ts';
import type { FaultyFunction } from './faulty-function.ts';

export type Chip = 'igb' | 'e1000e';
export const CHIPS: readonly Chip[] = ['igb', 'e1000e'];

/** `dut`: the NIC under test. `support`: the one at the other end, which NDISTest calls the support device. */
export type Role = 'dut' | 'support';

export type Damage = 'crc' | 'alignment' | 'symbol';

export interface Target {
  readonly kind: 'simulated' | 'machine';
  readonly chip: Chip;
  readonly clock: Clock;
  /** Opens a NIC; it is closed before it is opened again. @throws NdisVfioError as openPciFunction does. */
  openFunction(role: Role): FaultyFunction;
  /** Lets everything due now happen, and a little time pass; more of it when `turns` were in vain already. */
  turn(turns?: number): Promise<void>;
  /** Lets time pass until `promise` is settled; rejects after `limitMs` of the target's time. */
  drive<T>(promise: Promise<T>, limitMs: number): Promise<T>;
  /** Plugs the cable of the NIC under test in or out. Absent: nobody has a hand on the cable. */
  readonly setCable?: (up: boolean) => Promise<void>;
  /** Puts a damaged frame on the wire. Absent: the wire knows no damage. */
  readonly sendDamaged?: (frame: Uint8Array, damage: Damage) => void;
  /** False: frames dropped for lack of buffers are not counted by the device, a fault of its model. */
  readonly countsDrops: boolean;
  /** Rules of the data sheet or of DMA that were broken since the last call, as text. Empty where nobody watches. */
  broken(): string[];
  /** What an adapter that was halted left in use, as text. */
  held(role: Role): string[];
  close(): void;
}
