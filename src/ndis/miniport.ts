/**
 * Driver registration, attributes, late completions and status indications. Layer: ndis. (Contract 2.1, 2.3, 2.5, 2.8,
 * 2.10)
 * Invariants: NDIS keeps copies, never the caller's structures; a completion nobody waits for is a fault; an unchanged
 * link state is not passed on.
 */
import {
  type AdapterCore,
  coreOf,
  coreOrNull,
  DriverObject,
  DriverRecord,
  headerFits,
  unknownLink,
  wrongHandle,
} from './core.ts';
import { callAtIrql, requireIrqlAtMost } from './irql.ts';
import {
  isWithin,
  type NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES,
  NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES,
  NDIS_OBJECT_TYPE_OFFLOAD,
  type NDIS_OFFLOAD,
} from './offload.ts';
import { setAddDevice } from './pnp.ts';
import {
  type NDIS_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES,
  NDIS_OBJECT_TYPE_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES,
} from './pnp-types.ts';
import {
  type NDIS_STATUS,
  NDIS_STATUS_BAD_CHARACTERISTICS,
  NDIS_STATUS_BAD_VERSION,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_INVALID_PARAMETER,
  NDIS_STATUS_LINK_STATE,
  NDIS_STATUS_NOT_SUPPORTED,
  NDIS_STATUS_SUCCESS,
  NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG,
  statusName,
} from './status.ts';
import {
  DISPATCH_LEVEL,
  type DRIVER_OBJECT,
  type NDIS_CONTEXT,
  type NDIS_HANDLE,
  type NDIS_LINK_STATE,
  type NDIS_MINIPORT_ADAPTER_ATTRIBUTES,
  type NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES,
  type NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES,
  type NDIS_MINIPORT_DRIVER_CHARACTERISTICS,
  NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES,
  NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES,
  NDIS_OBJECT_TYPE_MINIPORT_DRIVER_CHARACTERISTICS,
  NDIS_OBJECT_TYPE_STATUS_INDICATION,
  NDIS_SIZEOF_LINK_STATE_REVISION_1,
  NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_1,
  NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2,
  type NDIS_STATUS_INDICATION,
  type Out,
  PASSIVE_LEVEL,
} from './types.ts';
import { watcher } from './verifier/frames.ts';

const BUG_CHECK_RESET_COMPLETE = 0x0f;
const BUG_CHECK_PAUSE_RESTART_COMPLETE = 0x1f;
const BUG_CHECK_STATUS_BUFFER = 0x20;
const BUG_CHECK_OBJECT_HEADER = 0x21;
/** Revisions 1 and 2 are known; 3 appends the synchronous OID handler. */
const CHARACTERISTICS_REVISION_MAX = 3;

/** The entry points a connectionless miniport must have. [ns-ndis-_ndis_miniport_driver_characteristics] */
const REQUIRED_HANDLERS = [
  'InitializeHandlerEx',
  'HaltHandlerEx',
  'UnloadHandler',
  'PauseHandler',
  'RestartHandler',
  'OidRequestHandler',
  'SendNetBufferListsHandler',
  'ReturnNetBufferListsHandler',
  'CancelSendHandler',
  'DevicePnPEventNotifyHandler',
  'ShutdownHandlerEx',
  'CancelOidRequestHandler',
] as const satisfies readonly (keyof NDIS_MINIPORT_DRIVER_CHARACTERISTICS)[];

// ---- Driver -----------------------------------------------------------------------------------------------------------

/**
 * Registers the driver's entry points; NDIS copies them. PASSIVE_LEVEL, in DriverEntry. SetOptionsHandler is called
 * inside. BAD_CHARACTERISTICS: header type or size, a missing handler, or CheckForHang without Reset. BAD_VERSION: not
 * NDIS 6.x, or an unknown revision. FAILURE: a second registration; INVALID_PARAMETER: no driver object.
 * [nf-ndis-ndismregisterminiportdriver]
 */
