/**
 * Power states of an adapter, as far as a driver in user space has them. Layer: ndis. (Contract 2.9)
 * Invariants: a driver that does not say otherwise is halted for sleep and initialized anew; with NO_HALT_ON_SUSPEND it
 * gets OID_PNP_SET_POWER instead and keeps its interrupt. In low power no send and no other OID reaches the miniport,
 * and the device masters no bus.
 */
import { NdisVfioError } from '../base/errors.ts';
import type { AdapterCore } from './core.ts';
import { makeOidRequest, submitOid } from './oid.ts';
import {
  type NDIS_DEVICE_POWER_STATE,
  NdisDeviceStateD0,
  OID_PNP_QUERY_POWER,
  OID_PNP_SET_POWER,
} from './oid-types.ts';
import { type NDIS_STATUS, NDIS_STATUS_NOT_ACCEPTED, NDIS_STATUS_SUCCESS, statusName } from './status.ts';
import {
  type NDIS_HALT_ACTION,
  NDIS_MINIPORT_ATTRIBUTES_NO_HALT_ON_SUSPEND,
  NDIS_MINIPORT_ATTRIBUTES_NO_PAUSE_ON_SUSPEND,
  NdisHaltDeviceFailed,
  NdisHaltDevicePoweredDown,
  NdisRequestQueryInformation,
  NdisRequestSetInformation,
} from './types.ts';

/** What a change of power needs of the adapter object. */
export interface PoweredAdapter {
  readonly core: AdapterCore;
  initialize(): Promise<void>;
  restart(): Promise<void>;
  pause(): Promise<void>;
  halt(action: NDIS_HALT_ACTION): Promise<void>;
  /** Starts or stops MiniportCheckForHangEx. */
  watch(on: boolean): void;
  /** NdisDevicePnPEventPowerProfileChanged. */
  notifyPowerProfile(): void;
}

/** NDIS's own. @throws NdisVfioError E_STATE, E_INITIALIZE, and E_OID when the adapter does not come back. */
export async function changePower(adapter: PoweredAdapter, state: NDIS_DEVICE_POWER_STATE): Promise<void> {
  const { core } = adapter;
  if (state === core.power) return;
  if (state === NdisDeviceStateD0) await powerUp(adapter);
  else if (core.power === NdisDeviceStateD0) await powerDown(adapter, state);
  else refuse(core, `it is in D${core.power - 1}`, 'Bring it to D0 in between');
}

function refuse(core: AdapterCore, cause: string, cure: string): never {
  throw new NdisVfioError('E_STATE', { action: `Cannot change the power of ${core.pci.address}`, cause, cure });
}

function has(core: AdapterCore, flag: number): boolean {
  return core.registration !== null && (core.registration.AttributeFlags & flag) !== 0;
}

function powerOid(core: AdapterCore, type: number, oid: number, state: number): Promise<NDIS_STATUS> {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, state, true);
  return submitOid(core, core.host, makeOidRequest(type, oid, bytes));
}

async function powerDown(adapter: PoweredAdapter, state: NDIS_DEVICE_POWER_STATE): Promise<void> {
  const { core } = adapter;
  if ((core.state !== 'Running' && core.state !== 'Paused') || core.halting) {
    refuse(core, `it is ${core.state}`, 'Bring it to Paused or Running first');
  }
  const wasRunning = core.state === 'Running';
  if (!has(core, NDIS_MINIPORT_ATTRIBUTES_NO_HALT_ON_SUSPEND)) {
    if (wasRunning) await adapter.pause();
    await adapter.halt(NdisHaltDevicePoweredDown);
    core.power = state;
    core.resume = { halted: true, restart: wasRunning };
    return;
  }
  const query = await powerOid(core, NdisRequestQueryInformation, OID_PNP_QUERY_POWER, state);
  if (query !== NDIS_STATUS_SUCCESS) core.logRule('POWER', `OID_PNP_QUERY_POWER was answered ${statusName(query)}`);
  const pauses = wasRunning && !has(core, NDIS_MINIPORT_ATTRIBUTES_NO_PAUSE_ON_SUSPEND);
  if (pauses) await adapter.pause();
  adapter.watch(false);
  // From here on NDIS answers sends itself; those the miniport has are its own to complete.
  core.power = state;
  core.refresh();
  const status = await powerOid(core, NdisRequestSetInformation, OID_PNP_SET_POWER, state);
  if (status !== NDIS_STATUS_SUCCESS && status !== NDIS_STATUS_NOT_ACCEPTED) {
    core.logRule('POWER', `OID_PNP_SET_POWER to low power must succeed and was answered ${statusName(status)}`);
  }
  if (core.sendsOutstanding > 0) {
    core.logRule('POWER', `OID_PNP_SET_POWER was completed with ${core.sendsOutstanding} sends outstanding`);
  }
  core.pci.setBusMaster(false);
  core.resume = { halted: false, restart: pauses };
}

async function powerUp(adapter: PoweredAdapter): Promise<void> {
  const { core } = adapter;
  const { resume } = core;
  if (resume === null) refuse(core, 'its change to low power has not ended', 'Wait for it');
  if (resume.halted) {
    core.power = NdisDeviceStateD0;
    core.resume = null;
    await adapter.initialize();
    if (resume.restart) await adapter.restart();
    return;
  }
  core.enableBusMaster();
  const status = await powerOid(core, NdisRequestSetInformation, OID_PNP_SET_POWER, NdisDeviceStateD0);
  core.power = NdisDeviceStateD0;
  core.resume = null;
  core.refresh();
  if (status !== NDIS_STATUS_SUCCESS) {
    if (core.state === 'Running') await adapter.pause();
    if (core.state === 'Paused' && !core.halting) await adapter.halt(NdisHaltDeviceFailed);
    throw new NdisVfioError('E_OID', {
      action: `Cannot power ${core.pci.address} up`,
      cause: `OID_PNP_SET_POWER was answered ${statusName(status)}`,
      cure: 'Initialize the adapter again',
    });
  }
  adapter.watch(true);
  adapter.notifyPowerProfile();
  if (resume.restart) await adapter.restart();
}
