/**
 * THE list: NDISTest's LAN tests by name, what each checks, and for each chip `pass` or why it does not apply.
 * Layer: test. Names: Windows Hardware Lab Kit and HCK test reference, NDISTest 6.0 and 6.5; the last ones are from the
 * older list of Windows CE. Invariant: nothing is left out silently; a reason that can be looked up is looked up.
 */
import { never, ON_BOTH, type Row } from './row.ts';
import {
  addressChange,
  configCheck,
  genericRequirements,
  glitchFree,
  interruptModeration,
  noFlowControl,
  noOffload,
  noPower,
  noPriority,
  noRss,
  standardizedKeywords,
  stats,
} from './rows-adapter.ts';
import {
  invalidPackets,
  loopback,
  multicast,
  packetFilters,
  shortPackets,
  singleEtherType,
  vlan,
} from './rows-frames.ts';
import { cancelSend, linkCheck, openClose, plugAndPlay, reset } from './rows-life.ts';
import { faultHandling, oids64, oidsNdisRequest, performanceSend, send } from './rows-one-card.ts';
import { connectivity, endToEnd, performance, ping, sendReceiveReply, stress } from './rows-two-card.ts';

const NO_RSS = 'the miniports use one receive queue and declare no receive side scaling';
const NO_OFFLOAD = 'the miniports declare no task offload: checksums and segmentation stay with the stack above';
const NO_POWER = 'a function under vfio-pci belongs to a process; sleep states and wake-up are the kernel’s to decide';
const NO_IOCTL = 'there is no device object in user space: every OID comes through NdisOidRequest, see OidsNdisRequest';
const SIMULATED_TIME = 'rates in simulated time say nothing about a machine';

