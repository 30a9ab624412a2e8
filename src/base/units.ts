/**
 * Branded numbers: a bus address cannot be passed where an index is due. Layer: base.
 * Invariant: the brands cost nothing at run time; the `as...` functions only assert the range that makes them true.
 */

declare const brand: unique symbol;
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name };

/** A bus address as the device uses it (I/O virtual address). Always below 4 GiB here, so descriptor high words are 0. */
export type Iova = Branded<number, 'Iova'>;
/** Index of a buffer slot in a pool. */
export type SlotIndex = Branded<number, 'SlotIndex'>;
/** Index of a descriptor in a ring, 0 to count - 1. */
export type RingIndex = Branded<number, 'RingIndex'>;
/** PCI address in full form, `0000:03:00.0`. */
export type PciAddress = Branded<string, 'PciAddress'>;

/** Asserts that `value` fits the range of {@link Iova}. */
export function asIova(value: number): Iova {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
    throw new RangeError(`IOVA ${value} is not an integer below 4 GiB`);
  }
  return value as Iova;
}
