// A callback of one's own, over the emulator in `token-source.ts`.
import { request } from 'node:http';
import { OIDCCallback, OIDCCallbackError } from 'mongodb-workload-identity';

const codes = { 403: 'ERR_OIDC_ACCESS_DENIED', 429: 'ERR_OIDC_RATE_LIMITED' };

export class HttpCallback extends OIDCCallback {
  #url;

  constructor({ url, ...options }) {
    super(options);
    this.#url = url;
  }

  async getToken({ audience, signal }) {
    const { status, body } = await get(`${this.#url}/?audience=${encodeURIComponent(audience)}`, signal);
    if (status === 200) return JSON.parse(body);
    throw new OIDCCallbackError(
      codes[status] ?? 'ERR_OIDC_SOURCE_UNREACHABLE',
      `The source answered ${status}.`,
    );
  }
}

/** `fetch` would take each process a while to load. */
function get(url, signal) {
  return new Promise((resolve, reject) => {
    request(url, { signal }, async (response) => {
      let body = '';
      for await (const chunk of response.setEncoding('utf8')) body += chunk;
      resolve({ status: response.statusCode, body });
    })
      .once('error', reject)
      .end();
  });
}
