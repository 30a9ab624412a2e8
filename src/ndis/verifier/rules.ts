/**
 * THE table of rules: everything Windows' verifiers check in an Ethernet miniport, and what they check elsewhere with
 * the reason why not here. Layer: ndis/verifier. (Contract 4.1 to 4.4, 5)
 * Invariants: a rule is one row; a row either has a check on events, is checked by NDIS itself also without a verifier
 * (`ndis`), is another row's (`sameAs`), or says why it does not apply. Of several rows that an event breaks the first
 * is reported, so special rows stand before general ones.
 */
import { irqlName } from '../irql.ts';
import {
  NDIS_STATUS_NOT_ACCEPTED,
  NDIS_STATUS_PENDING,
  NDIS_STATUS_REQUEST_ABORTED,
  NDIS_STATUS_SUCCESS,
  statusName,
} from '../status.ts';
import { DIRQL, type NDIS_OID_REQUEST, PASSIVE_LEVEL } from '../types.ts';
import type { Held, Reckoning, Scene, VerifierEvents } from './events.ts';
import type { Severity } from './violation.ts';

/** Whose rule it is. `layer`: ours, for mistakes the documentation forbids without giving the rule a name. */
export type RuleFamily = 'static-driver-verifier' | 'driver-verifier' | 'bug-check' | 'interrupt' | 'layer';

/** Says what happened, or null: the rule holds. */
type Check<E> = (event: E, scene: Scene) => string | null;

export type Checks = { readonly [Name in keyof VerifierEvents]?: Check<VerifierEvents[Name]> };

export interface Rule {
  readonly id: string;
  readonly family: RuleFamily;
  readonly severity: Severity;
  /** The rule in one sentence. */
  readonly text: string;
  /** File name of the page of the WDK documentation. */
  readonly page: string;
  readonly fix: string;
  /** Bug check code and parameter 1. */
  readonly bugCheck: readonly [code: number, p1: number];
  readonly applicable: boolean;
  /** Why it does not apply, when it does not. */
  readonly reason?: string;
  /** Ids of the rows that report it, when this one does not itself. */
  readonly sameAs?: readonly string[];
  /** `ndis`: the NDIS layer finds it by itself, with or without a verifier. */
  readonly checks?: Checks | 'ndis';
}

interface Row {
  readonly id: string;
  readonly severity?: Severity;
  readonly text: string;
  readonly page?: string;
  readonly fix?: string;
  readonly reason?: string;
  readonly sameAs?: readonly string[];
  readonly checks?: Checks | 'ndis';
  readonly bugCheck?: readonly [code: number, p1: number];
}

/** The functions whose IRQL a rule of Static Driver Verifier is about. [irql-rule-set--ndis-] */
const IRQL_FUNCTIONS: Readonly<Record<string, readonly string[]>> = {
  Irql_Interrupt_Function: ['NdisMRegisterInterruptEx', 'NdisMDeregisterInterruptEx'],
  Irql_Synch_Function: [
    'NdisAcquireSpinLock',
    'NdisReleaseSpinLock',
    'NdisDprAcquireSpinLock',
    'NdisDprReleaseSpinLock',
    'NdisAcquireReadWriteLock',
    'NdisReleaseReadWriteLock',
    'NdisAcquireRWLockRead',
    'NdisAcquireRWLockWrite',
    'NdisReleaseRWLock',
    'NdisSetEvent',
    'NdisResetEvent',
  ],
  Irql_Gather_DMA_Function: [
    'NdisMRegisterScatterGatherDma',
    'NdisMDeregisterScatterGatherDma',
    'NdisMAllocateNetBufferSGList',
    'NdisMFreeNetBufferSGList',
    'NdisMAllocateSharedMemoryAsyncEx',
  ],
  Irql_Miniport_Driver_Function: [
    'NdisMRegisterMiniportDriver',
    'NdisMDeregisterMiniportDriver',
    'NdisMSetMiniportAttributes',
    'NdisMMapIoSpace',
    'NdisMUnmapIoSpace',
    'NdisMGetDmaAlignment',
    'NdisMSleep',
    'NdisMFreeSharedMemory',
    'NdisMPauseComplete',
    'NdisMRestartComplete',
    'NdisMResetComplete',
    'NdisMRemoveMiniport',
  ],
  Irql_SendRcv_Function: ['NdisMIndicateReceiveNetBufferLists', 'NdisMSendNetBufferListsComplete'],
  Irql_StatusIndication_Function: ['NdisMIndicateStatusEx'],
  Irql_OID_Function: ['NdisMOidRequestComplete'],
  Irql_Timer_Function: [
    'NdisAllocateTimerObject',
    'NdisFreeTimerObject',
    'NdisSetTimerObject',
    'NdisSetCoalescableTimerObject',
    'NdisCancelTimerObject',
  ],
  Irql_NetBuffer_Function: [
    'NdisAllocateNetBufferListPool',
    'NdisFreeNetBufferListPool',
    'NdisAllocateNetBufferPool',
    'NdisFreeNetBufferPool',
    'NdisAllocateNetBuffer',
    'NdisFreeNetBuffer',
    'NdisAllocateNetBufferList',
    'NdisAllocateNetBufferAndNetBufferList',
    'NdisFreeNetBufferList',
    'NdisAllocateCloneNetBufferList',
    'NdisFreeCloneNetBufferList',
    'NdisAllocateMdl',
    'NdisFreeMdl',
    'NdisRetreatNetBufferDataStart',
  ],
  Irql_Miscellaneous_Function: [
    'NdisAllocateMemoryWithTagPriority',
    'NdisFreeMemory',
    'NdisOpenConfigurationEx',
    'NdisOpenConfigurationKeyByName',
    'NdisReadConfiguration',
    'NdisWriteConfiguration',
    'NdisReadNetworkAddress',
    'NdisCloseConfiguration',
    'NdisAllocateIoWorkItem',
    'NdisQueueIoWorkItem',
    'NdisFreeIoWorkItem',
    'NdisAllocateGenericObject',
    'NdisFreeGenericObject',
  ],
};

/** Functions that other rows name. */
const NAMED_ELSEWHERE: ReadonlySet<string> = new Set([
  ...Object.values(IRQL_FUNCTIONS).flat(),
  'NdisMAllocateSharedMemory',
  'NdisWaitEvent',
  'NdisMConfigMSIXTableEntry (set)',
]);

function irqlOf(id: string): Checks {
  const functions = new Set(IRQL_FUNCTIONS[id]);
  return {
    irqlTooHigh: (e) => (functions.has(e.what) ? tooHigh(e) : null),
    irqlTooLow: (e) =>
      functions.has(e.what) ? `${e.what} was called at ${irqlName(e.irql)} and needs ${irqlName(e.needed)}` : null,
  };
}

