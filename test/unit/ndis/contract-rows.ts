/**
 * The rules of the contract, in our own words, each with the tests that hold it. Layer: test (ndis).
 * Invariant: every test named here exists (contract-rows.test.ts); scripts/contract.ts makes docs/contract.md of it.
 * A test is named by the words of its `it`, as written; files without a folder are in test/unit/ndis.
 */

export interface ContractRow {
  /** Section of the contract, a dot, a number. */
  readonly id: string;
  readonly rule: string;
  /** `file: words of the test`. */
  readonly tests: readonly (readonly [file: string, test: string])[];
}

export interface ContractSection {
  readonly section: string;
  readonly title: string;
  readonly rows: readonly ContractRow[];
}

/** Files are named without `.test.ts`. */
const PAGES = {
  register: 'nf-ndis-ndismregisterinterruptex',
  deregister: 'nf-ndis-ndismderegisterinterruptex',
  isr: 'nc-ndis-miniport_message_interrupt',
  line: 'nc-ndis-miniport_isr',
  dpc: 'nf-ndis-ndismqueuedpcex',
  throttle: 'ns-ndis-_ndis_receive_throttle_parameters',
  synchronize: 'nf-ndis-ndismsynchronizewithinterruptex',
  diagnose: 'nc-ndis-miniport_disable_message_interrupt',
  msix: 'nf-ndis-ndismconfigmsixtableentry',
  initialize: 'nc-ndis-miniport_initialize',
  pnp: 'nf-ndis-ndissetoptionalhandlers',
  moderation: '../miniports/oid-gen-interrupt-moderation',
  driver: 'nf-ndis-ndismregisterminiportdriver',
  states: 'miniport-adapter-states-and-operations',
  pause: 'nc-ndis-miniport_pause',
  halt: 'nc-ndis-miniport_halt',
  shutdown: 'nc-ndis-miniport_shutdown',
  reset: 'nc-ndis-miniport_reset',
  removal: 'processing-the-surprise-removal-of-a-nic',
  power: 'oid-pnp-set-power',
  status: 'nf-ndis-ndismindicatestatusex',
  send: 'nf-ndis-ndismsendnetbufferlistscomplete',
  receive: 'nf-ndis-ndismindicatereceivenetbufferlists',
  buffer: 'nf-nblapi-ndisgetdatabuffer',
  clone: 'nf-nblapi-ndisallocateclonenetbufferlist',
  memory: 'nf-ndis-ndismallocatesharedmemory',
  sg: 'nf-ndis-ndismallocatenetbuffersglist',
  io: 'nf-ndis-ndismmapiospace',
  rss: 'oid-gen-receive-scale-parameters',
  hash: 'verifying-the-rss-hash-calculation',
  offload: 'oid-offload-encapsulation',
  oid: 'nc-ndis-miniport_oid_request',
  cancelOid: 'nc-ndis-miniport_cancel_oid_request',
  mandatory: 'mandatory-oids-for-miniport-drivers',
  intelOids: '../miniports/mandatory-oids-for-miniport-drivers',
  counters: 'querying-64-bit-statistics-oids',
  pool: 'nf-ndis-ndisallocatememorywithtagpriority',
  spinLock: 'nf-ndis-ndisacquirespinlock',
  lists: 'nf-ndis-ndisinterlockedinserttaillist',
  event: 'nf-ndis-ndiswaitevent',
  workItem: 'nf-ndis-ndisqueueioworkitem',
  timer: 'nf-ndis-ndissettimerobject',
  system: 'nf-ndis-ndisgetsystemuptimeex',
  configuration: 'nf-ndis-ndisreadconfiguration',
} as const;

type Page = keyof typeof PAGES;
type Entry = readonly [rule: string, ...tests: readonly (readonly [page: Page, test: string])[]];

function section(number: string, title: string, entries: readonly Entry[]): ContractSection {
  return {
    section: number,
    title,
    rows: entries.map(([rule, ...tests], index) => ({
      id: `${number}.${index + 1}`,
      rule,
      tests: tests.map(([page, test]) => [PAGES[page], test] as const),
    })),
  };
}

