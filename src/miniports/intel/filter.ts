/**
 * Packet filter and multicast list in RCTL, RAR and MTA. Layer: miniports/intel.
 * Invariant: RAR[0] is the station address, RAR[1] to RAR[15] the first 15 groups; only further groups go through the
 * 4096-bit hash of MTA, which lets some foreign groups through. The registers are rewritten whole, so the same call
 * serves a set OID and the restore after a reset.
 */
import {
  NDIS_PACKET_TYPE_ALL_MULTICAST,
  NDIS_PACKET_TYPE_BROADCAST,
  NDIS_PACKET_TYPE_DIRECTED,
  NDIS_PACKET_TYPE_MULTICAST,
  NDIS_PACKET_TYPE_PROMISCUOUS,
} from '../../ndis/index.ts';
import type { HardwareAccess } from './hardware-access.ts';
import { MTA, RAH, RAH_AV, RAL, RCTL, RCTL_BAM, RCTL_MPE, RCTL_UPE } from './mac-registers.ts';

export const SUPPORTED_PACKET_FILTERS =
  NDIS_PACKET_TYPE_DIRECTED |
  NDIS_PACKET_TYPE_MULTICAST |
  NDIS_PACKET_TYPE_ALL_MULTICAST |
  NDIS_PACKET_TYPE_BROADCAST |
  NDIS_PACKET_TYPE_PROMISCUOUS;

/** More would only add to the hash's false positives. */
export const MAX_MULTICAST_LIST = 128;

/** Index of a group's bit in MTA with RCTL.MO = 0: bits 47:36 of the address (82574 10.2.5.13, 82576 8.10.16). */
export function multicastHash(list: Uint8Array, offset: number): number {
  return ((list[offset + 4]! >>> 4) | (list[offset + 5]! << 4)) & 0xfff;
}

/** RCTL's share of the packet filter. */
export function filterBits(packetFilter: number): number {
  if (packetFilter & NDIS_PACKET_TYPE_PROMISCUOUS) return RCTL_UPE | RCTL_MPE | RCTL_BAM;
  let bits = 0;
  if (packetFilter & NDIS_PACKET_TYPE_ALL_MULTICAST) bits |= RCTL_MPE;
  if (packetFilter & NDIS_PACKET_TYPE_BROADCAST) bits |= RCTL_BAM;
  return bits;
}

function writeAddress(hw: HardwareAccess, index: number, octets: Uint8Array, offset: number, valid: boolean): void {
  const low = octets[offset]! | (octets[offset + 1]! << 8) | (octets[offset + 2]! << 16) | (octets[offset + 3]! << 24);
  const high = octets[offset + 4]! | (octets[offset + 5]! << 8);
  // AV goes off first, so that no half-written address is ever valid.
  hw.writeAt(RAH, index, 0);
  hw.writeAt(RAL, index, low);
  hw.writeAt(RAH, index, valid ? high | RAH_AV : high);
}

const NO_ADDRESS = new Uint8Array(6);

/** Programs the filters. `multicastList` is a row of 6-octet addresses. PASSIVE_LEVEL. */
export function applyFilter(
  hw: HardwareAccess,
  station: Uint8Array,
  packetFilter: number,
  multicastList: Uint8Array,
): void {
  writeAddress(hw, 0, station, 0, (packetFilter & NDIS_PACKET_TYPE_DIRECTED) !== 0);
  const wanted = packetFilter & NDIS_PACKET_TYPE_MULTICAST ? multicastList.length / 6 : 0;
  for (let index = 1; index < RAL.count; index++) {
    if (index <= wanted) writeAddress(hw, index, multicastList, (index - 1) * 6, true);
    else writeAddress(hw, index, NO_ADDRESS, 0, false);
  }
  const table = new Uint32Array(MTA.count);
  for (let group = RAL.count - 1; group < wanted; group++) {
    const hash = multicastHash(multicastList, group * 6);
    table[hash >>> 5]! |= 1 << (hash & 31);
  }
  for (let index = 0; index < MTA.count; index++) hw.writeAt(MTA, index, table[index]!);
  hw.modify(RCTL, RCTL_UPE | RCTL_MPE | RCTL_BAM, filterBits(packetFilter));
}
