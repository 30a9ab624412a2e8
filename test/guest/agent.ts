/**
 * The agent in the guest: runs one case after another on request and stays up between them, because starting Node costs
 * seconds under emulation. Plain Node, no test runner: the assertions are the host's. Layer: test.
 */
import { type CaseReply, type CaseRequest, decode, encode, LineSplitter } from './support/protocol.ts';

function reply(message: CaseReply): void {
  process.stdout.write(encode(message));
}

/** Sends an event to the host while a case runs. */
export function emit(event: string, data: unknown): void {
  reply({ event, data });
}

async function run(request: CaseRequest): Promise<void> {
  try {
    const cases = (await import(`./cases/${request.file}.js`)) as Record<string, (params: unknown) => unknown>;
    const fn = cases[request.fn];
    if (fn === undefined) throw new Error(`test/guest/cases/${request.file} exports no ${request.fn}`);
    reply({ id: request.id, result: (await fn(request.params)) ?? null });
  } catch (error) {
    const { message, stack, code } = error as Error & { code?: string };
    reply({
      id: request.id,
      error: { message: String(message ?? error), ...(stack ? { stack } : {}), ...(code ? { code } : {}) },
    });
  }
}

const lines = new LineSplitter();
process.stdin.setEncoding('utf8');
process.stdin.on('data', (chunk: string) => {
  for (const line of lines.push(chunk)) {
    const request = decode<CaseRequest>(line);
    if (request !== undefined) void run(request);
  }
});
process.stdin.on('end', () => process.exit(0));
emit('ready', { node: process.version });
// The host watches for a guest whose processor never wakes up again.
setInterval(() => emit('beat', null), 2000);
