/** The source that is a file. */
import { execFile } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createTokenDirectory, type KubernetesTokens } from '../emulators/kubernetes.js';
import { LIFE_SECONDS, type Source } from './source.js';
import { SourceLog } from './source-log.js';

const AUDIENCE = 'mongodb';
/** The kubelet's 80 % would leave a reader too little of a life of seconds. */
const ROTATION_MS = 0.4 * (LIFE_SECONDS - 1) * 1000;
const STUMBLE_MS = 300;
/** An expired token that stays in place is none of them: that is the server's to refuse. */
export const FILE_KINDS = ['missing', 'empty', 'cut before the second dot', 'FIFO'];

class FileSource implements Source {
  readonly name = 'token-file';
  readonly audience = AUDIENCE;
  readonly env = {};
  readonly log = new SourceLog();
  readonly kinds = FILE_KINDS;
  readonly latencyMS = 0;
  readonly seesRequests = false;
  readonly #tokens: KubernetesTokens;
  readonly #kubelet: NodeJS.Timeout;
  #isBroken = false;
  /** What is done to the file, one after another. */
  #work: Promise<void> = Promise.resolve();
  readonly #rotations = new EventEmitter();
  #validUntil = 0;

  constructor(tokens: KubernetesTokens) {
    this.#tokens = tokens;
    this.#kubelet = setInterval(() => void this.#do(() => this.#rotate()), ROTATION_MS);
  }

  get parameters() {
    return { tokenFile: this.#tokens.path };
  }

  get provider() {
    const { issuer, jwksUri } = this.#tokens;
    return { issuer, jwksUri, audience: AUDIENCE, authNamePrefix: this.name, useAuthorizationClaim: false };
  }

  async nextToken(signal: AbortSignal): Promise<void> {
    await once(this.#rotations, 'rotation', { signal }).catch(() => {});
  }

  validUntil(): number {
    return this.#validUntil;
  }

  async breakDown(kind: string): Promise<() => Promise<void>> {
    const outage = this.log.begin(kind);
    await this.#do(() => this.#spoil(kind));
    return async () => {
      await this.#do(() => this.#mend());
      outage.to = Date.now();
    };
  }

  async stumble(kind: string): Promise<void> {
    const trouble = this.log.trouble();
    await this.#do(() => this.#spoil(kind));
    await sleep(STUMBLE_MS);
    await this.#do(() => this.#mend());
    trouble.to = Date.now();
  }

  async close(): Promise<void> {
    clearInterval(this.#kubelet);
    await this.#work;
    await this.#tokens.close();
  }

  #do(step: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(step);
    return this.#work;
  }

  async #rotate(): Promise<void> {
    if (this.#isBroken) return;
    await this.#tokens.rotate();
    this.#validUntil = Date.now() + LIFE_SECONDS * 1000;
    this.#rotations.emit('rotation');
  }

  async #spoil(kind: string): Promise<void> {
    this.#isBroken = true;
    const { path } = this.#tokens;
    switch (kind) {
      case 'missing':
        return rm(path);
      case 'empty':
        return this.#tokens.write('');
      case 'FIFO':
        await rm(path);
        await promisify(execFile)('mkfifo', [path]);
        return;
      default: {
        const [header, claims] = (await this.#tokens.issue()).split('.');
        return this.#tokens.write(`${header}.${claims}`);
      }
    }
  }

  /** The next token first: the last one, which is in the directory still, may have expired. */
  async #mend(): Promise<void> {
    this.#isBroken = false;
    await this.#rotate();
    const { path } = this.#tokens;
    await rm(path, { force: true });
    await symlink(join('..data', 'token'), path);
  }
}

export async function tokenFile(): Promise<Source> {
  const tokens = await createTokenDirectory({
    issuer: 'https://oidc.example.com/cluster-1',
    audience: AUDIENCE,
    subject: 'system:serviceaccount:shop:orders',
    lifeSeconds: LIFE_SECONDS,
  });
  return new FileSource(tokens);
}
