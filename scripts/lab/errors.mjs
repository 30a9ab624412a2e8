/**
 * Failures of the lab itself, as against those of the command it runs. Layer: scripts.
 * Invariant: every one says the action, the cause and the cure, and has a stable code; main.mjs exits with 125.
 */

/** Exit status of `npm run lab` when the lab failed, not COMMAND. */
export const LAB_FAILED = 125;

export class LabError extends Error {
  /**
   * @param {string} code stable, upper case, starts with LAB_
   * @param {{ action: string, cause: string, cure: string, detail?: string }} parts
   */
  constructor(code, { action, cause, cure, detail }) {
    super(`${action}: ${cause}. ${cure}${detail ? `\n${detail}` : ''}`);
    this.name = 'LabError';
    this.code = code;
    this.action = action;
    this.cause = cause;
    this.cure = cure;
  }
}
