/**
 * A miniport for the Intel 82574L in one file, to be read from top to bottom beside docs/porting.md.
 * One receive and one transmit ring of 256 descriptors, MSI-X with one message or two (receive, other). Frames to send
 * are copied into buffers of the adapter, so a send completes at once; a full ring refuses it. No check-for-hang, reset,
 * offloads, jumbo frames, multicast list. Sections are those of the 82574 data sheet.
 * Invariants: a receive buffer is in one place at a time; after MiniportInitializeEx no frame allocates anything.
 */
import * as N from 'ndis-vfio/ndis';

export const HardwareIds = ['PCI\\VEN_8086&DEV_10D3'];

// Registers (chapter 10.2).
const [CTRL, STATUS, CTRL_EXT, MDIC, EXTCNF_CTRL] = [0x0, 0x8, 0x18, 0x20, 0xf00];
const [ICR, IMS, IMC, EIAC, IAM, IVAR] = [0xc0, 0xd0, 0xd8, 0xdc, 0xe0, 0xe4]; // 10.2.4
const [RCTL, RDBAL, RDBAH, RDLEN, RDH, RDT, RXDCTL] = [0x100, 0x2800, 0x2804, 0x2808, 0x2810, 0x2818, 0x2828]; // 10.2.5
const [RXCSUM, RFCTL, MTA, RAL, RAH, MRQC] = [0x5000, 0x5008, 0x5200, 0x5400, 0x5404, 0x5818];
const [TCTL, TDBAL, TDBAH, TDLEN, TDH, TDT, TXDCTL] = [0x400, 0x3800, 0x3804, 0x3808, 0x3810, 0x3818, 0x3828]; // 10.2.6
const [CTRL_MASTER_DISABLE, CTRL_SLU, CTRL_RST, STATUS_MASTER_ENABLE] = [1 << 2, 1 << 6, 1 << 26, 1 << 19];
const [RCTL_EN, RCTL_UPE, RCTL_MPE, RCTL_BAM, RCTL_SECRC] = [1 << 1, 1 << 3, 1 << 4, 1 << 15, 1 << 26];
const TCTL_VALUE = (1 << 3) | (15 << 4) | (63 << 12) | (1 << 24); // PSP, CT, COLD, RTLC
const TCTL_EN = 1 << 1;
const [LSC, RXQ0, OTHER] = [1 << 2, 1 << 20, 1 << 24]; // ICR and its mask registers with MSI-X
const OTHER_CAUSES = LSC | (1 << 6) | (1 << 9) | (1 << 16) | (1 << 17) | (1 << 18) | OTHER; // all that raise OTHER
const [RX_DD, RX_EOP, RX_ERRORS] = [1, 2, 0x9700_0000]; // extended receive write-back, word 2 (3.2.4)
const TX_DATA = (1 << 20) | (1 << 25) | (1 << 29); // DTYP, IFCS, DEXT of a data descriptor, word 2 (3.3.7)
const [TX_EOP, TX_RS, TX_DD] = [1 << 24, 1 << 27, 1];

const [COUNT, MASK, SLOT, RING_BYTES] = [256, 255, 2048, 4096];
const [MTU, MIN_FRAME, MAX_FRAME] = [1500, 60, 1514];
const FILTERS =
  N.NDIS_PACKET_TYPE_DIRECTED | N.NDIS_PACKET_TYPE_BROADCAST | N.NDIS_PACKET_TYPE_ALL_MULTICAST | N.NDIS_PACKET_TYPE_PROMISCUOUS;
const OIDS = [N.OID_GEN_CURRENT_PACKET_FILTER, N.OID_GEN_STATISTICS, N.OID_GEN_XMIT_OK, N.OID_GEN_RCV_OK];
const OK = N.NDIS_STATUS_SUCCESS;
const header = (Type, Revision, Size) => ({ Type, Revision, Size });