export function NdisMRegisterMiniportDriver(
  DriverObjectHandle: DRIVER_OBJECT,
  _RegistryPath: string,
  MiniportDriverContext: NDIS_CONTEXT,
  MiniportDriverCharacteristics: NDIS_MINIPORT_DRIVER_CHARACTERISTICS,
  NdisMiniportDriverHandle: Out<NDIS_HANDLE | null>,
): NDIS_STATUS {
  requireIrqlAtMost(PASSIVE_LEVEL, 'NdisMRegisterMiniportDriver');
  const driverObject = DriverObjectHandle as unknown;
  if (!(driverObject instanceof DriverObject)) return NDIS_STATUS_INVALID_PARAMETER;
  if (driverObject.record !== null) return NDIS_STATUS_FAILURE;
  const given = MiniportDriverCharacteristics;
  const revision = given.Header.Revision;
  const size =
    revision === 1
      ? NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_1
      : NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2;
  if (!(revision >= 1 && revision <= CHARACTERISTICS_REVISION_MAX)) return NDIS_STATUS_BAD_VERSION;
  if (!headerFits(given.Header, NDIS_OBJECT_TYPE_MINIPORT_DRIVER_CHARACTERISTICS, size)) {
    return NDIS_STATUS_BAD_CHARACTERISTICS;
  }
  if (given.MajorNdisVersion !== 6) return NDIS_STATUS_BAD_VERSION;
  if (REQUIRED_HANDLERS.some((name) => typeof given[name] !== 'function')) return NDIS_STATUS_BAD_CHARACTERISTICS;
  if (given.CheckForHangHandlerEx && !given.ResetHandlerEx) return NDIS_STATUS_BAD_CHARACTERISTICS;
  const record = new DriverRecord(
    driverObject,
    MiniportDriverContext,
    Object.freeze({ ...given, Header: Object.freeze({ ...given.Header }) }),
  );
  driverObject.record = record;
  const handle = record as unknown as NDIS_HANDLE;
  NdisMiniportDriverHandle.Value = handle;
  const setOptions = given.SetOptionsHandler;
  record.inSetOptions = true;
  let status: NDIS_STATUS = NDIS_STATUS_SUCCESS;
  try {
    if (setOptions) status = callAtIrql(PASSIVE_LEVEL, () => setOptions(handle, MiniportDriverContext));
  } finally {
    record.inSetOptions = false;
  }
  if (status !== NDIS_STATUS_SUCCESS) {
    driverObject.record = null;
    record.registered = false;
    NdisMiniportDriverHandle.Value = null;
  }
  return status;
}

/**
 * Undoes the registration. PASSIVE_LEVEL; in MiniportDriverUnload or a failing DriverEntry.
 * [nf-ndis-ndismderegisterminiportdriver]
 * @throws NdisVfioError E_STATE for a handle that is not registered.
 */
export function NdisMDeregisterMiniportDriver(NdisMiniportDriverHandle: NDIS_HANDLE): void {
  requireIrqlAtMost(PASSIVE_LEVEL, 'NdisMDeregisterMiniportDriver');
  const record = NdisMiniportDriverHandle as unknown;
  if (!(record instanceof DriverRecord) || !record.registered) {
    wrongHandle('NdisMDeregisterMiniportDriver', 'the handle of a registered driver');
  }
  watcher()?.saw('driverDeregistered', {});
  record.registered = false;
  record.driverObject.record = null;
}

// ---- Attributes ---------------------------------------------------------------------------------------------------------

/**
 * Tells NDIS about the adapter. PASSIVE_LEVEL; in MiniportInitializeEx, registration attributes first and before any
 * resource is claimed, then general ones; in MiniportAddDevice its own kind. The kind is chosen by Header.Type. BAD_VERSION: revision. FAILURE: outside
 * Initialize or in the wrong order (offload attributes come after the general ones). INVALID_PARAMETER: no handle, or no MiniportAdapterContext. NOT_SUPPORTED: another
 * kind of attributes. [nf-ndis-ndismsetminiportattributes]
 */
export function NdisMSetMiniportAttributes(
  NdisMiniportHandle: NDIS_HANDLE,
  MiniportAttributes:
    | NDIS_MINIPORT_ADAPTER_ATTRIBUTES
    | NDIS_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES
    | NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES,
): NDIS_STATUS {
  requireIrqlAtMost(PASSIVE_LEVEL, 'NdisMSetMiniportAttributes');
  const core = coreOrNull(NdisMiniportHandle);
  if (core === null) return NDIS_STATUS_INVALID_PARAMETER;
  if (!(MiniportAttributes.Header.Revision >= 1)) return NDIS_STATUS_BAD_VERSION;
  if (MiniportAttributes.Header.Type === NDIS_OBJECT_TYPE_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES) {
    return setAddDevice(core, MiniportAttributes as NDIS_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES);
  }
  if (core.state !== 'Initializing') return NDIS_STATUS_FAILURE;
  switch (MiniportAttributes.Header.Type) {
    case NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES:
      return setRegistration(core, MiniportAttributes as NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES);
    case NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES:
      return setGeneral(core, MiniportAttributes as NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES);
    case NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES:
      return setOffload(core, MiniportAttributes as NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES);
    default:
      return NDIS_STATUS_NOT_SUPPORTED;
  }
}