function tooHigh(e: VerifierEvents['irqlTooHigh']): string {
  return `${e.what} was called at ${irqlName(e.irql)} and is allowed up to ${irqlName(e.limit)}`;
}

const REACHED: Readonly<Record<Reckoning, string>> = {
  halt: 'MiniportHaltEx returned',
  failed: 'MiniportInitializeEx failed',
  undone: 'MiniportHaltEx, called right after MiniportInitializeEx, returned',
};

/** Something of a kind is left, at one of these times. */
function left(kinds: readonly Held[], times: readonly Reckoning[] = ['halt', 'failed', 'undone']): Checks {
  return {
    leftBehind: (e) =>
      kinds.includes(e.kind) && times.includes(e.when)
        ? `${REACHED[e.when]} with ${e.count} ${e.kind}${e.count === 1 ? '' : 's'} left${e.detail === '' ? '' : `: ${e.detail}`}`
        : null,
  };
}

const OID_PNP_SET_POWER = 0xfd01_0101;
const OID_PNP_QUERY_POWER = 0xfd01_0102;
/** OIDs that free, clear, delete or remove something, of those an Ethernet miniport is sent. [ndis-ndisoidcomplete] */
const OID_PM_REMOVE_WOL_PATTERN = 0xfd01_010c;
const OID_PM_REMOVE_PROTOCOL_OFFLOAD = 0xfd01_0110;
const REMOVING_OIDS: ReadonlySet<number> = new Set([OID_PM_REMOVE_WOL_PATTERN, OID_PM_REMOVE_PROTOCOL_OFFLOAD]);

/** 0x91001: which statuses a request may end with. */
function wrongOidStatus(request: NDIS_OID_REQUEST, status: number, completing: boolean): string | null {
  // What a miniport passes may be anything.
  const Oid = request.DATA?.Oid ?? 0;
  const name = `OID 0x${Oid.toString(16).padStart(8, '0')}`;
  if (completing && status === NDIS_STATUS_PENDING) return `${name} was completed with NDIS_STATUS_PENDING`;
  if (!completing && status === NDIS_STATUS_PENDING) return null;
  const common = status === NDIS_STATUS_SUCCESS || status === NDIS_STATUS_NOT_ACCEPTED;
  if (Oid === OID_PNP_SET_POWER && !common) return `${name} (set power) ended with ${statusName(status)}`;
  if (REMOVING_OIDS.has(Oid) && !common && status !== NDIS_STATUS_REQUEST_ABORTED) {
    return `${name} (removal) ended with ${statusName(status)}`;
  }
  return null;
}

const SECOND_US = 1_000_000;
const OID_LIMIT_US = 12 * SECOND_US;
const SEND_LIMIT_US = 30 * SECOND_US;
const SEND_PROGRESS_LIMIT_US = 22 * SECOND_US;
const DPC_ADVICE_US = 100;
const DPC_LIMIT_US = 10 * SECOND_US;
const STALL_LIMIT_US = 50;
/** INT-14: claims in a row that touch nothing. */
const STORM_CLAIMS = 100;

const seconds = (us: number): string => `${(us / SECOND_US).toFixed(1)} s`;

const NOT_ETHERNET = 'its functions belong to another kind of driver than an Ethernet miniport';

// ---- 4.1 Static Driver Verifier -----------------------------------------------------------------------------------------

