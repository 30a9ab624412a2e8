/**
 * A register space with side effects and a notebook. Layer: sim.
 * Invariant: only offsets that the data sheet has are defined; an access to any other, or a write to a read-only
 * register, is a violation a test can assert on. The table is the simulation's own, never the miniports'.
 */

/** How a register answers. rc: cleared by reading. */
export type SimMode = 'rw' | 'ro' | 'wo' | 'rc';

interface SimRegister {
  readonly name: string;
  readonly mode: SimMode;
  reset: number;
  readonly read: (() => number) | undefined;
  readonly write: ((value: number) => void) | undefined;
}

/** What a driver did that the data sheet does not allow. */
export interface Violation {
  readonly rule: string;
  readonly detail: string;
}

/** One access, when tracing. */
export interface Access {
  readonly write: boolean;
  readonly name: string;
  readonly value: number;
}

const hex = (value: number): string => `0x${value.toString(16).padStart(5, '0')}`;

/** BAR0 of a NIC: 128 KiB of 32-bit registers. */
export class RegisterFile {
  static readonly lengthBytes = 0x2_0000;
  readonly violations: Violation[] = [];
  /** The last accesses, when `tracing`. */
  readonly trace: Access[] = [];
  tracing = false;
  reads = 0;
  writes = 0;
  readonly #values = new Uint32Array(RegisterFile.lengthBytes / 4);
  readonly #registers = new Map<number, SimRegister>();

  define(
    name: string,
    offset: number,
    mode: SimMode,
    options: { reset?: number; read?: () => number; write?: (value: number) => void } = {},
  ): void {
    if (this.#registers.has(offset)) throw new Error(`Register ${name} at ${hex(offset)} is defined twice`);
    this.#registers.set(offset, {
      name,
      mode,
      reset: options.reset ?? 0,
      read: options.read,
      write: options.write,
    });
    this.#values[offset >>> 2] = options.reset ?? 0;
  }

  /** A second offset for the same register (82576 keeps the 8254x places of its queues 0 to 3). */
  alias(offset: number, target: number): void {
    const register = this.#registers.get(target);
    if (register === undefined) throw new Error(`No register at ${hex(target)}`);
    this.#registers.set(offset, {
      name: register.name,
      mode: register.mode,
      reset: 0,
      read: () => this.read(target),
      write: (value) => this.write(target, value),
    });
  }

  get(offset: number): number {
    return this.#values[offset >>> 2] ?? 0;
  }

  set(offset: number, value: number): void {
    this.#values[offset >>> 2] = value;
  }

  add(offset: number, amount: number): void {
    this.set(offset, Math.min(0xffff_ffff, this.get(offset) + amount));
  }

  violate(rule: string, detail: string): void {
    this.violations.push({ rule, detail });
  }

  read(offset: number): number {
    this.reads += 1;
    const register = this.#registers.get(offset);
    if (register === undefined) {
      this.violate('unknown register', `read of ${hex(offset)}`);
      return 0;
    }
    if (register.mode === 'wo') this.violate('write-only register', `read of ${register.name}`);
    const value = (register.read === undefined ? this.get(offset) : register.read()) >>> 0;
    if (register.mode === 'rc') this.set(offset, 0);
    this.#note(false, register.name, value);
    return value;
  }

  write(offset: number, value: number): void {
    this.writes += 1;
    const register = this.#registers.get(offset);
    if (register === undefined) {
      this.violate('unknown register', `write of ${hex(value >>> 0)} to ${hex(offset)}`);
      return;
    }
    this.#note(true, register.name, value >>> 0);
    if (register.write !== undefined) {
      register.write(value >>> 0);
    } else if (register.mode === 'rw') {
      this.set(offset, value);
    } else {
      this.violate('read-only register', `write of ${hex(value >>> 0)} to ${register.name}`);
    }
  }

  /** Every register back to its reset value, but those named. */
  reset(keep: ReadonlySet<number> = new Set()): void {
    for (const [offset, register] of this.#registers) {
      if (!keep.has(offset)) this.set(offset, register.reset);
    }
  }

  /** Values by name, without side effects: for comparing a configuration before and after a reset. */
  dump(offsets: Iterable<number>): Record<string, number> {
    const out: Record<string, number> = {};
    for (const offset of offsets) out[`${this.#registers.get(offset)?.name ?? '?'}@${hex(offset)}`] = this.get(offset);
    return out;
  }

  #note(write: boolean, name: string, value: number): void {
    if (!this.tracing) return;
    this.trace.push({ write, name, value });
    if (this.trace.length > 4000) this.trace.splice(0, 1000);
  }
}
