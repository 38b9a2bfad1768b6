/**
 * Sends a child process's connections to fixed public hosts to an emulator on loopback.
 *
 * Some addresses cannot be configured: `oauth2.googleapis.com` is a constant of google-auth-library's `gtoken`,
 * `login.microsoftonline.com` answers MSAL's instance discovery for every authority.
 */

/**
 * The variables for the child: `hosts` maps `host:port` to `address:port`. NODE_OPTIONS is replaced, so a child's own
 * options belong on its command line.
 */
export function redirectEnv(hosts: Record<string, string>): { NODE_OPTIONS: string; TEST_HOST_MAP: string } {
  return {
    NODE_OPTIONS: `--import=${new URL('redirect-hook.mjs', import.meta.url).href}`,
    TEST_HOST_MAP: JSON.stringify(hosts),
  };
}
