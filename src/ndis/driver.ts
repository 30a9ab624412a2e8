/**
 * Loads a miniport module: runs DriverEntry, matches hardware ids, makes adapters, unloads. Layer: ndis (host-facing).
 * Invariant: a driver is unloaded only after all its adapters are halted; a DriverEntry that fails leaves nothing.
 */
import { NdisVfioError } from '../base/errors.ts';
import type { PciFunction, PciIds } from '../platform/index.ts';
import { Adapter } from './adapter.ts';
import { AdapterCore, type AdapterOptions, DriverObject, type DriverRecord } from './core.ts';
import { callAtIrql } from './irql.ts';
import { removeDevice } from './pnp.ts';
import { type NDIS_STATUS, NDIS_STATUS_SUCCESS, statusName } from './status.ts';
import { type MiniportModule, PASSIVE_LEVEL } from './types.ts';

export interface Driver {
  readonly hardwareIds: readonly string[];
  matches(ids: PciIds): boolean;
  /** @throws NdisVfioError E_OPTION for options out of range, E_STATE after unload. */
  createAdapter(pci: PciFunction, options: AdapterOptions): Adapter;
  /** Calls MiniportDriverUnload. @throws NdisVfioError E_STATE while an adapter is not halted. Idempotent. */
  unload(): Promise<void>;
}

const DEFAULT_REGISTRY_PATH = '\\Registry\\Machine\\System\\CurrentControlSet\\Services\\Miniport';
const HARDWARE_ID =
  /^PCI\\VEN_([0-9A-F]{4})&DEV_([0-9A-F]{4})(?:&SUBSYS_([0-9A-F]{4})([0-9A-F]{4}))?(?:&REV_([0-9A-F]{2}))?$/i;

/**
 * True when an id in INF form names the function: `PCI\VEN_vvvv&DEV_dddd`, optionally `&SUBSYS_ssssvvvv` (subsystem id,
 * then its vendor) and `&REV_rr`. A malformed id names nothing. [identifiers-for-pci-devices]
 */
export function hardwareIdMatches(id: string, ids: PciIds): boolean {
  const match = HARDWARE_ID.exec(id);
  if (match === null) return false;
  const wanted = [ids.vendorId, ids.deviceId, ids.subsystemId, ids.subsystemVendorId, ids.revisionId];
  return wanted.every((value, index) => {
    const text = match[index + 1];
    return text === undefined || Number.parseInt(text, 16) === value;
  });
}

class LoadedDriver implements Driver {
  readonly hardwareIds: readonly string[];
  readonly #record: DriverRecord;
  readonly #adapters = new Set<Adapter>();
  #loaded = true;

  constructor(hardwareIds: readonly string[], record: DriverRecord) {
    this.hardwareIds = hardwareIds;
    this.#record = record;
  }

  matches(ids: PciIds): boolean {
    return this.hardwareIds.some((id) => hardwareIdMatches(id, ids));
  }

  createAdapter(pci: PciFunction, options: AdapterOptions): Adapter {
    if (!this.#loaded) {
      throw new NdisVfioError('E_STATE', {
        action: `Cannot create an adapter for ${pci.address}`,
        cause: 'the driver is unloaded',
        cure: 'Load it again',
      });
    }
    const adapter = new Adapter(new AdapterCore(this.#record, pci, options));
    this.#adapters.add(adapter);
    return adapter;
  }

  async unload(): Promise<void> {
    if (!this.#loaded) return;
    for (const adapter of this.#adapters) {
      if (adapter.state === 'Halted' || adapter.state === 'Shutdown') continue;
      throw new NdisVfioError('E_STATE', {
        action: 'Cannot unload the driver',
        cause: `its adapter ${adapter.pci.address} is ${adapter.state}`,
        cure: 'Halt all adapters first',
      });
    }
    this.#loaded = false;
    for (const adapter of this.#adapters) if (adapter.state === 'Halted') removeDevice(adapter.core);
    const record = this.#record;
    await callAtIrql(PASSIVE_LEVEL, () => record.characteristics.UnloadHandler(record.driverObject.handle));
    // A driver that forgot NdisMDeregisterMiniportDriver is deregistered all the same.
    record.registered = false;
    record.driverObject.record = null;
  }
}

/**
 * Loads a miniport module. `registryPath` goes to DriverEntry as it is.
 * @throws NdisVfioError E_DRIVER_ENTRY when DriverEntry throws, fails, or succeeds without registering a miniport.
 */
export async function loadDriver(module: MiniportModule, registryPath = DEFAULT_REGISTRY_PATH): Promise<Driver> {
  const driverObject = new DriverObject(registryPath);
  let status: NDIS_STATUS;
  try {
    status = await callAtIrql(PASSIVE_LEVEL, () => module.DriverEntry(driverObject.handle, registryPath));
  } catch (error) {
    deregister(driverObject);
    throw refused(`it threw: ${error instanceof Error ? error.message : String(error)}`, error);
  }
  const record = driverObject.record;
  if (status !== NDIS_STATUS_SUCCESS) {
    deregister(driverObject);
    throw refused(`it returned ${statusName(status)}`);
  }
  if (record === null) throw refused('it succeeded without calling NdisMRegisterMiniportDriver successfully');
  return new LoadedDriver([...module.HardwareIds], record);
}

function deregister(driverObject: DriverObject): void {
  if (driverObject.record !== null) driverObject.record.registered = false;
  driverObject.record = null;
}

function refused(cause: string, origin?: unknown): NdisVfioError {
  const text = { action: 'Cannot load the miniport: DriverEntry failed', cause, cure: 'Correct the miniport' };
  return new NdisVfioError('E_DRIVER_ENTRY', text, origin);
}
