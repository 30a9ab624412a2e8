/**
 * The register definer: one register, one line. Layer: miniports/intel.
 * Invariant: the access mode is part of the type, so writing a read-only register, or reading a write-only one, does
 * not compile. Offsets are bytes from the start of BAR 0. Nothing here touches hardware; hardware-access.ts does.
 */

/**
 * RO read only; RW read and write; WO write only; RC cleared by reading; W1C cleared by writing ones, reads leave it;
 * RC_W1C cleared by either; W1S set by writing ones, readable.
 */
export type AccessMode = 'RO' | 'RW' | 'WO' | 'RC' | 'W1C' | 'RC_W1C' | 'W1S';

/** Modes whose reading has no side effect. */
export type ReadableMode = 'RO' | 'RW' | 'W1C' | 'W1S';
/** Modes that take a plain write. */
export type WritableMode = 'RW' | 'WO';
/** Modes that reading clears. */
export type ReadClearMode = 'RC' | 'RC_W1C';
/** Modes in which writing a one clears the bit. */
export type ClearableMode = 'W1C' | 'RC_W1C';

export interface Register<Mode extends AccessMode = AccessMode> {
  readonly mode: Mode;
  readonly offset: number;
  /** The data sheet's section and the meaning in plain words. */
  readonly about: string;
}

/** `count` registers, one every `strideBytes`. */
export interface RegisterArray<Mode extends AccessMode = AccessMode> extends Register<Mode> {
  readonly strideBytes: number;
  readonly count: number;
}

/** Defines one register. */
export function register<const Mode extends AccessMode>(offset: number, mode: Mode, about: string): Register<Mode> {
  return { mode, offset, about };
}

/** Defines an array of registers. */
export function registerArray<const Mode extends AccessMode>(
  offset: number,
  strideBytes: number,
  count: number,
  mode: Mode,
  about: string,
): RegisterArray<Mode> {
  return { mode, offset, about, strideBytes, count };
}

/** A group of adjacent bits inside a register or descriptor word. */
export interface Field {
  readonly low: number;
  readonly width: number;
  /** The field's bits in place. */
  readonly mask: number;
  /** `value` moved into place. @throws RangeError when it does not fit. */
  of(value: number): number;
  /** The field's value taken out of `word`. */
  from(word: number): number;
  /** `word` with the field replaced by `value`. */
  replace(word: number, value: number): number;
}

/** Defines the field of `width` bits that starts at bit `low`. */
export function field(low: number, width: number): Field {
  const max = 2 ** width - 1;
  const mask = (max * 2 ** low) >>> 0;
  const of = (value: number): number => {
    if (!Number.isInteger(value) || value < 0 || value > max) {
      throw new RangeError(`${value} does not fit a field of ${width} bits`);
    }
    return (value * 2 ** low) >>> 0;
  };
  return {
    low,
    width,
    mask,
    of,
    from: (word) => (word & mask) >>> low,
    replace: (word, value) => ((word & ~mask) | of(value)) >>> 0,
  };
}

/** The mask of bit `position`, unsigned also for bit 31. */
export function bit(position: number): number {
  return (1 << position) >>> 0;
}
