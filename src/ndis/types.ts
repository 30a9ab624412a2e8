/**
 * NDIS structures, callback types and constants under their WDK names. Layer: ndis (types and tables only).
 * Invariants: members keep the C names and order; constants the C values. A pointer that may be NULL is `T | null`.
 * What differs from C, everywhere and on purpose:
 *  - an out parameter is an `Out<T>` box; a handle is an opaque object;
 *  - memory is a Uint8Array (`MDL.StartVa`) plus byte offsets, a physical address is a plain number (a bus address);
 *  - PASSIVE_LEVEL callbacks may return a Promise of their status where the C function may block.
 */
import type { NDIS_STATUS } from './status.ts';

declare const handleBrand: unique symbol;

/** Opaque handle. Only NDIS knows what is inside. */
export interface NDIS_HANDLE {
  readonly [handleBrand]: 'NDIS_HANDLE';
}

/** A context pointer a miniport hands to NDIS and gets back untouched. */
export type NDIS_CONTEXT = unknown;

/** Box for an out parameter. */
export interface Out<T> {
  Value: T;
}

/** Makes a box for an out parameter. */
export function out<T>(initial: T): Out<T> {
  return { Value: initial };
}

/** A value now or later: what a callback that runs at PASSIVE_LEVEL may return. */
export type MaybePromise<T> = T | Promise<T>;

/** Bus address (IOVA) as a plain number; PHYSICAL_ADDRESS.QuadPart in C. */
export type NDIS_PHYSICAL_ADDRESS = number;

export interface NDIS_OBJECT_HEADER {
  Type: number;
  Revision: number;
  Size: number;
}

export const NDIS_OBJECT_TYPE_DEFAULT = 0x80;
export const NDIS_OBJECT_TYPE_MINIPORT_INIT_PARAMETERS = 0x81;
export const NDIS_OBJECT_TYPE_SG_DMA_DESCRIPTION = 0x83;
export const NDIS_OBJECT_TYPE_MINIPORT_INTERRUPT = 0x84;
export const NDIS_OBJECT_TYPE_MINIPORT_DRIVER_CHARACTERISTICS = 0x8a;
export const NDIS_OBJECT_TYPE_OID_REQUEST = 0x96;
export const NDIS_OBJECT_TYPE_STATUS_INDICATION = 0x98;
export const NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES = 0x9e;
export const NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES = 0x9f;

// ---- IRQL ----------------------------------------------------------------------------------------------------------

export const PASSIVE_LEVEL = 0;
export const DISPATCH_LEVEL = 2;
/** The device level of every interrupt here; ISRs, synchronize functions and enable/disable handlers run at it. */
export const DIRQL = 5;
/** Above every interrupt: MiniportShutdownEx for a bug check. */
export const HIGH_LEVEL = 15;
export type KIRQL = number;

// ---- Interrupts (contract 1.2, 1.6) ----------------------------------------------------------------------------------

export const NDIS_CONNECT_LINE_BASED = 1;
export const NDIS_CONNECT_MESSAGE_BASED = 2;
export type NDIS_INTERRUPT_TYPE = 0 | typeof NDIS_CONNECT_LINE_BASED | typeof NDIS_CONNECT_MESSAGE_BASED;

export const LevelSensitive = 0;
export const Latched = 1;

export interface IO_INTERRUPT_MESSAGE_INFO_ENTRY {
  /** Synthetic but distinct per message: VFIO hides the real one. */
  readonly MessageAddress: NDIS_PHYSICAL_ADDRESS;
  readonly TargetProcessorSet: number;
  readonly InterruptObject: NDIS_HANDLE | null;
  readonly MessageData: number;
  readonly Vector: number;
  readonly Irql: KIRQL;
  readonly Mode: typeof LevelSensitive | typeof Latched;
  readonly Polarity: number;
}

/** Frozen; lives until NdisMDeregisterInterruptEx returns. */
export interface IO_INTERRUPT_MESSAGE_INFO {
  readonly UnifiedIrql: KIRQL;
  readonly MessageCount: number;
  readonly MessageInfo: readonly IO_INTERRUPT_MESSAGE_INFO_ENTRY[];
}

