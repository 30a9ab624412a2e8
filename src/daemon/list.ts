/**
 * The Ethernet functions of the machine with what one needs to choose among them. Layer: daemon.
 * Invariant: reads sysfs only; opens nothing.
 */
import { formatIds } from '../application/open-adapter.ts';
import { listEthernetFunctions } from '../host/index.ts';
import { builtInMiniport } from '../miniports/index.ts';

export interface ListedFunction {
  readonly address: string;
  /** `8086:10c9`. */
  readonly ids: string;
  /** Kernel driver bound to it, or null. */
  readonly driver: string | null;
  /** IOMMU group, or null without an IOMMU. */
  readonly iommuGroup: number | null;
  /** Name of the built-in miniport that drives it, or null. */
  readonly miniport: string | null;
  /** Network interfaces the kernel driver made of it. */
  readonly interfaces: readonly string[];
}

/** All Ethernet functions, by address. */
export function listFunctions(): ListedFunction[] {
  return listEthernetFunctions().map((info) => ({
    address: info.address,
    ids: formatIds(info.ids),
    driver: info.driver ?? null,
    iommuGroup: info.iommuGroup ?? null,
    miniport: builtInMiniport(info.ids)?.name ?? null,
    interfaces: info.interfaces,
  }));
}