function setRegistration(core: AdapterCore, given: NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES): NDIS_STATUS {
  if (given.MiniportAdapterContext === null || given.MiniportAdapterContext === undefined) {
    return NDIS_STATUS_INVALID_PARAMETER;
  }
  core.registration = Object.freeze({ ...given });
  core.context = given.MiniportAdapterContext;
  return NDIS_STATUS_SUCCESS;
}

function setGeneral(core: AdapterCore, given: NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES): NDIS_STATUS {
  if (core.registration === null) return NDIS_STATUS_FAILURE;
  core.general = Object.freeze({
    ...given,
    PermanentMacAddress: given.PermanentMacAddress.slice(0, given.MacAddressLength),
    CurrentMacAddress: given.CurrentMacAddress.slice(0, given.MacAddressLength),
    SupportedOidList: Object.freeze([...given.SupportedOidList]),
  });
  // The link as it is before the first indication. [ndis-status-link-state]
  core.link = {
    ...unknownLink(),
    MediaConnectState: given.MediaConnectState,
    MediaDuplexState: given.MediaDuplexState,
    XmitLinkSpeed: given.XmitLinkSpeed,
    RcvLinkSpeed: given.RcvLinkSpeed,
    AutoNegotiationFlags: given.AutoNegotiationFlags,
  };
  return NDIS_STATUS_SUCCESS;
}

function setOffload(core: AdapterCore, given: NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES): NDIS_STATUS {
  if (core.general === null) return NDIS_STATUS_FAILURE;
  const { DefaultOffloadConfiguration: current, HardwareOffloadCapabilities: hardware } = given;
  if (current !== null && (hardware === null || !isWithin(current, hardware))) {
    core.logRule('OFFLOAD', 'the default configuration offloads what the hardware capabilities lack');
  }
  core.offload = { current: structuredClone(current), hardware: structuredClone(hardware) };
  return NDIS_STATUS_SUCCESS;
}

// ---- Late completions ---------------------------------------------------------------------------------------------------

/** MiniportPause returned PENDING and is done now. <= DISPATCH_LEVEL. [nf-ndis-ndismpausecomplete] */
export function NdisMPauseComplete(MiniportAdapterHandle: NDIS_HANDLE): void {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisMPauseComplete');
  const core = coreOf(MiniportAdapterHandle, 'NdisMPauseComplete');
  if (core.pausing?.complete(NDIS_STATUS_SUCCESS)) return;
  core.fault('NdisMPauseComplete was called and no pause is pending', BUG_CHECK_PAUSE_RESTART_COMPLETE);
}

/** MiniportRestart returned PENDING and is done now. <= DISPATCH_LEVEL. [nf-ndis-ndismrestartcomplete] */
export function NdisMRestartComplete(MiniportAdapterHandle: NDIS_HANDLE, Status: NDIS_STATUS): void {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisMRestartComplete');
  const core = coreOf(MiniportAdapterHandle, 'NdisMRestartComplete');
  if (core.restarting?.complete(Status)) return;
  core.fault('NdisMRestartComplete was called and no restart is pending', BUG_CHECK_PAUSE_RESTART_COMPLETE);
}

/** MiniportResetEx returned PENDING and is done now. <= DISPATCH_LEVEL. [nf-ndis-ndismresetcomplete] */
export function NdisMResetComplete(
  MiniportAdapterHandle: NDIS_HANDLE,
  Status: NDIS_STATUS,
  AddressingReset: boolean,
): void {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisMResetComplete');
  const core = coreOf(MiniportAdapterHandle, 'NdisMResetComplete');
  if (core.resetting?.complete(Status)) {
    core.addressingReset = AddressingReset;
    return;
  }
  core.fault('NdisMResetComplete was called and no reset is pending', BUG_CHECK_RESET_COMPLETE);
}

/** Asks NDIS to reset the adapter. <= DISPATCH_LEVEL. [nf-ndis-ndismresetminiport] */
export function NdisMResetMiniport(MiniportAdapterHandle: NDIS_HANDLE): void {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisMResetMiniport');
  coreOf(MiniportAdapterHandle, 'NdisMResetMiniport').requestReset();
}

/**
 * Asks NDIS to remove an adapter that cannot recover: pause, then MiniportHaltEx with NdisHaltDeviceFailed.
 * <= DISPATCH_LEVEL. FAILURE: it is not initialized. [nf-ndis-ndismremoveminiport]
 */
export function NdisMRemoveMiniport(MiniportAdapterHandle: NDIS_HANDLE): NDIS_STATUS {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisMRemoveMiniport');
  const core = coreOrNull(MiniportAdapterHandle);
  if (core === null || !core.callable) return NDIS_STATUS_FAILURE;
  core.requestRemoval();
  return NDIS_STATUS_SUCCESS;
}

