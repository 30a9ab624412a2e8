/**
 * The conversation between a guest test on the host and the agent in the guest: one JSON message a line.
 * The host asks `{id, file, fn, params}`; the agent imports test/guest/cases/<file> and answers `{id, result}` or
 * `{id, error}`. Lines that are no JSON are log output. Layer: test.
 */

export interface CaseRequest {
  readonly id: number;
  /** Module under test/guest/cases, without ending. */
  readonly file: string;
  /** Exported function of that module. */
  readonly fn: string;
  readonly params: unknown;
}

export type CaseReply =
  | { readonly id: number; readonly result: unknown }
  | {
      readonly id: number;
      readonly error: { readonly message: string; readonly stack?: string; readonly code?: string };
    }
  | { readonly event: string; readonly data: unknown };

/** Every message carries this prefix, so stray output of a tool on stdout cannot be mistaken for one. */
export const PREFIX = '\u0001lab ';

export function encode(message: CaseRequest | CaseReply): string {
  return `${PREFIX}${JSON.stringify(message)}\n`;
}

/** The message in `line`, or undefined where the line is plain output. */
export function decode<T>(line: string): T | undefined {
  const at = line.indexOf(PREFIX);
  return at < 0 ? undefined : (JSON.parse(line.slice(at + PREFIX.length)) as T);
}

/** Splits a stream of chunks into lines; `push` returns the complete ones. */
export class LineSplitter {
  #rest = '';
  push(chunk: string): string[] {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines;
  }
}