const SDV: readonly Row[] = [
  {
    id: 'Init_RegisterInterrupt',
    text: 'An interrupt registered in MiniportInitializeEx is deregistered in MiniportHaltEx, or before a failing MiniportInitializeEx returns.',
    sameAs: ['0x7C/0x08', '0x7C/0x0B', '0x7C/0x0D'],
  },
  {
    id: 'Init_DeRegisterInterrupt',
    text: 'MiniportHaltEx deregisters the interrupt at least once.',
    sameAs: ['0x7C/0x08'],
  },
  {
    id: 'NdisMDeregisterInterruptEx',
    text: 'NdisMSynchronizeWithInterruptEx is not called once NdisMDeregisterInterruptEx has returned.',
    fix: 'Clear your copy of the interrupt handle when you deregister, and test it before you synchronize.',
    checks: {
      staleInterrupt: (e) =>
        e.what === 'NdisMSynchronizeWithInterruptEx' ? `${e.what} was called for a deregistered interrupt` : null,
    },
  },
  {
    id: 'Init_RegisterSG',
    text: 'Scatter-gather DMA registered in MiniportInitializeEx is deregistered in MiniportHaltEx, or before a failing MiniportInitializeEx returns.',
    fix: 'Call NdisMDeregisterScatterGatherDma after the last NdisMFreeSharedMemory.',
    checks: left(['scatter-gather DMA']),
  },
  {
    id: 'Init_NdisAllocateIoWorkItem',
    text: 'A work item allocated in MiniportInitializeEx is freed in MiniportHaltEx, or before a failing MiniportInitializeEx returns.',
    fix: 'Call NdisFreeIoWorkItem in MiniportHaltEx and on the failure path of MiniportInitializeEx.',
    checks: left(['work item']),
  },
  {
    id: 'NdisFDeregisterFilterDriver',
    text: 'Filter drivers deregister in their unload routine.',
    reason: NOT_ETHERNET,
  },
  {
    id: 'NullCheck',
    text: 'A pointer that is NULL is not dereferenced.',
    fix: 'Test the value before its use; a failed allocation and a line-based grant both give null.',
    checks: {
      callbackThrew: (e) =>
        e.error instanceof TypeError && /of (null|undefined)|(null|undefined) is not/.test(e.error.message)
          ? `${e.callback} dereferenced a null pointer: ${e.error.message}`
          : null,
    },
  },
  {
    id: 'Flags_Irql',
    severity: 'warning',
    text: 'A callback that is told DISPATCH_LEVEL by a flag uses the flag and does not ask for the current IRQL.',
    fix: 'Test NDIS_SEND_FLAGS_DISPATCH_LEVEL or NDIS_RETURN_FLAGS_DISPATCH_LEVEL instead of KeGetCurrentIrql.',
    checks: {
      irqlQueried: (e) => (e.frame.flagged ? `${e.frame.callback} called KeGetCurrentIrql` : null),
    },
  },
  ...Object.keys(IRQL_FUNCTIONS).map((id) => ({
    id,
    text: `${IRQL_FUNCTIONS[id]?.slice(0, 3).join(', ')}${(IRQL_FUNCTIONS[id]?.length ?? 0) > 3 ? ' and their like' : ''} are called at their documented IRQL only.`,
    fix: 'Move the call to a level where it is allowed: a DPC for what an ISR may not, a work item for PASSIVE_LEVEL.',
    checks: irqlOf(id),
  })),
  {
    id: 'Irql_IrqlSetting_Function',
    text: 'NDIS_RAISE_IRQL_TO_DISPATCH and NDIS_LOWER_IRQL are called at their documented IRQL only.',
    reason: 'this layer offers no way to raise or lower the IRQL: one thread has nothing to keep out',
  },
  { id: 'Irql_Interfaces_Function', text: 'Interface functions are called at their IRQL only.', reason: NOT_ETHERNET },
  {
    id: 'Irql_IM_Function',
    text: 'Intermediate-driver functions are called at their IRQL only.',
    reason: NOT_ETHERNET,
  },
  { id: 'Irql_Filter_Driver_Function', text: 'Filter functions are called at their IRQL only.', reason: NOT_ETHERNET },
  {
    id: 'Irql_Protocol_Driver_Function',
    text: 'Protocol functions are called at their IRQL only.',
    reason: NOT_ETHERNET,
  },
  {
    id: 'Irql_Connection_Function',
    text: 'CoNDIS connection functions are called at their IRQL only.',
    reason: NOT_ETHERNET,
  },
  {
    id: 'Irql_CallManager_Function',
    text: 'CoNDIS call manager functions are called at their IRQL only.',
    reason: NOT_ETHERNET,
  },
  {
    id: 'Irql_MCM_Function',
    text: 'CoNDIS integrated call manager functions are called at their IRQL only.',
    reason: NOT_ETHERNET,
  },
  { id: 'Irql_MCO_Function', text: 'CoNDIS miniport functions are called at their IRQL only.', reason: NOT_ETHERNET },
  {
    id: 'SpinLock',
    text: 'NdisAcquireSpinLock is called only for a lock that is free, and the lock is released before the handler returns.',
    fix: 'Release before you acquire again, and on every path out of the handler.',
    checks: {
      lock: (e) =>
        e.op === 'acquire' && !e.dpr && e.held ? 'NdisAcquireSpinLock was called for a lock that is held' : null,
    },
  },
  {
    id: 'SpinLockDpr',
    text: 'NdisDprAcquireSpinLock is called only for a lock that is free.',
    fix: 'Release before you acquire again.',
    checks: {
      lock: (e) =>
        e.op === 'acquire' && e.dpr && e.held ? 'NdisDprAcquireSpinLock was called for a lock that is held' : null,
    },
  },
  {
    id: 'SpinLockRelease',
    text: 'NdisReleaseSpinLock is called only for a lock that is held.',
    fix: 'Pair every release with the acquire before it.',
    checks: {
      lock: (e) => (e.op === 'release' && !e.held ? 'a spin lock was released that is not held' : null),
    },
  },
  {
    id: 'SpinLockDprRelease',
    text: 'A lock acquired with NdisDprAcquireSpinLock is released before the handler returns.',
    fix: 'Call NdisDprReleaseSpinLock on every path out of the handler.',
    checks: {
      locksHeld: (e) =>
        e.dpr ? `${e.callback} returned and holds ${e.count} spin lock(s) taken with NdisDprAcquireSpinLock` : null,
    },
  },
  {
    id: 'SpinLockBalanced',
    text: 'A lock is released as often as it is acquired before the handler returns.',
    fix: 'Call NdisReleaseSpinLock on every path out of the handler.',
    checks: {
      locksHeld: (e) => (e.dpr ? null : `${e.callback} returned and holds ${e.count} spin lock(s)`),
    },
  },
  {
    id: 'NdisAllocateGenericObject',
    text: 'Every generic object is freed before MiniportHaltEx returns.',
    reason: 'this layer has no generic objects: they exist to be a handle for drivers without one',
  },
  {
    id: 'NdisAllocateMdl',
    text: 'Every MDL is freed before MiniportHaltEx returns.',
    fix: 'Call NdisFreeMdl for every MDL of NdisAllocateMdl.',
    checks: left(['MDL']),
  },
  {
    id: 'NdisAllocateNetBuffer',
    text: 'Every NET_BUFFER and NET_BUFFER_LIST of a pool is freed before MiniportHaltEx returns.',
    fix: 'Call NdisFreeNetBufferList for each, then NdisFreeNetBufferListPool.',
    checks: left(['NBL', 'NBL pool']),
  },
  {
    id: 'NdisAllocateMemoryWithTagPriority',
    text: 'Memory is allocated with a tag.',
    fix: "Give four characters, e.g. 0x6E766669 for 'nvfi'.",
    checks: { memoryAllocated: (e) => (e.tag === 0 ? 'memory was allocated with tag 0' : null) },
  },
  {
    id: 'NdisMFreeSharedMemory',
    text: 'NdisMFreeSharedMemory is not called in MiniportShutdownEx.',
    fix: 'Free nothing in MiniportShutdownEx; only make the device quiet.',
    checks: 'ndis',
  },
  {
    id: 'NdisMIndicateStatusEx',
    text: 'NdisMIndicateStatusEx is called between the registration attributes and the return of MiniportHaltEx.',
    fix: 'Stop whatever indicates status before MiniportHaltEx returns.',
    checks: 'ndis',
  },
  {
    id: 'NdisMMapIoSpace',
    text: 'NdisMMapIoSpace is called in MiniportInitializeEx only.',
    fix: 'Map in MiniportInitializeEx, after the registration attributes, and keep the mapping.',
    checks: 'ndis',
  },
  {
    id: 'NdisMRegisterIoPortRange',
    text: 'NdisMRegisterIoPortRange is called in MiniportInitializeEx or MiniportAddDevice, after the attributes.',
    reason: 'this layer maps memory BARs only; no supported chip needs its I/O ports',
  },
  {
    id: 'CancelTimerObject',
    text: 'No timer is set when MiniportHaltEx returns.',
    sameAs: ['0x7C/0x09'],
  },
  {
    id: 'PeriodicTimer',
    text: 'A periodic timer is cancelled at PASSIVE_LEVEL.',
    fix: 'Cancel it in MiniportHaltEx or in a work item.',
    checks: {
      timerCancelled: (e) =>
        e.periodic && e.irql > PASSIVE_LEVEL ? `a periodic timer was cancelled at ${irqlName(e.irql)}` : null,
    },
  },
  {
    id: 'MiniportPause_Return',
    text: 'MiniportPause returns NDIS_STATUS_SUCCESS or NDIS_STATUS_PENDING.',
    fix: 'A pause cannot fail: allocate what it needs in MiniportInitializeEx.',
    checks: {
      pauseReturned: (e) =>
        e.status === NDIS_STATUS_SUCCESS || e.status === NDIS_STATUS_PENDING
          ? null
          : `MiniportPause returned ${statusName(e.status)}`,
    },
  },
  {
    id: 'NdisOpenConfigurationEx',
    text: 'Every configuration handle is closed before MiniportHaltEx returns.',
    fix: 'Call NdisCloseConfiguration when the keywords are read.',
    checks: left(['configuration handle']),
  },
  { id: 'NdisQueryBindInstanceName', text: 'The string it returns is freed.', reason: NOT_ETHERNET },
  { id: 'NdisReEnumerateProtocolBindings', text: 'It is not called while binding.', reason: NOT_ETHERNET },
  {
    id: 'WriteErrorLog',
    severity: 'warning',
    text: 'A failed NdisMAllocateSharedMemory in MiniportInitializeEx is logged with NdisWriteErrorLogEntry.',
    fix: 'Call NdisWriteErrorLogEntry with NDIS_ERROR_CODE_OUT_OF_RESOURCES before you return the failure.',
    checks: {
      initializeReturned: (_e, { life }) =>
        life.unloggedFailure
          ? 'NdisMAllocateSharedMemory failed and MiniportInitializeEx returned without a log entry'
          : null,
    },
  },
  {
    id: 'DoubleCompleteWorkItem',
    text: 'An OID request that MiniportOidRequest answered is not completed again by a work item.',
    fix: 'Return NDIS_STATUS_PENDING where a work item completes the request.',
    checks: {
      oidCompleting: (e, { life, frame }) =>
        frame?.callback === 'NDIS_IO_WORKITEM' && answered(e.request, life.oid)
          ? `a work item completed a request that MiniportOidRequest answered with ${statusName(life.oid?.returned ?? 0)}`
          : null,
    },
  },
  {
    id: 'DoubleComplete',
    text: 'NdisMOidRequestComplete is called for a request for which MiniportOidRequest returned NDIS_STATUS_PENDING, and only for such a one.',
    fix: 'Either return the status, or return NDIS_STATUS_PENDING and complete once.',
    checks: {
      oidCompleting: (e, { life }) =>
        answered(e.request, life.oid)
          ? `a request was completed that MiniportOidRequest answered with ${statusName(life.oid?.returned ?? 0)}`
          : null,
    },
  },
  {
    id: 'NdisMNetPnPEventInOIDRequest',
    text: 'NdisMNetPnPEvent is not called in MiniportOidRequest.',
    reason: 'this layer does not offer NdisMNetPnPEvent',
  },
  {
    id: 'NdisStallExecution_Delay',
    severity: 'warning',
    text: `NdisStallExecution is called with at most ${STALL_LIMIT_US} microseconds.`,
    fix: 'Wait longer with NdisMSleep at PASSIVE_LEVEL, or with a timer.',
    checks: {
      stalled: (e) =>
        e.microseconds > STALL_LIMIT_US ? `NdisStallExecution was called with ${e.microseconds} us` : null,
    },
  },
];