/** The two outputs of an ISR: one object per interrupt, reused, cleared by NDIS before every call. */
export interface ISR_OUTPUTS {
  QueueDefaultInterruptDpc: boolean;
  TargetProcessors: number;
}

export const NDIS_INDICATE_ALL_NBLS = 0xffff_ffff;

/** One object per interrupt, reused for every DPC. */
export interface NDIS_RECEIVE_THROTTLE_PARAMETERS {
  /** In: how many NBLs this DPC may indicate, or NDIS_INDICATE_ALL_NBLS. */
  MaxNblsToIndicate: number;
  /** Out: 1 when more wait; the interrupt stays masked and NDIS calls the DPC again. A one-bit field. */
  MoreNblsPending: number;
}

export type MINIPORT_ISR = (MiniportInterruptContext: NDIS_CONTEXT, Outputs: ISR_OUTPUTS) => boolean;
export type MINIPORT_INTERRUPT_DPC = (
  MiniportInterruptContext: NDIS_CONTEXT,
  MiniportDpcContext: NDIS_CONTEXT,
  ReceiveThrottleParameters: NDIS_RECEIVE_THROTTLE_PARAMETERS,
  NdisReserved2: null,
) => void;
export type MINIPORT_DISABLE_INTERRUPT = (MiniportInterruptContext: NDIS_CONTEXT) => void;
export type MINIPORT_ENABLE_INTERRUPT = (MiniportInterruptContext: NDIS_CONTEXT) => void;
export type MINIPORT_MSI_ISR = (
  MiniportInterruptContext: NDIS_CONTEXT,
  MessageId: number,
  Outputs: ISR_OUTPUTS,
) => boolean;
export type MINIPORT_MSI_INTERRUPT_DPC = (
  MiniportInterruptContext: NDIS_CONTEXT,
  MessageId: number,
  MiniportDpcContext: NDIS_CONTEXT,
  ReceiveThrottleParameters: NDIS_RECEIVE_THROTTLE_PARAMETERS,
  NdisReserved2: null,
) => void;
export type MINIPORT_DISABLE_MSI_INTERRUPT = (MiniportInterruptContext: NDIS_CONTEXT, MessageId: number) => void;
export type MINIPORT_ENABLE_MSI_INTERRUPT = (MiniportInterruptContext: NDIS_CONTEXT, MessageId: number) => void;
/** Runs at DIRQL under the interrupt's lock; its boolean is the miniport's own and is returned to the caller. */
export type MINIPORT_SYNCHRONIZE_INTERRUPT = (SynchronizeContext: NDIS_CONTEXT) => boolean;

export const NDIS_MINIPORT_INTERRUPT_REVISION_1 = 1;
export const NDIS_SIZEOF_MINIPORT_INTERRUPT_CHARACTERISTICS_REVISION_1 = 96;

/** Contract 1.2. Disable stands before Enable in both pairs. InterruptType and MessageInfoTable are written by NDIS. */
export interface NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS {
  Header: NDIS_OBJECT_HEADER;
  InterruptHandler: MINIPORT_ISR | null;
  InterruptDpcHandler: MINIPORT_INTERRUPT_DPC | null;
  DisableInterruptHandler: MINIPORT_DISABLE_INTERRUPT | null;
  EnableInterruptHandler: MINIPORT_ENABLE_INTERRUPT | null;
  MsiSupported: boolean;
  MsiSyncWithAllMessages: boolean;
  MessageInterruptHandler: MINIPORT_MSI_ISR | null;
  MessageInterruptDpcHandler: MINIPORT_MSI_INTERRUPT_DPC | null;
  DisableMessageInterruptHandler: MINIPORT_DISABLE_MSI_INTERRUPT | null;
  EnableMessageInterruptHandler: MINIPORT_ENABLE_MSI_INTERRUPT | null;
  InterruptType: NDIS_INTERRUPT_TYPE;
  MessageInfoTable: IO_INTERRUPT_MESSAGE_INFO | null;
}

export interface GROUP_AFFINITY {
  Mask: number;
  Group: number;
}

export const NdisMSIXTableConfigSetTableEntry = 0;
export const NdisMSIXTableConfigMaskTableEntry = 1;
export const NdisMSIXTableConfigUnmaskTableEntry = 2;
export const NDIS_MSIX_CONFIG_PARAMETERS_REVISION_1 = 1;
export const NDIS_SIZEOF_MSIX_CONFIG_PARAMETERS_REVISION_1 = 16;

