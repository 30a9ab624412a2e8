/**
 * What `npm start` shows, from inside the guest: NIC 1 driven by ndis-vfio through vfio-pci, NIC 2 by the kernel's own
 * driver in a namespace of its own as the link partner; ping, iperf3 each way, one vector masked and unmasked, summary.
 * Layer: scripts. Invariant: exit status 0 only when every step did what it says.
 */
import { readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { request } from '../../src/cli/client.ts';
import type { MessageStatus, StatusResult, TimeSummary } from '../../src/control/messages.ts';
import {
  type Background,
  background,
  bindVfio,
  CLI,
  command,
  iperf,
  kernelPartner,
  ping,
  sleep,
  until,
} from './tools.ts';

const NIC = '0000:01:00.0';
const PARTNER = '0000:02:00.0';
const HERE = '10.77.0.1';
const THERE = '10.77.0.2';
const IPERF_SECONDS = Number(process.env['DEMO_IPERF_SECONDS'] ?? 10);
const PING_COUNT = 200;

const started = performance.now();
const failures: string[] = [];

function headline(text: string): void {
  console.log(`\n\u001b[1m${text}\u001b[0m`);
}

function line(text: string): void {
  console.log(`  ${((performance.now() - started) / 1000).toFixed(1).padStart(5)} s  ${text}`);
}

function check(good: boolean, text: string): void {
  line(`${good ? '\u001b[32m✓\u001b[0m' : '\u001b[31m✗\u001b[0m'} ${text}`);
  if (!good) failures.push(text);
}

function follow(daemon: Background): void {
  daemon.child.stdout?.on('data', (chunk: string) => {
    for (const text of chunk.split('\n')) if (text.trim() !== '') line(`\u001b[2m| ${text}\u001b[0m`);
  });
}

/** The message that receives: the one with the most indicated NBLs. */
function receiveMessage(status: StatusResult): MessageStatus {
  return status.interrupts.messages.reduce((best, row) => (row.nblsIndicated > best.nblsIndicated ? row : best));
}

function maskText(row: MessageStatus | undefined): string {
  if (row === undefined) return 'no such message';
  return `mask bit ${row.masked ? 1 : 0}, pending bit ${row.pending ? 1 : 0}, ISR calls ${row.isrCalls}`;
}

/** What a vector did around the mask. */
interface MaskStory {
  readonly message: number;
  readonly isrWhileMasked: number;
  readonly repliesWhileMasked: number;
  readonly pending: boolean;
  readonly isrAfter: number;
}

async function showMask(message: number): Promise<MaskStory> {
  const row = async (): Promise<MessageStatus | undefined> =>
    (await request(NIC, 'status', {})).interrupts.messages.find((candidate) => candidate.message === message);
  const flowing = background('ping', ['-i', '0.1', '-w', '6', '-W', '1', THERE]);
  const replies = (): number => flowing.stdout().split('bytes from').length - 1;
  await until('a first reply', () => replies() > 3, 10_000);
  line(`message ${message} before:   ${maskText(await row())}`);
  await request(NIC, 'vector.disable', { message });
  const before = await row();
  const repliesBefore = replies();
  await sleep(1000);
  const masked = await row();
  const lost = replies() - repliesBefore;
  line(`message ${message} disabled: ${maskText(masked)}; replies to ping meanwhile: ${lost}`);
  check(
    masked?.masked === true && masked.isrCalls === before?.isrCalls,
    'masked: no ISR runs, the message is kept pending',
  );
  await request(NIC, 'vector.enable', { message });
  await until('a reply after the unmask', () => replies() > repliesBefore + lost, 10_000);
  const after = await row();
  line(`message ${message} enabled:  ${maskText(after)}`);
  check(
    after?.masked === false && (after?.isrCalls ?? 0) > (masked?.isrCalls ?? 0),
    'unmasked: delivered, ping goes on',
  );
  await flowing.exited;
  return {
    message,
    isrWhileMasked: (masked?.isrCalls ?? 0) - (before?.isrCalls ?? 0),
    repliesWhileMasked: lost,
    pending: masked?.pending === true,
    isrAfter: (after?.isrCalls ?? 0) - (masked?.isrCalls ?? 0),
  };
}

function average(time: TimeSummary): string {
  return time.count === 0 ? '-' : (time.totalUs / time.count).toFixed(1);
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
  const cells = [head, ...rows.map((row) => row.map(String))];
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  for (const row of cells) console.log(`  ${row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  ')}`);
}

async function main(): Promise<void> {
  headline('Two NICs on one wire');
  // vfio-pci first: the kernel's driver, once loaded, takes every NIC that has no driver.
  await bindVfio(NIC);
  const partner = await kernelPartner(PARTNER, 'partner', `${THERE}/24`);
  const driver = basename(readlinkSync(`/sys/bus/pci/devices/${PARTNER}/driver`));
  line(`${PARTNER} is ${partner.device} of the kernel's own ${driver}, in a namespace, ${THERE}`);
  line(`${NIC} is bound to vfio-pci`);

  headline('ndis-vfio up');
  const daemon = background(process.execPath, [CLI, 'up', NIC, '--tap', 'tap0']);
  follow(daemon);
  await daemon.line(/link up/i);
  await command('ip', ['addr', 'add', `${HERE}/24`, 'dev', 'tap0']);
  await command('ip', ['link', 'set', 'tap0', 'up']);
  await until('carrier at the partner', async () =>
    (await partner.run('cat', [`/sys/class/net/${partner.device}/carrier`])).stdout.startsWith('1'),
  );

  headline(`${PING_COUNT} pings`);
  await ping(command, THERE, 2, 56, 0.1);
  const pinged = await ping(command, THERE, PING_COUNT, 56);
  check(pinged.received === pinged.sent, pinged.text);

  headline(`iperf3, ${IPERF_SECONDS} s each way`);
  const server = background('iperf3', ['-s', '-B', HERE]);
  await sleep(300);
  const inward = await iperf(partner.run, HERE, IPERF_SECONDS, false);
  check(
    inward.longestStallSeconds <= 1,
    `kernel's ${driver} -> ndis-vfio: ${inward.mbps.toFixed(0)} Mbit/s, longest stall ${inward.longestStallSeconds.toFixed(1)} s`,
  );
  const outward = await iperf(partner.run, HERE, IPERF_SECONDS, true);
  check(
    outward.longestStallSeconds <= 1,
    `ndis-vfio -> kernel's ${driver}: ${outward.mbps.toFixed(0)} Mbit/s, longest stall ${outward.longestStallSeconds.toFixed(1)} s`,
  );
  await server.stop();

  headline('One vector disabled and enabled again under ping');
  const mask = await showMask(receiveMessage(await request(NIC, 'status', {})).message);

  const status = await request(NIC, 'status', {});
  const stopAt = performance.now();
  const end = await daemon.stop('SIGTERM');
  const stopMs = performance.now() - stopAt;
  headline('Summary');
  check(
    end.status === 0 && stopMs <= 2000,
    `SIGTERM: stopped in ${(stopMs / 1000).toFixed(2)} s with exit status ${end.status ?? end.signal}`,
  );
  const { statistics, bridge } = status;
  console.log('');
  table(
    ['direction', 'frames', 'MiB', 'iperf3 Mbit/s', 'frames a batch', 'dropped'],
    [
      [
        'NIC -> TAP',
        bridge.toTap.frames,
        (bridge.toTap.bytes / 2 ** 20).toFixed(1),
        inward.mbps.toFixed(0),
        (bridge.toTap.frames / Math.max(1, bridge.toTap.batches)).toFixed(1),
        bridge.toTap.dropped.noRoom +
          bridge.toTap.dropped.refused +
          bridge.toTap.dropped.oversize +
          (statistics['ifInDiscards'] ?? 0),
      ],
      [
        'TAP -> NIC',
        bridge.toNic.frames,
        (bridge.toNic.bytes / 2 ** 20).toFixed(1),
        outward.mbps.toFixed(0),
        (bridge.toNic.frames / Math.max(1, bridge.toNic.batches)).toFixed(1),
        bridge.toNic.failed,
      ],
    ],
  );
  const inUse = status.interrupts.messages.filter((row) => row.wakes > 0);
  console.log('');
  table(
    [
      'message',
      'wake-ups',
      'ISR',
      'DPC',
      'repeats',
      'NBLs',
      'most a DPC',
      'ISR us',
      'ISR->DPC us',
      'DPC us',
      'DPC max us',
    ],
    inUse.map((row) => [
      row.message,
      row.wakes,
      row.isrCalls,
      row.dpcRuns,
      row.dpcBudgetExhausted,
      row.nblsIndicated,
      row.maxNblsInOneDpc,
      average(row.isr),
      average(row.isrToDpc),
      average(row.dpc),
      row.dpc.maxUs.toFixed(0),
    ]),
  );
  console.log(
    `\n  ${inUse.length} of ${status.interrupts.messages.length} ${status.interrupts.kind} messages in use; ` +
      `message ${mask.message} masked for 1 s: ${mask.isrWhileMasked} ISR calls, ${mask.repliesWhileMasked} replies, ` +
      `pending bit ${mask.pending ? 1 : 0}; unmasked: ${mask.isrAfter} ISR call(s) by the first reply.`,
  );
  console.log(`  ${status.link.speedMbps} Mbit/s ${status.link.duplex} duplex; times are averages under emulation.`);
  await partner.stop();
}

try {
  await main();
} catch (error) {
  failures.push((error as Error).message);
  console.log(`\n  ✗ ${(error as Error).stack ?? String(error)}`);
}
if (failures.length > 0) console.log(`\n  ${failures.length} step(s) failed.`);
process.exit(failures.length === 0 ? 0 : 1);