function answered(request: NDIS_OID_REQUEST, oid: Scene['life']['oid']): boolean {
  return oid !== null && oid.request === request && oid.returned !== null && oid.returned !== NDIS_STATUS_PENDING;
}

// ---- 4.2 Driver Verifier ------------------------------------------------------------------------------------------------

const DRIVER_VERIFIER: readonly Row[] = [
  {
    id: 'NdisOidComplete',
    bugCheck: [0xc4, 0x91001],
    text: 'An OID request is never completed with NDIS_STATUS_PENDING, and power and removal requests only with the statuses their page allows.',
    fix: 'Complete with the final status; power and removal requests cannot fail.',
    checks: {
      oidCompleting: (e) => wrongOidStatus(e.request, e.status, true),
      oidReturned: (e) => wrongOidStatus(e.request, e.status, false),
    },
  },
  {
    id: 'NdisOidDoubleComplete',
    bugCheck: [0xc4, 0x91002],
    text: 'A pending OID request is completed once.',
    fix: 'Forget the request when you complete it.',
    checks: {
      oidCompleting: (e, { life }) =>
        life.oid?.request === e.request && life.oid.completions > 0
          ? 'an OID request was completed a second time'
          : null,
    },
  },
  {
    id: 'NdisOidDoubleRequest',
    bugCheck: [0xc4, 0x9100e],
    text: 'No second OID request is made while one is pending.',
    reason: 'it is about who makes the requests: the queue of this layer sends one at a time',
  },
  {
    id: 'NdisTimedOidComplete',
    bugCheck: [0xc4, 0x92003],
    text: `An OID request is completed within ${OID_LIMIT_US / SECOND_US} s.`,
    fix: 'Complete every request, also when the hardware does not answer.',
    checks: {
      tick: (e, { life }) => {
        const oid = life.oid;
        if (oid === null || oid.late || oid.completions > 0) return null;
        if (oid.returned !== null && oid.returned !== NDIS_STATUS_PENDING) return null;
        const age = e.nowUs - oid.startedUs;
        if (age <= OID_LIMIT_US) return null;
        oid.late = true;
        return `OID 0x${oid.request.DATA.Oid.toString(16).padStart(8, '0')} is not complete after ${seconds(age)}`;
      },
    },
  },
  {
    id: 'NdisTimedDataSend',
    bugCheck: [0xc4, 0x9200d],
    text: `Every send is completed within ${SEND_LIMIT_US / SECOND_US} s.`,
    fix: 'Find the path on which an NBL is kept: an error, a full ring, a link that went down.',
    checks: {
      tick: (e, { life }) => {
        let late = 0;
        for (const [nbl, sinceUs] of life.sends) {
          if (e.nowUs - sinceUs <= SEND_LIMIT_US) continue;
          late++;
          life.sends.delete(nbl);
        }
        return late === 0 ? null : `${late} send(s) are not complete after ${SEND_LIMIT_US / SECOND_US} s`;
      },
    },
  },
  {
    id: 'NdisTimedDataHang',
    bugCheck: [0xc4, 0x9200f],
    text: `While sends are pending one completes at least every ${SEND_PROGRESS_LIMIT_US / SECOND_US} s.`,
    fix: 'Return TRUE from MiniportCheckForHangEx when the transmitter stands still, and complete everything in MiniportResetEx.',
    checks: {
      tick: (e, { life }) => {
        if (life.sends.size === 0 || e.nowUs - life.sendProgressUs <= SEND_PROGRESS_LIMIT_US) return null;
        const still = seconds(e.nowUs - life.sendProgressUs);
        life.sendProgressUs = e.nowUs;
        return `${life.sends.size} send(s) are pending and none completed for ${still}`;
      },
    },
  },
  {
    id: 'NdisFilterTimedPauseComplete',
    bugCheck: [0xc4, 0x92010],
    text: 'FilterPause completes in time.',
    reason: NOT_ETHERNET,
  },
  {
    id: 'NdisFilterTimedDataSend',
    bugCheck: [0xc4, 0x92011],
    text: 'A filter passes sends on in time.',
    reason: NOT_ETHERNET,
  },
  {
    id: 'NdisFilterTimedDataReceive',
    bugCheck: [0xc4, 0x92012],
    text: 'A filter passes receives on in time.',
    reason: NOT_ETHERNET,
  },
  ...(
    [
      ['WlanAssociation', 0x93004],
      ['WlanConnectionRoaming', 0x93005],
      ['WlanDisassociation', 0x93006],
      ['WlanAssert', 0x93101],
      ['WlanTimedAssociation', 0x94007],
      ['WlanTimedConnectionRoaming', 0x94008],
      ['WlanTimedConnectRequest', 0x94009],
      ['WlanTimedLinkQuality', 0x9400b],
      ['WlanTimedScan', 0x9400c],
    ] as const
  ).map(([id, number]) => ({
    id,
    bugCheck: [0xc4, number] as const,
    text: 'A sequence of the 802.11 interface is kept.',
    page: 'ndis-wifi-verification',
    reason: 'it is for 802.11 miniports',
  })),
  {
    id: '0xC4/0x110',
    bugCheck: [0xc4, 0x110],
    text: 'An ISR leaves the extended context of what it interrupted alone.',
    page: 'bug-check-0xc4--driver-verifier-detected-violation',
    reason: 'JavaScript cannot reach the processor state of another function',
  },
  {
    id: '0xC4/0x111',
    bugCheck: [0xc4, 0x111],
    text: 'An ISR returns at the IRQL it was called at.',
    page: 'bug-check-0xc4--driver-verifier-detected-violation',
    reason: 'this layer offers no way to change the IRQL but spin locks, which an ISR cannot take',
  },
  {
    id: '0xC4/0x30',
    bugCheck: [0xc4, 0x30],
    text: 'The IRQL is raised to a higher and lowered to a lower one.',
    page: 'bug-check-0xc4--driver-verifier-detected-violation',
    reason: 'this layer offers no way to raise or lower the IRQL (0x31 likewise)',
  },
  {
    id: '0xC4/0x32',
    bugCheck: [0xc4, 0x32],
    text: 'Spin locks are acquired and released at their IRQL (0x32, 0x35, 0x40 to 0x42).',
    page: 'bug-check-0xc4--driver-verifier-detected-violation',
    sameAs: ['Irql_Synch_Function'],
  },
  {
    id: '0xC4/0x3B',
    bugCheck: [0xc4, 0x3b],
    text: 'Nothing waits at raised IRQL (0x3B, 0x120 to 0x122).',
    page: 'bug-check-0xc4--driver-verifier-detected-violation',
    sameAs: ['0x7C/0x14', 'Irql_Miniport_Driver_Function'],
  },
  {
    id: '0xC4/0x00',
    bugCheck: [0xc4, 0],
    text: 'Pool memory is allocated and freed at its IRQL (0x00 to 0x12).',
    page: 'bug-check-0xc4--driver-verifier-detected-violation',
    sameAs: ['Irql_Miscellaneous_Function'],
  },
];

