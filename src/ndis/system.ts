/**
 * Time, processors and mapped memory: the small services of NDIS. Layer: ndis.
 * Invariant: nothing here has an effect on an adapter; all may be called at any IRQL. There is one processor group, as
 * the processors are those DPCs are queued on (AdapterOptions.processors), 32 at most.
 */
import { AdapterCore, coreOrNull } from './core.ts';
import { processorMask } from './grant.ts';
import { type IoSpace, NdisWriteRegisterUchar, NdisWriteRegisterUlong } from './io.ts';
import {
  type NDIS_STATUS,
  NDIS_STATUS_BUFFER_TOO_SHORT,
  NDIS_STATUS_INVALID_PARAMETER,
  NDIS_STATUS_SUCCESS,
} from './status.ts';
import {
  type NDIS_HANDLE,
  type NDIS_OBJECT_HEADER,
  NDIS_OBJECT_TYPE_DEFAULT,
  type Out,
  type PROCESSOR_NUMBER,
} from './types.ts';

/** 1970 as Windows counts: 100 ns since 1601. */
const EPOCH_100NS = 116_444_736_000_000_000n;

/** The time of day in units of 100 ns since 1601-01-01 UTC. Any IRQL. A bigint, as it passes 2^53. [nf-ndis-ndisgetcurrentsystemtime] */
export function NdisGetCurrentSystemTime(pCurrentTime: Out<bigint>): void {
  pCurrentTime.Value = EPOCH_100NS + BigInt(Date.now()) * 10_000n;
}

/** Milliseconds since the machine was started. Any IRQL. [nf-ndis-ndisgetsystemuptimeex] */
export function NdisGetSystemUpTimeEx(pSystemUpTime: Out<number>): void {
  // The monotonic clock of Linux counts from the start of the machine.
  const [seconds, nanoseconds] = process.hrtime();
  pSystemUpTime.Value = seconds * 1000 + Math.floor(nanoseconds / 1e6);
}

/**
 * Average use of the processor in percent, 0 to 100. Any IRQL. The processor is this process's thread here, and the
 * average that since the process was started. [nf-ndis-ndisgetcurrentprocessorcpuusage]
 */
export function NdisGetCurrentProcessorCpuUsage(pCpuUsage: Out<number>): void {
  const { user, system } = process.cpuUsage();
  const percent = ((user + system) / (process.uptime() * 1e6)) * 100;
  pCpuUsage.Value = Math.min(100, Math.max(0, Math.round(percent)));
}

/** Both queries ask about all groups. */
export const NDIS_ALL_GROUPS = 0xffff;

/** Processors in use of a group, or of all. Any IRQL. 0: no such group. [nf-ndis-ndisgroupactiveprocessorcount] */
export function NdisGroupActiveProcessorCount(Group: number): number {
  return Group === 0 || Group === NDIS_ALL_GROUPS ? AdapterCore.processorsMax : 0;
}

/** Processors a group can have. Any IRQL. 0: no such group. [nf-ndis-ndisgroupmaxprocessorcount] */
export function NdisGroupMaxProcessorCount(Group: number): number {
  return NdisGroupActiveProcessorCount(Group);
}

/** Mask of the processors in use of a group. Any IRQL. 0: no such group. [nf-ndis-ndisgroupactiveprocessormask] */
export function NdisGroupActiveProcessorMask(Group: number): number {
  return Group === 0 ? processorMask(AdapterCore.processorsMax) >>> 0 : 0;
}

/** Processor groups in use: 1. Any IRQL. [nf-ndis-ndisactivegroupcount] */
export function NdisActiveGroupCount(): number {
  return 1;
}

/** Processor groups there can be: 1. Any IRQL. [nf-ndis-ndismaxgroupcount] */
export function NdisMaxGroupCount(): number {
  return 1;
}

/** Processors in use, of drivers that know no groups. Any IRQL. [nf-ndis-ndissystemprocessorcount] */
export function NdisSystemProcessorCount(): number {
  return AdapterCore.processorsMax;
}

/** [ns-ntddndis-_ndis_rss_processor] */
export interface NDIS_RSS_PROCESSOR {
  ProcNum: PROCESSOR_NUMBER;
  PreferenceIndex: number;
}

/** [ns-ntddndis-_ndis_rss_processor_info] The array is a member here; C has an offset to it. */
export interface NDIS_RSS_PROCESSOR_INFO {
  Header: NDIS_OBJECT_HEADER;
  Flags: number;
  RssBaseProcessor: PROCESSOR_NUMBER;
  MaxNumRssProcessors: number;
  PreferredNumaNode: number;
  RssProcessorCount: number;
  RssProcessors: NDIS_RSS_PROCESSOR[];
}

/**
 * The processors RSS may use, in order of preference. PASSIVE_LEVEL. INVALID_PARAMETER: no miniport handle.
 * BUFFER_TOO_SHORT: RssProcessorInfo is null; Size says how many processors there are (bytes in C). Filled in, Size is
 * the number of entries written. [nf-ndis-ndisgetrssprocessorinformation]
 */
export function NdisGetRssProcessorInformation(
  NdisHandle: NDIS_HANDLE,
  RssProcessorInfo: Out<NDIS_RSS_PROCESSOR_INFO> | null,
  Size: Out<number>,
): NDIS_STATUS {
  const core = coreOrNull(NdisHandle);
  if (core === null) return NDIS_STATUS_INVALID_PARAMETER;
  Size.Value = core.processors;
  if (RssProcessorInfo === null) return NDIS_STATUS_BUFFER_TOO_SHORT;
  RssProcessorInfo.Value = {
    Header: { Type: NDIS_OBJECT_TYPE_DEFAULT, Revision: 1, Size: 0 },
    Flags: 0,
    RssBaseProcessor: { Group: 0, Number: 0 },
    MaxNumRssProcessors: core.processors,
    PreferredNumaNode: 0,
    RssProcessorCount: core.processors,
    RssProcessors: Array.from({ length: core.processors }, (_, index) => ({
      ProcNum: { Group: 0, Number: index },
      PreferenceIndex: index,
    })),
  };
  return NDIS_STATUS_SUCCESS;
}

/**
 * Sets mapped device memory to zero: whole words where it can, single bytes at the end. Any IRQL.
 * [nf-ndis-ndiszeromappedmemory]
 * @param VirtualAddress what NdisMMapIoSpace gave.
 * @param Length bytes from its start.
 * @throws NdisVfioError E_STATE when it was unmapped.
 */
export function NdisZeroMappedMemory(VirtualAddress: IoSpace, Length: number): void {
  let at = 0;
  for (; at + 4 <= Length; at += 4) NdisWriteRegisterUlong(VirtualAddress, at, 0);
  for (; at < Length; at++) NdisWriteRegisterUchar(VirtualAddress, at, 0);
}
