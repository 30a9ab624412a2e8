/**
 * Registration of interrupts and everything a miniport does with the handle. Layer: ndis. (Contract 1.1 to 1.5, 1.13
 * to 1.16)
 * Invariants: an ISR may run before NdisMRegisterInterruptEx returns, so handle, InterruptType and table stand in the
 * caller's structure before the vectors are armed; a failed registration leaves nothing half written.
 */
import { NdisVfioError } from '../base/errors.ts';
import { type AdapterCore, coreOrNull, headerFits, wrongHandle } from './core.ts';
import type { InterruptGrant } from './grant.ts';
import { type InterruptHandlers, InterruptObject } from './interrupt-object.ts';
import { requireIrqlAtMost } from './irql.ts';
import {
  type NDIS_STATUS,
  NDIS_STATUS_BAD_CHARACTERISTICS,
  NDIS_STATUS_BAD_VERSION,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_INVALID_PARAMETER,
  NDIS_STATUS_NOT_SUPPORTED,
  NDIS_STATUS_RESOURCE_CONFLICT,
  NDIS_STATUS_RESOURCES,
  NDIS_STATUS_SUCCESS,
} from './status.ts';
import {
  DIRQL,
  DISPATCH_LEVEL,
  type MINIPORT_SYNCHRONIZE_INTERRUPT,
  type NDIS_CONTEXT,
  type NDIS_HANDLE,
  type NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS,
  type NDIS_MSIX_CONFIG_PARAMETERS,
  NDIS_OBJECT_TYPE_DEFAULT,
  NDIS_OBJECT_TYPE_MINIPORT_INTERRUPT,
  NDIS_SIZEOF_MINIPORT_INTERRUPT_CHARACTERISTICS_REVISION_1,
  NDIS_SIZEOF_MSIX_CONFIG_PARAMETERS_REVISION_1,
  NdisMSIXTableConfigMaskTableEntry,
  NdisMSIXTableConfigSetTableEntry,
  NdisMSIXTableConfigUnmaskTableEntry,
  type Out,
  PASSIVE_LEVEL,
} from './types.ts';
import { watchCharacteristics, watchTable, wrapInterrupt, wrapSynchronize } from './verifier/wrap.ts';

/**
 * Registers the adapter's interrupt. PASSIVE_LEVEL; in MiniportInitializeEx, after the registration attributes, once.
 * Writes NdisInterruptHandle, and InterruptType and MessageInfoTable into the characteristics, before the vectors are
 * armed. [nf-ndis-ndismregisterinterruptex]
 *
 * Message resources and MsiSupported give NDIS_CONNECT_MESSAGE_BASED, a line gives NDIS_CONNECT_LINE_BASED and a null
 * table also to a driver with MsiSupported. When the kernel cannot give all messages there is exactly one.
 *
 * BAD_VERSION: header. BAD_CHARACTERISTICS: a handler is missing. FAILURE: outside Initialize, before the attributes, a
 * second time, or no interrupt. RESOURCE_CONFLICT: message resources and no MsiSupported. RESOURCES: the vectors cannot
 * be armed. INVALID_PARAMETER: no miniport handle.
 */
export function NdisMRegisterInterruptEx(
  MiniportAdapterHandle: NDIS_HANDLE,
  MiniportInterruptContext: NDIS_CONTEXT,
  MiniportInterruptCharacteristics: NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS,
  NdisInterruptHandle: Out<NDIS_HANDLE | null>,
): NDIS_STATUS {
  requireIrqlAtMost(PASSIVE_LEVEL, 'NdisMRegisterInterruptEx');
  const core = coreOrNull(MiniportAdapterHandle);
  if (core === null) return NDIS_STATUS_INVALID_PARAMETER;
  const given = MiniportInterruptCharacteristics;
  const invalid = validate(core, given);
  if (invalid !== NDIS_STATUS_SUCCESS) return invalid;
  const grant = core.grant as InterruptGrant;
  const plain: InterruptHandlers = {
    InterruptHandler: given.InterruptHandler,
    InterruptDpcHandler: given.InterruptDpcHandler,
    DisableInterruptHandler: given.DisableInterruptHandler,
    EnableInterruptHandler: given.EnableInterruptHandler,
    MsiSyncWithAllMessages: given.MsiSyncWithAllMessages === true,
    MessageInterruptHandler: given.MessageInterruptHandler,
    MessageInterruptDpcHandler: given.MessageInterruptDpcHandler,
    DisableMessageInterruptHandler: given.DisableMessageInterruptHandler,
    EnableMessageInterruptHandler: given.EnableMessageInterruptHandler,
  };
  const { verifier } = core;
  const handlers = verifier === null ? plain : wrapInterrupt(verifier, () => core.clock.nowUs(), plain);
  const before = {
    handle: NdisInterruptHandle.Value,
    type: given.InterruptType,
    table: given.MessageInfoTable,
  };
  const interrupt = new InterruptObject(core, MiniportInterruptContext, handlers, grant);
  const publish = (): void => {
    const table = interrupt.buildTable();
    core.interrupt = interrupt;
    NdisInterruptHandle.Value = interrupt.handle;
    given.InterruptType = interrupt.detail.type;
    given.MessageInfoTable = verifier === null || table === null ? table : watchTable(verifier, table);
    if (verifier !== null) watchCharacteristics(verifier, given);
  };
  publish();
  // A message is a memory write, so the device must be bus master to raise one.
  core.enableBusMaster();
  verifier?.took('interrupt', interrupt);
  const shortage = arm(core, grant, interrupt, publish);
  if (shortage === null) return NDIS_STATUS_SUCCESS;
  interrupt.forceRelease();
  NdisInterruptHandle.Value = before.handle;
  given.InterruptType = before.type;
  given.MessageInfoTable = before.table;
  core.log({ kind: 'info', message: `The interrupt cannot be armed: ${describe(shortage)}` });
  return NDIS_STATUS_RESOURCES;
}