export interface NDIS_MSIX_CONFIG_PARAMETERS {
  Header: NDIS_OBJECT_HEADER;
  ConfigOperation: 0 | 1 | 2;
  TableEntry: number;
  MessageNumber: number;
}

// ---- Resources (contract 1.17) ---------------------------------------------------------------------------------------

export const CmResourceTypePort = 1;
export const CmResourceTypeInterrupt = 2;
export const CmResourceTypeMemory = 3;
export const CM_RESOURCE_INTERRUPT_LEVEL_SENSITIVE = 0;
export const CM_RESOURCE_INTERRUPT_LATCHED = 1;
export const CM_RESOURCE_INTERRUPT_MESSAGE = 2;

export interface CM_PARTIAL_RESOURCE_DESCRIPTOR {
  readonly Type: number;
  readonly ShareDisposition: number;
  readonly Flags: number;
  readonly u: {
    readonly Memory?: { readonly Start: NDIS_PHYSICAL_ADDRESS; readonly Length: number };
    readonly Interrupt?: { readonly Level: number; readonly Vector: number; readonly Affinity: number };
    readonly MessageInterrupt?: {
      readonly Raw: { readonly MessageCount: number; readonly Vector: number; readonly Affinity: number };
      readonly Translated: { readonly Level: number; readonly Vector: number; readonly Affinity: number };
    };
  };
}

export interface NDIS_RESOURCE_LIST {
  readonly Version: number;
  readonly Revision: number;
  readonly Count: number;
  readonly PartialDescriptors: readonly CM_PARTIAL_RESOURCE_DESCRIPTOR[];
}

// ---- Buffers (contract 3.3) ------------------------------------------------------------------------------------------

/**
 * Memory descriptor. Its bytes are StartVa[ByteOffset .. ByteOffset + ByteCount - 1].
 * PhysicalAddress (our addition; C keeps page frame numbers) is the bus address of StartVa[ByteOffset], or 0 when the
 * memory is not mapped for DMA; NDIS then copies through a map register when a scatter-gather list is asked for.
 */
export interface MDL {
  Next: MDL | null;
  StartVa: Uint8Array;
  ByteOffset: number;
  ByteCount: number;
  PhysicalAddress: NDIS_PHYSICAL_ADDRESS;
}

export interface SCATTER_GATHER_ELEMENT {
  Address: NDIS_PHYSICAL_ADDRESS;
  Length: number;
}

/** Reused per NET_BUFFER: read NumberOfElements elements, ignore what stands behind. */
export interface SCATTER_GATHER_LIST {
  NumberOfElements: number;
  Elements: SCATTER_GATHER_ELEMENT[];
}

export interface NET_BUFFER {
  Next: NET_BUFFER | null;
  CurrentMdl: MDL | null;
  CurrentMdlOffset: number;
  DataLength: number;
  MdlChain: MDL | null;
  DataOffset: number;
  NdisPoolHandle: NDIS_HANDLE | null;
  /** NDIS's own. */
  NdisReserved: unknown;
  ProtocolReserved: unknown;
  /** The miniport's own while it owns the NBL. */
  MiniportReserved: unknown;
  DataPhysicalAddress: NDIS_PHYSICAL_ADDRESS;
  ScatterGatherList: SCATTER_GATHER_LIST | null;
}

/** NetBufferListInfo slots that Ethernet uses. */
export interface NET_BUFFER_LIST_INFO {
  TcpIpChecksumNetBufferListInfo: number;
  TcpLargeSendNetBufferListInfo: number;
  Ieee8021QNetBufferListInfo: number;
  NetBufferListCancelId: unknown;
  NetBufferListHashValue: number;
  NetBufferListHashInfo: number;
}

export interface NET_BUFFER_LIST {
  Next: NET_BUFFER_LIST | null;
  FirstNetBuffer: NET_BUFFER | null;
  Context: unknown;
  ParentNetBufferList: NET_BUFFER_LIST | null;
  NdisPoolHandle: NDIS_HANDLE | null;
  NdisReserved: unknown;
  ProtocolReserved: unknown;
  MiniportReserved: unknown;
  Scratch: unknown;
  SourceHandle: NDIS_HANDLE | null;
  NblFlags: number;
  ChildRefCount: number;
  Flags: number;
  Status: NDIS_STATUS;
  NetBufferListInfo: NET_BUFFER_LIST_INFO;
}