// ---- 4.3 Bug check 0x7C -------------------------------------------------------------------------------------------------

interface BugCheckRow extends Omit<Row, 'id' | 'bugCheck'> {
  readonly p1: number;
}

const BUG_CHECK_ROWS: readonly BugCheckRow[] = [
  {
    p1: 0x01,
    text: 'Shared memory is allocated at PASSIVE_LEVEL.',
    fix: 'Allocate in MiniportInitializeEx, or use NdisMAllocateSharedMemoryAsyncEx.',
    checks: { irqlTooHigh: (e) => (e.what === 'NdisMAllocateSharedMemory' ? tooHigh(e) : null) },
  },
  {
    p1: 0x02,
    text: 'Nobody writes beyond the end of a block of shared memory.',
    fix: 'Keep miniport and device within the length that was allocated.',
    checks: {
      slackWritten: (e) => `the byte ${e.at} of a block of ${e.lengthBytes} bytes of shared memory was written`,
    },
  },
  {
    p1: 0x03,
    text: 'Shared memory is freed once.',
    fix: 'Forget the block when you free it.',
    checks: 'ndis',
  },
  {
    p1: 0x05,
    text: 'A received NBL is not indicated again while a protocol holds it.',
    fix: 'Put an NBL back into service in MiniportReturnNetBufferLists, not when the indication returns.',
    checks: 'ndis',
  },
  {
    p1: 0x06,
    text: 'A received packet is not indicated while the stack owns it (another form).',
    sameAs: ['0x7C/0x05'],
  },
  {
    p1: 0x07,
    text: 'A received packet is not indicated while the stack owns it (another form).',
    sameAs: ['0x7C/0x05'],
  },
  {
    p1: 0x08,
    text: 'MiniportHaltEx deregisters the interrupt.',
    fix: 'Call NdisMDeregisterInterruptEx early in MiniportHaltEx, when the device is quiet.',
    checks: left(['interrupt'], ['halt']),
  },
  {
    p1: 0x09,
    text: 'MiniportHaltEx cancels every timer.',
    fix: 'Call NdisCancelTimerObject and NdisFreeTimerObject in MiniportHaltEx.',
    checks: left(['armed timer'], ['halt']),
  },
  {
    p1: 0x0a,
    text: 'The driver is deregistered only when all its adapters are halted.',
    page: 'nf-ndis-ndismderegisterminiportdriver',
    fix: 'Call NdisMDeregisterMiniportDriver in MiniportDriverUnload only.',
    checks: {
      driverDeregistered: (_e, { state }) =>
        state === 'Halted' ? null : `NdisMDeregisterMiniportDriver was called while the adapter is ${state}`,
    },
  },
  {
    p1: 0x0b,
    text: 'A failing MiniportInitializeEx deregisters the interrupt.',
    fix: 'Undo everything on the failure path; MiniportHaltEx is not called after it.',
    checks: left(['interrupt'], ['failed']),
  },
  {
    p1: 0x0c,
    text: 'A failing MiniportInitializeEx cancels every timer.',
    fix: 'Undo everything on the failure path; MiniportHaltEx is not called after it.',
    checks: left(['armed timer'], ['failed']),
  },
  {
    p1: 0x0d,
    text: 'MiniportHaltEx deregisters the interrupt also when it is called right after MiniportInitializeEx.',
    fix: 'Do not make what MiniportHaltEx undoes depend on MiniportRestart having been called.',
    checks: left(['interrupt'], ['undone']),
  },
  {
    p1: 0x0e,
    text: 'MiniportHaltEx cancels every timer also when it is called right after MiniportInitializeEx.',
    fix: 'Do not make what MiniportHaltEx undoes depend on MiniportRestart having been called.',
    checks: left(['armed timer'], ['undone']),
  },
  {
    p1: 0x0f,
    text: 'NdisMResetComplete is called once, and only after MiniportResetEx returned NDIS_STATUS_PENDING.',
    fix: 'Remember whether a reset is pending.',
    checks: 'ndis',
  },
  { p1: 0x10, text: 'An initialization that fails on resume deregisters the interrupt.', sameAs: ['0x7C/0x0B'] },
  { p1: 0x11, text: 'An initialization that fails on resume cancels every timer.', sameAs: ['0x7C/0x0C'] },
  { p1: 0x12, text: 'As 0x10, with filters.', reason: 'there are no filters here' },
  { p1: 0x13, text: 'As 0x11, with filters.', reason: 'there are no filters here' },
  {
    p1: 0x14,
    text: 'NdisWaitEvent is called at PASSIVE_LEVEL.',
    page: 'nf-ndis-ndiswaitevent',
    fix: 'Wait in a work item.',
    checks: { irqlTooHigh: (e) => (e.what === 'NdisWaitEvent' ? tooHigh(e) : null) },
  },
  { p1: 0x15, text: 'No function reserved for older drivers is called.', reason: 'this layer does not export them' },
  {
    p1: 0x1c,
    text: 'OID_PNP_QUERY_POWER succeeds.',
    page: 'oid-pnp-query-power',
    fix: 'Return NDIS_STATUS_SUCCESS: a device that cannot do it says so in its attributes.',
    checks: {
      oidReturned: (e, { life }) =>
        e.request.DATA.Oid === OID_PNP_QUERY_POWER &&
        life.oidsClaimed.includes(OID_PNP_QUERY_POWER) &&
        e.status !== NDIS_STATUS_SUCCESS &&
        e.status !== NDIS_STATUS_PENDING
          ? `OID_PNP_QUERY_POWER ended with ${statusName(e.status)}`
          : null,
    },
  },
  {
    p1: 0x1d,
    text: 'BytesWritten does not exceed the length of the buffer.',
    page: 'ns-oidrequest-ndis_oid_request',
    fix: 'Compare with InformationBufferLength first; return NDIS_STATUS_BUFFER_TOO_SHORT and set BytesNeeded.',
    checks: 'ndis',
  },
  { p1: 0x1e, text: 'Reference counts are right.', reason: 'objects live as long as somebody refers to them' },
  {
    p1: 0x1f,
    text: 'NdisMPauseComplete and NdisMRestartComplete are called once, and only after the handler returned NDIS_STATUS_PENDING.',
    page: 'nf-ndis-ndismpausecomplete',
    fix: 'Either return the status, or return NDIS_STATUS_PENDING and complete once.',
    checks: 'ndis',
  },
  {
    p1: 0x20,
    text: 'The buffer of a status indication is what its status code calls for.',
    page: 'nf-ndis-ndismindicatestatusex',
    fix: 'Pass the structure of the status code and its size.',
    checks: 'ndis',
  },
  {
    p1: 0x21,
    text: 'The header of a structure has the right type, revision and size.',
    page: 'ns-ntddndis-_ndis_object_header',
    fix: 'Fill in Type, Revision and Size from the constants of the structure.',
    checks: 'ndis',
  },
  {
    p1: 0x22,
    text: 'A network PnP event is one a miniport may indicate.',
    reason: 'this layer does not offer NdisMNetPnPEvent',
  },
  {
    p1: 0x25,
    text: 'Pause, restart, halt and reset end within 10 s.',
    fix: 'Bound every wait for the hardware, and go on without it.',
    checks: 'ndis',
  },
  {
    p1: 0x26,
    text: 'NdisMOidRequestComplete is called for the request that is pending.',
    page: 'nf-ndis-ndismoidrequestcomplete',
    fix: 'Keep the pointer MiniportOidRequest was called with.',
    checks: 'ndis',
  },
  {
    p1: 0x27,
    text: 'All NBLs of a pool are freed before the pool is.',
    page: 'nf-nblapi-ndisfreenetbufferlistpool',
    fix: 'Call NdisFreeNetBufferList for each NBL first.',
    checks: 'ndis',
  },
];