function validate(core: AdapterCore, given: NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS): NDIS_STATUS {
  const size = NDIS_SIZEOF_MINIPORT_INTERRUPT_CHARACTERISTICS_REVISION_1;
  if (!headerFits(given.Header, NDIS_OBJECT_TYPE_MINIPORT_INTERRUPT, size)) return NDIS_STATUS_BAD_VERSION;
  if (
    !given.InterruptHandler ||
    !given.InterruptDpcHandler ||
    !given.DisableInterruptHandler ||
    !given.EnableInterruptHandler
  ) {
    core.logRule('INT-02', 'NdisMRegisterInterruptEx was called without all four line handlers');
    return NDIS_STATUS_BAD_CHARACTERISTICS;
  }
  const messageHandlers = [
    given.MessageInterruptHandler,
    given.MessageInterruptDpcHandler,
    given.DisableMessageInterruptHandler,
    given.EnableMessageInterruptHandler,
  ];
  if (given.MsiSupported && messageHandlers.some((one) => !one)) {
    core.logRule(
      'INT-02',
      'NdisMRegisterInterruptEx was called with MsiSupported and without all four message handlers',
    );
    return NDIS_STATUS_BAD_CHARACTERISTICS;
  }
  if (!given.MsiSupported && messageHandlers.some((one) => one)) {
    core.logRule('INT-02', 'message handlers were given though MsiSupported is FALSE');
  }
  if (core.state !== 'Initializing' || core.registration === null) {
    core.logRule('INT-01', 'NdisMRegisterInterruptEx belongs into MiniportInitializeEx, after the attributes');
    return NDIS_STATUS_FAILURE;
  }
  if (core.interrupt !== null) {
    core.logRule('INT-01', 'an adapter registers one interrupt for all its messages');
    return NDIS_STATUS_FAILURE;
  }
  if (core.grant === null || core.grant.kind === null) return NDIS_STATUS_FAILURE;
  if (!given.MsiSupported && core.grant.kind !== 'line') return NDIS_STATUS_RESOURCE_CONFLICT;
  return NDIS_STATUS_SUCCESS;
}

/** Arms all table entries, else one per message, else exactly one message. Returns what the last attempt threw, or null. */
function arm(core: AdapterCore, grant: InterruptGrant, interrupt: InterruptObject, publish: () => void): unknown {
  const kind = grant.kind;
  if (kind === null) return new Error('no interrupt');
  const attempts = [grant.entryCount];
  if (!interrupt.line && grant.messageCount < grant.entryCount && grant.messageCount > 1) {
    attempts.push(grant.messageCount);
  }
  if (!interrupt.line && grant.entryCount > 1) attempts.push(1);
  let failure: unknown = null;
  for (const count of attempts) {
    if (count === 1 && grant.messageCount > 1) {
      grant.reduceToOne();
      interrupt.resize();
      publish();
    }
    try {
      interrupt.connected(core.pci.enableInterrupts(kind, count, interrupt.onWake));
      if (count < grant.entryCount) {
        core.log({ kind: 'info', message: `${count} of ${grant.entryCount} vectors: ${describe(failure)}` });
      }
      return null;
    } catch (error) {
      failure = error ?? new Error('unknown');
    }
  }
  return failure;
}

/**
 * Ends the interrupt. PASSIVE_LEVEL; in the failure path of MiniportInitializeEx or in MiniportHaltEx, with the device
 * already quiet. Synchronous: the queued DPCs run before it returns, and nothing is called afterwards.
 * [nf-ndis-ndismderegisterinterruptex]
 * @throws NdisVfioError E_STATE for a handle that is not (or no longer) registered; E_MINIPORT when DPCs queue DPCs
 * without end, the interrupt being gone all the same.
 */