class Adapter {
  undo = []; // how to give back what was taken, newest last
  running = false;
  armed = 0; // bit per message: the device may send it
  diagnosed = 0; // bit per message: masked by MiniportDisableMessageInterrupt
  filter = 0;
  link = -1; // STATUS.FD, LU and SPEED at the last indication
  rcvFrames = 0;
  rcvBytes = 0;
  rcvDiscards = 0;
  xmitFrames = 0;
  xmitBytes = 0;
  xmitDiscards = 0;
  slots = []; // receive buffers with their MDL, NBL and NET_BUFFER
  slotOf = new Int32Array(COUNT); // the slot behind each receive descriptor
  free = new Int32Array(COUNT);
  freeCount = 0;
  rxHead = 0; // next descriptor to look at
  rxTail = 0; // next to post
  posted = 0;
  outstanding = 0; // NBLs the protocols hold
  txHead = 0; // oldest frame the device may still read
  txTail = 0;

  constructor(handle) {
    this.handle = handle;
  }
  read(offset) {
    return N.NdisReadRegisterUlong(this.io, offset);
  }
  write(offset, value) {
    N.NdisWriteRegisterUlong(this.io, offset, value >>> 0);
  }
  modify(offset, remove, add) {
    this.write(offset, (this.read(offset) & ~remove) | add);
  }
  async wait(offset, mask, value, limitMs) {
    for (let ms = 0; (this.read(offset) & mask) >>> 0 !== value; ms++) {
      if (ms === limitMs) return false;
      await N.NdisMSleep(1000);
    }
    return true;
  }

  // ---- MiniportInitializeEx: attributes, registers, reset, memory, interrupt, device; on failure undo all ----------

  async initialize(parameters) {
    let status = N.NDIS_STATUS_FAILURE;
    try {
      status = await this.start(parameters);
    } finally {
      if (status !== OK) this.unwind();
    }
    return status;
  }

  async start(parameters) {
    const attributes = N.NDIS_MINIPORT_ATTRIBUTES_HARDWARE_DEVICE | N.NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER;
    const registration = { Header: header(N.NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES, 1, 32), MiniportAdapterContext: this, AttributeFlags: attributes, CheckForHangTimeInSeconds: 0, InterfaceType: 5 };
    let status = N.NdisMSetMiniportAttributes(this.handle, registration);
    if (status !== OK) return status;
    const bar = parameters.AllocatedResources.PartialDescriptors.find((d) => d.Type === N.CmResourceTypeMemory);
    if (bar === undefined) return N.NDIS_STATUS_RESOURCE_CONFLICT;
    const { Start, Length } = bar.u.Memory;
    const io = N.out(null);
    status = N.NdisMMapIoSpace(io, this.handle, Start, Length);
    if (status !== OK) return status;
    this.io = io.Value;
    this.undo.push(() => N.NdisMUnmapIoSpace(this.handle, io.Value, Length));
    if (!(await this.reset())) return N.NDIS_STATUS_FAILURE;
    const low = this.read(RAL); // the reset loads the address from the NVM (10.2.5.17)
    const high = this.read(RAH);
    this.mac = Uint8Array.of(low, low >>> 8, low >>> 16, low >>> 24, high, high >>> 8);
    const general = { ...N.ethernetGeneralAttributes(this.mac, MTU), SupportedPacketFilters: FILTERS, SupportedStatistics: 0x8259, SupportedOidList: OIDS };
    status = N.NdisMSetMiniportAttributes(this.handle, general);
    if (status !== OK) return status;
    if (!this.allocate()) {
      N.NdisWriteErrorLogEntry(this.handle, 0xc000_1389); // NDIS_ERROR_CODE_OUT_OF_RESOURCES
      return N.NDIS_STATUS_RESOURCES;
    }
    status = this.connect();
    if (status !== OK) return status;
    await this.program();
    this.arm(3);
    return OK;
  }

  /** Silence, master disable, CTRL.RST (4.6.3.2): no DMA and no interrupt afterwards. */
  async reset() {
    this.write(IMC, 0xffff_ffff);
    this.write(RCTL, 0);
    this.write(TCTL, TCTL_VALUE);
    this.modify(CTRL, 0, CTRL_MASTER_DISABLE);
    await this.wait(STATUS, STATUS_MASTER_ENABLE, 0, 80);
    this.modify(CTRL, 0, CTRL_RST);
    await N.NdisMSleep(10_000); // and the NVM is loaded (5.4)
    if (!(await this.wait(CTRL, CTRL_RST, 0, 100))) return false;
    this.write(IMC, 0xffff_ffff);
    this.read(ICR);
    return true;
  }

