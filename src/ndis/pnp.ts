/**
 * Optional PnP handlers: add, filter, start and remove a device. Layer: ndis. (Contract 1.17)
 * Invariants: all of it happens in Halted, at PASSIVE_LEVEL; message number = position among the message descriptors of
 * the filtered list; what a filter may not change (memory, the bus's own limits) is as it was.
 */
import { NdisVfioError } from '../base/errors.ts';
import type { PciFunction } from '../platform/index.ts';
import { type AdapterCore, DriverRecord, headerFits } from './core.ts';
import { InterruptGrant, processorMask, resourceList } from './grant.ts';
import { callAtIrql, requireIrqlAtMost } from './irql.ts';
import {
  CM_RESOURCE_INTERRUPT_MESSAGE_TOKEN,
  CM_RESOURCE_INTERRUPT_POLICY_INCLUDED,
  IO_RESOURCE_ALTERNATIVE,
  type IO_RESOURCE_DESCRIPTOR,
  type IO_RESOURCE_REQUIREMENTS_LIST,
  type IRP,
  IRP_MN_FILTER_RESOURCE_REQUIREMENTS,
  IRP_MN_START_DEVICE,
  IrqPolicyMachineDefault,
  IrqPolicySpecifiedProcessors,
  type NDIS_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES,
  type NDIS_MINIPORT_PNP_CHARACTERISTICS,
  NDIS_OBJECT_TYPE_MINIPORT_PNP_CHARACTERISTICS,
  NDIS_SIZEOF_MINIPORT_PNP_CHARACTERISTICS_REVISION_1,
} from './pnp-types.ts';
import {
  type NDIS_STATUS,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_INVALID_PARAMETER,
  NDIS_STATUS_NOT_SUPPORTED,
  NDIS_STATUS_SUCCESS,
  statusName,
} from './status.ts';
import {
  CM_RESOURCE_INTERRUPT_LATCHED,
  CM_RESOURCE_INTERRUPT_LEVEL_SENSITIVE,
  CM_RESOURCE_INTERRUPT_MESSAGE,
  CmResourceTypeInterrupt,
  CmResourceTypeMemory,
  type NDIS_HANDLE,
  PASSIVE_LEVEL,
} from './types.ts';

const PCI_BUS = 5;
/** [using-interrupt-resource-descriptors] Messages of one function. */
const MESSAGES_MAX = 2048;

/**
 * Registers the optional handlers of a miniport driver; NDIS copies them. PASSIVE_LEVEL; only inside MiniportSetOptions.
 * SUCCESS; NOT_SUPPORTED: another kind of handlers; FAILURE: called elsewhere, or a handler is missing;
 * INVALID_PARAMETER: no driver handle. [nf-ndis-ndissetoptionalhandlers]
 * @param NdisHandle the handle MiniportSetOptions was called with.
 */
export function NdisSetOptionalHandlers(
  NdisHandle: NDIS_HANDLE,
  OptionalHandlers: NDIS_MINIPORT_PNP_CHARACTERISTICS,
): NDIS_STATUS {
  requireIrqlAtMost(PASSIVE_LEVEL, 'NdisSetOptionalHandlers');
  const record = NdisHandle as unknown;
  if (!(record instanceof DriverRecord)) return NDIS_STATUS_INVALID_PARAMETER;
  const size = NDIS_SIZEOF_MINIPORT_PNP_CHARACTERISTICS_REVISION_1;
  if (!headerFits(OptionalHandlers.Header, NDIS_OBJECT_TYPE_MINIPORT_PNP_CHARACTERISTICS, size)) {
    return NDIS_STATUS_NOT_SUPPORTED;
  }
  const required = [
    OptionalHandlers.MiniportAddDeviceHandler,
    OptionalHandlers.MiniportRemoveDeviceHandler,
    OptionalHandlers.MiniportFilterResourceRequirementsHandler,
  ];
  if (!record.inSetOptions || required.some((one) => typeof one !== 'function')) return NDIS_STATUS_FAILURE;
  record.pnp = Object.freeze({ ...OptionalHandlers });
  return NDIS_STATUS_SUCCESS;
}

/** NDIS's own: NdisMSetMiniportAttributes in MiniportAddDevice. */
export function setAddDevice(core: AdapterCore, given: NDIS_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES): NDIS_STATUS {
  if (!core.addingDevice) return NDIS_STATUS_FAILURE;
  core.addedDevice = { context: given.MiniportAddDeviceContext };
  return NDIS_STATUS_SUCCESS;
}

