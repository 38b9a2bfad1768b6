/** A certificate authority and a server certificate for loopback and given names, made at start. */
import 'reflect-metadata'; // @peculiar/x509 loads only after it
import { webcrypto } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

export interface Certificates {
  /** PEM. */
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
  /** A temporary file with the CA, for `NODE_EXTRA_CA_CERTS`. */
  readonly caFile: string;
  close(): void;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const dayMS = 24 * 60 * 60 * 1000;

export async function createCertificates(names: readonly string[] = []): Promise<Certificates> {
  const notBefore = new Date(Date.now() - dayMS);
  const notAfter = new Date(Date.now() + dayMS);
  const caKeys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const caName = 'CN=Emulator CA';
  const ca = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: caName,
      serialNumber: '01',
      notBefore,
      notAfter,
      signingAlgorithm: algorithm,
      keys: caKeys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      ],
    },
    webcrypto,
  );
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.create(
    {
      subject: 'CN=localhost',
      issuer: caName,
      serialNumber: '02',
      notBefore,
      notAfter,
      signingAlgorithm: algorithm,
      publicKey: keys.publicKey,
      signingKey: caKeys.privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension([
          { type: 'ip', value: '127.0.0.1' },
          { type: 'dns', value: 'localhost' },
          ...names.map((value) => ({ type: 'dns' as const, value })),
        ]),
      ],
    },
    webcrypto,
  );
  const key = x509.PemConverter.encode(
    await webcrypto.subtle.exportKey('pkcs8', keys.privateKey),
    'PRIVATE KEY',
  );
  const directory = await mkdtemp(join(tmpdir(), 'emulator-ca-'));
  const caFile = join(directory, 'ca.pem');
  const caPem = ca.toString('pem');
  await writeFile(caFile, caPem);
  return {
    key,
    cert: certificate.toString('pem'),
    ca: caPem,
    caFile,
    close: () => rmSync(directory, { recursive: true, force: true }),
  };
}
