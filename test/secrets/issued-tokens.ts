/** Every token that an emulator of this process hands out, once this module is loaded. */
import { SignJWT } from 'jose';

/** JSON Web Tokens: those of a token file and assertions included. */
export const issuedTokens = new Set<string>();
const { sign } = SignJWT.prototype;
SignJWT.prototype.sign = async function (...parameters) {
  const token = await sign.apply(this, parameters);
  issuedTokens.add(token);
  return token;
};
