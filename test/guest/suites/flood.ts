/**
 * For ten seconds frames wait on the wire without pause: the process above stays alive, the DPC keeps its budget, and
 * the interrupt stays off until the backlog is worked (NDIS_RECEIVE_THROTTLE_PARAMETERS). Layer: test.
 * A stream wire drops what finds no descriptor without counting it anywhere, so loss is expected and not asserted.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import type { FloodResult } from '../cases/edge.ts';
import { FLAWLESS, PARTNER_MAC } from '../support/echo.ts';
import { frameChunk, stampFrame } from '../support/wire.ts';
import type { WiredGuest } from '../support/wired-guest.ts';

const SECONDS = 10;
const FRAMES_PER_WRITE = 512;
const OFFERED_PER_SECOND = 250_000;
const BUDGET = 64;
const DELAY_P99_MS = 50;

export function floodSuite(guest: () => WiredGuest): void {
  describe(`a receive flood of ${SECONDS} s`, () => {
    let result: FloodResult;
    let offered = 0;
    /** Of the message that receives, over the flood. */
    const change = (name: 'isrCalls' | 'dpcRuns' | 'dpcBudgetExhausted' | 'nblsIndicated' | 'wakes'): number =>
      result.after.messages[result.receiveMessage]![name] - result.before.messages[result.receiveMessage]![name];

    beforeAll(async () => {
      const { wire } = guest();
      const { mac } = await guest().open();
      expect(await guest().echo({ count: 2000 })).toMatchObject(FLAWLESS);
      const warm = await guest().snapshot();
      const receiveMessage = warm.messages.findIndex(({ nblsIndicated }) => nblsIndicated > 0);
      const frame = stampFrame(Uint8Array.from(mac), PARTNER_MAC, 0, 60);
      const chunk = frameChunk(new Array<Buffer>(FRAMES_PER_WRITE).fill(frame));
      await guest().edge('startFlood', { seconds: SECONDS, receiveMessage });
      const end = performance.now() + SECONDS * 1000;
      const before = wire.framesSent;
      for (let now = performance.now(); now < end; now = performance.now()) {
        // More than the guest takes. Unpaced, this process would take the processors from the guest, and QEMU's queue of
        // what the NIC cannot take yet, which has no limit, would take its memory.
        const due = before + ((now - end + SECONDS * 1000) / 1000) * OFFERED_PER_SECOND;
        if (wire.framesSent >= due) await new Promise((resolve) => setTimeout(resolve, 2));
        else if (!wire.sendFramed(chunk, FRAMES_PER_WRITE)) await wire.drained();
      }
      result = await guest().edge<FloodResult>('endFlood');
      offered = wire.framesSent - before;
      const { delayMs, idleDelayMs } = result;
      const frames = result.after.counts.received - result.before.counts.received;
      const rate = Math.round(result.received / result.seconds);
      console.log(
        `  ${guest().chip}: ${offered} offered, ${frames} received (${rate}/s), ` +
          `event loop idle p99 ${idleDelayMs.p99.toFixed(1)}, flooded p50 ${delayMs.p50.toFixed(1)} p99 ${delayMs.p99.toFixed(1)} max ${delayMs.max.toFixed(1)} ms, ` +
          `ISR ${change('isrCalls')}, DPC ${change('dpcRuns')}, budget used up ${change('dpcBudgetExhausted')}, ` +
          `ISR before a repeat ${result.isrWhilePending} of ${result.pendingDpcs}`,
      );
    });

    it('is a flood: more arrives than one DPC may indicate, most of the time', () => {
      expect(offered).toBeGreaterThan(100_000);
      expect(change('dpcBudgetExhausted')).toBeGreaterThan(change('dpcRuns') / 2);
    });

    it('leaves the event loop alive: delay p99 below 50 ms, and timers run', () => {
      // Where other programs hold the processors, the idle loop is late as well; the limit grows with that.
      expect(result.delayMs.p99).toBeLessThan(Math.max(DELAY_P99_MS, 4 * result.idleDelayMs.p99));
      // A 10 ms timer under load runs late, but at least at half its rate.
      expect(result.timerTicks).toBeGreaterThan((SECONDS * 1000) / 10 / 2);
    });

    it('leaves signals alive: every one of ten a second is handled', () => {
      expect(result.signalsSent).toBe(SECONDS * 10 - 5);
      expect(result.signalsSeen).toBe(result.signalsSent);
    });

    it('never lets a DPC exceed its budget', () => {
      expect(result.after.messages[result.receiveMessage]!.maxNblsInOneDpc).toBe(BUDGET);
      expect(result.after.counts.maxNblsInOneDpc).toBe(BUDGET);
    });

    it('keeps the interrupt off while frames are pending: the cause is never enabled before the repeat', () => {
      expect(result.pendingDpcs).toBeGreaterThan(100);
      expect(result.unmaskedWhilePending).toBe(0);
    });

    it('counts alike in the protocol, the registers and NDIS: what a DPC handed over is what the NIC received', () => {
      const { before, after } = result;
      const frames = after.counts.received - before.counts.received;
      expect(change('nblsIndicated')).toBe(frames);
      expect(after.registers.framesReceived).toBe(frames);
      expect(after.statistics.ifHCInUcastPkts - before.statistics.ifHCInUcastPkts).toBe(after.registers.framesReceived);
    });

    it('is over without traces: frames come back with none lost', async () => {
      await guest().edge('setMode', { mode: 'echo' });
      const echo = await guest().echo({ count: 500 });
      expect(echo.notes).toEqual([]);
      expect(echo).toMatchObject(FLAWLESS);
    });
  });
}