export const NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1 = 1;

export interface NET_BUFFER_LIST_POOL_PARAMETERS {
  Header: NDIS_OBJECT_HEADER;
  ProtocolId: number;
  fAllocateNetBuffer: boolean;
  ContextSize: number;
  PoolTag: number;
  DataSize: number;
}

export const NDIS_DEFAULT_PORT_NUMBER = 0;
export const NDIS_SEND_FLAGS_DISPATCH_LEVEL = 1;
export const NDIS_SEND_FLAGS_CHECK_FOR_LOOPBACK = 2;
export const NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL = 1;
export const NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL = 0x1;
export const NDIS_RECEIVE_FLAGS_RESOURCES = 0x2;
export const NDIS_RECEIVE_FLAGS_SINGLE_ETHER_TYPE = 0x100;
export const NDIS_RETURN_FLAGS_DISPATCH_LEVEL = 1;

// ---- DMA (contract 3.4) ----------------------------------------------------------------------------------------------

export const NDIS_SG_DMA_DESCRIPTION_REVISION_1 = 1;
export const NDIS_SIZEOF_SG_DMA_DESCRIPTION_REVISION_1 = 36;
export const NDIS_SG_DMA_64_BIT_ADDRESS = 1;
export const NDIS_SG_LIST_WRITE_TO_DEVICE = 1;

/** IRQL = DISPATCH_LEVEL. The list starts at the start of CurrentMdl: skip CurrentMdlOffset. */
export type MINIPORT_PROCESS_SG_LIST = (
  pDO: null,
  Reserved: NET_BUFFER,
  pSGL: SCATTER_GATHER_LIST,
  Context: NDIS_CONTEXT,
) => void;

/**
 * [nc-ndis-miniport_allocate_shared_mem_complete] IRQL = PASSIVE_LEVEL. VirtualAddress null: the allocation failed.
 * Answers NdisMAllocateSharedMemoryAsyncEx.
 */
export type MINIPORT_ALLOCATE_SHARED_MEM_COMPLETE = (
  MiniportAdapterContext: NDIS_CONTEXT,
  VirtualAddress: Uint8Array | null,
  PhysicalAddress: NDIS_PHYSICAL_ADDRESS,
  Length: number,
  Context: NDIS_CONTEXT,
) => void;

export interface NDIS_SG_DMA_DESCRIPTION {
  Header: NDIS_OBJECT_HEADER;
  Flags: number;
  MaximumPhysicalMapping: number;
  ProcessSGListHandler: MINIPORT_PROCESS_SG_LIST;
  SharedMemAllocateCompleteHandler: MINIPORT_ALLOCATE_SHARED_MEM_COMPLETE | null;
  /** Out. */
  ScatterGatherListSize: number;
}

export const PCI_WHICHSPACE_CONFIG = 0;

// ---- Driver and adapter (contract 2) ---------------------------------------------------------------------------------

/** What the loader hands to DriverEntry. Opaque. */
export interface DRIVER_OBJECT {
  readonly [handleBrand]: 'NDIS_HANDLE';
}

export type DRIVER_INITIALIZE = (DriverObject: DRIVER_OBJECT, RegistryPath: string) => MaybePromise<NDIS_STATUS>;

/** The shape of a miniport module. */
export interface MiniportModule {
  readonly DriverEntry: DRIVER_INITIALIZE;
  /** INF form: `PCI\VEN_8086&DEV_10C9`, optionally `&SUBSYS_...` and `&REV_..`. */
  readonly HardwareIds: readonly string[];
}

export interface NDIS_MINIPORT_INIT_PARAMETERS {
  readonly Header: NDIS_OBJECT_HEADER;
  readonly Flags: number;
  readonly AllocatedResources: NDIS_RESOURCE_LIST;
  readonly IMDeviceInstanceContext: null;
  readonly MiniportAddDeviceContext: NDIS_CONTEXT;
  readonly IfIndex: number;
  readonly NetLuid: number;
}

