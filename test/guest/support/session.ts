/**
 * Host side of the guest tests: boots the lab with the agent as its command and calls cases in it. Layer: test.
 * Invariant: a session that ends early fails every call still waiting, with the guest's last output.
 */
import { type BootOptions, bootLab, type Guest } from '../../../scripts/lab/lab.mjs';
import { type CaseReply, type CaseRequest, decode, encode, LineSplitter } from './protocol.ts';

export type Chip = 'igb' | 'e1000e';
export const CHIPS: readonly Chip[] = ['igb', 'e1000e'];

export interface SessionOptions {
  readonly nics: NonNullable<BootOptions['nics']>;
  readonly kernel?: '6.1' | '6.12';
  readonly iommu?: boolean;
  readonly timeoutSeconds?: number;
  readonly dump?: string;
}

export class GuestSession {
  readonly guest: Guest;
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  readonly #listeners = new Map<string, (data: unknown) => void>();
  #nextId = 1;
  #log = '';
  #over: Error | undefined;

  private constructor(guest: Guest) {
    this.guest = guest;
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

  #receive(message: CaseReply): void {
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

  /** Runs one case in the guest. */
  call<T>(file: string, fn: string, params: unknown = {}): Promise<T> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    const request: CaseRequest = { id: this.#nextId++, file, fn, params };
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(request.id, { resolve: resolve as (value: unknown) => void, reject });
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
    await this.guest.stop();
  }
}