  block(bytes) {
    const [memory, iova] = [N.out(null), N.out(0)];
    N.NdisMAllocateSharedMemory(this.handle, bytes, true, memory, iova);
    if (memory.Value === null) return null;
    this.undo.push(() => N.NdisMFreeSharedMemory(this.handle, bytes, true, memory.Value, iova.Value));
    return { bytes: memory.Value, iova: iova.Value };
  }

  allocate() {
    const { handle, undo } = this;
    const dma = N.out(null);
    const description = {
      Header: header(N.NDIS_OBJECT_TYPE_SG_DMA_DESCRIPTION, 1, 40), Flags: N.NDIS_SG_DMA_64_BIT_ADDRESS,
      MaximumPhysicalMapping: SLOT, ProcessSGListHandler: () => {}, SharedMemAllocateCompleteHandler: null,
      ScatterGatherListSize: 0,
    };
    if (N.NdisMRegisterScatterGatherDma(handle, description, dma) !== OK) return false;
    undo.push(() => N.NdisMDeregisterScatterGatherDma(dma.Value));
    const rings = this.block(2 * RING_BYTES);
    const rx = rings && this.block(COUNT * SLOT);
    this.tx = rx && this.block(COUNT * SLOT);
    if (!this.tx) return false;
    this.ringIova = rings.iova;
    this.rxWords = new Uint32Array(rings.bytes.buffer, rings.bytes.byteOffset, COUNT * 4);
    this.txWords = new Uint32Array(rings.bytes.buffer, rings.bytes.byteOffset + RING_BYTES, COUNT * 4);
    const pool = N.NdisAllocateNetBufferListPool(handle, {
      Header: header(N.NDIS_OBJECT_TYPE_DEFAULT, 1, 20), ProtocolId: 0, fAllocateNetBuffer: true, ContextSize: 0,
      PoolTag: 0x34373538, DataSize: 0,
    });
    if (pool === null) return false;
    undo.push(() => N.NdisFreeNetBufferListPool(pool));
    for (let i = 0; i < COUNT; i++) {
      const mdl = N.NdisAllocateMdl(handle, rx.bytes.subarray(i * SLOT, (i + 1) * SLOT), SLOT);
      if (mdl === null) return false;
      undo.push(() => N.NdisFreeMdl(mdl));
      const nbl = N.NdisAllocateNetBufferAndNetBufferList(pool, 0, 0, mdl, 0, 0);
      if (nbl === null) return false;
      undo.push(() => N.NdisFreeNetBufferList(nbl));
      nbl.SourceHandle = handle;
      nbl.MiniportReserved = i;
      this.slots.push({ iova: rx.iova + i * SLOT, mdl, nbl, nb: nbl.FirstNetBuffer });
      this.free[this.freeCount++] = i;
    }
    return true;
  }

  connect() {
    const characteristics = {
      Header: header(N.NDIS_OBJECT_TYPE_MINIPORT_INTERRUPT, 1, 96), ...interruptHandlers, InterruptType: 0,
      MessageInfoTable: null,
    };
    const interrupt = N.out(null);
    const status = N.NdisMRegisterInterruptEx(this.handle, this, characteristics, interrupt); // the ISR may run inside
    if (status !== OK) return status;
    this.interrupt = interrupt.Value;
    this.undo.push(() => N.NdisMDeregisterInterruptEx(interrupt.Value));
    if (characteristics.InterruptType !== N.NDIS_CONNECT_MESSAGE_BASED) return N.NDIS_STATUS_RESOURCE_CONFLICT;
    if (this.tableEntry(0, N.NdisMSIXTableConfigUnmaskTableEntry) !== OK) return N.NDIS_STATUS_RESOURCE_CONFLICT; // no MSI-X
    this.otherMessage = characteristics.MessageInfoTable.MessageCount > 1 ? 1 : 0;
    this.causes = this.otherMessage === 1 ? [RXQ0, OTHER | LSC] : [RXQ0 | OTHER | LSC];
    return OK;
  }

  tableEntry(TableEntry, ConfigOperation) {
    const Header = header(N.NDIS_OBJECT_TYPE_DEFAULT, 1, 16);
    return N.NdisMConfigMSIXTableEntry(this.handle, { Header, ConfigOperation, TableEntry, MessageNumber: TableEntry });
  }