function refuse(core: AdapterCore, cause: string, origin?: unknown): never {
  throw new NdisVfioError(
    'E_INITIALIZE',
    { action: `Cannot initialize ${core.pci.address}`, cause, cure: 'Look at the log of the adapter' },
    origin,
  );
}

/** Calls a PnP handler; a throw is a fault and FAILURE. */
function callHandler(core: AdapterCore, name: string, call: () => NDIS_STATUS): NDIS_STATUS {
  try {
    return callAtIrql(PASSIVE_LEVEL, call);
  } catch (error) {
    core.fault(`${name} threw`, undefined, error);
    return NDIS_STATUS_FAILURE;
  }
}

/**
 * NDIS's own: MiniportAddDevice where it was not called yet, then MiniportFilterResourceRequirements over the bus's list
 * and MiniportStartDevice. Sets core.grant. A driver without PnP handlers keeps the bus's grant.
 * @throws NdisVfioError E_INITIALIZE when the device is not added or not started.
 */
export function prepareDevice(core: AdapterCore, granted: InterruptGrant): void {
  core.grant = granted;
  const { pnp } = core;
  const { context } = core.driver;
  if (pnp === null) return;
  if (core.addedDevice === null) {
    core.addingDevice = true;
    const status = callHandler(core, 'MiniportAddDevice', () => pnp.MiniportAddDeviceHandler(core.handle, context));
    core.addingDevice = false;
    if (status !== NDIS_STATUS_SUCCESS) {
      core.addedDevice = null;
      refuse(core, `MiniportAddDevice returned ${statusName(status)}`);
    }
    if (core.addedDevice === null) refuse(core, 'MiniportAddDevice succeeded without setting its attributes');
  }
  const added = (core.addedDevice as { readonly context: unknown }).context;
  core.grant = filter(core, pnp, added, granted);
  const start = pnp.MiniportStartDeviceHandler;
  if (!start) return;
  const resources = resourceList(core.pci, core.grant, core.processors);
  const irp: IRP = {
    MinorFunction: IRP_MN_START_DEVICE,
    IoStatus: { Status: NDIS_STATUS_SUCCESS, Information: null },
    Parameters: { StartDevice: { AllocatedResources: resources, AllocatedResourcesTranslated: resources } },
  };
  const status = callHandler(core, 'MiniportStartDevice', () => start(added, irp));
  if (status !== NDIS_STATUS_SUCCESS) refuse(core, `MiniportStartDevice returned ${statusName(status)}`);
}

function filter(
  core: AdapterCore,
  pnp: Readonly<NDIS_MINIPORT_PNP_CHARACTERISTICS>,
  added: unknown,
  granted: InterruptGrant,
): InterruptGrant {
  const irp: IRP = {
    MinorFunction: IRP_MN_FILTER_RESOURCE_REQUIREMENTS,
    IoStatus: { Status: NDIS_STATUS_SUCCESS, Information: requirementsOf(core.pci, granted) },
    Parameters: { StartDevice: null },
  };
  const status = callHandler(core, 'MiniportFilterResourceRequirements', () =>
    pnp.MiniportFilterResourceRequirementsHandler(added, irp),
  );
  const list = irp.IoStatus.Information;
  // [nc-ndis-miniport_pnp_irp] A filter that fails leaves the bus driver's list in force.
  if (status !== NDIS_STATUS_SUCCESS || list === null) return granted;
  const descriptors = list.List[0]?.Descriptors.slice(0, list.List[0].Count) ?? [];
  const memory = descriptors.filter((one) => one.Type === CmResourceTypeMemory);
  const same = memory.every((one, index) => one.u.Memory?.MinimumAddress === core.pci.bars[index]?.busAddress);
  if (memory.length !== core.pci.bars.length || !same) {
    core.logRule('PNP', 'MiniportFilterResourceRequirements changed memory; the BARs are as they were');
  }
  return grantFrom(core, descriptors, granted);
}

function isMessage(descriptor: IO_RESOURCE_DESCRIPTOR): boolean {
  return descriptor.Type === CmResourceTypeInterrupt && (descriptor.Flags & CM_RESOURCE_INTERRUPT_MESSAGE) !== 0;
}