export const NdisHaltDeviceDisabled = 0;
export const NdisHaltDeviceInstanceDeInitialized = 1;
export const NdisHaltDevicePoweredDown = 2;
export const NdisHaltDeviceSurpriseRemoved = 3;
export const NdisHaltDeviceFailed = 4;
export const NdisHaltDeviceInitializationFailed = 5;
export const NdisHaltDeviceStopped = 6;
export type NDIS_HALT_ACTION = 0 | 1 | 2 | 3 | 4 | 5 | 6;

export const NdisShutdownPowerOff = 0;
export const NdisShutdownBugCheck = 1;
export type NDIS_SHUTDOWN_ACTION = 0 | 1;

export const NdisDevicePnPEventSurpriseRemoved = 2;
export const NdisDevicePnPEventPowerProfileChanged = 5;
/** ULONG in the InformationBuffer of NdisDevicePnPEventPowerProfileChanged. */
export const NdisPowerProfileBattery = 0;
export const NdisPowerProfileAcOnline = 1;
export type NDIS_POWER_PROFILE = 0 | 1;

export interface NET_DEVICE_PNP_EVENT {
  readonly Header: NDIS_OBJECT_HEADER;
  readonly PortNumber: number;
  readonly DevicePnPEvent: number;
  readonly InformationBuffer: Uint8Array | null;
  readonly InformationBufferLength: number;
}

export interface NDIS_MINIPORT_RESTART_PARAMETERS {
  readonly Header: NDIS_OBJECT_HEADER;
  readonly RestartAttributes: null;
  readonly Flags: number;
}

export interface NDIS_MINIPORT_PAUSE_PARAMETERS {
  readonly Header: NDIS_OBJECT_HEADER;
  readonly Flags: number;
  readonly PauseReason: number;
}

export const NdisRequestQueryInformation = 0;
export const NdisRequestSetInformation = 1;
export const NdisRequestMethod = 12;

/** DATA.QUERY_INFORMATION, SET_INFORMATION and METHOD_INFORMATION in one: BytesWritten for queries, BytesRead for sets. */
export interface NDIS_OID_REQUEST_DATA {
  Oid: number;
  InformationBuffer: Uint8Array | null;
  InformationBufferLength: number;
  BytesWritten: number;
  BytesRead: number;
  BytesNeeded: number;
}

export interface NDIS_OID_REQUEST {
  Header: NDIS_OBJECT_HEADER;
  RequestType: number;
  PortNumber: number;
  Timeout: number;
  RequestId: unknown;
  RequestHandle: NDIS_HANDLE | null;
  DATA: NDIS_OID_REQUEST_DATA;
}

export interface NDIS_STATUS_INDICATION {
  Header: NDIS_OBJECT_HEADER;
  SourceHandle: NDIS_HANDLE;
  PortNumber: number;
  StatusCode: NDIS_STATUS;
  Flags: number;
  DestinationHandle: NDIS_HANDLE | null;
  RequestId: unknown;
  /** A structure such as NDIS_LINK_STATE, or null. */
  StatusBuffer: unknown;
  StatusBufferSize: number;
}

export const MediaConnectStateUnknown = 0;
export const MediaConnectStateConnected = 1;
export const MediaConnectStateDisconnected = 2;
export const MediaDuplexStateUnknown = 0;
export const MediaDuplexStateHalf = 1;
export const MediaDuplexStateFull = 2;
export const NdisPauseFunctionsUnsupported = 0;
export const NdisPauseFunctionsSendOnly = 1;
export const NdisPauseFunctionsReceiveOnly = 2;
export const NdisPauseFunctionsSendAndReceive = 3;
export const NdisPauseFunctionsUnknown = 4;
/** All ones (2^64 - 1) in C; the nearest double. */
export const NDIS_LINK_SPEED_UNKNOWN = 2 ** 64;
export const NDIS_SIZEOF_LINK_STATE_REVISION_1 = 40;

export interface NDIS_LINK_STATE {
  Header: NDIS_OBJECT_HEADER;
  MediaConnectState: 0 | 1 | 2;
  MediaDuplexState: 0 | 1 | 2;
  /** Bits per second. */
  XmitLinkSpeed: number;
  /** Bits per second. */
  RcvLinkSpeed: number;
  PauseFunctions: 0 | 1 | 2 | 3 | 4;
  AutoNegotiationFlags: number;
}