  /** A reset device becomes one that sends, and receives once restart() has posted buffers (4.6). */
  async program() {
    this.modify(CTRL_EXT, (1 << 23) | (1 << 24) | (1 << 27) | (1 << 31), 1 << 22); // no auto-mask, PBA_CLR 0
    this.write(IAM, 0);
    this.write(RFCTL, 0x90c0); // EXSTEN (extended descriptors), ACK_DIS, NFSW_DIS, NFSR_DIS (10.2.5.16)
    for (const offset of [RXCSUM, MRQC]) this.write(offset, 0);
    for (let i = 0; i < 128; i++) this.write(MTA + 4 * i, 0);
    this.write(IVAR, 0x8 | ((this.otherMessage | 0x8) << 16)); // 10.2.4.10: RXQ0 and OTHER, with their valid bits
    this.write(EIAC, RXQ0 | OTHER); // causes that end with their message (10.2.4.9)
    for (const [offset, value] of [[RDBAL, this.ringIova], [RDBAH, 0], [RDLEN, RING_BYTES], [RDH, 0], [RDT, 0]]) this.write(offset, value);
    this.write(RXDCTL, (1 << 24) | (1 << 16)); // GRAN, WTHRESH 1: write back at once
    const ring = this.ringIova + RING_BYTES;
    for (const [offset, value] of [[TDBAL, ring], [TDBAH, 0], [TDLEN, RING_BYTES], [TDH, 0], [TDT, 0]]) this.write(offset, value);
    for (const queue of [0, 0x100]) this.write(TXDCTL + queue, (1 << 24) | (1 << 22) | (1 << 16)); // bit 22: 4.6.6
    this.write(TCTL, TCTL_VALUE | TCTL_EN);
    this.applyFilter();
    this.modify(CTRL, (3 << 11) | CTRL_MASTER_DISABLE, CTRL_SLU); // the link follows the PHY
    this.modify(EXTCNF_CTRL, 0, 1 << 5); // own MDIO (10.2.2.14), then restart autonegotiation (MDIC, 10.2.2.7)
    await this.wait(EXTCNF_CTRL, 1 << 5, 1 << 5, 200);
    this.write(MDIC, (1 << 26) | (1 << 21) | 0x1200); // write, PHY 1, BMCR: enable and restart
    await this.wait(MDIC, 1 << 28, 1 << 28, 10);
    this.modify(EXTCNF_CTRL, 1 << 5, 0);
  }

  applyFilter() {
    const m = this.mac;
    const directed = (this.filter & N.NDIS_PACKET_TYPE_DIRECTED) !== 0 ? 1 << 31 : 0;
    this.write(RAH, 0);
    this.write(RAL, m[0] | (m[1] << 8) | (m[2] << 16) | (m[3] << 24));
    this.write(RAH, m[4] | (m[5] << 8) | directed);
    let bits = RCTL_SECRC;
    if (this.filter & N.NDIS_PACKET_TYPE_BROADCAST) bits |= RCTL_BAM;
    if (this.filter & N.NDIS_PACKET_TYPE_ALL_MULTICAST) bits |= RCTL_MPE;
    if (this.filter & N.NDIS_PACKET_TYPE_PROMISCUOUS) bits |= RCTL_UPE | RCTL_MPE | RCTL_BAM;
    this.modify(RCTL, RCTL_UPE | RCTL_MPE | RCTL_BAM, bits);
  }

  // ---- Restart, pause, halt -----------------------------------------------------------------------------------------

  restart() {
    this.running = true;
    this.modify(RCTL, 0, RCTL_EN);
    this.refill();
    this.updateLink();
    return OK;
  }

  async pause() {
    this.running = false;
    while (this.outstanding > 0) await N.NdisMSleep(1000);
    return OK;
  }

  async halt(action) {
    this.armed = 0;
    if (action !== N.NdisHaltDeviceSurpriseRemoved) await this.reset();
    this.unwind();
  }

  shutdown() {
    for (const [offset, value] of [[IMC, 0xffff_ffff], [RCTL, 0], [TCTL, TCTL_VALUE]]) this.write(offset, value);
  }