const BUG_CHECKS: readonly Row[] = [
  ...BUG_CHECK_ROWS.map(({ p1, ...row }) => ({
    ...row,
    id: bugCheckId(p1),
    bugCheck: [0x7c, p1] as const,
    page: row.page ?? 'bug-check-0x7c--bugcode-ndis-driver',
  })),
  {
    id: '0x133',
    bugCheck: [0x133, 0],
    text: `A DPC ends within ${DPC_LIMIT_US / SECOND_US} s.`,
    page: 'bug-check-0x133-dpc-watchdog-violation',
    fix: 'Stop at MaxNblsToIndicate, set MoreNblsPending, and never wait for the hardware in a DPC.',
    checks: { dpcReturned: (e) => (e.elapsedUs > DPC_LIMIT_US ? `a DPC ran ${seconds(e.elapsedUs)}` : null) },
  },
  {
    id: '0x15E',
    bugCheck: [0x15e, 0],
    text: 'No NBL is stuck and no restart fails (live dump).',
    page: 'bug-check-0x15e--bugcode-ndis-driver-live-dump',
    sameAs: ['NdisTimedDataSend', '0x7C/0x25'],
  },
];

/** Id of the row of a parameter 1 of bug check 0x7C. */
export function bugCheckId(p1: number): string {
  return `0x7C/0x${p1.toString(16).toUpperCase().padStart(2, '0')}`;
}

// ---- 4.4 Interrupts -----------------------------------------------------------------------------------------------------

