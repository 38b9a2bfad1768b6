/** Host names for a child process: it asks a DNS emulator for records, and every name leads to this machine. */
import type { DnsEmulator } from './dns.js';

/** The variables for the child. NODE_OPTIONS is replaced, so a child's own options belong on its command line. */
export function nameEnv({ address }: DnsEmulator): { NODE_OPTIONS: string; TEST_DNS_SERVER: string } {
  return {
    NODE_OPTIONS: `--import=${new URL('names-hook.mjs', import.meta.url).href}`,
    TEST_DNS_SERVER: address,
  };
}
