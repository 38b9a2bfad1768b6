/** Finds secrets in text: whole or in part, plain or encoded. */
import { decodeJwt } from 'jose';

/** So many characters of a secret in a row are a leak. */
const LENGTH = 12;
/** Pieces begin at every fourth character, so that 15 in a row are always found. */
const STRIDE = 4;

export class Needles {
  readonly #pieces = new Map<string, string>();

  /** `what` is how a find calls it. */
  add(what: string, secret: string): void {
    for (const [encoding, form] of forms(secret)) {
      const text = canonical(form);
      for (let start = 0; start + Math.min(LENGTH, text.length) <= text.length; start += STRIDE) {
        const piece = text.slice(start, start + LENGTH);
        this.#pieces.set(piece.padEnd(LENGTH, '\0'), `${what}${encoding}`);
      }
    }
  }

  /** A token as a whole, its parts, and the ID in its payload, which is readable without the encoding. */
  addToken(what: string, token: string): void {
    const [, payload, signature] = token.split('.');
    this.add(what, token);
    if (payload) this.add(`the payload of ${what}`, payload);
    if (signature) this.add(`the signature of ${what}`, signature);
    const { jti } = decodeJwt(token);
    if (jti) this.add(`the ID of ${what}`, jti);
  }

  /** What is found in the text, and where it stands. */
  find(text: string): string[] {
    const finds = new Map<string, string>();
    for (const form of new Set([canonical(text), canonical(percentDecoded(text))])) {
      for (let start = 0; start + LENGTH <= form.length; start++) {
        const what = this.#pieces.get(form.slice(start, start + LENGTH));
        if (what !== undefined && !finds.has(what))
          finds.set(what, `${what}, in: ${form.slice(Math.max(0, start - 100), start + 40)}`);
      }
    }
    return [...finds.values()];
  }
}

function forms(secret: string): [encoding: string, form: string][] {
  const bytes = Buffer.from(secret);
  const percent = encodeURIComponent(secret);
  return [
    ['', secret],
    [' in hexadecimal', bytes.toString('hex')],
    ...(percent === secret ? [] : [[', percent-encoded', percent] as [string, string]]),
    // Base64 depends on what is before, in three ways; what is at the edges depends on what is around.
    ...[0, 1, 2].map((before): [string, string] => [
      ' in base64',
      Buffer.concat([Buffer.alloc(before), bytes])
        .toString('base64')
        .slice(4, -4),
    ]),
  ];
}

/** The same text however it was broken into lines or quoted, with one alphabet for base64. */
function canonical(text: string): string {
  return text
    .replace(/['"`] \+\s+['"`]/g, '')
    .replace(/(\\+n|\s)+/g, ' ')
    .replace(/(?<=[\w+/]{16}) (?=[\w+/]{16})/g, '')
    .replaceAll('+', '-')
    .replaceAll('/', '_');
}

function percentDecoded(text: string): string {
  return text.replace(/%([2-7][0-9a-f])/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