const INTERRUPTS: readonly Row[] = [
  {
    id: 'INT-01',
    text: 'The interrupt is registered in MiniportInitializeEx, after the registration attributes, and once.',
    page: 'nf-ndis-ndismregisterinterruptex',
    fix: 'Register as the last resource of MiniportInitializeEx.',
    checks: 'ndis',
  },
  {
    id: 'INT-02',
    text: 'The four line handlers are always given, the four message handlers if and only if MsiSupported is TRUE.',
    page: 'ns-ndis-_ndis_miniport_interrupt_characteristics',
    fix: 'Give all eight handlers; NDIS may fall back to a line.',
    checks: {
      handlers: (e) =>
        e.missing.length === 0 ? null : `NdisMRegisterInterruptEx was called without ${e.missing.join(', ')}`,
    },
  },
  {
    id: 'INT-03',
    text: 'InterruptType is read before MessageInfoTable is used.',
    page: 'nf-ndis-ndismregisterinterruptex',
    fix: 'Use the table only when InterruptType is NDIS_CONNECT_MESSAGE_BASED; for a line it is NULL.',
    checks: {
      tableRead: (e) => (e.typeWasRead ? null : 'MessageInfoTable was read and InterruptType was not yet'),
    },
  },
  {
    id: 'INT-04',
    text: 'The interrupt is deregistered in MiniportHaltEx or a failing MiniportInitializeEx, and once.',
    page: 'nf-ndis-ndismderegisterinterruptex',
    fix: 'Clear your copy of the handle when you deregister.',
    checks: {
      staleInterrupt: (e) =>
        e.what === 'NdisMDeregisterInterruptEx' ? 'NdisMDeregisterInterruptEx was called a second time' : null,
    },
  },
  {
    id: 'INT-05',
    text: 'No DPC is queued once NdisMDeregisterInterruptEx has returned.',
    page: 'nf-ndis-ndismderegisterinterruptex',
    fix: 'Stop timers and work items that queue DPCs before you deregister.',
    checks: { staleInterrupt: (e) => `${e.what} was called for a deregistered interrupt` },
  },
  {
    id: 'INT-06',
    text: 'An adapter does not reach Halted with its interrupt registered.',
    page: 'nc-ndis-miniport_halt',
    sameAs: ['0x7C/0x08', '0x7C/0x0B', '0x7C/0x0D'],
  },
  {
    id: 'INT-07',
    text: 'ISR, synchronize function and enable and disable handlers call only what is allowed at any IRQL.',
    page: 'nc-ndis-miniport_message_interrupt',
    fix: 'Queue a DPC and do it there.',
    checks: {
      irqlTooHigh: (e) => (e.irql >= DIRQL && !NAMED_ELSEWHERE.has(e.what) ? tooHigh(e) : null),
    },
  },
  {
    id: 'INT-08',
    text: 'An ISR returns a BOOLEAN, without waiting.',
    page: 'nc-ndis-miniport_message_interrupt',
    fix: 'Return true or false; an ISR must not be an async function.',
    checks: 'ndis',
  },
  {
    id: 'INT-09',
    severity: 'warning',
    text: 'An ISR that sets QueueDefaultInterruptDpc leaves TargetProcessors 0, and DPCs go to processors that exist.',
    page: 'nc-ndis-miniport_message_interrupt',
    fix: 'Set one of the two; TargetProcessors is ignored beside QueueDefaultInterruptDpc.',
    checks: {
      isrReturned: (e) =>
        e.queueDefault && e.targets !== 0
          ? `the ISR set QueueDefaultInterruptDpc and TargetProcessors 0x${e.targets.toString(16)}`
          : null,
    },
  },
  {
    id: 'INT-10',
    text: 'A MessageId is below the number of messages granted; for a line it is 0.',
    page: 'nf-ndis-ndismqueuedpcex',
    fix: 'Count messages by MessageInfoTable.MessageCount; under shortage there is exactly one.',
    checks: {
      entryConfigured: (e) =>
        e.set && e.message >= e.messageCount
          ? `a table entry was mapped to message ${e.message} of ${e.messageCount}`
          : null,
    },
  },
  {
    id: 'INT-11',
    severity: 'advice',
    text: 'A DPC calls nothing that needs PASSIVE_LEVEL, is synchronous, and ends within 100 microseconds.',
    page: 'guidelines-for-writing-dpc-routines',
    fix: 'Move the work to a work item, or do less per DPC and set MoreNblsPending.',
    checks: {
      irqlTooHigh: (e) => (e.irql < DIRQL && !NAMED_ELSEWHERE.has(e.what) ? tooHigh(e) : null),
      dpcReturned: (e) => (e.elapsedUs > DPC_ADVICE_US ? `a DPC ran ${Math.round(e.elapsedUs)} us` : null),
    },
  },
  {
    id: 'INT-12',
    text: 'A DPC indicates at most MaxNblsToIndicate NBLs, sets MoreNblsPending only under such a limit, and leaves the interrupt masked when it does.',
    page: 'ns-ndis-_ndis_receive_throttle_parameters',
    fix: 'Count what you indicate in this DPC; unmask only when MoreNblsPending stays FALSE.',
    checks: {
      dpcReturned: (e, { life }) =>
        e.more && life.unmasked ? 'a DPC set MoreNblsPending and unmasked a table entry' : null,
    },
  },
  {
    id: 'INT-13',
    text: 'MessageInfoTable is not written.',
    page: 'ns-ndis-_ndis_miniport_interrupt_characteristics',
    fix: 'Copy what you want to change.',
    checks: { tableWritten: (e) => `MessageInfoTable.${e.property} was written` },
  },
  {
    id: 'INT-14',
    severity: 'warning',
    text: 'A line ISR that returns TRUE has dismissed the interrupt at the device.',
    page: 'making-an-isr-active-or-inactive',
    fix: 'Read or write the cause so that the device releases the line; return FALSE when the interrupt is not yours.',
    checks: {
      isrReturned: (e, { life }) =>
        e.line && e.claimed && life.idleClaims === STORM_CLAIMS
          ? `the line ISR returned TRUE ${STORM_CLAIMS} times in a row and touched no register`
          : null,
    },
  },
  {
    id: 'INT-15',
    text: 'NdisMConfigMSIXTableEntry is called from MiniportInitializeEx to MiniportHaltEx; a set operation up to DISPATCH_LEVEL.',
    page: 'nf-ndis-ndismconfigmsixtableentry',
    fix: 'Remap in a DPC or work item; mask and unmask are allowed at any IRQL.',
    checks: {
      irqlTooHigh: (e) => (e.what === 'NdisMConfigMSIXTableEntry (set)' ? tooHigh(e) : null),
      entryConfiguredOutside: (_e, { state }) => `NdisMConfigMSIXTableEntry was called while the adapter is ${state}`,
    },
  },
  {
    id: 'INT-16',
    text: 'NdisMSynchronizeWithInterruptEx is not called from the ISR or a synchronize function of the same message.',
    page: 'nf-ndis-ndismsynchronizewithinterruptex',
    fix: 'There you are synchronized already.',
    checks: 'ndis',
  },
  {
    id: 'INT-17',
    text: 'NBLs are indicated from MiniportRestart to MiniportPause only, and a send is completed by its owner, once.',
    page: 'nf-ndis-ndismsendnetbufferlistscomplete',
    fix: 'Stop indicating when MiniportPause is called; forget an NBL when you complete it.',
    checks: 'ndis',
  },
  {
    id: 'INT-18',
    text: 'An indicated NBL is not freed or used again before it has come back.',
    page: 'nc-ndis-miniport_return_net_buffer_lists',
    fix: 'Wait for MiniportReturnNetBufferLists, or indicate with NDIS_RECEIVE_FLAGS_RESOURCES.',
    checks: 'ndis',
  },
  {
    id: 'INT-19',
    text: 'A pause ends when every indicated NBL is back and every send is complete.',
    page: 'nc-ndis-miniport_pause',
    fix: 'Count NBLs up before you indicate and down in MiniportReturnNetBufferLists; return NDIS_STATUS_PENDING until then.',
    checks: 'ndis',
  },
  {
    id: 'INT-20',
    text: 'The device is not written once its surprise removal was announced.',
    page: 'nc-ndis-miniport_device_pnp_event_notify',
    fix: 'Remember NdisDevicePnPEventSurpriseRemoved and test it before every write.',
    checks: {
      registerWritten: (e, { life }) =>
        life.removalNoticed ? `register 0x${e.offset.toString(16)} was written after the removal` : null,
    },
  },
];