export const CONFORMANCE: readonly Row[] = [
  {
    name: '1c_FaultHandling',
    checks:
      'in eight loops, with each resource call failing in turn, the driver fails to load without harm and loads afterwards',
    applies: ON_BOTH,
    run: faultHandling,
  },
  {
    name: '1c_64BitOIDs',
    checks: 'statistics OIDs answer buffers of 0, 4 and 8 bytes with the right status, length and half of the counter',
    applies: ON_BOTH,
    run: oids64,
  },
  {
    name: '1c_Mini6Send',
    checks: 'lists of every size, cut into pieces and chained, are sent octet for octet and completed once',
    applies: ON_BOTH,
    run: send,
  },
  {
    name: '1c_Mini6PerfSend',
    checks: 'a run of sends of each size is carried without loss, and how fast',
    applies: ON_BOTH,
    run: performanceSend,
  },
  {
    name: '1c_Mini6RSSOids',
    checks: 'valid RSS parameters are accepted, invalid ones rejected with the old ones kept',
    applies: never(NO_RSS),
    premise: noRss,
  },
  {
    name: '1c_OidsNdisRequest',
    checks: 'every mandatory OID is answered, and bad buffers and values are refused without changing anything',
    applies: ON_BOTH,
    run: oidsNdisRequest,
  },
  { name: '1c_OidsDeviceIoControl', checks: 'OIDs answer through the device object', applies: never(NO_IOCTL) },
  { name: '1c_IOCTLCoverage', checks: 'I/O controls with bad buffers do no harm', applies: never(NO_IOCTL) },
  {
    name: '1c_OidsWMI',
    checks: 'OIDs answer through WMI',
    applies: never('there is no WMI outside Windows; `ndis-vfio status` shows the counters'),
  },
  {
    name: '2c_Ping',
    checks: 'each request is answered before the next, in both roles',
    applies: ON_BOTH,
    run: ping,
  },
  {
    name: '2c_Mini6SendRecvReply',
    checks: 'chains of frames come back as replies sent from the receive handler, in order, every send completed',
    applies: ON_BOTH,
    run: sendReceiveReply,
  },
  {
    name: '2c_Mini6Stress',
    checks: 'random chains both ways, held lists, cut frames and OID requests at once lose and reorder nothing',
    applies: ON_BOTH,
    run: stress,
    limitMs: 900_000,
  },
  {
    name: '2c_Mini6Performance',
    checks: 'traffic both ways at once at three sizes arrives complete and in order, and how fast',
    applies: ON_BOTH,
    run: performance,
  },
  {
    name: '2c_Mini6RSSSendRecv',
    checks: 'flows are received on the processor their hash names',
    applies: never(NO_RSS),
    premise: noRss,
  },
  {
    name: '2c_Priority',
    checks: 'priority in the out-of-band data becomes an 802.1p tag',
    applies: never('the miniports declare no 802.1p tagging; tagged frames pass as they are, see VlanSendRecv'),
    premise: noPriority,
  },
  {
    name: 'CheckConnectivity',
    checks: 'directed and broadcast frames of random size arrive unchanged in both directions',
    applies: ON_BOTH,
    run: connectivity,
  },
  {
    name: 'Reset',
    checks: 'resets under load complete or cancel every send and restore packet filter and multicast list',
    applies: ON_BOTH,
    run: reset,
  },
  {
    name: 'Stats',
    checks: 'all counters are exact, and the discards for lack of buffers are the frames that were really dropped',
    applies: ON_BOTH,
    run: stats,
  },
  {
    name: 'InterruptModeration',
    checks: 'the OID turns moderation on and off, interrupts fall when it is on, and it survives a reset',
    applies: ON_BOTH,
    run: interruptModeration,
  },
  {
    name: 'LinkCheck',
    checks: 'short and long losses of the link are told once each way, and the driver loads in time without a cable',
    applies: ON_BOTH,
    needs: 'cable',
    run: linkCheck,
  },
  {
    name: 'AddressChange',
    checks: 'a valid NetworkAddress becomes the station address, an invalid one is ignored',
    applies: ON_BOTH,
    run: addressChange,
  },
  {
    name: 'TxFlowControl',
    checks: 'a PAUSE frame stops transmission for its quanta and a zero quantum resumes it',
    applies: never('the miniports turn flow control off and declare NdisPauseFunctionsUnsupported'),
    premise: noFlowControl,
  },
  {
    name: 'OffloadChecksum',
    checks: 'checksums are inserted and verified by the hardware',
    applies: never(NO_OFFLOAD),
    premise: noOffload,
  },
  {
    name: 'OffloadLSO',
    checks: 'large sends are cut by the hardware',
    applies: never(NO_OFFLOAD),
    premise: noOffload,
  },
  {
    name: 'OffloadMisc',
    checks: 'offload settings persist over a reload',
    applies: never(NO_OFFLOAD),
    premise: noOffload,
  },
  {
    name: 'OffloadParity',
    checks: 'offloads are the same for IPv4 and IPv6',
    applies: never(NO_OFFLOAD),
    premise: noOffload,
  },
  {
    name: 'InvalidPackets',
    checks: 'oversized and damaged frames are counted, not indicated, and sends that are no frames are refused',
    applies: ON_BOTH,
    run: invalidPackets,
  },
  {
    name: 'ShortPackets',
    checks: 'frames below the minimum are padded with zeros, whatever their length',
    applies: ON_BOTH,
    run: shortPackets,
  },
  {
    name: 'MultiCast',
    checks: 'lists of each length let their groups in and others out, and one that is too long changes nothing',
    applies: ON_BOTH,
    run: multicast,
  },
  {
    name: 'PacketFilters',
    checks: 'each packet filter lets in exactly its kinds of destination',
    applies: ON_BOTH,
    run: packetFilters,
  },
  {
    name: 'VlanSendRecv',
    checks: 'tagged frames up to 1518 bytes pass both ways with their tag untouched',
    applies: ON_BOTH,
    run: vlan,
  },
  {
    name: 'SingleEtherType',
    checks: 'an indication that claims a single EtherType holds no other',
    applies: ON_BOTH,
    run: singleEtherType,
  },
  {
    name: 'GenericMiniportRequirements',
    checks: 'version, attributes, filters, list of OIDs, address and link are what an Ethernet miniport must declare',
    applies: ON_BOTH,
    run: genericRequirements,
  },
  {
    name: 'StandardizedKeywords',
    checks: 'registry keywords take effect, and values out of range or of the wrong type give the default',
    applies: ON_BOTH,
    run: standardizedKeywords,
  },
  {
    name: 'ConfigCheck',
    checks: 'attributes and OIDs agree, and the configuration header is the same before loading and after unloading',
    applies: ON_BOTH,
    run: configCheck,
  },
  {
    name: 'PM_PowerStateTransition',
    checks: 'the adapter survives going to D3 and back',
    applies: never(NO_POWER),
    premise: noPower,
  },
  {
    name: 'PM_WolMagicPacket',
    checks: 'a magic packet wakes the machine',
    applies: never(NO_POWER),
    premise: noPower,
  },
  { name: 'PM_WolPattern', checks: 'a pattern wakes the machine', applies: never(NO_POWER), premise: noPower },
  { name: 'SelectiveSuspend', checks: 'an idle adapter powers down', applies: never(NO_POWER), premise: noPower },
  {
    name: 'KeepAlive',
    checks: 'protocol offloads answer while the machine sleeps',
    applies: never(NO_POWER),
    premise: noPower,
  },
  {
    name: 'E2EPerf',
    checks: 'full frames both ways: share of the link speed, interrupts per second and frames per interrupt',
    applies: ON_BOTH,
    notOn: { simulated: SIMULATED_TIME },
    run: endToEnd,
  },
  {
    name: 'GlitchFreeDevice',
    checks: 'a DPC handles no more frames than NDIS allows it: 10, 100, 1000',
    applies: ON_BOTH,
    run: glitchFree,
  },
  {
    name: 'VMQPnpTest',
    checks:
      'disabling, enabling and surprise removal under load bring every send back (without virtual machine queues)',
    applies: ON_BOTH,
    run: plugAndPlay,
  },
  {
    name: 'OpenClose',
    checks: 'protocols come and go under load and get nothing that is not theirs',
    applies: ON_BOTH,
    run: openClose,
  },
  {
    name: 'LoopbackSend',
    checks: 'a miniport that declares no loopback does not indicate what it sends',
    applies: ON_BOTH,
    run: loopback,
  },
  {
    name: 'CancelSend',
    checks: 'cancelled sends come back as aborted or sent, once, and only what was sent is on the wire',
    applies: ON_BOTH,
    run: cancelSend,
  },
  {
    name: 'SuspendResume',
    checks: 'traffic goes on after suspend and resume',
    applies: never(NO_POWER),
    premise: noPower,
  },
];