export const NDIS_MINIPORT_ATTRIBUTES_HARDWARE_DEVICE = 0x1;
export const NDIS_MINIPORT_ATTRIBUTES_NDIS_WDM = 0x2;
export const NDIS_MINIPORT_ATTRIBUTES_SURPRISE_REMOVE_OK = 0x4;
export const NDIS_MINIPORT_ATTRIBUTES_NOT_CO_NDIS = 0x8;
export const NDIS_MINIPORT_ATTRIBUTES_NO_HALT_ON_SUSPEND = 0x20;
export const NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER = 0x40;
export const NDIS_MINIPORT_ATTRIBUTES_CONTROLS_DEFAULT_PORT = 0x80;
/** NDIS does not pause the adapter before a set to low power. */
export const NDIS_MINIPORT_ATTRIBUTES_NO_PAUSE_ON_SUSPEND = 0x100;
/** MiniportShutdownEx is called for a bug check too. */
export const NDIS_MINIPORT_ATTRIBUTES_REGISTER_BUGCHECK_CALLBACK = 0x400;

export interface NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES {
  Header: NDIS_OBJECT_HEADER;
  MiniportAdapterContext: NDIS_CONTEXT;
  AttributeFlags: number;
  /** 0 = default of 2 s; rounded down to a multiple of 2 s. */
  CheckForHangTimeInSeconds: number;
  InterfaceType: number;
}

/** A processor: its group, and its number in it. [ns-miniport-_processor_number] */
export interface PROCESSOR_NUMBER {
  Group: number;
  Number: number;
}

/** RecvScaleCapabilities of the general attributes. [ns-ntddndis-_ndis_receive_scale_capabilities] */
export interface NDIS_RECEIVE_SCALE_CAPABILITIES {
  Header: NDIS_OBJECT_HEADER;
  /** NDIS_RSS_CAPS_... */
  CapabilitiesFlags: number;
  NumberOfInterruptMessages: number;
  NumberOfReceiveQueues: number;
  /** A power of two. */
  NumberOfIndirectionTableEntries: number;
}

export interface NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES {
  Header: NDIS_OBJECT_HEADER;
  MediaType: number;
  PhysicalMediumType: number;
  /** Payload bytes without the MAC header. */
  MtuSize: number;
  MaxXmitLinkSpeed: number;
  XmitLinkSpeed: number;
  MaxRcvLinkSpeed: number;
  RcvLinkSpeed: number;
  MediaConnectState: 0 | 1 | 2;
  MediaDuplexState: 0 | 1 | 2;
  LookaheadSize: number;
  MacOptions: number;
  SupportedPacketFilters: number;
  MaxMulticastListSize: number;
  MacAddressLength: number;
  PermanentMacAddress: Uint8Array;
  CurrentMacAddress: Uint8Array;
  /** null: no RSS. */
  RecvScaleCapabilities: NDIS_RECEIVE_SCALE_CAPABILITIES | null;
  AccessType: number;
  DirectionType: number;
  ConnectionType: number;
  IfType: number;
  IfConnectorPresent: boolean;
  SupportedStatistics: number;
  SupportedPauseFunctions: number;
  DataBackFillSize: number;
  ContextBackFillSize: number;
  SupportedOidList: readonly number[];
  AutoNegotiationFlags: number;
}

export type NDIS_MINIPORT_ADAPTER_ATTRIBUTES =
  | NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES
  | NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES;

export const NDIS_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_1 = 1;
export const NDIS_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2 = 2;
/** Bytes through the last field on 64-bit: a header of 4, four version bytes, Flags and 15 handlers. */
export const NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_1 = 136;
/** Two handlers for direct OID requests more. */
export const NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2 = 152;

