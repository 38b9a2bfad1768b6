/** What a place has beyond variables, for a child process: files at their paths, names, a DNS server. */

export interface PlaceOptions {
  /** A folder with the files at the paths where places show; none of this machine's are seen there. */
  root?: string | undefined;
  /** The only names that have an address, besides `localhost`. */
  hosts?: Readonly<Record<string, string>> | undefined;
  /** `address:port`, for what is no address. */
  dnsServer?: string | undefined;
}

/** The variables for the child. NODE_OPTIONS is replaced. */
export function placeEnv(options: PlaceOptions): { NODE_OPTIONS: string; TEST_PLACE: string } {
  return {
    NODE_OPTIONS: `--import=${new URL('place-hook.mjs', import.meta.url).href}`,
    TEST_PLACE: JSON.stringify(options),
  };
}
