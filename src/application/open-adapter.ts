/**
 * From a PCI address to an adapter and back: the wiring shared by the daemon and the public API.
 * Layer: application. Invariants: what costs nothing is checked first (options, miniport file, address, ids, limits),
 * so that most errors leave the device untouched; whatever fails later closes what was opened; after `close` or
 * `abandon` the function is closed, the driver unloaded, and nothing of this adapter runs any more.
 */
import { NdisVfioError } from '../base/errors.ts';
import { slotBytesFor } from '../bridge/edge.ts';
import { builtInMiniport } from '../miniports/index.ts';
import {
  type Adapter,
  type Driver,
  loadDriver,
  type MiniportModule,
  NDIS_PACKET_TYPE_ALL_MULTICAST,
  NDIS_PACKET_TYPE_BROADCAST,
  NDIS_PACKET_TYPE_DIRECTED,
  NDIS_PACKET_TYPE_PROMISCUOUS,
  NdisHaltDeviceStopped,
  type VerifierMode,
} from '../ndis/index.ts';
import type { InterruptKind, PciFunction, PciIds } from '../platform/index.ts';
import { checkMiniportModule, loadMiniportFile } from './load-miniport.ts';
import type { FoundFunction, Machine } from './machine.ts';

/** Smallest MTU: the least an IPv4 link must carry (RFC 791). */
export const MTU_MIN = 68;
/** Largest MTU: what both chips' jumbo settings and this project's tests cover. */
export const MTU_MAX = 9000;
export const MTU_DEFAULT = 1500;

/** Ethernet header: the standardized keyword `*JumboPacket` counts it, the MTU does not. */
const ETHERNET_HEADER_BYTES = 14;

/**
 * DMA memory of an adapter besides the send slots: the built-in miniports' default of 512 receive buffers, NDIS's 64 map
 * registers for frames outside of DMA memory, and rings. An estimate for the check up front, kept true by a test; a
 * miniport that allocates more gets the exact error from its allocation.
 */
const FRAME_BUFFERS = 512 + 64;
const RING_BYTES = 64 * 1024;

export interface AdapterSettings {
  /** Bytes without the Ethernet header, 68 to 9000. Default 1500. */
  readonly mtu?: number | undefined;
  /** Default: the best the function offers, in the order msix, msi, line. */
  readonly interrupts?: InterruptKind | undefined;
  /** Upper limit of interrupt messages, 1 to 2048. */
  readonly messages?: number | undefined;
  /** Take every frame on the wire, not only those addressed to this NIC. */
  readonly promiscuous?: boolean | undefined;
  /** A miniport module, or the path of its file. Default: the built-in one for the function's ids. */
  readonly miniport?: string | MiniportModule | undefined;
  /** Registry keywords for the miniport, e.g. `{ '*ReceiveBuffers': 512 }`. */
  readonly configuration?: Readonly<Record<string, string | number>> | undefined;
  /** Watches the miniport; default `off`. */
  readonly verifier?: VerifierMode | undefined;
}

/** An adapter with what it stands on. */
export interface OpenedAdapter {
  readonly pci: PciFunction;
  readonly driver: Driver;
  readonly adapter: Adapter;
  /** Name of the built-in family, or the file's path. */
  readonly miniportName: string;
  /** Bytes. */
  readonly mtu: number;
  /** Orderly end from any state: pause, halt, unload, close. `gone`: the device no longer answers. */
  close(gone?: boolean): Promise<void>;
  /** Immediate end for emergencies: closes the function; bus mastering and interrupts are off on return. */
  abandon(): void;
}

/** `8086:10c9`, as lspci writes it. */
export function formatIds(ids: PciIds): string {
  return `${hex4(ids.vendorId)}:${hex4(ids.deviceId)}`;
}