export const CONTRACT: readonly ContractSection[] = [
  section('1.2', 'Interrupt characteristics', [
    [
      'Type and message table are written into the structure the driver passed',
      ['register', 'grants one message per table entry and writes type and table into the caller’s structure (trap 1)'],
    ],
    [
      'All line handlers are needed even with MSI, and all message handlers with MsiSupported',
      [
        'register',
        'requires the four line handlers of an MSI driver too, and the four message handlers of MsiSupported',
      ],
    ],
    [
      'A structure may be larger than its revision says, not smaller',
      ['register', 'accepts a header larger than the SIZEOF constant and refuses a smaller one (trap 9)'],
    ],
    [
      'The handlers are copied before the call returns',
      ['register', 'keeps copies of the handlers, so changing the structure afterwards has no effect (trap 10)'],
    ],
  ]),
  section('1.3', 'Registering', [
    [
      'Only in Initialize, after registration attributes, once for all messages',
      ['register', 'refuses a second registration, a call outside Initialize and a wrong handle'],
      ['initialize', 'must come before resources are claimed, and with BUS_MASTER before DMA (trap 57)'],
    ],
    [
      'An ISR that comes before the call returns finds everything in place',
      ['register', 'shows handle, type and table to an ISR that runs before it returns (trap 4)'],
    ],
    [
      'A line asserted while it is connected is served',
      ['register', 'unmasks a line that fired while it was being armed'],
    ],
    [
      'Without vectors: RESOURCES, and the outputs are as before',
      ['register', 'fails with RESOURCES and undoes its outputs when no vector can be armed'],
    ],
  ]),
  section('1.4', 'The grant', [
    [
      'MSI driver, line resources: success with the line and no table',
      [
        'register',
        'grants the line to a driver with MsiSupported where there are only line resources, with a null table (trap 2)',
      ],
    ],
    [
      'Driver without MSI, message resources: failure',
      ['register', 'fails a driver without MSI handlers that has message resources (trap 8)'],
      ['pnp', 'without MSI handlers and with the messages left in place makes registration fail'],
    ],
    [
      'A shortage gives exactly one message',
      ['register', 'grants exactly one message in a shortage, not as many as fit (trap 3)'],
    ],
    [
      'The number of messages is limited from outside',
      ['register', 'keeps within the message limit, surplus table entries raising message 0 (trap 12)'],
    ],
    [
      'MSI: a power of two',
      ['initialize', 'gets one descriptor with a count for MSI, rounded down to a power of two'],
      ['register', 'grants one message for MSI'],
    ],
  ]),
  section('1.5', 'Deregistering', [
    [
      'No ISR and no DPC afterwards',
      ['deregister', 'closes the vectors and drops wake-ups that were read before it returned (trap 35)'],
    ],
    [
      'Scheduled DPCs have run when it returns',
      ['deregister', 'runs the queued DPCs, and those they queue, before it returns (trap 34)'],
      ['deregister', 'ignores MoreNblsPending while it drains'],
    ],
    [
      'DPCs without end are reported, not waited for',
      [
        'deregister',
        'reports DPCs that queue themselves for ever instead of hanging, with the interrupt gone (trap 36)',
      ],
    ],
    [
      'Forgetting it is a bug check, by where it was forgotten',
      ['deregister', 'forgotten in MiniportHaltEx is bug check 0x7C/0x08 and NDIS takes the interrupt back'],
      [
        'deregister',
        'belongs into the failure path of Initialize; forgetting it there is bug check 0x7C/0x0B and NDIS takes it back',
      ],
    ],
    ['The handle is dead afterwards', ['deregister', 'makes the handle invalid for everything afterwards (INT-05)']],
  ]),
  section('1.6', 'The message table', [
    [
      'Latched messages, each with its own address and data, never changing',
      ['register', 'gives a frozen table of latched messages with distinct addresses and data (INT-13)'],
    ],
    [
      'The processors of a message are the true ones',
      ['pnp', 'aims a message at processors, by position in the list, when it includes the policy'],
    ],
  ]),
  section('1.7', 'Line interrupts', [
    [
      'The line is unmasked after the ISR, whoever claimed it',
      ['line', 'has the line unmasked after it returns %s (trap 41)'],
    ],
    ['DPCs of a line are message 0', ['line', 'has its DPCs queued as message 0 (trap 17)']],
  ]),
  section('1.8', 'Message interrupts', [
    [
      'At DIRQL, the DPC at DISPATCH_LEVEL afterwards',
      ['isr', 'runs at DIRQL inside the wake-up and its DPC at DISPATCH_LEVEL in the microtasks after it'],
    ],
    [
      'Events of one message may fold into one call',
      ['isr', 'is called once for several messages folded into one wake-up (trap 40)'],
    ],
    [
      'An ISR that throws stops the adapter, not the process',
      [
        'isr',
        'that throws is a fault: the listeners are told, the level is restored, no further ISR runs, the process lives',
      ],
    ],
  ]),
  section('1.9', 'What an ISR asks for', [
    [
      'The default DPC overrides the mask',
      [
        'isr',
        'with QueueDefaultInterruptDpc TRUE queues one DPC on the current processor and ignores the mask (trap 18)',
      ],
    ],
    [
      'A mask is one DPC per processor',
      ['isr', 'with a mask queues one DPC per processor in it, each with a null context (trap 28)'],
    ],
    [
      'The return value has no say in it',
      ['isr', 'queues the DPC also when it returns FALSE (trap 19) and FALSE is counted'],
    ],
    ['Absent processors are ignored', ['isr', 'ignores mask bits of absent processors and says so']],
    ['Outputs start cleared', ['isr', 'finds its outputs cleared before every call, in one reused object (trap 21)']],
  ]),
  section('1.10', 'NdisMQueueDpc(Ex)', [
    [
      'The result is what was newly queued; a queued DPC keeps its context',
      [
        'dpc',
        'returns the processors newly queued on; a clear bit means already queued and keeps the old context (trap 24)',
      ],
    ],
    [
      'A wrong message or group queues nothing',
      ['dpc', 'queues nothing for a wrong message or another processor group'],
    ],
  ]),
  section('1.11', 'DPCs', [
    [
      'A DPC is one per message and processor, first in first out',
      ['dpc', 'keeps separate DPCs for different messages on one processor, in the order queued'],
    ],
    [
      'A DPC may queue itself, and starves nobody',
      ['dpc', 'lets a DPC queue itself, as it leaves the queue before it runs (trap 26)'],
      ['dpc', 'does not starve the event loop when a DPC queues itself for ever (trap 32)'],
    ],
    [
      'An ISR pre-empts a DPC',
      ['isr', 'interrupting a running DPC runs at once (an ISR pre-empts a DPC) and restores DISPATCH_LEVEL'],
    ],
  ]),
  section('1.12', 'Receive throttling', [
    [
      'A budget per DPC, counted in NBLs over all its indications',
      ['throttle', 'carries the budget in and MoreNblsPending cleared, in one reused object'],
      ['throttle', 'counts NBLs over several indications of one DPC and reports more than the budget (INT-12)'],
    ],
    [
      'More pending: the DPC again, later, without a context',
      ['throttle', 'repeats the DPC in a later turn of the event loop, never in a microtask, with a null context'],
    ],
    ['A field of one bit', ['throttle', 'counts only bit 0 of MoreNblsPending, a one-bit field (trap 29)']],
    [
      'Without a budget there is no repeat',
      ['throttle', 'with NDIS_INDICATE_ALL_NBLS never repeats and reports MoreNblsPending (trap 30)'],
    ],
  ]),
  section('1.13', 'Synchronizing with the ISR', [
    [
      'Once, at DIRQL, its result handed through',
      ['synchronize', 'calls the function once, at DIRQL, with its context, and returns its boolean (trap 46)'],
    ],
    [
      'Excludes one message, or all with MsiSyncWithAllMessages',
      ['synchronize', 'holds back the ISR of its own message only (trap 45)'],
      ['synchronize', 'holds back every ISR with MsiSyncWithAllMessages'],
    ],
    [
      'From the ISR itself it is a deadlock',
      ['synchronize', 'refuses to be called from the message’s own ISR, a deadlock on Windows (trap 47)'],
    ],
    [
      'The message does not matter for a line',
      ['synchronize', 'ignores MessageId for a line and refuses a wrong one for messages'],
    ],
  ]),
  section('1.14', 'Diagnostic disable and enable', [
    [
      'On request only, at DIRQL',
      ['diagnose', 'are called at DIRQL, only on request, and the counters show it'],
      ['diagnose', 'are not part of pause, restart, reset, DPC or halt (trap 38)'],
    ],
    [
      'Exclude the ISR, and match the grant',
      ['diagnose', 'exclude the ISR of the message while they run'],
      ['diagnose', 'match the grant: the line pair for a line, the message pair for messages'],
    ],
  ]),
  section('1.16', 'The MSI-X table', [
    [
      'After a remap the ISR is given the message, not the entry',
      ['msix', 'gives the ISR the message number after a remap, not the table entry (trap 11)'],
    ],
    [
      'Under a mask one event is kept',
      ['msix', 'holds back any number of events and delivers exactly one on unmask (trap 42)'],
    ],
    ['Mask and unmask at any level', ['msix', 'may be called in the ISR to mask, and in the DPC to unmask']],
    ['From Initialize to the end of Halt', ['msix', 'is legal from Initialize until Halt has returned, and not after']],
    [
      'Surplus entries raise message 0',
      ['register', 'keeps within the message limit, surplus table entries raising message 0 (trap 12)'],
    ],
    [
      'Wrong members: INVALID_PARAMETER',
      ['msix', 'refuses members out of range, a short header and a device without MSI-X'],
    ],
  ]),
  section('1.17', 'Resources and PnP handlers', [
    [
      'Memory in BAR order, a descriptor per MSI-X message',
      ['initialize', 'gets its BARs in order and one interrupt descriptor per MSI-X message (trap 15)'],
    ],
    [
      'One descriptor with a count for MSI, a level-sensitive one for a line',
      ['initialize', 'gets one descriptor with a count for MSI, rounded down to a power of two'],
      ['initialize', 'gets a level-sensitive descriptor for a line, whose flag is 0 (trap 7)'],
    ],
    [
      'Optional handlers are set inside MiniportSetOptions',
      ['pnp', 'belongs into MiniportSetOptions; elsewhere it is FAILURE'],
    ],
    [
      'Added once, filtered before every initialization, all in Halted',
      ['pnp', 'runs once, at PASSIVE_LEVEL in Halted, before the filter, which runs before every initialization'],
    ],
    [
      'The add-device context comes back in Initialize',
      ['pnp', 'gives the context that MiniportInitializeEx finds in its parameters'],
    ],
    [
      'A device that is not added is not initialized',
      ['pnp', 'that fails, or sets no attributes, keeps the adapter from being initialized'],
    ],
    [
      'Removed after the last halt',
      ['pnp', 'follows the halt of a surprise removal'],
      ['pnp', 'runs once, at PASSIVE_LEVEL in Halted, before the filter, which runs before every initialization'],
    ],
    [
      'Messages carry the token; the line is their alternative',
      ['pnp', 'sees memory, a descriptor per MSI-X message with the token, and the line as an alternative'],
      ['pnp', 'sees one descriptor for all MSI messages, from the token downwards'],
    ],
    [
      'Removing and adding message descriptors changes the grant',
      ['pnp', 'that removes message descriptors gets so many messages fewer'],
      ['pnp', 'that adds message descriptors gets more messages than the table has entries'],
    ],
    [
      'A filter may put another list in place, and one that fails changes nothing',
      ['pnp', 'may put a list of its own in the place of the given one'],
      ['pnp', 'that fails leaves the list of the bus driver in force'],
    ],
    [
      'No messages left: the line, if it is no alternative any more',
      [
        'pnp',
        'that removes all messages and keeps the line as no alternative gets the line, also without MSI handlers',
      ],
      ['pnp', 'that removes all messages and leaves the line an alternative gets no interrupt at all'],
    ],
    [
      'Message number is the position; affinity counts with its flag',
      ['pnp', 'aims a message at processors, by position in the list, when it includes the policy'],
    ],
    [
      'Memory is not the filter’s business',
      ['pnp', 'may not change memory: that is reported, and the BARs are as they were'],
    ],
    [
      'Started with what was assigned',
      ['pnp', 'sees the resources after the filter, and its failure keeps the device from starting'],
    ],
  ]),
  section('1.18', 'Interrupt moderation', [
    ['Query says what is so', ['moderation', 'says Enabled or Disabled, as it is, under a header of its own']],
    [
      'Only on and off can be set',
      ['moderation', 'turns moderation off and on'],
      ['moderation', 'set to %i is INVALID_DATA'],
    ],
  ]),
  section('1.19', 'Levels of the services', [
    [
      'Counters, lists, time and mapped memory at any level',
      ['lists', 'count in a LONG, give the new value, and wrap'],
      ['system', 'NdisGetSystemUpTimeEx counts milliseconds and never goes back, at any IRQL'],
      ['system', 'writes words and then single bytes, at any IRQL'],
    ],
    ['One lock belongs to one level', ['lists', 'take no lock that is held, or used at both DIRQL and below']],
    [
      'Spin locks, events, work items and memory stop at DISPATCH_LEVEL',
      ['spinLock', 'at DIRQL, or of a lock NdisAllocateSpinLock has not seen, is refused'],
      ['event', 'belongs at PASSIVE_LEVEL; setting and resetting end at DISPATCH_LEVEL'],
      ['workItem', 'may not be called at DIRQL, nor may items be made or freed there'],
      ['pool', 'may not be called at DIRQL'],
    ],
    [
      'Indicating ends at DISPATCH_LEVEL',
      ['receive', 'is refused at DIRQL, and for a handle that is none'],
      ['status', 'is dropped and reported after halt, and refused at DIRQL'],
    ],
    [
      'Sleeping belongs at PASSIVE_LEVEL',
      ['timer', 'NdisMSleep sleeps at least as long as asked and is refused in a DPC'],
    ],
  ]),
  section('2.1', 'Driver registration', [
    ['Entry points are copied', ['driver', 'copies the characteristics: the entry points are fixed from then on']],
    [
      'MiniportSetOptions runs inside',
      ['driver', 'calls MiniportSetOptions inside, at PASSIVE_LEVEL, and fails with its status'],
    ],
    ['Unloaded after the last halt', ['driver', 'unloads only after every adapter is halted, and once']],
  ]),
  section('2.2', 'Initialize', [
    [
      'Ends in Paused',
      ['initialize', 'leaves the adapter Paused, not Running (trap 48), with the attributes readable'],
    ],
    ['A failure leaves nothing', ['initialize', 'that throws leads to Halted with everything it claimed taken back']],
    [
      'NDIS’s own failure afterwards is a halt',
      ['initialize', 'that succeeds without attributes is halted with NdisHaltDeviceInitializationFailed'],
    ],
  ]),
  section('2.3', 'Attributes', [
    ['Registration first, general next', ['initialize', 'wants the registration attributes first']],
    ['A context there must be', ['initialize', 'wants a MiniportAdapterContext']],
    [
      'Offload attributes after the general ones',
      ['offload', 'come after the general attributes, in MiniportInitializeEx'],
    ],
    ['Add-device attributes in AddDevice only', ['pnp', 'is the only place for add-device registration attributes']],
  ]),
  section('2.4', 'States', [
    [
      'The table is the whole truth',
      ['states', 'allow exactly the transitions of the table; every other one names both states'],
    ],
    [
      'Halt from Paused only; Shutdown for good',
      ['states', 'refuse a halt from anything but Paused (trap 50)'],
      ['states', 'end for good in Shutdown: no halt follows and no ISR runs (trap 50)'],
    ],
    ['A reset changes no state', ['reset', 'may overlap a pause, and either may complete first (trap 52)']],
  ]),
  section('2.5', 'Restart and pause', [
    [
      'A pause cannot fail',
      ['pause', 'may only return SUCCESS or PENDING; anything else is a fault and the adapter is Paused'],
    ],
    [
      'Late completion',
      ['pause', 'that returns PENDING keeps the adapter Pausing until NdisMPauseComplete (trap 51)'],
      ['pause', 'that returns PENDING is completed by NdisMRestartComplete with its status'],
    ],
    [
      'A completion nobody waits for is a bug check',
      ['pause', 'completed after a synchronous SUCCESS, or when nothing is pending, is bug check 0x7C/0x1F'],
    ],
    [
      'New sends come back PAUSED',
      ['pause', 'has new sends rejected per NBL with NDIS_STATUS_PAUSED from its call on'],
    ],
    [
      'Everything indicated is back and every send complete',
      ['pause', 'that completes with frames still out is reported (INT-19)'],
      ['pause', 'that waits for its frames and sends completes when the last of them is back'],
    ],
    [
      'Indications may start with the restart',
      ['pause', 'may be indicating already when it is called; sends wait until it has completed (trap 49)'],
    ],
    ['Interrupts go on while Paused', ['states', 'keep interrupts coming while Paused (trap 43)']],
  ]),
  section('2.6', 'Halt', [
    [
      'With its action, and nothing left',
      ['halt', 'gets the halt action at PASSIVE_LEVEL, and nothing is left afterwards'],
    ],
    [
      'What was forgotten is named and taken back',
      ['halt', 'that forgets memory, DMA, timers and I/O spaces has them taken back and each one logged'],
      ['pool', 'not freed by MiniportHaltEx is reported with its tag, and taken back'],
      ['workItem', 'forgotten until MiniportHaltEx has returned is reported as a leak'],
    ],
    [
      'Never with an OID outstanding',
      ['halt', 'is never called with an OID request outstanding: a slow one is cancelled, a stuck one aborted'],
    ],
    ['No status indications afterwards', ['status', 'is dropped and reported after halt, and refused at DIRQL']],
  ]),
  section('2.7', 'Shutdown', [
    [
      'Power-off at PASSIVE_LEVEL, and nothing follows',
      ['shutdown', 'for a power-off runs at PASSIVE_LEVEL, and no halt or other callback follows'],
    ],
    [
      'A bug check at a high level, for those who asked',
      ['shutdown', 'for a bug check runs at a high IRQL, in a 6.30 driver that asked for it'],
      ['shutdown', 'for a bug check is not called in a 6.30 driver that did not ask for it'],
      ['shutdown', 'for a bug check is called in every driver before 6.30'],
    ],
    ['Returns at once during a halt', ['shutdown', 'returns at once while a halt is running']],
    ['Frees no shared memory', ['shutdown', 'may not free shared memory, which stays as it is']],
  ]),
  section('2.8', 'Hang check and reset', [
    ['TRUE is followed by a reset', ['reset', 'that returns TRUE is followed by a reset, and by events for the host']],
    [
      'A slow OID is a reason of its own',
      ['reset', 'is helped by NDIS, which resets when an OID request takes four periods'],
    ],
    ['Completed exactly once', ['reset', 'completed when none is pending is bug check 0x7C/0x0F']],
    [
      'AddressingReset: filter, list and encapsulation again',
      ['reset', 'with AddressingReset has the packet filter and the multicast list sent again'],
      ['offload', 'is sent again after a reset that asks for the addresses'],
    ],
    [
      'A device given up is halted as failed',
      ['halt', 'follows NdisMRemoveMiniport with NdisHaltDeviceFailed, and the host is told last'],
    ],
  ]),
  section('2.9', 'PnP events and power', [
    [
      'Removal: notice, pause, halt',
      ['removal', 'notifies, pauses and halts with NdisHaltDeviceSurpriseRemoved, in this order (trap 53)'],
    ],
    [
      'Sends and OIDs are NOT_ACCEPTED then',
      ['removal', 'answers sends and OIDs with NDIS_STATUS_NOT_ACCEPTED from the notice on'],
    ],
    [
      'The power profile after initialization and after D0',
      ['power', 'follows the initialization and every way back to D0, and says battery or mains'],
    ],
    [
      'Sleep is a halt, unless the driver says otherwise',
      ['power', 'is paused and halted with PoweredDown, and initialized and restarted for D0'],
    ],
    [
      'Query, pause, set; the interrupt stays',
      ['power', 'follows OID_PNP_QUERY_POWER and a pause, and keeps the interrupt'],
    ],
    [
      'No pause with NO_PAUSE_ON_SUSPEND, and no restart then',
      ['power', 'reaches a Running miniport with NO_PAUSE_ON_SUSPEND, and no restart follows'],
    ],
    [
      'Sends in low power are LOW_POWER_STATE',
      ['power', 'answers sends LOW_POWER_STATE until D0, and no other OID reaches the miniport'],
    ],
    [
      'Low power must succeed',
      ['power', 'to low power must succeed: a refusal is reported, and the power goes all the same'],
    ],
    ['A device that does not come up has failed', ['power', 'refused for D0 ends in a halt with DeviceFailed']],
  ]),
  section('2.10', 'Status and link', [
    ['Once per change', ['status', 'passes a link change to host and protocols once per change, not its repetition']],
    ['The buffer is the driver’s again', ['status', 'takes a copy, as the buffer is the miniport’s again afterwards']],
    [
      'A buffer that does not fit its code is a bug check',
      ['status', 'with %s for a link state is bug check 0x7C/0x20'],
      [
        'offload',
        'change with NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG, which carries an NDIS_OFFLOAD or is bug check 0x7C/0x20',
      ],
    ],
    ['Allowed in Initialize after the attributes', ['status', 'is legal in MiniportInitializeEx after the attributes']],
  ]),
  section('2.11', 'Serialization', [
    ['One operation at a time', ['states', 'refuse a second operation while one is under way']],
    ['One OID at a time, in order', ['oid', 'is called at PASSIVE_LEVEL, one request at a time, in order']],
    [
      'Return may nest in indicate, complete in send',
      ['receive', 'lets the protocol return inside the call: counted before it is handed on (trap 59)'],
      ['send', 'may be called inside MiniportSendNetBufferLists, in any order and split'],
    ],
  ]),
  section('3.1', 'Send', [
    [
      'Every NBL comes back with its own status',
      ['send', 'gives every NBL back to its protocol, at DISPATCH_LEVEL, with its own status (trap 62)'],
    ],
    [
      'Exactly once',
      ['send', 'is a fault for an NBL completed twice'],
      ['send', 'reports an NBL whose Status was not set'],
    ],
    [
      'In any order, chains merged and split',
      ['send', 'routes a chain mixed from several protocols by who sent each NBL'],
    ],
    [
      'Cancelled by id: SEND_ABORTED',
      ['send', 'completes cancelled sends with SEND_ABORTED after MiniportCancelSend got the protocol’s id'],
    ],
  ]),
  section('3.2', 'Receive', [
    [
      'Protocols own what is indicated until they return it, in any order',
      ['receive', 'hands the chain as it is to the one protocol, at DISPATCH_LEVEL, and counts it as out'],
      ['receive', 'takes returns in any order, mixed from several indications (trap 61)'],
    ],
    [
      'With RESOURCES the NBLs are back at once, without a return',
      ['receive', 'with RESOURCES gives the NBLs back as it returns and never calls Return (trap 60)'],
    ],
    ['The number told is the number of the chain', ['receive', 'is a fault with a NumberOfNetBufferLists that is %s']],
    [
      'Nothing while the packet filter is 0',
      ['receive', 'returns them at once while the packet filter is 0, as it is after initialization (trap 48)'],
    ],
  ]),
  section('3.3', 'Buffers', [
    [
      'A view where bytes lie in one piece and aligned, else a copy',
      ['buffer', 'gives a view where the bytes lie in one piece'],
      ['buffer', 'copies to Storage what lies in several pieces, and gives null without Storage'],
      ['buffer', 'copies what is not aligned as asked'],
      ['buffer', 'gives null when the frame is shorter'],
    ],
    [
      'The data start moves over MDLs, and grows one where there is no room',
      ['buffer', 'moves forward over MDLs and back again'],
      ['buffer', 'moves into a new MDL where there is no room in front, which Advance releases'],
    ],
    [
      'Data starts of a whole NBL',
      ['clone', 'moves every NET_BUFFER, and NdisAdvanceNetBufferListDataStart moves them back'],
      ['clone', 'that fails for one NET_BUFFER undoes those before it, and is FAILURE without any'],
    ],
    [
      'Pools',
      ['buffer', 'give an NBL with a NET_BUFFER only with fAllocateNetBuffer and DataSize 0'],
      ['buffer', 'freed with NBLs out are reported (bug check 0x7C/0x27)'],
    ],
    [
      'Clones describe and do not copy',
      ['clone', 'with flags %i describes the same bytes, copying none'],
      ['clone', 'frees a clone once, with its flags, and leaves the original whole'],
    ],
  ]),
  section('3.4', 'Memory and DMA', [
    [
      'Shared memory in Initialize only; failure is a null address',
      ['memory', 'is for MiniportInitializeEx only (trap 65)'],
      ['memory', 'reports failure by a null address only, as there is no status (trap 65)'],
    ],
    [
      'Later on: asynchronously',
      ['memory', 'answers in a later turn with memory that is freed like any other'],
      ['memory', 'answers with null when there is no memory, and allocates nothing after halt'],
    ],
    [
      'Freed whole, once, as allocated',
      ['memory', 'twice is bug check 0x7C/0x03'],
      ['memory', 'with other arguments than the allocation is a fault and frees nothing'],
    ],
    [
      'Scatter-gather lists start with CurrentMdl',
      ['sg', 'gives the bus address of shared memory directly, from the start of CurrentMdl (trap 64)'],
      ['sg', 'calls MiniportProcessSGList before it returns, at DISPATCH_LEVEL, with its context'],
    ],
    [
      'I/O spaces are parts of assigned memory, mapped in Initialize',
      ['io', 'answers RESOURCE_CONFLICT for what was not assigned'],
      ['io', 'is for MiniportInitializeEx only'],
    ],
    ['Configuration space', ['io', 'reads configuration space and nothing else']],
    [
      'Memory with tags',
      ['pool', 'gives as many bytes as asked for, up to DISPATCH_LEVEL, and each block is its own'],
      ['pool', 'of a block that was freed, or is part of one, is refused'],
    ],
  ]),
  section('3.6', 'RSS', [
    [
      'Only a set reaches the miniport, and only one with capabilities',
      ['rss', 'reaches a miniport with RSS capabilities with a set only; NDIS answers the query from the last one'],
      ['rss', 'is not sent to a miniport without them, whose capabilities are NOT_SUPPORTED'],
    ],
    [
      'Lengths and values are checked',
      ['rss', 'shorter than its structure, or than the table or key it names, is INVALID_LENGTH with BytesNeeded'],
      ['rss', 'with %s is INVALID_DATA'],
    ],
    ['At most 128 entries', ['rss', 'with more than 128 entries is INVALID_DATA, with 128 it is not']],
    ['Disabling ignores the rest', ['rss', 'that disables RSS, by flag or by hash function 0, is checked no further']],
    [
      '"Unchanged" is a hint',
      [
        'rss',
        'that leaves table or key out, being unchanged, leaves them as they were; given ones count in spite of the hint',
      ],
    ],
    [
      'RSS and the receive hash exclude each other',
      ['rss', 'excludes OID_GEN_RECEIVE_HASH, and is excluded by it, while one is on'],
    ],
    [
      'The hash is the published one',
      ['hash', 'of %s:%i from %s:%i is as published'],
      ['hash', 'of [%s]:%i from [%s]:%i is as published'],
    ],
    ['The low bits choose the entry', ['hash', 'chooses an entry of the table by its low bits']],
    [
      'The most specific type; fragments by address',
      ['hash', 'gets the most specific type that is enabled, and none when none is'],
      ['hash', 'that is a fragment gets the hash of its addresses, or none without an IP type'],
    ],
    ['Unclassifiable frames have no hash', ['hash', 'that is neither IPv4 nor IPv6, or cut short, gets no hash']],
    ['Out-of-band data', ['rss', 'keeps value, type and function apart']],
  ]),
  section('3.7', 'Checksum offload', [
    [
      'What a send asks for',
      ['offload', 'of a send is what the protocol asks for, in the bits of the union'],
      ['offload', 'of a send that is neither IPv4 nor IPv6 asks for nothing'],
    ],
    ['Good, bad, or nothing', ['offload', 'of a received frame says good, bad or nothing, never good and bad']],
    [
      'Encapsulations',
      ['offload', 'for an encapsulation the miniport lacks is INVALID_PARAMETER, unless it is switched off'],
      ['offload', 'is NOT_SUPPORTED by a miniport without any offload'],
    ],
    [
      'Parameters',
      ['offload', 'with %s of %i is INVALID_DATA'],
      ['offload', 'leaves a setting with NO_CHANGE and sets both directions otherwise'],
    ],
    [
      'A change is indicated',
      [
        'offload',
        'change with NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG, which carries an NDIS_OFFLOAD or is bug check 0x7C/0x20',
      ],
    ],
  ]),
  section('3.8', 'The OID path', [
    [
      'One at a time, completed once, never with PENDING',
      ['oid', 'is called at PASSIVE_LEVEL, one request at a time, in order'],
      ['oid', 'completed with PENDING, twice, or after a synchronous status is bug check 0x7C/0x26'],
    ],
    ['Never more bytes than the buffer has', ['oid', 'that writes more than the buffer holds is bug check 0x7C/0x1D']],
    [
      'Cancelling',
      ['cancelOid', 'is called at DISPATCH_LEVEL with the RequestId and ends the pending request with REQUEST_ABORTED'],
      ['cancelOid', 'is not called for a request that still waits for its turn, which is answered REQUEST_ABORTED'],
      ['cancelOid', 'is not called for an id nobody carries'],
      ['cancelOid', 'may leave the request alone, which then completes normally'],
    ],
    ['Short buffers', ['oid', 'is told apart from a buffer that is too short, with BytesNeeded']],
  ]),
  section('3.9', 'Which OIDs', [
    [
      'Answered by NDIS, not asked of the miniport',
      ['mandatory', '%s is answered by NDIS and the miniport is not asked'],
      ['mandatory', '%s in a buffer one byte short is BUFFER_TOO_SHORT with BytesNeeded and no byte'],
      ['mandatory', '%s cannot be set, and the set does not reach the miniport'],
    ],
    [
      'Speed, connect and duplex state follow the link',
      ['mandatory', 'follow the link: speed, connect and duplex state are those of the last indication'],
    ],
    ['Asked of the miniport', ['mandatory', '%s is asked of the miniport, with the buffer as it is']],
    [
      'Both chips answer every mandatory query and set',
      ['intelOids', '%s is listed, answered, and says how many bytes it wrote'],
      ['intelOids', '%s with no room is INVALID_LENGTH and says how much it needs'],
      ['intelOids', '%s is listed, and one byte short is INVALID_LENGTH with BytesNeeded and nothing read'],
    ],
    [
      'Unknown filter bits',
      ['intelOids', 'of an unknown packet filter bit is NOT_SUPPORTED and leaves the filter, a known one replaces it'],
    ],
    [
      'The multicast list',
      ['oid', 'gets the union of the multicast lists without duplicates, and never more than MaxMulticastListSize'],
    ],
  ]),
  section('3.10', 'Statistics', [
    ['Every counter, whole in 8 bytes', ['counters', '%s is %s of OID_GEN_STATISTICS, whole in 8 bytes']],
    [
      '4 to 7 bytes: the low half',
      ['counters', 'in a buffer of %i bytes is its low 32 bits and SUCCESS, with 8 as BytesNeeded'],
    ],
    ['Fewer than 4: nothing', ['counters', 'in a buffer of %i bytes is INVALID_LENGTH, 8 needed, nothing written']],
    [
      'What the miniport counts itself',
      ['intelOids', 'of frames counted by the miniport itself gives the low half to 4 bytes, and asks for 8'],
    ],
  ]),
  section('S', 'Services', [
    [
      'Timers',
      ['timer', 'fires once at DISPATCH_LEVEL with the context given, or the timer’s own'],
      ['timer', 'fires periodically until it is cancelled'],
    ],
    [
      'Spin locks',
      ['spinLock', 'raises to DISPATCH_LEVEL, and NdisReleaseSpinLock goes back to where it was'],
      ['spinLock', 'of a lock that is held is refused, as it would never return'],
      ['spinLock', 'belongs at DISPATCH_LEVEL and nowhere else, and leaves the IRQL alone'],
    ],
    [
      'Lists and counters',
      ['lists', 'give the first and the last as they were before an entry came, null when there was none'],
      ['lists', 'with a sequenced head are last in, first out, and know their depth'],
    ],
    [
      'Events',
      ['event', 'lets all who wait go on when the event is set'],
      ['event', 'gives FALSE when the time is over, and is forgotten then'],
    ],
    [
      'Work items',
      ['workItem', 'called at DISPATCH_LEVEL runs the routine at PASSIVE_LEVEL, in a later turn of the event loop'],
      ['workItem', 'of an item that is queued is a fault'],
    ],
    ['Keywords', ['configuration', 'reads keywords without regard to case, as integers or text']],
    ['Processors', ['system', 'are those DPCs can be queued on, in one group']],
  ]),
];