export function NdisMDeregisterInterruptEx(NdisInterruptHandle: NDIS_HANDLE): void {
  requireIrqlAtMost(PASSIVE_LEVEL, 'NdisMDeregisterInterruptEx');
  const interrupt = registered(NdisInterruptHandle, 'NdisMDeregisterInterruptEx');
  const core = interrupt.core;
  if (core.state !== 'Initializing' && !core.halting) {
    core.logRule('INT-04', 'NdisMDeregisterInterruptEx belongs into MiniportHaltEx or a failing MiniportInitializeEx');
  }
  interrupt.deregister();
}

/**
 * Calls `SynchronizeFunction` once, at DIRQL, while the ISR of the message cannot run, and returns its boolean. It does
 * not exclude DPCs. IRQL <= DIRQL. MessageId is ignored for a line. [nf-ndis-ndismsynchronizewithinterruptex]
 * @throws NdisVfioError E_STATE after Deregister, for a wrong MessageId, from the message's own ISR (a deadlock on
 * Windows), and when the function returns no boolean; whatever the function throws.
 */
export function NdisMSynchronizeWithInterruptEx(
  NdisInterruptHandle: NDIS_HANDLE,
  MessageId: number,
  SynchronizeFunction: MINIPORT_SYNCHRONIZE_INTERRUPT,
  SynchronizeContext: NDIS_CONTEXT,
): boolean {
  const interrupt = registered(NdisInterruptHandle, 'NdisMSynchronizeWithInterruptEx');
  const message = interrupt.line ? 0 : MessageId;
  if (!(message >= 0 && message < interrupt.messageCount)) {
    interrupt.core.logRule('INT-10', `NdisMSynchronizeWithInterruptEx was called for message ${MessageId}`);
    return refuse('NdisMSynchronizeWithInterruptEx', `there is no message ${MessageId} (INT-10)`);
  }
  const { verifier } = interrupt.core;
  const call = verifier === null ? SynchronizeFunction : wrapSynchronize(verifier, message, SynchronizeFunction);
  const result = interrupt.synchronize(message, call, SynchronizeContext);
  if (typeof result !== 'boolean') {
    return refuse('NdisMSynchronizeWithInterruptEx', 'the synchronize function returned no boolean');
  }
  return result;
}

/**
 * Maps an entry of the MSI-X table to a message, or masks or unmasks an entry. From the call of MiniportInitializeEx
 * until MiniportHaltEx has returned. Mask and unmask at any IRQL, Set up to DISPATCH_LEVEL.
 * An event under the mask is remembered once and delivered on unmask. [nf-ndis-ndismconfigmsixtableentry]
 *
 * INVALID_PARAMETER: a wrong member or header, or the adapter has no MSI-X. FAILURE: outside Initialize to Halt.
 * @throws NdisVfioError E_STATE: Set above DISPATCH_LEVEL.
 */
export function NdisMConfigMSIXTableEntry(
  NdisMiniportHandle: NDIS_HANDLE,
  MSIXConfigParameters: NDIS_MSIX_CONFIG_PARAMETERS,
): NDIS_STATUS {
  const core = coreOrNull(NdisMiniportHandle);
  if (core === null) return NDIS_STATUS_INVALID_PARAMETER;
  const { Header, ConfigOperation, TableEntry, MessageNumber } = MSIXConfigParameters;
  if (!headerFits(Header, NDIS_OBJECT_TYPE_DEFAULT, NDIS_SIZEOF_MSIX_CONFIG_PARAMETERS_REVISION_1)) {
    return NDIS_STATUS_INVALID_PARAMETER;
  }
  const grant = core.grant;
  if (core.state === 'Halted' || core.state === 'Shutdown' || grant === null) {
    core.verifier?.saw('entryConfiguredOutside', {});
    return NDIS_STATUS_FAILURE;
  }
  if (grant.kind !== 'msix' || !isIndex(TableEntry, grant.entryCount)) return NDIS_STATUS_INVALID_PARAMETER;
  const interrupt = core.interrupt instanceof InterruptObject ? core.interrupt : null;
  switch (ConfigOperation) {
    case NdisMSIXTableConfigSetTableEntry:
      requireIrqlAtMost(DISPATCH_LEVEL, 'NdisMConfigMSIXTableEntry (set)');
      core.verifier?.saw('entryConfigured', { set: true, message: MessageNumber, messageCount: grant.messageCount });
      if (!isIndex(MessageNumber, grant.messageCount)) return NDIS_STATUS_INVALID_PARAMETER;
      grant.messageOf[TableEntry] = MessageNumber;
      return NDIS_STATUS_SUCCESS;
    case NdisMSIXTableConfigMaskTableEntry:
      if (interrupt === null) grant.masked[TableEntry] = 1;
      else interrupt.maskEntry(TableEntry);
      return NDIS_STATUS_SUCCESS;
    case NdisMSIXTableConfigUnmaskTableEntry:
      core.verifier?.unmasked();
      if (interrupt === null) grant.masked[TableEntry] = 0;
      else interrupt.unmaskEntry(TableEntry);
      return NDIS_STATUS_SUCCESS;
    default:
      return NDIS_STATUS_INVALID_PARAMETER;
  }
}