/** Contract 2.1. Every handler but the interrupt ones gets MiniportAdapterContext first. */
export interface NDIS_MINIPORT_DRIVER_CHARACTERISTICS {
  Header: NDIS_OBJECT_HEADER;
  MajorNdisVersion: number;
  MinorNdisVersion: number;
  MajorDriverVersion: number;
  MinorDriverVersion: number;
  Flags: number;
  SetOptionsHandler?: ((NdisDriverHandle: NDIS_HANDLE, DriverContext: NDIS_CONTEXT) => NDIS_STATUS) | null;
  InitializeHandlerEx: (
    NdisMiniportHandle: NDIS_HANDLE,
    MiniportDriverContext: NDIS_CONTEXT,
    MiniportInitParameters: NDIS_MINIPORT_INIT_PARAMETERS,
  ) => MaybePromise<NDIS_STATUS>;
  HaltHandlerEx: (MiniportAdapterContext: NDIS_CONTEXT, HaltAction: NDIS_HALT_ACTION) => MaybePromise<void>;
  UnloadHandler: (DriverObject: DRIVER_OBJECT) => MaybePromise<void>;
  PauseHandler: (
    MiniportAdapterContext: NDIS_CONTEXT,
    MiniportPauseParameters: NDIS_MINIPORT_PAUSE_PARAMETERS,
  ) => MaybePromise<NDIS_STATUS>;
  RestartHandler: (
    MiniportAdapterContext: NDIS_CONTEXT,
    MiniportRestartParameters: NDIS_MINIPORT_RESTART_PARAMETERS,
  ) => MaybePromise<NDIS_STATUS>;
  OidRequestHandler: (MiniportAdapterContext: NDIS_CONTEXT, OidRequest: NDIS_OID_REQUEST) => MaybePromise<NDIS_STATUS>;
  SendNetBufferListsHandler: (
    MiniportAdapterContext: NDIS_CONTEXT,
    NetBufferList: NET_BUFFER_LIST,
    PortNumber: number,
    SendFlags: number,
  ) => void;
  ReturnNetBufferListsHandler: (
    MiniportAdapterContext: NDIS_CONTEXT,
    NetBufferLists: NET_BUFFER_LIST,
    ReturnFlags: number,
  ) => void;
  CancelSendHandler: (MiniportAdapterContext: NDIS_CONTEXT, CancelId: unknown) => void;
  CheckForHangHandlerEx?: ((MiniportAdapterContext: NDIS_CONTEXT) => boolean) | null;
  ResetHandlerEx?: ((MiniportAdapterContext: NDIS_CONTEXT, AddressingReset: Out<boolean>) => NDIS_STATUS) | null;
  DevicePnPEventNotifyHandler: (MiniportAdapterContext: NDIS_CONTEXT, Event: NET_DEVICE_PNP_EVENT) => void;
  ShutdownHandlerEx: (MiniportAdapterContext: NDIS_CONTEXT, ShutdownAction: NDIS_SHUTDOWN_ACTION) => void;
  CancelOidRequestHandler: (MiniportAdapterContext: NDIS_CONTEXT, RequestId: unknown) => void;
}

// ---- OIDs (contract 3.9, 3.10) ---------------------------------------------------------------------------------------