  unwind() {
    while (this.undo.length > 0) this.undo.pop()();
  }

  // ---- Interrupts: the ISR masks its causes, the DPC clears them, works, and arms again -----------------------------

  arm(messages) {
    this.armed |= messages;
    for (let i = 0; i < this.causes.length; i++) {
      if ((messages & ~this.diagnosed & (1 << i)) !== 0) this.write(IMS, this.causes[i]);
    }
  }
  serve(message, outputs) {
    if (this.armed === 0 || message >= this.causes.length) return true; // every message is ours
    this.write(IMC, this.causes[message]);
    outputs.QueueDefaultInterruptDpc = true;
    return true;
  }
  runDpc(message, throttle) {
    if (this.armed === 0 || message >= this.causes.length) return;
    const causes = this.causes[message];
    this.write(ICR, causes & OTHER ? causes | OTHER_CAUSES : causes); // before looking: what comes later raises it again
    if (message === this.otherMessage) this.updateLink();
    if (message === 0 && !this.harvest(Math.min(throttle.MaxNblsToIndicate, COUNT))) {
      throttle.MoreNblsPending = 1; // the message stays masked; NDIS calls again
    } else this.arm(1 << message);
  }
  diagnose(message, disable) {
    if (message >= this.causes.length) return;
    this.diagnosed = disable ? this.diagnosed | (1 << message) : this.diagnosed & ~(1 << message);
    this.write(IMC, this.causes[message]);
    this.tableEntry(message, disable ? N.NdisMSIXTableConfigMaskTableEntry : N.NdisMSIXTableConfigUnmaskTableEntry);
    if (!disable) N.NdisMQueueDpc(this.interrupt, message, 1, null); // the DPC arms it, and finds what has waited
  }
  updateLink() {
    const status = this.read(STATUS) & 0xc3; // SPEED, LU, FD (10.2.2.2)
    if (status === this.link) return;
    this.link = status;
    const up = (status & 2) !== 0;
    const speed = up ? [1e7, 1e8, 1e9, 1e9][status >>> 6] : N.NDIS_LINK_SPEED_UNKNOWN;
    const state = {
      Header: header(N.NDIS_OBJECT_TYPE_DEFAULT, 1, 40), MediaConnectState: up ? 1 : 2,
      MediaDuplexState: up ? 1 + (status & 1) : 0, XmitLinkSpeed: speed, RcvLinkSpeed: speed, PauseFunctions: 0,
      AutoNegotiationFlags: 0,
    };
    N.NdisMIndicateStatusEx(this.handle, {
      Header: header(N.NDIS_OBJECT_TYPE_STATUS_INDICATION, 1, 112), SourceHandle: this.handle, PortNumber: 0,
      StatusCode: N.NDIS_STATUS_LINK_STATE, Flags: 0, DestinationHandle: null, RequestId: null, StatusBuffer: state,
      StatusBufferSize: 40,
    });
  }

  // ---- Receive (3.2): word 2 of a write-back is the status, word 3 the length ---------------------------------------

