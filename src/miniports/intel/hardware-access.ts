/**
 * Access to the registers of one adapter. Layer: miniports/intel, over NDIS's register functions.
 * Invariants: every access goes through NdisRead/WriteRegisterUlong; once the device is found gone nothing touches it
 * again (reads give all ones, writes vanish). "Gone" needs two reads that agree: all ones, or 0 from STATUS, which a
 * present device never shows (its speed and bus-master bits are not all 0); a slot without power reads 0 under QEMU.
 */
import { type IoSpace, NdisReadRegisterUlong, NdisWriteRegisterUlong } from '../../ndis/index.ts';
import { CTRL, STATUS } from './mac-registers.ts';
import type { ClearableMode, ReadableMode, ReadClearMode, Register, RegisterArray, WritableMode } from './register.ts';

const ALL_ONES = 0xffff_ffff;

export class HardwareAccess {
  /** True from the moment the device was found to be gone. Never goes back. */
  gone = false;
  readonly #io: IoSpace;

  constructor(io: IoSpace) {
    this.#io = io;
  }

  /** Reads a register whose reading has no side effect. Any IRQL. */
  read(register: Register<ReadableMode>): number {
    return this.#load(register.offset);
  }

  readAt(registers: RegisterArray<ReadableMode>, index: number): number {
    return this.#load(registers.offset + index * registers.strideBytes);
  }

  /** Reads and thereby clears. Any IRQL. */
  readClear(register: Register<ReadClearMode>): number {
    return this.#load(register.offset);
  }

  /** Clears the bits of `mask` by writing them. Any IRQL. */
  clear(register: Register<ClearableMode>, mask: number): void {
    this.#store(register.offset, mask);
  }

  /** Sets the bits of `mask` in a register where ones set and zeros keep. Any IRQL. */
  set(register: Register<'W1S'>, mask: number): void {
    this.#store(register.offset, mask);
  }

  write(register: Register<WritableMode>, value: number): void {
    this.#store(register.offset, value);
  }

  writeAt(registers: RegisterArray<WritableMode>, index: number, value: number): void {
    this.#store(registers.offset + index * registers.strideBytes, value);
  }

  /** Reads, clears the bits of `remove`, sets those of `add`, writes back. */
  modify(register: Register<'RW'>, remove: number, add: number): void {
    this.#store(register.offset, ((this.#load(register.offset) & ~remove) | add) >>> 0);
  }

  modifyAt(registers: RegisterArray<'RW'>, index: number, remove: number, add: number): void {
    const offset = registers.offset + index * registers.strideBytes;
    this.#store(offset, ((this.#load(offset) & ~remove) | add) >>> 0);
  }

  /** Pushes posted writes out by a read (PCIe: a read does not pass posted writes). */
  flush(): void {
    this.#load(STATUS.offset);
  }

  /** Asks the device whether it is still there: two registers, both impossible. Any IRQL. */
  isPresent(): boolean {
    if (this.gone) return false;
    const status = NdisReadRegisterUlong(this.#io, STATUS.offset);
    if (status !== ALL_ONES && status !== 0) return true;
    this.gone = NdisReadRegisterUlong(this.#io, CTRL.offset) === status;
    return !this.gone;
  }

  /** From now on nothing touches the device: it was announced to be removed. */
  abandon(): void {
    this.gone = true;
  }

  #load(offset: number): number {
    if (this.gone) return ALL_ONES;
    const value = NdisReadRegisterUlong(this.#io, offset);
    if (value === ALL_ONES) this.isPresent();
    return value;
  }

  #store(offset: number, value: number): void {
    if (!this.gone) NdisWriteRegisterUlong(this.#io, offset, value >>> 0);
  }
}