// ---- Ours -----------------------------------------------------------------------------------------------------------------

const LAYER: readonly Row[] = [
  {
    id: 'NV-01',
    text: 'No callback of a miniport throws.',
    page: 'nc-ndis-miniport_initialize',
    fix: 'Catch what can throw, and return a status.',
    checks: {
      callbackThrew: (e) =>
        `${e.callback} threw ${e.error instanceof Error ? `${e.error.name}: ${e.error.message}` : String(e.error)}`,
    },
  },
  {
    id: 'NV-02',
    text: 'NumberOfNetBufferLists is the length of the chain.',
    page: 'nf-ndis-ndismindicatereceivenetbufferlists',
    fix: 'Count while you link, and end the chain with null.',
    checks: 'ndis',
  },
  {
    id: 'NV-03',
    severity: 'warning',
    text: 'Every NBL of a send completion has its own Status.',
    page: 'nf-ndis-ndismsendnetbufferlistscomplete',
    fix: 'Set Status of each NBL of the chain, not only of the first.',
    checks: 'ndis',
  },
  {
    id: 'NV-04',
    text: 'Shared memory is freed before scatter-gather DMA is deregistered.',
    page: 'nf-ndis-ndismderegisterscattergatherdma',
    fix: 'Undo in the reverse order.',
    checks: 'ndis',
  },
  {
    id: 'NV-05',
    text: 'An I/O space is unmapped once, with the length it was mapped with.',
    page: 'nf-ndis-ndismunmapiospace',
    fix: 'Keep address and length together.',
    checks: 'ndis',
  },
  {
    id: 'NV-06',
    text: 'Shared memory is freed with the arguments it was allocated with.',
    page: 'nf-ndis-ndismfreesharedmemory',
    fix: 'Keep address and length together; there is no partial free.',
    checks: 'ndis',
  },
  {
    id: 'NV-07',
    text: 'A scatter-gather list is freed once.',
    page: 'nf-ndis-ndismfreenetbuffersglist',
    fix: 'Forget the list when you free it.',
    checks: 'ndis',
  },
  {
    id: 'NV-08',
    text: 'Shared memory, mappings and timers are given back before the adapter is Halted.',
    page: 'nc-ndis-miniport_halt',
    fix: 'Undo in MiniportHaltEx, and on the failure path of MiniportInitializeEx, what MiniportInitializeEx did.',
    checks: left(['shared memory', 'I/O space', 'timer', 'memory']),
  },
  {
    id: 'NV-09',
    text: 'NdisMAllocateSharedMemory is called in MiniportInitializeEx, after NdisMRegisterScatterGatherDma.',
    page: 'nf-ndis-ndismallocatesharedmemory',
    fix: 'Use NdisMAllocateSharedMemoryAsyncEx at run time.',
    checks: 'ndis',
  },
  {
    id: 'NV-10',
    severity: 'advice',
    text: 'A message ISR returns TRUE: messages are not shared.',
    page: 'handling-an-msi-interrupt',
    fix: 'Return true.',
    checks: 'ndis',
  },
];

// ---- The table ------------------------------------------------------------------------------------------------------------

function build(family: RuleFamily, rows: readonly Row[], page: (row: Row) => string): Rule[] {
  return rows.map((row, index) => ({
    id: row.id,
    family,
    severity: row.severity ?? 'error',
    text: row.text,
    page: row.page ?? page(row),
    fix: row.fix ?? '',
    bugCheck: row.bugCheck ?? [0xc4, OUR_PARAMETER + FAMILY_STEP * FAMILIES.indexOf(family) + index],
    applicable: row.reason === undefined,
    ...(row.reason === undefined ? {} : { reason: row.reason }),
    ...(row.sameAs === undefined ? {} : { sameAs: row.sameAs }),
    ...(row.checks === undefined ? {} : { checks: row.checks }),
  }));
}

const FAMILIES: readonly RuleFamily[] = [
  'static-driver-verifier',
  'driver-verifier',
  'bug-check',
  'interrupt',
  'layer',
];
/** Parameter 1 of rules Windows has no number for; 'NV' in the high word, so that it is none of Microsoft's. */
const OUR_PARAMETER = 0x4e56_0000;
const FAMILY_STEP = 0x100;

const verifierPage = (row: Row): string => `ndis-${row.id.toLowerCase().replaceAll('_', '-')}`;

/** All rules, in the order of the contract. */
export const RULES: readonly Rule[] = [
  ...build('static-driver-verifier', SDV, verifierPage),
  ...build('driver-verifier', DRIVER_VERIFIER, verifierPage),
  ...build('bug-check', BUG_CHECKS, () => 'bug-check-0x7c--bugcode-ndis-driver'),
  ...build('interrupt', INTERRUPTS, () => ''),
  ...build('layer', LAYER, () => ''),
];

const BY_ID = new Map(RULES.map((rule) => [rule.id, rule]));

/** The row of an id, or undefined. */
export function findRule(id: string): Rule | undefined {
  return BY_ID.get(id);
}

/** Ids of the rows that say they are reported by this one. */
export function reportedWith(id: string): readonly string[] {
  return ALSO.get(id) ?? [];
}

const ALSO = new Map<string, readonly string[]>(
  RULES.map((rule) => [rule.id, RULES.filter((one) => one.sameAs?.includes(rule.id)).map((one) => one.id)]),
);

/** The rules with a check on an event, in the order of the table. */
export function rulesOn(event: keyof VerifierEvents): readonly Rule[] {
  return ON.get(event) ?? [];
}

const ON = new Map<keyof VerifierEvents, Rule[]>();
for (const rule of RULES) {
  if (typeof rule.checks !== 'object') continue;
  for (const event of Object.keys(rule.checks) as (keyof VerifierEvents)[]) {
    ON.set(event, [...(ON.get(event) ?? []), rule]);
  }
}