  refill() {
    while (this.posted < MASK && this.freeCount > 0) { // one descriptor stays free: head == tail means empty
      const slot = this.free[--this.freeCount];
      this.rxWords[this.rxTail * 4] = this.slots[slot].iova;
      this.rxWords.fill(0, this.rxTail * 4 + 1, this.rxTail * 4 + 4);
      this.slotOf[this.rxTail] = slot;
      this.rxTail = (this.rxTail + 1) & MASK;
      this.posted++;
    }
    this.write(RDT, this.rxTail);
  }
  /** Indicates up to `budget` frames as one chain. False: more wait. */
  harvest(budget) {
    const words = this.rxWords;
    let first = null;
    let last = null;
    let count = 0;
    for (; budget > 0 && this.posted > 0; budget--) {
      const status = words[this.rxHead * 4 + 2]; // DD before the rest
      if ((status & RX_DD) === 0) break;
      const bytes = words[this.rxHead * 4 + 3] & 0xffff;
      const { nbl, nb, mdl } = this.slots[this.slotOf[this.rxHead]];
      this.rxHead = (this.rxHead + 1) & MASK;
      this.posted--;
      if ((status & RX_EOP) === 0 || (status & RX_ERRORS) !== 0 || !this.running || this.filter === 0) {
        this.rcvDiscards++;
        this.free[this.freeCount++] = nbl.MiniportReserved;
        continue;
      }
      nb.CurrentMdl = mdl;
      nb.CurrentMdlOffset = nb.DataOffset = 0;
      nb.DataLength = bytes;
      nbl.Next = null;
      nbl.Status = OK;
      if (last === null) first = nbl;
      else last.Next = nbl;
      last = nbl;
      this.rcvBytes += bytes;
      count++;
    }
    this.rcvFrames += count;
    this.outstanding += count; // first: they may come back inside the call
    if (first !== null) N.NdisMIndicateReceiveNetBufferLists(this.handle, first, 0, count, N.NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL);
    this.refill();
    return this.posted === 0 || (words[this.rxHead * 4 + 2] & RX_DD) === 0;
  }
  giveBack(chain) {
    for (let nbl = chain; nbl !== null; nbl = nbl.Next) {
      this.free[this.freeCount++] = nbl.MiniportReserved;
      this.outstanding--;
    }
    if (this.posted < COUNT / 2) this.refill();
  }

  // ---- Transmit (3.3): word 2 of a data descriptor is command and length, word 3 of the write-back has DD -----------

  send(chain) {
    for (let nbl = chain; nbl !== null; nbl = nbl.Next) {
      nbl.Status = !this.running ? N.NDIS_STATUS_PAUSED : (this.link & 2) === 0 ? N.NDIS_STATUS_MEDIA_DISCONNECTED : OK;
      for (let nb = nbl.FirstNetBuffer; nb !== null && nbl.Status === OK; nb = nb.Next) nbl.Status = this.post(nb);
      if (nbl.Status !== OK) this.xmitDiscards++;
    }
    this.write(TDT, this.txTail);
    N.NdisMSendNetBufferListsComplete(this.handle, chain, 0);
  }
  post(nb) {
    const { bytes, iova } = this.tx;
    const words = this.txWords;
    if (nb.DataLength === 0 || nb.DataLength > MAX_FRAME) return N.NDIS_STATUS_INVALID_LENGTH;
    while (this.txHead !== this.txTail && (words[this.txHead * 4 + 3] & TX_DD) !== 0) this.txHead = (this.txHead + 1) & MASK;
    const next = (this.txTail + 1) & MASK;
    if (next === this.txHead) return N.NDIS_STATUS_RESOURCES;
    const start = this.txTail * SLOT;
    let to = start;
    let skip = nb.CurrentMdlOffset;
    for (let mdl = nb.CurrentMdl; to < start + nb.DataLength; mdl = mdl.Next, skip = 0) {
      const end = mdl.ByteOffset + Math.min(mdl.ByteCount, skip + start + nb.DataLength - to);
      for (let from = mdl.ByteOffset + skip; from < end; from++) bytes[to++] = mdl.StartVa[from];
    }
    while (to < start + MIN_FRAME) bytes[to++] = 0;
    words[this.txTail * 4] = iova + start;
    words[this.txTail * 4 + 1] = words[this.txTail * 4 + 3] = 0;
    words[this.txTail * 4 + 2] = TX_DATA | TX_EOP | TX_RS | (to - start);
    this.txTail = next;
    this.xmitFrames++;
    this.xmitBytes += to - start;
    return OK;
  }

  // ---- OIDs: NDIS answers what stands in the general attributes -----------------------------------------------------

