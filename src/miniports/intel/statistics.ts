/**
 * The counters: hardware registers accumulated in 64 bits, and what only software sees. Layer: miniports/intel.
 * Invariants: sample() is the only reader of the clear-on-read registers, and runs at least every two seconds so that
 * none sticks; octet pairs are read low word first, since the high word's read clears both. Doubles count to 2^53.
 * Octets are those of the frames without CRC, as software sees them.
 */
import type { NdisStatistics } from '../../ndis/index.ts';
import type { HardwareAccess } from './hardware-access.ts';
import {
  ALGNERRC,
  BPRC,
  BPTC,
  CRCERRS,
  ECOL,
  GORCH,
  GORCL,
  GOTCH,
  GOTCL,
  GPRC,
  GPTC,
  LATECOL,
  MPC,
  MPRC,
  MPTC,
  RFC,
  RJC,
  RLEC,
  RNBC,
  ROC,
  RUC,
  RXERRC,
} from './mac-registers.ts';
import type { Register } from './register.ts';

const CRC_BYTES = 4;

/** Registers that count one kind of event. */
const COUNTERS = {
  CRCERRS,
  ALGNERRC,
  RXERRC,
  MPC,
  ECOL,
  LATECOL,
  RLEC,
  BPRC,
  MPRC,
  GPRC,
  BPTC,
  MPTC,
  GPTC,
  RNBC,
  RUC,
  RFC,
  ROC,
  RJC,
} as const satisfies Record<string, Register<'RC'>>;

type CounterName = keyof typeof COUNTERS;
const NAMES = Object.keys(COUNTERS) as CounterName[];

/** Indices into a ring's software counters (a Float64Array, so that counting allocates nothing). */
export const COUNT_UNICAST_OCTETS = 0;
export const COUNT_MULTICAST_OCTETS = 1;
export const COUNT_BROADCAST_OCTETS = 2;
/** Frames software threw away: adapter paused, no room. */
export const COUNT_DISCARDS = 3;
/** Frames with errors, received or not sendable. */
export const COUNT_ERRORS = 4;
export const COUNT_FRAMES = 5;
export const SOFTWARE_COUNTERS = 6;

export class Statistics {
  /** Software's counters of all receive rings. */
  readonly receive = new Float64Array(SOFTWARE_COUNTERS);
  /** Software's counters of all transmit rings. */
  readonly transmit = new Float64Array(SOFTWARE_COUNTERS);
  readonly #counters: Record<CounterName, number>;
  #octetsReceived = 0;
  #octetsSent = 0;
  #queueDrops = 0;

  constructor() {
    this.#counters = Object.fromEntries(NAMES.map((name) => [name, 0])) as Record<CounterName, number>;
  }

  /** Empties the registers into the accumulators. IRQL <= DISPATCH_LEVEL. */
  sample(hw: HardwareAccess, queueDrops: number): void {
    if (!hw.isPresent()) return;
    for (const name of NAMES) {
      const value = hw.readClear(COUNTERS[name]);
      if (hw.gone) return;
      this.#counters[name] += value;
    }
    const receivedLow = hw.readClear(GORCL);
    const receivedHigh = hw.readClear(GORCH);
    const sentLow = hw.readClear(GOTCL);
    const sentHigh = hw.readClear(GOTCH);
    if (hw.gone) return;
    this.#octetsReceived += receivedHigh * 2 ** 32 + receivedLow;
    this.#octetsSent += sentHigh * 2 ** 32 + sentLow;
    this.#queueDrops += queueDrops;
  }

  /** Throws away what the registers hold: the reset before the first start is not ours to count. */
  clear(hw: HardwareAccess): void {
    for (const name of NAMES) hw.readClear(COUNTERS[name]);
    for (const register of [GORCL, GORCH, GOTCL, GOTCH]) hw.readClear(register);
  }

  /** One accumulated register, for diagnostics. */
  getCounter(name: CounterName): number {
    return this.#counters[name];
  }

  getFramesReceived(): number {
    return this.#counters.GPRC;
  }

  getFramesSent(): number {
    return this.#counters.GPTC;
  }

  /** The counters of NDIS_STATISTICS_INFO (contract 3.10). */
  getNdisStatistics(): NdisStatistics {
    const c = this.#counters;
    return {
      ifInDiscards: c.MPC + this.#queueDrops + this.receive[COUNT_DISCARDS]!,
      ifInErrors: c.CRCERRS + c.ALGNERRC + c.RXERRC + c.RUC + c.RFC + c.ROC + c.RJC + this.receive[COUNT_ERRORS]!,
      ifHCInOctets: Math.max(0, this.#octetsReceived - CRC_BYTES * c.GPRC),
      ifHCInUcastPkts: Math.max(0, c.GPRC - c.MPRC - c.BPRC),
      ifHCInMulticastPkts: c.MPRC,
      ifHCInBroadcastPkts: c.BPRC,
      ifHCOutOctets: Math.max(0, this.#octetsSent - CRC_BYTES * c.GPTC),
      ifHCOutUcastPkts: Math.max(0, c.GPTC - c.MPTC - c.BPTC),
      ifHCOutMulticastPkts: c.MPTC,
      ifHCOutBroadcastPkts: c.BPTC,
      ifOutErrors: c.ECOL + c.LATECOL + this.transmit[COUNT_ERRORS]!,
      ifOutDiscards: this.transmit[COUNT_DISCARDS]!,
      ifHCInUcastOctets: this.receive[COUNT_UNICAST_OCTETS]!,
      ifHCInMulticastOctets: this.receive[COUNT_MULTICAST_OCTETS]!,
      ifHCInBroadcastOctets: this.receive[COUNT_BROADCAST_OCTETS]!,
      ifHCOutUcastOctets: this.transmit[COUNT_UNICAST_OCTETS]!,
      ifHCOutMulticastOctets: this.transmit[COUNT_MULTICAST_OCTETS]!,
      ifHCOutBroadcastOctets: this.transmit[COUNT_BROADCAST_OCTETS]!,
    };
  }
}
