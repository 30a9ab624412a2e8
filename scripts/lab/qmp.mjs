/**
 * A client of QEMU's machine protocol on one socket: commands answered in order, events to one listener. Layer: scripts.
 * Invariant: every command settles; those still open when the socket ends are rejected. [QEMU docs/interop/qmp-spec.rst]
 */
import { LabError } from './errors.mjs';

export class Qmp {
  /** @type {import('node:net').Socket} */
  #socket;
  /** @type {Map<number, { command: string, resolve: (value: unknown) => void, reject: (error: Error) => void }>} */
  #open = new Map();
  #next = 1;
  #rest = '';
  /** @type {(event: { event: string, data?: unknown }) => void} */
  onEvent = () => {};

  /** @param {import('node:net').Socket} socket */
  constructor(socket) {
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text) => {
      const lines = (this.#rest + text).split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') this.#receive(JSON.parse(line));
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      for (const { command, reject } of this.#open.values()) {
        reject(
          new LabError('LAB_QMP_CLOSED', {
            action: `QMP ${command}`,
            cause: 'QEMU ended before it answered',
            cure: 'Send commands only while the guest runs.',
          }),
        );
      }
      this.#open.clear();
    });
    // The greeting needs no answer of ours but this; commands queue behind it.
    this.execute('qmp_capabilities').catch(() => {});
  }

  /**
   * @param {string} command
   * @param {Record<string, unknown>} [args]
   * @returns {Promise<any>} the `return` member
   */
  execute(command, args) {
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      this.#open.set(id, { command, resolve, reject });
      this.#socket.write(`${JSON.stringify({ execute: command, id, ...(args ? { arguments: args } : {}) })}\n`);
    });
  }

  /** @param {any} message */
  #receive(message) {
    if (message.event !== undefined) return this.onEvent(message);
    const open = this.#open.get(message.id);
    if (!open) return;
    this.#open.delete(message.id);
    if (message.error === undefined) return open.resolve(message.return);
    open.reject(
      new LabError('LAB_QMP', {
        action: `QMP ${open.command}`,
        cause: message.error.desc,
        cure: 'Ids are netN, nicN, portN (N counts from 0); see query-commands for the commands.',
      }),
    );
  }
}
