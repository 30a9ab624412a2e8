/**
 * Structures of the PnP handlers and of resource requirements. Layer: ndis (types and tables only). (Contract 1.17)
 * Invariant: members keep the C names and order, constants the C values; an array stands where C has a count and a
 * variable length, and the count beside it is what NDIS reads.
 */
import type { NDIS_STATUS } from './status.ts';
import type {
  NDIS_CONTEXT,
  NDIS_HANDLE,
  NDIS_OBJECT_HEADER,
  NDIS_PHYSICAL_ADDRESS,
  NDIS_RESOURCE_LIST,
} from './types.ts';

export const NDIS_OBJECT_TYPE_MINIPORT_PNP_CHARACTERISTICS = 0x92;
export const NDIS_MINIPORT_PNP_CHARACTERISTICS_REVISION_1 = 1;
export const NDIS_SIZEOF_MINIPORT_PNP_CHARACTERISTICS_REVISION_1 = 44;
export const NDIS_OBJECT_TYPE_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES = 0xa4;
export const NDIS_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES_REVISION_1 = 1;

/** The descriptor is taken only where the one before it cannot be assigned. */
export const IO_RESOURCE_ALTERNATIVE = 8;
/** MinimumVector and MaximumVector of a message; the hardware has no vector numbers to choose from. */
export const CM_RESOURCE_INTERRUPT_MESSAGE_TOKEN = 0xffff_fffe;
/** AffinityPolicy and what belongs to it count. */
export const CM_RESOURCE_INTERRUPT_POLICY_INCLUDED = 4;

/** [ne-wdm-_irq_device_policy] */
export const IrqPolicyMachineDefault = 0;
export const IrqPolicyAllCloseProcessors = 1;
export const IrqPolicyOneCloseProcessor = 2;
export const IrqPolicyAllProcessorsInMachine = 3;
export const IrqPolicySpecifiedProcessors = 4;
export const IrqPolicySpreadMessagesAcrossAllProcessors = 5;

/** One resource a device could use. [ns-wdm-_io_resource_descriptor] */
export interface IO_RESOURCE_DESCRIPTOR {
  /** 0, or IO_RESOURCE_ALTERNATIVE. */
  Option: number;
  /** CmResourceType... */
  Type: number;
  ShareDisposition: number;
  Flags: number;
  u: {
    Memory?: {
      Length: number;
      Alignment: number;
      MinimumAddress: NDIS_PHYSICAL_ADDRESS;
      MaximumAddress: NDIS_PHYSICAL_ADDRESS;
    };
    Interrupt?: {
      MinimumVector: number;
      MaximumVector: number;
      /** IrqPolicy...; counts with CM_RESOURCE_INTERRUPT_POLICY_INCLUDED in Flags. */
      AffinityPolicy: number;
      Group: number;
      PriorityPolicy: number;
      /** Mask of processors; counts with IrqPolicySpecifiedProcessors. */
      TargetedProcessors: number;
    };
  };
}

/** [ns-wdm-_io_resource_list] */
export interface IO_RESOURCE_LIST {
  Version: number;
  Revision: number;
  Count: number;
  Descriptors: IO_RESOURCE_DESCRIPTOR[];
}

/** [ns-wdm-_io_resource_requirements_list] There is one list here: a device has no alternative configurations. */
export interface IO_RESOURCE_REQUIREMENTS_LIST {
  ListSize: number;
  InterfaceType: number;
  BusNumber: number;
  SlotNumber: number;
  AlternativeLists: number;
  List: IO_RESOURCE_LIST[];
}

export const IRP_MN_START_DEVICE = 0x00;
export const IRP_MN_FILTER_RESOURCE_REQUIREMENTS = 0x0d;

/** What a PnP handler sees of a request. [ns-wdm-_irp] */
export interface IRP {
  MinorFunction: number;
  IoStatus: {
    Status: NDIS_STATUS;
    /** IRP_MN_FILTER_RESOURCE_REQUIREMENTS: the list, which the handler may change or replace. Else null. */
    Information: IO_RESOURCE_REQUIREMENTS_LIST | null;
  };
  Parameters: {
    /** IRP_MN_START_DEVICE: what was assigned. Else null. */
    StartDevice: { AllocatedResources: NDIS_RESOURCE_LIST; AllocatedResourcesTranslated: NDIS_RESOURCE_LIST } | null;
  };
}

/**
 * PASSIVE_LEVEL, in Halted, once before the first MiniportInitializeEx, with the same handle. It calls
 * NdisMSetMiniportAttributes with add-device registration attributes. SUCCESS; RESOURCES and FAILURE: the adapter is
 * never initialized. [nc-ndis-miniport_add_device]
 */
export type MINIPORT_ADD_DEVICE = (NdisMiniportHandle: NDIS_HANDLE, MiniportDriverContext: NDIS_CONTEXT) => NDIS_STATUS;

/** PASSIVE_LEVEL, after the last MiniportHaltEx: undoes MiniportAddDevice. [nc-ndis-miniport_remove_device] */
export type MINIPORT_REMOVE_DEVICE = (MiniportAddDeviceContext: NDIS_CONTEXT) => void;

/**
 * MiniportFilterResourceRequirements and MiniportStartDevice. PASSIVE_LEVEL, in Halted. SUCCESS; RESOURCES and FAILURE:
 * the filter's changes are dropped, or the device is not started. [nc-ndis-miniport_pnp_irp]
 */
export type MINIPORT_PNP_IRP = (MiniportAddDeviceContext: NDIS_CONTEXT, Irp: IRP) => NDIS_STATUS;

/** [ns-ndis-_ndis_miniport_pnp_characteristics] */
export interface NDIS_MINIPORT_PNP_CHARACTERISTICS {
  Header: NDIS_OBJECT_HEADER;
  MiniportAddDeviceHandler: MINIPORT_ADD_DEVICE;
  MiniportRemoveDeviceHandler: MINIPORT_REMOVE_DEVICE;
  MiniportFilterResourceRequirementsHandler: MINIPORT_PNP_IRP;
  MiniportStartDeviceHandler: MINIPORT_PNP_IRP | null;
  Flags: number;
}

/** [ns-ndis-_ndis_miniport_add_device_registration_attributes] */
export interface NDIS_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES {
  Header: NDIS_OBJECT_HEADER;
  /** Comes back as MiniportAddDeviceContext, also in the parameters of every MiniportInitializeEx. */
  MiniportAddDeviceContext: NDIS_CONTEXT;
  Flags: number;
}