// ---- Status indications ---------------------------------------------------------------------------------------------------

/**
 * Passes a status to the protocols. <= DISPATCH_LEVEL; from the registration attributes until MiniportHaltEx returns,
 * not in Shutdown. The buffers are the caller's again when this returns. A StatusBuffer that does not fit its StatusCode
 * is a fault (bug check parameter 0x20). [nf-ndis-ndismindicatestatusex]
 */
export function NdisMIndicateStatusEx(
  MiniportAdapterHandle: NDIS_HANDLE,
  StatusIndication: NDIS_STATUS_INDICATION,
): void {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisMIndicateStatusEx');
  const core = coreOf(MiniportAdapterHandle, 'NdisMIndicateStatusEx');
  if (!core.callable || core.registration === null) {
    core.logRule(
      'NdisMIndicateStatusEx',
      `${statusName(StatusIndication.StatusCode)} was indicated while the adapter is ${core.state}`,
    );
    return;
  }
  if (!headerFits(StatusIndication.Header, NDIS_OBJECT_TYPE_STATUS_INDICATION, 0)) {
    core.fault('A status indication has a malformed header', BUG_CHECK_OBJECT_HEADER);
    return;
  }
  if (StatusIndication.StatusCode === NDIS_STATUS_LINK_STATE && !takeLink(core, StatusIndication)) return;
  if (StatusIndication.StatusCode === NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG && !takeOffload(core, StatusIndication)) {
    return;
  }
  callAtIrql(DISPATCH_LEVEL, () => {
    for (const binding of core.bindings) {
      try {
        binding.status?.(binding.context, StatusIndication);
      } catch (error) {
        core.fault('The status handler of a protocol threw', undefined, error);
      }
    }
  });
  core.statusListeners.emit(StatusIndication);
  if (StatusIndication.StatusCode === NDIS_STATUS_LINK_STATE) core.linkListeners.emit(core.link);
}

/** Keeps the new offload configuration. False: it is none. */
function takeOffload(core: AdapterCore, indication: NDIS_STATUS_INDICATION): boolean {
  const offload = indication.StatusBuffer as NDIS_OFFLOAD | null;
  if (offload === null || typeof offload !== 'object' || offload.Header?.Type !== NDIS_OBJECT_TYPE_OFFLOAD) {
    core.fault(
      'NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG was indicated without an NDIS_OFFLOAD',
      BUG_CHECK_STATUS_BUFFER,
    );
    return false;
  }
  core.offload = { current: structuredClone(offload), hardware: core.offload?.hardware ?? null };
  return true;
}

/** Keeps the new link state. False: nothing to pass on. */
function takeLink(core: AdapterCore, indication: NDIS_STATUS_INDICATION): boolean {
  const link = indication.StatusBuffer as NDIS_LINK_STATE | null;
  if (
    link === null ||
    typeof link !== 'object' ||
    indication.StatusBufferSize < NDIS_SIZEOF_LINK_STATE_REVISION_1 ||
    !(link.MediaConnectState >= 0 && link.MediaConnectState <= 2)
  ) {
    core.fault('NDIS_STATUS_LINK_STATE was indicated without an NDIS_LINK_STATE', BUG_CHECK_STATUS_BUFFER);
    return false;
  }
  const old = core.link;
  if (
    old.MediaConnectState === link.MediaConnectState &&
    old.MediaDuplexState === link.MediaDuplexState &&
    old.XmitLinkSpeed === link.XmitLinkSpeed &&
    old.RcvLinkSpeed === link.RcvLinkSpeed &&
    old.PauseFunctions === link.PauseFunctions &&
    old.AutoNegotiationFlags === link.AutoNegotiationFlags
  ) {
    return false;
  }
  core.link = { ...link, Header: { ...old.Header } };
  return true;
}

/** Writes to the adapter's log. <= DISPATCH_LEVEL. C's count of values is their number here. [nf-ndis-ndiswriteerrorlogentry] */
export function NdisWriteErrorLogEntry(
  MiniportAdapterHandle: NDIS_HANDLE,
  ErrorCode: number,
  ...ErrorLogValues: number[]
): void {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisWriteErrorLogEntry');
  const core = coreOf(MiniportAdapterHandle, 'NdisWriteErrorLogEntry');
  core.verifier?.logged();
  const values = ErrorLogValues.map((value) => hex(value)).join(', ');
  const message = `The miniport reported error ${hex(ErrorCode)}${values === '' ? '' : ` (${values})`}`;
  core.log({ kind: 'miniport', message, code: ErrorCode, values: ErrorLogValues });
}

function hex(value: number): string {
  return `0x${(value >>> 0).toString(16).padStart(8, '0')}`;
}