/** `52:54:00:12:34:56`. */
export function formatMac(mac: Uint8Array): string {
  return Array.from(mac, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** The error for an MTU that is out of range, or no number at all. */
export function mtuError(given: string): NdisVfioError {
  return new NdisVfioError('E_MTU', {
    action: `Cannot use ${JSON.stringify(given)} as the MTU`,
    cause: `it is not a whole number from ${MTU_MIN} to ${MTU_MAX}`,
    cure: `Give bytes without the Ethernet header, e.g. --mtu ${MTU_DEFAULT}`,
  });
}

/** Checks the numbers of the settings. @throws NdisVfioError E_MTU, E_OPTION. */
export function checkSettings(settings: AdapterSettings): void {
  const { mtu, messages } = settings;
  if (mtu !== undefined && (!Number.isInteger(mtu) || mtu < MTU_MIN || mtu > MTU_MAX)) {
    throw mtuError(String(mtu));
  }
  if (messages !== undefined && (!Number.isInteger(messages) || messages < 1 || messages > 2048)) {
    throw new NdisVfioError('E_OPTION', {
      action: `Cannot use ${messages} interrupt messages`,
      cause: 'it is not a whole number from 1 to 2048',
      cure: 'Give a number the function offers, e.g. --messages 3',
    });
  }
}

/** Bytes of DMA memory that an adapter with this MTU and `sendBytes` of send slots needs. */
export function dmaNeedBytes(mtu: number, sendBytes: number): number {
  return FRAME_BUFFERS * Math.max(2048, slotBytesFor(mtu)) + RING_BYTES + sendBytes;
}

interface Chosen {
  readonly module: MiniportModule;
  readonly name: string;
}

/**
 * Chooses the miniport, runs its DriverEntry, opens the function and creates the adapter, still Halted: the device is
 * held, reset and quiet. `sendBytes` is what the caller is going to allocate for send slots.
 * @throws NdisVfioError; nothing stays behind then.
 */
export async function openAdapter(
  machine: Machine,
  address: string,
  settings: AdapterSettings,
  sendBytes: number,
): Promise<OpenedAdapter> {
  checkSettings(settings);
  const mtu = settings.mtu ?? MTU_DEFAULT;
  const supplied = await loadSupplied(settings.miniport);
  const found = machine.findFunction(address);
  const chosen = supplied ?? chooseBuiltIn(found);
  const driver = await loadDriver(chosen.module);
  let pci: PciFunction | undefined;
  try {
    if (!driver.matches(found.ids)) throw notSupported(found, chosen.name, driver.hardwareIds);
    pci = machine.openPciFunction(found.address, dmaNeedBytes(mtu, sendBytes));
    const adapter = driver.createAdapter(pci, {
      clock: machine.clock,
      ...(settings.interrupts === undefined ? {} : { interrupts: settings.interrupts }),
      ...(settings.messages === undefined ? {} : { messageLimit: settings.messages }),
      ...(settings.verifier === undefined ? {} : { verifier: settings.verifier }),
      configuration: { '*JumboPacket': mtu + ETHERNET_HEADER_BYTES, ...settings.configuration },
    });
    return new Opened(pci, driver, adapter, chosen.name, mtu);
  } catch (error) {
    pci?.close();
    // The first failure is the one to report; unloading a driver without adapters only forgets it.
    await driver.unload().catch(() => undefined);
    throw error;
  }
}

/** Sets the packet filter of an initialized adapter and starts it: frames flow from here on. */
export async function startAdapter(opened: OpenedAdapter, promiscuous: boolean): Promise<void> {
  await opened.adapter.setPacketFilter(
    NDIS_PACKET_TYPE_DIRECTED |
      NDIS_PACKET_TYPE_BROADCAST |
      NDIS_PACKET_TYPE_ALL_MULTICAST |
      (promiscuous ? NDIS_PACKET_TYPE_PROMISCUOUS : 0),
  );
  await opened.adapter.restart();
}

class Opened implements OpenedAdapter {
  readonly pci: PciFunction;
  readonly driver: Driver;
  readonly adapter: Adapter;
  readonly miniportName: string;
  readonly mtu: number;
  private closing: Promise<void> | undefined;

  constructor(pci: PciFunction, driver: Driver, adapter: Adapter, miniportName: string, mtu: number) {
    this.pci = pci;
    this.driver = driver;
    this.adapter = adapter;
    this.miniportName = miniportName;
    this.mtu = mtu;
  }

  close(gone = false): Promise<void> {
    this.closing ??= this.closeOnce(gone);
    return this.closing;
  }

  abandon(): void {
    this.pci.close();
  }

  private async closeOnce(gone: boolean): Promise<void> {
    const { adapter } = this;
    try {
      if (gone) {
        await adapter.surpriseRemoved();
      } else {
        if (adapter.state === 'Running') await adapter.pause();
        if (adapter.state === 'Paused') await adapter.halt(NdisHaltDeviceStopped);
      }
      await this.driver.unload();
    } finally {
      this.pci.close();
    }
  }
}

async function loadSupplied(miniport: string | MiniportModule | undefined): Promise<Chosen | undefined> {
  if (miniport === undefined) return undefined;
  if (typeof miniport === 'string') return { module: await loadMiniportFile(miniport), name: miniport };
  return { module: checkMiniportModule(miniport, 'Cannot use the miniport module'), name: 'module' };
}

function chooseBuiltIn(found: FoundFunction): Chosen {
  const entry = builtInMiniport(found.ids);
  if (entry === undefined) throw notSupported(found, undefined, []);
  return entry;
}

function notSupported(found: FoundFunction, name: string | undefined, ids: readonly string[]): NdisVfioError {
  return new NdisVfioError('E_NOT_SUPPORTED', {
    action: `Cannot run ${found.address}`,
    cause:
      name === undefined
        ? `no built-in miniport drives ${formatIds(found.ids)}`
        : `the miniport ${name} drives ${ids.join(', ')}, not ${formatIds(found.ids)}`,
    cure:
      name === undefined
        ? 'See "ndis-vfio list" for the functions it drives, or give a miniport of your own with --miniport FILE'
        : 'Give the address of such a function, or add the id to HardwareIds',
  });
}

function hex4(value: number): string {
  return value.toString(16).padStart(4, '0');
}
