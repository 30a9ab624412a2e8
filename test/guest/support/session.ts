/**
 * Host side of the guest tests: boots the lab with the agent as its command and calls cases in it. Layer: test.
 * Invariant: a session that ends early fails every call still waiting, with the guest's last output.
 */
import { type BootOptions, bootLab, type Guest } from '../../../scripts/lab/lab.mjs';
import { type CaseReply, type CaseRequest, decode, encode, LineSplitter } from './protocol.ts';

export type Chip = 'igb' | 'e1000e';
export const CHIPS: readonly Chip[] = ['igb', 'e1000e'];

/** A case that hangs must not cost the rest of the run. */
const CALL_DEADLINE_MS = 240_000;

/**
 * QEMU 10.0's emulation with two processors loses an interrupt now and then on a busy host (seen: its bit in service in
 * one local APIC with no handler running, pending in the other), and the guest stands still. With one processor there is
 * nothing to race with: what is not about several processors runs so, and starts faster beside a second guest.
 */
export const ONE_CPU = 1;

export interface SessionOptions {
  readonly nics: NonNullable<BootOptions['nics']>;
  readonly kernel?: '6.1' | '6.12';
  /** Default 2; see {@link ONE_CPU}. */
  readonly cpus?: number;
  readonly iommu?: boolean;
  readonly timeoutSeconds?: number;
  readonly dump?: string;
}

/** The agent beats every two seconds. */
const KICK_AFTER_MS = 16_000;
const DEAD_AFTER_MS = 150_000;

export class GuestSession {
  readonly guest: Guest;
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  readonly #listeners = new Map<string, (data: unknown) => void>();
  #nextId = 1;
  #log = '';
  #lastBeatMs = performance.now();
  #kicks = 0;
  readonly #watch: NodeJS.Timeout;
  #over: Error | undefined;

  private constructor(guest: Guest) {
    this.guest = guest;
    this.#watch = setInterval(() => this.#lookAfter(), 2000);
    this.#watch.unref();
    void guest.exited.then(
      ({ status }) => this.#fail(new Error(`the guest ended with status ${status}\n${this.log()}`)),
      (error: Error) => this.#fail(error),
    );
  }

  static async boot(options: SessionOptions): Promise<GuestSession> {
    const lines = new LineSplitter();
    let session: GuestSession | undefined;
    let ready = (): void => {};
    let broken = (_error: Error): void => {};
    const started = new Promise<void>((resolve, reject) => {
      ready = resolve;
      broken = reject;
    });
    let early = '';
    const guest = await bootLab({
      nics: options.nics,
      // The working tree does not change while a guest runs, and a start of Node reads it twice as fast this way.
      cache: 'loose',
      ...(options.kernel ? { kernel: options.kernel } : {}),
      ...(options.cpus ? { cpus: options.cpus } : {}),
      ...(options.iommu === undefined ? {} : { iommu: options.iommu }),
      ...(options.dump ? { dump: options.dump } : {}),
      timeoutSeconds: options.timeoutSeconds ?? 600,
      command: [process.execPath, 'dist/test/guest/agent.js'],
      onOutput: (chunk: string | Uint8Array, stream: 'stdout' | 'stderr') => {
        const text = typeof chunk === 'string' ? chunk : new TextDecoder().decode(chunk);
        if (stream === 'stderr') {
          early += text;
          if (session) session.#log += text;
          return;
        }
        for (const line of lines.push(text)) {
          const message = decode<CaseReply>(line);
          if (message === undefined) {
            if (session) session.#log += `${line}\n`;
          } else if ('event' in message && message.event === 'ready') ready();
          else if (session) session.#receive(message);
        }
      },
    });
    session = new GuestSession(guest);
    void guest.exited.then(
      ({ status }) => broken(new Error(`the guest ended with status ${status} before the agent was ready\n${early}`)),
      (error: Error) => broken(error),
    );
    await started;
    return session;
  }

  /**
   * Under emulation a guest's processor sometimes sleeps through its timer for ever (the console then complains of a
   * starved rcu_preempt thread). Stopping and continuing the machine makes QEMU look at every processor again; it does not
   * help a program that hangs, which therefore still fails.
   */
  #lookAfter(): void {
    const silentMs = performance.now() - this.#lastBeatMs;
    if (silentMs > DEAD_AFTER_MS) {
      clearInterval(this.#watch);
      this.#fail(new Error(`the guest has been silent for ${Math.round(silentMs / 1000)} s\n${this.log()}`));
    } else if (silentMs > KICK_AFTER_MS * (this.#kicks + 1)) {
      this.#kicks++;
      console.log(`the guest has been silent for ${Math.round(silentMs / 1000)} s: stopping and continuing it`);
      void this.guest
        .qmp('stop')
        .then(() => this.guest.qmp('cont'))
        .catch(() => undefined);
    }
  }

  #receive(message: CaseReply): void {
    this.#lastBeatMs = performance.now();
    this.#kicks = 0;
    if ('event' in message) {
      this.#listeners.get(message.event)?.(message.data);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if ('error' in message) {
      const error = new Error(`${message.error.message}\n${message.error.stack ?? ''}\n${this.log()}`);
      waiting?.reject(Object.assign(error, { code: message.error.code }));
    } else waiting?.resolve(message.result);
  }

  #fail(error: Error): void {
    clearInterval(this.#watch);
    this.#over = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  /** The guest's plain output, last 4,000 characters. */
  log(): string {
    return this.#log.slice(-4000);
  }

  on(event: string, listener: (data: unknown) => void): void {
    this.#listeners.set(event, listener);
  }

  /** Runs one case in the guest. Rejects with what the guest said last when there is no answer in time. */
  call<T>(file: string, fn: string, params: unknown = {}, deadlineMs = CALL_DEADLINE_MS): Promise<T> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    const request: CaseRequest = { id: this.#nextId++, file, fn, params };
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(request.id);
        const last = this.guest.console().slice(-10).join('\n');
        reject(new Error(`${file}.${fn} gave no answer within ${deadlineMs} ms\n${this.log()}\nconsole:\n${last}`));
      }, deadlineMs);
      this.#waiting.set(request.id, {
        resolve: (value) => {
          clearTimeout(timer);
          resolve(value as T);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.guest.write(encode(request));
    });
  }

  /**
   * Asks for the NIC back, as its slot's button does. Resolves when the guest has been asked; `gone` resolves when the guest
   * has let go and QEMU has deleted the device.
   */
  async unplug(index: number): Promise<{ gone: Promise<void> }> {
    const { device } = this.guest.nics[index]!;
    const gone = new Promise<void>((resolve, reject) => {
      this.guest.onQmpEvent(({ event, data }) => {
        if (event === 'DEVICE_DELETED' && (data as { device?: string }).device === device) resolve();
      });
      void this.guest.exited.then(() => reject(new Error(`the guest ended before ${device} was deleted`)), reject);
    });
    gone.catch(() => {});
    await this.guest.qmp('device_del', { id: device });
    return { gone };
  }

  /** Plugs a NIC into the slot of NIC `index`, whose own one has gone, with that one's MAC and wire. */
  async plug(index: number): Promise<void> {
    const { model, device, netdev, mac } = this.guest.nics[index]!;
    const args = { driver: model, id: device, bus: `port${index}`, netdev, mac, romfile: '' };
    await this.guest.qmp('device_add', args);
  }

  async close(): Promise<void> {
    clearInterval(this.#watch);
    await this.guest.stop();
  }
}