  oid({ RequestType, DATA }) {
    const buffer = DATA.InformationBuffer;
    if (RequestType === N.NdisRequestSetInformation) {
      if (DATA.Oid !== N.OID_GEN_CURRENT_PACKET_FILTER) return N.NDIS_STATUS_NOT_SUPPORTED;
      DATA.BytesNeeded = 4;
      if (buffer === null || DATA.InformationBufferLength < 4) return N.NDIS_STATUS_INVALID_LENGTH;
      const filter = new DataView(buffer.buffer, buffer.byteOffset).getUint32(0, true);
      if ((filter & ~FILTERS) !== 0) return N.NDIS_STATUS_NOT_SUPPORTED;
      this.filter = filter;
      this.applyFilter();
      DATA.BytesRead = 4;
      return OK;
    }
    if (RequestType !== N.NdisRequestQueryInformation || !OIDS.includes(DATA.Oid)) return N.NDIS_STATUS_NOT_SUPPORTED;
    const whole = DATA.Oid === N.OID_GEN_STATISTICS;
    const answer = new DataView(new ArrayBuffer(whole ? N.NDIS_SIZEOF_STATISTICS_INFO_REVISION_1 : 8));
    const put = (offset, value) => answer.setBigUint64(offset, BigInt(value), true);
    let length = answer.byteLength;
    if (whole) {
      answer.setUint32(0, (length << 16) | (1 << 8) | N.NDIS_OBJECT_TYPE_DEFAULT, true);
      answer.setUint32(4, 0x8259, true); // as in the general attributes
      const values = { ifInDiscards: this.rcvDiscards, ifHCInOctets: this.rcvBytes, ifHCInUcastPkts: this.rcvFrames,
        ifHCOutOctets: this.xmitBytes, ifHCOutUcastPkts: this.xmitFrames, ifOutDiscards: this.xmitDiscards };
      N.NDIS_STATISTICS_FIELDS.forEach((name, i) => { put(8 + 8 * i, values[name] ?? 0); });
    } else if (DATA.Oid === N.OID_GEN_CURRENT_PACKET_FILTER) {
      put(0, this.filter);
      length = 4;
    } else {
      put(0, DATA.Oid === N.OID_GEN_XMIT_OK ? this.xmitFrames : this.rcvFrames);
      if (DATA.InformationBufferLength < 8) length = 4; // a 64-bit counter may be asked for in 32 bits
    }
    DATA.BytesNeeded = DATA.Oid === N.OID_GEN_CURRENT_PACKET_FILTER ? 4 : answer.byteLength;
    if (buffer === null || DATA.InformationBufferLength < length) return N.NDIS_STATUS_INVALID_LENGTH;
    buffer.set(new Uint8Array(answer.buffer, 0, length));
    DATA.BytesWritten = length;
    return OK;
  }
}

const interruptHandlers = {
  InterruptHandler: () => false, // a line is refused in connect(), but NDIS wants the four handlers
  InterruptDpcHandler: () => {},
  DisableInterruptHandler: () => {},
  EnableInterruptHandler: () => {},
  MsiSupported: true,
  MsiSyncWithAllMessages: false,
  MessageInterruptHandler: (adapter, message, outputs) => adapter.serve(message, outputs),
  MessageInterruptDpcHandler: (adapter, message, _dpcContext, throttle) => adapter.runDpc(message, throttle),
  DisableMessageInterruptHandler: (adapter, message) => adapter.diagnose(message, true),
  EnableMessageInterruptHandler: (adapter, message) => adapter.diagnose(message, false),
};

export function DriverEntry(DriverObject, RegistryPath) {
  const driver = N.out(null);
  return N.NdisMRegisterMiniportDriver(DriverObject, RegistryPath, null, {
    Header: header(N.NDIS_OBJECT_TYPE_MINIPORT_DRIVER_CHARACTERISTICS, 2, 168),
    MajorNdisVersion: 6, MinorNdisVersion: 30, MajorDriverVersion: 1, MinorDriverVersion: 0, Flags: 0,
    InitializeHandlerEx: (handle, _context, parameters) => new Adapter(handle).initialize(parameters),
    HaltHandlerEx: (adapter, action) => adapter.halt(action),
    UnloadHandler: () => N.NdisMDeregisterMiniportDriver(driver.Value),
    PauseHandler: (adapter) => adapter.pause(),
    RestartHandler: (adapter) => adapter.restart(),
    OidRequestHandler: (adapter, request) => adapter.oid(request),
    SendNetBufferListsHandler: (adapter, chain) => adapter.send(chain),
    ReturnNetBufferListsHandler: (adapter, chain) => adapter.giveBack(chain),
    CancelSendHandler: () => {}, // nothing is ever queued
    DevicePnPEventNotifyHandler: () => {},
    ShutdownHandlerEx: (adapter) => adapter.shutdown(),
    CancelOidRequestHandler: () => {}, // every request is answered at once
  }, driver);
}