export const OID_GEN_SUPPORTED_LIST = 0x0001_0101;
export const OID_GEN_MEDIA_SUPPORTED = 0x0001_0103;
export const OID_GEN_MEDIA_IN_USE = 0x0001_0104;
export const OID_GEN_MAXIMUM_LOOKAHEAD = 0x0001_0105;
export const OID_GEN_MAXIMUM_FRAME_SIZE = 0x0001_0106;
export const OID_GEN_LINK_SPEED = 0x0001_0107;
export const OID_GEN_CURRENT_PACKET_FILTER = 0x0001_010e;
export const OID_GEN_CURRENT_LOOKAHEAD = 0x0001_010f;
export const OID_GEN_MAXIMUM_TOTAL_SIZE = 0x0001_0111;
export const OID_GEN_TRANSMIT_BUFFER_SPACE = 0x0001_0108;
export const OID_GEN_RECEIVE_BUFFER_SPACE = 0x0001_0109;
export const OID_GEN_TRANSMIT_BLOCK_SIZE = 0x0001_010a;
export const OID_GEN_RECEIVE_BLOCK_SIZE = 0x0001_010b;
export const OID_GEN_VENDOR_ID = 0x0001_010c;
export const OID_GEN_VENDOR_DESCRIPTION = 0x0001_010d;
export const OID_GEN_DRIVER_VERSION = 0x0001_0110;
export const OID_GEN_MAC_OPTIONS = 0x0001_0113;
export const OID_GEN_MEDIA_CONNECT_STATUS = 0x0001_0114;
export const OID_GEN_PHYSICAL_MEDIUM = 0x0001_0202;
export const OID_GEN_VENDOR_DRIVER_VERSION = 0x0001_0116;
export const OID_GEN_LINK_STATE = 0x0001_0207;
export const OID_GEN_LINK_PARAMETERS = 0x0001_0208;
export const OID_GEN_INTERRUPT_MODERATION = 0x0001_0209;
export const OID_GEN_XMIT_OK = 0x0002_0101;
export const OID_GEN_RCV_OK = 0x0002_0102;
export const OID_GEN_XMIT_ERROR = 0x0002_0103;
export const OID_GEN_RCV_ERROR = 0x0002_0104;
export const OID_GEN_RCV_NO_BUFFER = 0x0002_0105;
export const OID_GEN_DIRECTED_BYTES_XMIT = 0x0002_0201;
export const OID_GEN_DIRECTED_FRAMES_XMIT = 0x0002_0202;
export const OID_GEN_MULTICAST_BYTES_XMIT = 0x0002_0203;
export const OID_GEN_MULTICAST_FRAMES_XMIT = 0x0002_0204;
export const OID_GEN_BROADCAST_BYTES_XMIT = 0x0002_0205;
export const OID_GEN_BROADCAST_FRAMES_XMIT = 0x0002_0206;
export const OID_GEN_DIRECTED_BYTES_RCV = 0x0002_0207;
export const OID_GEN_DIRECTED_FRAMES_RCV = 0x0002_0208;
export const OID_GEN_MULTICAST_BYTES_RCV = 0x0002_0209;
export const OID_GEN_MULTICAST_FRAMES_RCV = 0x0002_020a;
export const OID_GEN_BROADCAST_BYTES_RCV = 0x0002_020b;
export const OID_GEN_BROADCAST_FRAMES_RCV = 0x0002_020c;
export const OID_GEN_BYTES_RCV = 0x0002_0219;
export const OID_GEN_BYTES_XMIT = 0x0002_021a;
export const OID_GEN_RCV_DISCARDS = 0x0002_021b;
export const OID_GEN_XMIT_DISCARDS = 0x0002_021c;
export const OID_GEN_STATISTICS = 0x0002_0106;
export const OID_802_3_PERMANENT_ADDRESS = 0x0101_0101;
export const OID_802_3_CURRENT_ADDRESS = 0x0101_0102;
export const OID_802_3_MULTICAST_LIST = 0x0101_0103;
export const OID_802_3_MAXIMUM_LIST_SIZE = 0x0101_0104;

export const NDIS_PACKET_TYPE_DIRECTED = 0x1;
export const NDIS_PACKET_TYPE_MULTICAST = 0x2;
export const NDIS_PACKET_TYPE_ALL_MULTICAST = 0x4;
export const NDIS_PACKET_TYPE_BROADCAST = 0x8;
export const NDIS_PACKET_TYPE_PROMISCUOUS = 0x20;

export const NDIS_STATISTICS_INFO_REVISION_1 = 1;
export const NDIS_SIZEOF_STATISTICS_INFO_REVISION_1 = 152;

/** The 64-bit counters of NDIS_STATISTICS_INFO in their order in memory, from byte 8 on. Doubles count exactly to 2^53. */
export const NDIS_STATISTICS_FIELDS = [
  'ifInDiscards',
  'ifInErrors',
  'ifHCInOctets',
  'ifHCInUcastPkts',
  'ifHCInMulticastPkts',
  'ifHCInBroadcastPkts',
  'ifHCOutOctets',
  'ifHCOutUcastPkts',
  'ifHCOutMulticastPkts',
  'ifHCOutBroadcastPkts',
  'ifOutErrors',
  'ifOutDiscards',
  'ifHCInUcastOctets',
  'ifHCInMulticastOctets',
  'ifHCInBroadcastOctets',
  'ifHCOutUcastOctets',
  'ifHCOutMulticastOctets',
  'ifHCOutBroadcastOctets',
] as const;

export type NdisStatistics = Record<(typeof NDIS_STATISTICS_FIELDS)[number], number>;