/**
 * Ours, not Microsoft's: asks NDIS to call MiniportDisableMessageInterrupt, at DIRQL and excluding the ISR. NDIS never
 * calls it otherwise. <= DISPATCH_LEVEL. NOT_SUPPORTED for a line-based interrupt; INVALID_PARAMETER for a wrong handle
 * or MessageId; FAILURE (and a fault) when the handler throws.
 */
export function NdisDiagnosticDisableMessageInterrupt(
  NdisInterruptHandle: NDIS_HANDLE,
  MessageId: number,
): NDIS_STATUS {
  return diagnose(NdisInterruptHandle, MessageId, false, true);
}

/** Ours: the other half of {@link NdisDiagnosticDisableMessageInterrupt}; calls MiniportEnableMessageInterrupt. */
export function NdisDiagnosticEnableMessageInterrupt(NdisInterruptHandle: NDIS_HANDLE, MessageId: number): NDIS_STATUS {
  return diagnose(NdisInterruptHandle, MessageId, false, false);
}

/**
 * Ours: calls MiniportDisableInterruptEx of a line-based interrupt, at DIRQL and excluding the ISR. <= DISPATCH_LEVEL.
 * NOT_SUPPORTED for a message-based interrupt.
 */
export function NdisDiagnosticDisableInterrupt(NdisInterruptHandle: NDIS_HANDLE): NDIS_STATUS {
  return diagnose(NdisInterruptHandle, 0, true, true);
}

/** Ours: the other half of {@link NdisDiagnosticDisableInterrupt}; calls MiniportEnableInterruptEx. */
export function NdisDiagnosticEnableInterrupt(NdisInterruptHandle: NDIS_HANDLE): NDIS_STATUS {
  return diagnose(NdisInterruptHandle, 0, true, false);
}

/**
 * Ours: true when NdisMConfigMSIXTableEntry masks in the MSI-X table itself, so that the PBA keeps what arrives meanwhile;
 * false when the table cannot be mapped (and for MSI and a line): the disable handler then has to use the device's own
 * mask register, or the device goes on waking the processor for nothing. Any IRQL.
 */
export function NdisDiagnosticMaskIsHardware(NdisInterruptHandle: NDIS_HANDLE): boolean {
  return registered(NdisInterruptHandle, 'NdisDiagnosticMaskIsHardware').hardwareMask;
}

function diagnose(handle: NDIS_HANDLE, message: number, line: boolean, disable: boolean): NDIS_STATUS {
  requireIrqlAtMost(DISPATCH_LEVEL, 'a diagnostic function');
  const interrupt = handle as unknown;
  if (!(interrupt instanceof InterruptObject) || interrupt.phase !== 'Connected') return NDIS_STATUS_INVALID_PARAMETER;
  if (interrupt.line !== line) return NDIS_STATUS_NOT_SUPPORTED;
  if (!isIndex(message, interrupt.messageCount)) return NDIS_STATUS_INVALID_PARAMETER;
  try {
    interrupt.diagnose(message, disable);
    return NDIS_STATUS_SUCCESS;
  } catch (error) {
    interrupt.core.fault(`The ${disable ? 'disable' : 'enable'} handler of the interrupt threw`, undefined, error);
    return NDIS_STATUS_FAILURE;
  }
}

function registered(handle: NDIS_HANDLE, what: string): InterruptObject {
  const interrupt = handle as unknown;
  if (interrupt instanceof InterruptObject && interrupt.phase !== 'Unregistered') {
    requireIrqlAtMost(DIRQL, what);
    return interrupt;
  }
  if (interrupt instanceof InterruptObject) interrupt.core.verifier?.saw('staleInterrupt', { what });
  return wrongHandle(what, 'the handle of a registered interrupt (INT-04, INT-05)');
}

function refuse(what: string, cause: string): never {
  throw new NdisVfioError('E_STATE', { action: `Cannot call ${what}`, cause, cure: 'Correct the miniport' });
}

function isIndex(value: number, count: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < count;
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