/** NDIS's own: the bus's list: memory in BAR order, then messages, then the line as their alternative. */
export function requirementsOf(pci: PciFunction, grant: InterruptGrant): IO_RESOURCE_REQUIREMENTS_LIST {
  const Descriptors: IO_RESOURCE_DESCRIPTOR[] = pci.bars.map((bar) => ({
    Option: 0,
    Type: CmResourceTypeMemory,
    ShareDisposition: 1,
    Flags: 0,
    u: {
      Memory: {
        Length: bar.lengthBytes,
        Alignment: bar.lengthBytes,
        MinimumAddress: bar.busAddress,
        MaximumAddress: bar.busAddress + bar.lengthBytes - 1,
      },
    },
  }));
  const interrupt = (message: boolean, Option: number, MinimumVector: number, MaximumVector: number): void => {
    Descriptors.push({
      Option,
      Type: CmResourceTypeInterrupt,
      ShareDisposition: message ? 1 : 3,
      Flags: message
        ? CM_RESOURCE_INTERRUPT_LATCHED | CM_RESOURCE_INTERRUPT_MESSAGE
        : CM_RESOURCE_INTERRUPT_LEVEL_SENSITIVE,
      u: {
        Interrupt: {
          MinimumVector,
          MaximumVector,
          AffinityPolicy: IrqPolicyMachineDefault,
          Group: 0,
          PriorityPolicy: 0,
          TargetedProcessors: 0,
        },
      },
    });
  };
  const token = CM_RESOURCE_INTERRUPT_MESSAGE_TOKEN;
  if (grant.kind === 'msix') for (let n = 0; n < grant.messageCount; n++) interrupt(true, 0, token, token);
  if (grant.kind === 'msi') interrupt(true, 0, token - grant.messageCount + 1, token);
  const alternative = grant.kind === 'msix' || grant.kind === 'msi';
  if (grant.kind === 'line' || (alternative && pci.interruptCounts.line > 0)) {
    interrupt(false, alternative ? IO_RESOURCE_ALTERNATIVE : 0, 0, 0xff);
  }
  return {
    ListSize: 40 + 32 * Descriptors.length,
    InterfaceType: PCI_BUS,
    BusNumber: 0,
    SlotNumber: 0,
    AlternativeLists: 1,
    List: [{ Version: 1, Revision: 1, Count: Descriptors.length, Descriptors }],
  };
}

/** What the filtered list leaves: as many messages as it has descriptors, the line without one, or nothing. */
function grantFrom(
  core: AdapterCore,
  descriptors: readonly IO_RESOURCE_DESCRIPTOR[],
  granted: InterruptGrant,
): InterruptGrant {
  const messages = descriptors.filter(isMessage).slice(0, MESSAGES_MAX);
  if (messages.length === 0 || granted.kind === 'line' || granted.kind === null) {
    // The line is assigned only where it is no alternative to a message that is not there any more.
    const line = descriptors.some(
      (one) => one.Type === CmResourceTypeInterrupt && !isMessage(one) && (one.Option & IO_RESOURCE_ALTERNATIVE) === 0,
    );
    return line && core.pci.interruptCounts.line > 0
      ? new InterruptGrant('line', 0, 1)
      : new InterruptGrant(null, 0, 0);
  }
  let grant: InterruptGrant;
  if (granted.kind === 'msi') {
    const range = messages[0]?.u.Interrupt;
    const asked = range === undefined ? 1 : range.MaximumVector - range.MinimumVector + 1;
    const count = 2 ** Math.floor(Math.log2(Math.max(1, Math.min(asked, granted.messageCount))));
    grant = new InterruptGrant('msi', count, count);
  } else {
    grant = new InterruptGrant('msix', messages.length, granted.entryCount);
  }
  const present = processorMask(core.processors);
  for (const [message, { Flags, u }] of messages.entries()) {
    if ((Flags & CM_RESOURCE_INTERRUPT_POLICY_INCLUDED) === 0 || message >= grant.messageCount) continue;
    if (u.Interrupt?.AffinityPolicy !== IrqPolicySpecifiedProcessors) continue;
    const mask = (u.Interrupt.TargetedProcessors & present) >>> 0;
    if (mask === 0) core.logRule('PNP', `message ${message} was aimed at absent processors`);
    else grant.aim(message, mask);
  }
  return grant;
}

/** NDIS's own: MiniportRemoveDevice, where MiniportAddDevice had succeeded. */
export function removeDevice(core: AdapterCore): void {
  const added = core.addedDevice;
  const { pnp } = core;
  if (added === null || pnp === null) return;
  core.addedDevice = null;
  callHandler(core, 'MiniportRemoveDevice', () => {
    pnp.MiniportRemoveDeviceHandler(added.context);
    return NDIS_STATUS_SUCCESS;
  });
}
