// One mistake, as a case of the catalogue.
import type { KubernetesTokens } from '../emulators/kubernetes.js';
import type { IdentityProvider, MongoServer, MongoServerOptions } from '../emulators/mongodb/index.js';
import type { PlaceOptions } from '../emulators/place.js';

/** What has to be closed at the end of a case. */
export interface Closable {
  close(): unknown;
}

/** What a case sets up with. */
export interface Stage {
  /** The mistake is to be left out: the twin of the case, which is well. */
  readonly isRepaired: boolean;
  /** To be closed with the case. */
  keep<T extends Closable>(emulator: T): T;
  /** A server that knows the issuer of this source, but for what is said otherwise. */
  server(source: TokenIssuer, options?: ServerOptions): Promise<MongoServer>;
  /** A file with this text, whose path is in the page as `name`. */
  file(name: string, text: string, mode?: number): Promise<string>;
  /** The variables of a place with these files at their paths and these names, instead of this machine's. */
  place(options: Omit<PlaceOptions, 'root'> & { files?: Readonly<Record<string, string>> }): Promise<Env>;
}

export type Env = Readonly<Record<string, string>>;

export type TokenIssuer = Pick<KubernetesTokens, 'issuer' | 'jwksUri'>;

export interface ServerOptions extends Partial<Omit<MongoServerOptions, 'identityProviders'>> {
  /** Default: what is right for the source and this audience. */
  readonly provider?: Partial<IdentityProvider>;
}

/** How doctor is run. */
export interface SetUp {
  readonly args: readonly string[];
  readonly env?: Env;
  /** Instead of all: by name, the folder in this repository's node_modules. */
  readonly packages?: Readonly<Record<string, string>>;
  /** The `oidcIdentityProviders` of the server, for the cases where it says no more than 18. */
  readonly serverConfig?: readonly IdentityProvider[];
  /** Text that differs from run to run, and what the page has in its place. */
  readonly replace?: Readonly<Record<string, string>>;
}

export interface Misconfiguration {
  /** A stable name. */
  readonly id: string;
  /** As somebody would say it who knows: "The audience has a slash at the end". */
  readonly title: string;
  /** What one sees in the program. */
  readonly symptom: string;
  readonly setUp: (stage: Stage) => Promise<SetUp>;
  /** The check of doctor that fails (or warns), and its code. */
  readonly check: string;
  readonly code: string;
  /** What it names. */
  readonly says: RegExp;
  readonly fix: RegExp;
  /**
   * True: the server says no more than 18. With `--server-config` exactly this is named; without it, in a ranked list.
   */
  readonly isRefusal?: boolean;
  /** `setUp` minds `isRepaired`: doctor must find nothing then. */
  readonly hasTwin?: true;
  /** Default: `failed`. */
  readonly status?: 'warning';
}
