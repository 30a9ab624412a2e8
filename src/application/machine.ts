/**
 * What opening a NIC needs from the machine, as one replaceable object. Layer: application.
 * Invariant: interface only. The daemon and the public API take a Machine (linux-machine.ts is the real one), so tests
 * run them on the simulated NIC and TAP without a kernel.
 */
import type { PciAddress } from '../base/units.ts';
import type { Clock, PciFunction, PciIds, Tap } from '../platform/index.ts';

/** Identity of a function before it is opened. */
export interface FoundFunction {
  readonly address: PciAddress;
  readonly ids: PciIds;
}

export interface TapSettings {
  /** Bytes. */
  readonly mtu: number;
}

export interface Machine {
  readonly clock: Clock;
  /** Checks the address and reads the ids without opening anything. @throws NdisVfioError E_BAD_ADDRESS, E_NO_DEVICE. */
  findFunction(address: string): FoundFunction;
  /**
   * Opens the function; `dmaBytes` is compared with the locked-memory limit before anything is touched.
   * @throws NdisVfioError E_NO_IOMMU, E_WRONG_DRIVER, E_GROUP_NOT_VIABLE, E_NO_VFIO, E_MEMLOCK, E_PERMISSION, E_BUSY, E_ADDON.
   */
  openPciFunction(address: PciAddress, dmaBytes: number): PciFunction;
  /**
   * Creates the interface with its MTU and brings it up, without carrier.
   * @throws NdisVfioError E_TAP_NAME, E_TAP_PERMISSION, E_NO_TUN, E_TAP.
   */
  openTap(name: string, settings: TapSettings): Tap;
}
