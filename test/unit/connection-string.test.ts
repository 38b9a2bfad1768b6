import fc from 'fast-check';
import { AuthMechanism, type MongoClientOptions, ReadPreference } from 'mongodb';
import { afterEach, beforeEach, describe, expect, expectTypeOf, test, vi } from 'vitest';
import { OIDCCallback } from '../../src/callback.js';
import { workloadIdentity } from '../../src/connection-string.js';
import type { EnvironmentName } from '../../src/environment.js';
import { OIDCCallbackError } from '../../src/errors.js';
import { sharedCallback } from '../../src/shared-callback.js';
import { objectionOfDriver, type Reading, readByDriver } from './driver-judge.js';

vi.mock('../../src/shared-callback.js', async (load) => {
  const actual = await load<typeof import('../../src/shared-callback.js')>();
  return { ...actual, sharedCallback: vi.fn(actual.sharedCallback) };
});

const M = 'authMechanism=MONGODB-OIDC';
const P = 'authMechanismProperties';
const AZURE = `${P}=ENVIRONMENT:azure,TOKEN_RESOURCE:api://db`;
const GCP = `${P}=ENVIRONMENT:gcp,TOKEN_RESOURCE:db`;
const K8S = `${P}=ENVIRONMENT:k8s`;
const azure = (resource: string) => `mongodb://h/?${M}&${P}=ENVIRONMENT:azure,TOKEN_RESOURCE:${resource}`;
const inOptions = (properties: unknown, more: object = {}) => ({
  authMechanism: 'MONGODB-OIDC',
  authMechanismProperties: properties,
  ...more,
});

type Row = [what: string, uri: string, options?: object];
type Judged = [what: string, uri: string, options: object | undefined];

// biome-ignore format: a row, a line
const ACCEPTED: Row[] = [
  // Environments and where they are said
  ['azure', `mongodb://h/?${M}&${AZURE}`],
  ['azure with a client ID', `mongodb://0f1e@h/?${M}&${AZURE}`],
  ['gcp', `mongodb://h/?${M}&${GCP}`],
  ['k8s', `mongodb://h/?${M}&${K8S}`],
  ['k8s with TOKEN_RESOURCE', `mongodb://h/?${M}&${K8S},TOKEN_RESOURCE:db`],
  ['k8s with TOKEN_RESOURCE:false', `mongodb://h/?${M}&${K8S},TOKEN_RESOURCE:false`],
  ['k8s with an empty TOKEN_RESOURCE', `mongodb://h/?${M}&${K8S},TOKEN_RESOURCE:`],
  ['azure in the options', 'mongodb://h', inOptions({ ENVIRONMENT: 'azure', TOKEN_RESOURCE: 'api://db' })],
  ['gcp in the options', 'mongodb://h/', inOptions({ ENVIRONMENT: 'gcp', TOKEN_RESOURCE: 'db' })],
  ['k8s in the options', 'mongodb://h/?', inOptions({ ENVIRONMENT: 'k8s' })],
  ['properties as a string in the options', 'mongodb://h', inOptions('ENVIRONMENT:azure,TOKEN_RESOURCE:a:b')],
  ['mechanism in the URI, properties in the options', `mongodb://h/?${M}`, { [P]: { ENVIRONMENT: 'k8s' } }],
  ['properties in the URI, mechanism in the options', `mongodb://h/?${K8S}`, { authMechanism: 'MONGODB-OIDC' }],
  ['ENVIRONMENT in the URI, TOKEN_RESOURCE in the options', `mongodb://h/?${M}&${P}=ENVIRONMENT:azure`, { [P]: { TOKEN_RESOURCE: 'a' } }],
  ['ENVIRONMENT in the options, TOKEN_RESOURCE in the URI', `mongodb://h/?${M}&${P}=TOKEN_RESOURCE:a`, { [P]: { ENVIRONMENT: 'azure' } }],
  ['the URI contradicts TOKEN_RESOURCE of the options', `mongodb://h/?${M}&${AZURE}`, { [P]: { TOKEN_RESOURCE: 'other' } }],
  ['the URI contradicts ENVIRONMENT of the options', `mongodb://h/?${M}&${GCP}`, { [P]: { ENVIRONMENT: 'azure' } }],
  ['the URI contradicts a string in the options', `mongodb://h/?${M}&${GCP}`, { [P]: 'ENVIRONMENT:k8s,TOKEN_RESOURCE:x' }],
  ['an empty string in the options', `mongodb://h/?${M}&${GCP}`, { [P]: '' }],
  ['null in the options', `mongodb://h/?${M}&${GCP}`, { [P]: null, auth: null, authMechanism: null, authSource: null }],
  ['undefined in the options', `mongodb://h/?${M}&${GCP}`, { [P]: undefined, auth: undefined, authMechanism: undefined }],
  ['another case of the option', 'mongodb://h', { AUTHMECHANISM: 'MONGODB-OIDC', authmechanismproperties: { ENVIRONMENT: 'k8s' } }],
  ['two cases of the option, the later counts', 'mongodb://h', { ...inOptions({ ENVIRONMENT: 'azure', TOKEN_RESOURCE: 'a' }), AUTHMECHANISMPROPERTIES: { ENVIRONMENT: 'k8s' }, }],
  ['properties without a prototype', 'mongodb://h', inOptions(Object.assign(Object.create(null), { ENVIRONMENT: 'k8s' }))],
  ['a falsy OIDC_CALLBACK', 'mongodb://h', inOptions({ ENVIRONMENT: 'k8s', OIDC_CALLBACK: undefined, OIDC_HUMAN_CALLBACK: null })],

  // Decoding of TOKEN_RESOURCE
  ['a colon', azure('a:b:c')],
  ['slashes', azure('https://db.example.com/x/')],
  ['encoded once', azure(encodeURIComponent('api://db?x=1&y=ü'))],
  ['encoded twice', azure(encodeURIComponent(encodeURIComponent('api://db')))],
  ['an encoded &', azure('a%26b')],
  ['an encoded #', azure('a%23b')],
  ['an encoded @', azure('a%40b')],
  ['an encoded %', azure('100%25')],
  ['a % that encodes nothing', azure('100%zz')],
  ['a % at the end', azure('100%')],
  ['bytes that are no UTF-8', azure('a%FFb')],
  ['a $', azure('$a$1$&')],
  ['a +, which is a space', azure('a+b')],
  ['an encoded +', azure('a%2Bb')],
  ['a raw space', azure('a b')],
  ['an encoded space', azure('a%20b')],
  ['a raw space before the end', azure('a ')],
  ['a raw space before the next parameter', `${azure('a ')}&appName=x`],
  ['a =', azure('a=b==')],
  ['a ?', azure('a?b')],
  ['raw letters beyond ASCII', azure('bücher-€-😀')],
  ['encoded letters beyond ASCII', azure('b%C3%BCcher')],
  ['half a surrogate pair', azure('a\ud800b')],
  ['quotes and brackets', azure(`"'<>[]{}|^\``)],
  ['a raw tab, which is dropped', azure('a\tb')],
  ['an encoded line break, which ends the value', azure('a%0Ab')],
  ['true, which becomes a boolean', azure('true')],
  ['TRUE, which does not', azure('TRUE')],
  ['an encoded colon and comma', `mongodb://h/?${M}&${P}=ENVIRONMENT%3Aazure%2CTOKEN_RESOURCE%3Aa`],
  ['a comma, in the options', 'mongodb://h', inOptions({ ENVIRONMENT: 'azure', TOKEN_RESOURCE: 'a,b:c' })],
  ['percent signs stay, in the options', 'mongodb://h', inOptions({ ENVIRONMENT: 'azure', TOKEN_RESOURCE: 'a%20b' })],
  ['true as a boolean, in the options', 'mongodb://h', inOptions({ ENVIRONMENT: 'azure', TOKEN_RESOURCE: true })],
  ['a number, in the options', 'mongodb://h', inOptions({ ENVIRONMENT: 'gcp', TOKEN_RESOURCE: 42 })],

  // Order and repetition of properties
  ['TOKEN_RESOURCE first', `mongodb://h/?${M}&${P}=TOKEN_RESOURCE:a,ENVIRONMENT:azure`],
  ['TOKEN_RESOURCE twice, the later counts', `mongodb://h/?${M}&${AZURE},TOKEN_RESOURCE:b`],
  ['ENVIRONMENT twice, the later counts', `mongodb://h/?${M}&${AZURE},ENVIRONMENT:gcp`],
  ['other properties', `mongodb://h/?${M}&${AZURE},SERVICE_NAME:x,FLAG:true,OTHER:false,EMPTY:`],
  ['a property named __proto__', `mongodb://h/?${M}&${AZURE},__proto__:x`],
  ['a property named __proto__ on top of an object', `mongodb://h/?${M}&${GCP},__proto__:x`, { [P]: { A: 1 } }],
  ['properties before and after, in both places', `mongodb://h/?${M}&${GCP},A:1`, { [P]: { A: 2, B: { deep: true } } }],

  // User names
  ['an encoded user name', `mongodb://a%40b%3Ac%2Fd%25@h/?${M}&${AZURE}`],
  ['a user name beyond ASCII', `mongodb://ü@h/?${M}&${AZURE}`],
  ['a user name with a space', `mongodb://a b@h/?${M}&${AZURE}`],
  ['a user name and an empty password', `mongodb://0f1e:@h/?${M}&${AZURE}`],
  ['auth in the options', 'mongodb://h', inOptions({ ENVIRONMENT: 'azure', TOKEN_RESOURCE: 'a' }, { auth: { username: '0f1e', password: undefined } })],
  ['auth in the options replaces the user name', `mongodb://x@h/?${M}&${AZURE}`, { auth: { username: '0f1e', password: '' } }],
  ['auth in the options replaces user name and password', `mongodb://x:y@h/?${M}&${AZURE}`, { auth: { username: '0f1e', password: undefined } }],
  ['auth without a user name removes it', `mongodb://x@h/?${M}&${GCP}`, { auth: { username: undefined, password: undefined } }],
  ['a password without a user name is not used', `mongodb://h/?${M}&${GCP}`, { auth: { username: '', password: 'hunter2' } }],

  // Mechanism and source
  ['the mechanism in lower case', `mongodb://h/?authMechanism=mongodb-oidc&${K8S}`],
  ['half of the mechanism', `mongodb://h/?authMechanism=oidc&${K8S}`],
  ['the mechanism as a pattern', `mongodb://h/?authMechanism=O.%2BC&${K8S}`],
  ['the options contradict the mechanism of the URI', `mongodb://h/?authMechanism=PLAIN&${K8S}`, { authMechanism: 'MONGODB-OIDC' }],
  ['authSource', `mongodb://h/?${M}&${K8S}&authSource=$external`],
  ['an encoded authSource', `mongodb://h/?${M}&${K8S}&authSource=%24external`],
  ['authSource in the options', `mongodb://h/?${M}&${K8S}&authSource=admin`, { authSource: '$external' }],

  // Shapes of the URI
  ['no slash before the query', `mongodb://h?${M}&${AZURE}`],
  ['a database', `mongodb://h/orders?${M}&${AZURE}`],
  ['a database with an encoded name', `mongodb://h/a%20b?${M}&${AZURE}`],
  ['a database that ends in a space', `mongodb://h/orders ?${M}&${AZURE}`],
  ['a database, properties alone in the query', `mongodb://h/orders ?${AZURE}`, { authMechanism: 'MONGODB-OIDC' }],
  ['a path with dots', `mongodb://h/%zz/../orders?${M}&${AZURE}`],
  ['several hosts', `mongodb://h1,h2:27018,H3.Example/?${M}&${AZURE}&replicaSet=rs`],
  ['IPv6', `mongodb://[::1],[FE80::1]:27018/?${M}&${AZURE}`],
  ['the default port', `mongodb://h:27017/?${M}&${AZURE}`],
  ['an encoded host', `mongodb://h%41/?${M}&${AZURE}`],
  ['a socket', `mongodb://%2Ftmp%2FMongoDB-27017.sock/?${M}&${AZURE}`],
  ['a # among the hosts', `mongodb://h#x/?${M}&${AZURE}`],
  ['an empty host', `mongodb://h,,g/?${M}&${AZURE}`],
  ['an SRV name', `mongodb+srv://db.example.com/?${M}&${AZURE}`],
  ['an SRV name with options', `mongodb+srv://db.example.com/x?srvMaxHosts=2&${AZURE}&${M}&tls=false`],
  ['an empty parameter', `mongodb://h/?&${M}&&${AZURE}&`],
  ['a fragment', `mongodb://h/?${M}&${AZURE}#x&appName=y`],
  ['a fragment that begins with ?', `mongodb://h/?${M}&${AZURE}#?${P}=z`],
  ['an empty fragment', `mongodb://h/?${M}&${AZURE}#`],
  ['a line break at the end', `mongodb://h/?${M}&${AZURE}\n`],
  ['a line break, after which nothing counts', `mongodb://h/?${M}&${AZURE}\n&appName=x`],
  ['a line break among the hosts', `mongodb://h\n,g/?${M}&${AZURE}`],
  ['spaces at the end', `mongodb://h/?${M}&${AZURE} \t `],
  ['tabs within', `mongodb://h/?${M}&authMechanism\tProperties=ENVIRONMENT:k8s`],

  // Spellings of the parameter
  ['in lower case', `mongodb://h/?${M}&${AZURE.toLowerCase().replace('environment', 'ENVIRONMENT').replace('token_resource', 'TOKEN_RESOURCE')}`],
  ['in upper case', `mongodb://h/?AUTHMECHANISM=MONGODB-OIDC&AUTHMECHANISMPROPERTIES=ENVIRONMENT:k8s`],
  ['encoded', `mongodb://h/?${M}&auth%4DechanismProperties=ENVIRONMENT:k8s`],
  ['two spellings, the first counts', `mongodb://h/?${M}&${AZURE}&AUTHMECHANISMPROPERTIES=ENVIRONMENT:gcp,TOKEN_RESOURCE:b`],
  ['two spellings, the second empty', `mongodb://h/?${M}&${AZURE}&AUTHMECHANISMPROPERTIES=`],
  ['two spellings, the second twice', `mongodb://h/?${M}&${AZURE}&authmechanismproperties=x&authmechanismproperties=y`],
  ['two spellings of the mechanism', `mongodb://h/?${M}&authmechanism=PLAIN&${AZURE}`],

  // What is not ours stays
  ['other parameters on both sides', `mongodb://h/?appName=a%20b+c&${AZURE}&retryWrites=false&${M}&w=majority&readPreference=secondary&readPreferenceTags=dc:ny,rack:1&readPreferenceTags=`],
  ['a value that ends in a space before it', `mongodb://h/?${M}&appName=a &${AZURE}`],
  ['a value that ends in a space before it and a fragment', `mongodb://h/?${M}&appName=a &${AZURE}#x`],
  ['a value with a lone %', `mongodb://h/?${M}&appName=%&${AZURE}`],
  ['a parameter in another case', `mongodb://h/?${M}&APPNAME=x&TLS=true&${AZURE}`],
  ['TLS', `mongodb://h/?${M}&${AZURE}&tls=true&tlsAllowInvalidHostnames=true`],
  ['ssl', `mongodb://h/?${M}&${AZURE}&ssl=true`],
  ['compressors', `mongodb://h/?${M}&${AZURE}&compressors=zlib&zlibCompressionLevel=3`],
  ['many options', `mongodb://h/?${M}&${AZURE}&appName=x&maxPoolSize=5`, { appName: 'y', minPoolSize: 1, readPreference: ReadPreference.NEAREST, readConcern: { level: 'majority' }, writeConcern: { w: 2 }, pkFactory: { createPk: () => 1 }, tls: true, serverApi: '1', driverInfo: { name: 'x' } }],
  ['a database in the options', `mongodb://h/a?${M}&${AZURE}`, { dbName: 'b' }],
  ['a proxy', `mongodb://h/?${M}&${AZURE}&proxyHost=p&proxyPort=1080`],
  ['loadBalanced', `mongodb://h/?loadBalanced=true&${M}&${AZURE}`],
];

// biome-ignore format: a row, a line
const REJECTED: [...Judged, reason: RegExp][] = [
  // No connection string
  ['an empty string', '', undefined, /must begin with mongodb:\/\//],
  ['not a URI', 'localhost', undefined, /must begin with/],
  ['another scheme', `http://h/?${M}&${AZURE}`, undefined, /must begin with/],
  ['the scheme in capitals', `MongoDB://h/?${M}&${AZURE}`, undefined, /must begin with/],
  ['a space before it', ` mongodb://h/?${M}&${AZURE}`, undefined, /must begin with/],
  ['no host', `mongodb:///?${M}&${AZURE}`, undefined, /name a host/],
  ['a user name and no host', `mongodb://u@/?${M}&${AZURE}`, undefined, /name a host/],
  ['a port and no host', `mongodb://:27017/?${M}&${AZURE}`, undefined, /name a host/],

  // The user part
  ['a password', `mongodb://u:hunter2@h/?${M}&${AZURE}`, undefined, /password/],
  ['a password for gcp', `mongodb://u:hunter2@h/?${M}&${GCP}`, undefined, /password/],
  ['a password for k8s', `mongodb://u:hunter2@h/?${M}&${K8S}`, undefined, /password/],
  ['a password in the options', `mongodb://h/?${M}&${AZURE}`, { auth: { username: 'u', password: 'hunter2' } }, /password/],
  ['a password and no user name', `mongodb://:hunter2@h/?${M}&${AZURE}`, undefined, /no user name/],
  ['an empty user part', `mongodb://@h/?${M}&${AZURE}`, undefined, /no user name/],
  ['an @ in a password', `mongodb://u:hunter2@x@h/?${M}&${AZURE}`, undefined, /%40/],
  ['a / in a password', `mongodb://u:hunter2/x@h/?${M}&${AZURE}`, undefined, /unescaped/],
  ['a : in a password', `mongodb://u:hunter2:x@h/?${M}&${AZURE}`, undefined, /unescaped/],
  ['a # in a user name', `mongodb://u#x@h/?${M}&${AZURE}`, undefined, /unescaped/],
  ['a second @', `mongodb://u@v@h/?${M}&${AZURE}`, undefined, /unescaped/],
  ['an @ in the query', `mongodb://h/?${M}&${P}=ENVIRONMENT:azure,TOKEN_RESOURCE:a@b`, undefined, /unescaped/],
  ['a % in a user name', `mongodb://u%@h/?${M}&${AZURE}`, undefined, /%25/],
  ['a % in a password', `mongodb://u:hunter2%@h/?${M}&${AZURE}`, undefined, /%25/],
  ['no UTF-8 in a user name', `mongodb://%FF@h/?${M}&${AZURE}`, undefined, /%25/],
  ['a user name beside gcp', `mongodb://u@h/?${M}&${GCP}`, undefined, /user name beside ENVIRONMENT:gcp/],
  ['a user name beside k8s', `mongodb://u@h/?${M}&${K8S}`, undefined, /user name beside ENVIRONMENT:k8s/],
  ['a user name beside k8s in the options', `mongodb://u@h`, inOptions({ ENVIRONMENT: 'k8s' }), /user name beside/],
  ['auth without the key password', `mongodb://h/?${M}&${AZURE}`, { auth: { username: 'u' } }, /both keys/],
  ['auth without the key username', `mongodb://h/?${M}&${AZURE}`, { auth: { password: undefined } }, /both keys/],
  ['auth with an inherited password', `mongodb://h/?${M}&${AZURE}`, { auth: Object.assign(Object.create({ password: undefined }), { username: 'u' }) }, /both keys/],
  ['auth that is no object', `mongodb://h/?${M}&${AZURE}`, { auth: 'u:hunter2' }, /both keys/],
  ['auth that is a Map', `mongodb://h/?${M}&${AZURE}`, { auth: new Map([['username', 'u']]) }, /both keys/],

  // Hosts
  ['port 0', `mongodb://h:0/?${M}&${AZURE}`, undefined, /number 1 is not a host, or its port/],
  ['a port beyond 65535', `mongodb://g,h:70000/?${M}&${AZURE}`, undefined, /number 2/],
  ['a port that is no number', `mongodb://h:port/?${M}&${AZURE}`, undefined, /number 1/],
  ['half an IPv6 address', `mongodb://[::1/?${M}&${AZURE}`, undefined, /number 1/],
  ['an IPv6 address without brackets', `mongodb://fe80::1/?${M}&${AZURE}`, undefined, /number 1/],
  ['two SRV names', `mongodb+srv://a.example.com,b.example.com/?${M}&${AZURE}`, undefined, /one host/],
  ['an SRV name with a port', `mongodb+srv://a.example.com:27017/?${M}&${AZURE}`, undefined, /without a port/],
  ['a database name that cannot be decoded', `mongodb://h/%zz?${M}&${AZURE}`, undefined, /%25/],

  // Mechanism and source
  ['another mechanism', `mongodb://h/?authMechanism=SCRAM-SHA-256&${AZURE}`, undefined, /authMechanism=MONGODB-OIDC/],
  ['an unknown mechanism', `mongodb://h/?authMechanism=OAUTH&${AZURE}`, undefined, /authMechanism=MONGODB-OIDC/],
  ['a part of a word of the mechanism', `mongodb://h/?authMechanism=OID&${AZURE}`, undefined, /authMechanism=MONGODB-OIDC/],
  ['a mechanism that is no pattern', `mongodb://h/?authMechanism=(&${AZURE}`, undefined, /authMechanism=MONGODB-OIDC/],
  ['an empty mechanism', `mongodb://h/?authMechanism=&${AZURE}`, undefined, /authMechanism without a value/],
  ['two mechanisms', `mongodb://h/?${M}&${M}&${AZURE}`, undefined, /authMechanism more than once/],
  ['an unknown mechanism in the options', `mongodb://h/?${M}&${AZURE}`, { authMechanism: 'OIDC2' }, /authMechanism=MONGODB-OIDC/],
  ['another authSource', `mongodb://h/?${M}&${AZURE}&authSource=admin`, undefined, /\$external/],
  ['another authSource in the options', `mongodb://h/?${M}&${AZURE}&authSource=$external`, { authSource: 'admin' }, /\$external/],
  ['an empty authSource', `mongodb://h/?${M}&${AZURE}&authSource=`, undefined, /authSource without a value/],
  ['an empty authSource in the options', `mongodb://h/?${M}&${AZURE}`, { authSource: '' }, /\$external/],

  // Properties
  ['no properties', `mongodb://h/?${M}`, undefined, /no TOKEN_RESOURCE.+audience/],
  ['ENVIRONMENT in lower case', `mongodb://h/?${M}&${P}=environment:k8s`, undefined, /'environment'.+ENVIRONMENT/],
  ['an unknown ENVIRONMENT', `mongodb://h/?${M}&${P}=ENVIRONMENT:aws,TOKEN_RESOURCE:a`, undefined, /not known/],
  ['ENVIRONMENT in another case', `mongodb://h/?${M}&${P}=ENVIRONMENT:Azure,TOKEN_RESOURCE:a`, undefined, /not known/],
  ['ENVIRONMENT:true', `mongodb://h/?${M}&${P}=ENVIRONMENT:true,TOKEN_RESOURCE:a`, undefined, /not known/],
  ['an unknown ENVIRONMENT in the options', 'mongodb://h', inOptions({ ENVIRONMENT: ['k8s'] }), /not known/],
  ['azure without TOKEN_RESOURCE', `mongodb://h/?${M}&${P}=ENVIRONMENT:azure`, undefined, /no TOKEN_RESOURCE.+ENVIRONMENT:azure,TOKEN_RESOURCE:/],
  ['gcp without TOKEN_RESOURCE', `mongodb://h/?${M}&${P}=ENVIRONMENT:gcp`, undefined, /no TOKEN_RESOURCE.+ENVIRONMENT:gcp/],
  ['gcp without TOKEN_RESOURCE in the options', 'mongodb://h', inOptions({ ENVIRONMENT: 'gcp' }), /no TOKEN_RESOURCE/],
  ['an empty TOKEN_RESOURCE', azure(''), undefined, /no TOKEN_RESOURCE/],
  ['TOKEN_RESOURCE:false', azure('false'), undefined, /no TOKEN_RESOURCE/],
  ['the URI empties TOKEN_RESOURCE of the options', azure(''), { [P]: { TOKEN_RESOURCE: 'a' } }, /no TOKEN_RESOURCE/],
  ['a comma in TOKEN_RESOURCE', azure('a,b'), undefined, /comma must go into the options/],
  ['an encoded comma in TOKEN_RESOURCE', azure('a%2Cb'), undefined, /comma must go into the options/],
  ['a comma at the end', azure('a,'), undefined, /pairs/],
  ['a property without a colon', `mongodb://h/?${M}&${P}=ENVIRONMENT`, undefined, /pairs/],
  ['empty properties', `mongodb://h/?${M}&${P}=`, undefined, /without a value/],
  ['empty properties beside those of the options', `mongodb://h/?${M}&${P}`, { [P]: { ENVIRONMENT: 'k8s' } }, /without a value/],
  ['properties twice', `mongodb://h/?${M}&${AZURE}&${AZURE}`, undefined, /more than once/],
  ['properties as an array', 'mongodb://h', inOptions(['ENVIRONMENT:k8s']), /must be an object/],
  ['properties as a Map', 'mongodb://h', inOptions(new Map([['ENVIRONMENT', 'k8s']])), /must be an object/],
  ['properties of a class', 'mongodb://h', inOptions( new (class { ENVIRONMENT = 'k8s'; })(), ), /must be an object/],
  ['properties with a tag of their own', 'mongodb://h', inOptions({ ENVIRONMENT: 'k8s', [Symbol.toStringTag]: 'Properties' }), /must be an object/],
  ['properties as a number', 'mongodb://h', inOptions(1), /must be an object/],
  ['ALLOWED_HOSTS in the URI', `mongodb://h/?${M}&${AZURE},ALLOWED_HOSTS:h`, undefined, /option allowedHosts/],
  ['ALLOWED_HOSTS first in the URI', `mongodb://h/?${M}&${P}=ALLOWED_HOSTS:,ENVIRONMENT:k8s`, undefined, /option allowedHosts/],
  ['ALLOWED_HOSTS that is no array', 'mongodb://h', inOptions({ ENVIRONMENT: 'k8s', ALLOWED_HOSTS: 'h' }), /ALLOWED_HOSTS.+must be an array/],
  ['ALLOWED_HOSTS of numbers', 'mongodb://h', inOptions({ ENVIRONMENT: 'k8s', ALLOWED_HOSTS: [1] }), /ALLOWED_HOSTS.+must be an array/],
  ['OIDC_CALLBACK', 'mongodb://h', inOptions({ ENVIRONMENT: 'k8s', OIDC_CALLBACK: async () => ({}) }), /callback/],
  ['OIDC_CALLBACK beside a URI with ENVIRONMENT', `mongodb://h/?${M}&${AZURE}`, { [P]: { OIDC_CALLBACK: async () => ({}) } }, /callback/],
  ['OIDC_HUMAN_CALLBACK', 'mongodb://h', inOptions({ ENVIRONMENT: 'k8s', OIDC_HUMAN_CALLBACK: async () => ({}) }), /callback/],
  ['OIDC_CALLBACK in the URI', `mongodb://h/?${M}&${AZURE},OIDC_CALLBACK:x`, undefined, /callback/],
  ['tls twice', `mongodb://h/?${M}&${AZURE}&tls=true&tls=true`, undefined, /tls more than once/],
];

// biome-ignore format: a row, a line
const LEFT_TO_THE_DRIVER: Row[] = [
  ['an unknown parameter', `mongodb://h/?${M}&${AZURE}&color=blue`],
  ['an unknown option', `mongodb://h/?${M}&${AZURE}`, { color: 'blue' }],
  ['a parameter without a value', `mongodb://h/?${M}&${AZURE}&appName=`],
  ['a parameter without a name', `mongodb://h/?${M}&${AZURE}&=x`],
  ['a name that ends in a space before a fragment', `mongodb://h/?${M}&${AZURE}&${P} #x`],
  ['a parameter twice', `mongodb://h/?${M}&appName=a&${AZURE}&appName=b`],
  ['a value of the wrong kind', `mongodb://h/?${M}&${AZURE}&maxPoolSize=x`],
  ['tls and ssl that contradict each other', `mongodb://h/?${M}&${AZURE}&tls=true&ssl=false`],
  ['srvMaxHosts without SRV', `mongodb://h/?${M}&${AZURE}&srvMaxHosts=1`],
  ['directConnection with two hosts', `mongodb://h,g/?${M}&${AZURE}&directConnection=true`],
  ['loadBalanced in the options', `mongodb://h/?${M}&${AZURE}`, { loadBalanced: true }],
  ['CANONICALIZE_HOST_NAME', `mongodb://h/?${M}&${AZURE},CANONICALIZE_HOST_NAME:x`],
];

const sentTo = vi.mocked(sharedCallback);

beforeEach(() => {
  sentTo.mockClear();
  vi.spyOn(process, 'emitWarning').mockReturnValue(undefined);
});
afterEach(() => {
  vi.restoreAllMocks();
});

function errorOf(uri: unknown, options?: unknown): OIDCCallbackError {
  try {
    workloadIdentity(uri as string, options as object);
  } catch (error) {
    if (error instanceof OIDCCallbackError) return error;
    throw error;
  }
  throw new Error('was accepted');
}

/** Holds what the driver reads from our result against what it reads from the original. */
function expectSameReading(original: Reading, [uri, options]: [string, object]): void {
  const ours = readByDriver(uri, options);
  expect(ours.rest).toEqual(original.rest);
  expect(ours.mechanism).toBe(original.mechanism);
  expect(ours.source).toBe(original.source);
  expect(ours.username).toBe(original.username);

  const { ENVIRONMENT, TOKEN_RESOURCE, ALLOWED_HOSTS: _, ...others } = original.mechanismProperties;
  const { OIDC_CALLBACK, TOKEN_RESOURCE: resource, ALLOWED_HOSTS, ...ourOthers } = ours.mechanismProperties;
  expect({ OIDC_CALLBACK: undefined, ...ourOthers }).toEqual({ OIDC_CALLBACK: undefined, ...others });
  expect(OIDC_CALLBACK).toBeInstanceOf(OIDCCallback);
  // The driver's own environments append it to a URL, as a string.
  const sent = TOKEN_RESOURCE ? String(TOKEN_RESOURCE) : undefined;
  expect(resource).toBe(sent);
  expect(sentTo).toHaveBeenCalledExactlyOnceWith(ENVIRONMENT as EnvironmentName, {
    ...(sent && { audience: sent }),
    ...(original.username && { username: original.username }),
  });
  const { hosts } = original.rest as { hosts: { host?: string; socketPath?: string }[] };
  if (hosts.length > 0)
    expect(ALLOWED_HOSTS).toEqual(hosts.map(({ host, socketPath }) => socketPath ?? host));
}

describe('what the driver accepts, it reads in the same way from our result', () => {
  test.each(ACCEPTED)('%s', (_, uri, options) => {
    const original = readByDriver(uri, options);
    expectSameReading(original, workloadIdentity(uri, options ?? {}));
  });
});

test.each<[written: string, resource: string]>([
  ['api://db', 'api://db'],
  ['a:b', 'a:b'],
  ['a%3Ab%2Fc%26d', 'a:b/c&d'],
  ['a%2526b', 'a%26b'],
  ['100%25', '100%'],
  ['$1$&', '$1$'],
  ['a+b%2Bc%20d', 'a b+c d'],
  ['%C3%BC', 'ü'],
  ['a=b', 'a=b'],
  ['a%0Ab', 'a'],
  ['true', 'true'],
])('TOKEN_RESOURCE:%s is %j for the source and in the properties', (written, resource) => {
  const [, options] = workloadIdentity(azure(written));
  expect(sentTo).toHaveBeenCalledExactlyOnceWith('azure', { audience: resource });
  expect(options.authMechanismProperties?.TOKEN_RESOURCE).toBe(resource);
});

describe('what the driver rejects is rejected, with the reason', () => {
  test.each(REJECTED)('%s', (_, uri, options, reason) => {
    expect(objectionOfDriver(uri, options)).toBeInstanceOf(Error);
    const error = errorOf(uri, options);
    expect(error.code).toBe('ERR_OIDC_INVALID_URI');
    expect(error.message).toMatch(reason);
    expect(error.message).not.toContain('hunter2');
    if (uri) expect(error.message).not.toContain(uri);
    expect(sentTo).not.toHaveBeenCalled();
  });
});

describe('what has nothing to do with us is left to the driver', () => {
  test.each(LEFT_TO_THE_DRIVER)('%s', (_, uri, options) => {
    const objection = objectionOfDriver(uri, options);
    expect(objection).toBeInstanceOf(Error);
    expect(objectionOfDriver(...workloadIdentity(uri, options ?? {}))?.message).toBe(objection?.message);
  });
});

describe('what we allow and the driver does not', () => {
  test.each<Row>([
    ['no authMechanism', `mongodb://h/?${AZURE}`],
    ['no authMechanism, a client ID', `mongodb://0f1e@h/?${AZURE}`],
    ['no authMechanism, a database', `mongodb://h/orders?${GCP}&appName=x`],
    ['no authMechanism in the options', 'mongodb://h/orders', { [P]: { ENVIRONMENT: 'k8s' } }],
    ['null for authMechanism', 'mongodb://h', { authMechanism: null, [P]: { ENVIRONMENT: 'k8s' } }],
  ])('%s: it is added', (_, uri, options) => {
    const result = workloadIdentity(uri, options ?? {});
    expect(result[1]).toMatchObject({ authMechanism: 'MONGODB-OIDC' });
    expectSameReading(readByDriver(uri, { ...options, authMechanism: 'MONGODB-OIDC' }), result);
  });

  test('authMechanism is not added where it is said already', () => {
    expect(workloadIdentity(`mongodb://h/?${M}&${AZURE}`)[1]).not.toHaveProperty('authMechanism');
    expect(workloadIdentity(`mongodb://h/?${AZURE}`, { authMechanism: 'MONGODB-OIDC' })[1]).toHaveProperty(
      'authMechanism',
      'MONGODB-OIDC',
    );
  });

  test.each<[...Judged, environment: EnvironmentName]>([
    ['azure', `mongodb://h/?${M}&${P}=ENVIRONMENT:azure`, {}, 'azure'],
    ['gcp', `mongodb://h/?${P}=ENVIRONMENT:gcp`, {}, 'gcp'],
    ['k8s', `mongodb://h/?${M}&${K8S}`, {}, 'k8s'],
    ['azure with an empty TOKEN_RESOURCE', azure(''), {}, 'azure'],
    ['azure in the options', 'mongodb://h', inOptions({ ENVIRONMENT: 'azure' }), 'azure'],
  ])('no TOKEN_RESOURCE where audience is given: %s', (_, uri, options, environment) => {
    const result = workloadIdentity(uri, { ...options, audience: 'api://db' });
    expect(sentTo).toHaveBeenCalledExactlyOnceWith(environment, { audience: 'api://db' });
    const { mechanismProperties } = readByDriver(...result);
    expect(mechanismProperties).not.toHaveProperty('TOKEN_RESOURCE');
    expect(mechanismProperties.OIDC_CALLBACK).toBeInstanceOf(OIDCCallback);
  });

  test('an audience that is the same as TOKEN_RESOURCE', () => {
    workloadIdentity(azure('api://db'), { audience: 'api://db' });
    expect(sentTo).toHaveBeenCalledExactlyOnceWith('azure', { audience: 'api://db' });
  });
});

describe('what the driver allows and we do not', () => {
  test.each<[...Judged, reason: RegExp]>([
    [
      'ENVIRONMENT:test',
      `mongodb://h/?${M}&${P}=ENVIRONMENT:test`,
      undefined,
      /not known.+ENVIRONMENT:azure/,
    ],
    ['no mechanism and no properties', 'mongodb://h', undefined, /no TOKEN_RESOURCE/],
    ['another mechanism', 'mongodb://u:hunter2@h/?authMechanism=SCRAM-SHA-256', undefined, /another/],
    [
      'another mechanism in the options',
      `mongodb://h/?${M}&${AZURE}`,
      { authMechanism: 'MONGODB-X509' },
      /another/,
    ],
    [
      'a callback without ENVIRONMENT',
      'mongodb://h',
      inOptions({ OIDC_CALLBACK: async () => ({}) }),
      /callback/,
    ],
    ['a blank TOKEN_RESOURCE', azure('%20+'), undefined, /blank/],
    [
      'an SRV host that no DNS has',
      `mongodb+srv://a%20b.example.com/?${M}&${K8S}`,
      undefined,
      /host of the connection string is no domain name/,
    ],
    [
      'ALLOWED_HOSTS beside ENVIRONMENT without the host',
      'mongodb://h',
      inOptions({ ENVIRONMENT: 'k8s', ALLOWED_HOSTS: ['g'] }),
      /leads to 'h'.+only: 'g'/,
    ],
    [
      'no host in ALLOWED_HOSTS',
      'mongodb://h',
      inOptions({ ENVIRONMENT: 'k8s', ALLOWED_HOSTS: [] }),
      /leads to 'h'/,
    ],
  ])('%s', (_, uri, options, reason) => {
    expect(objectionOfDriver(uri, options)).toBeUndefined();
    const error = errorOf(uri, options);
    expect(error.code).toBe('ERR_OIDC_INVALID_URI');
    expect(error.message).toMatch(reason);
    expect(error.message).not.toContain('hunter2');
  });

  test.each(Object.values(AuthMechanism).filter((name) => name !== 'MONGODB-OIDC'))(
    'a pattern that finds %s first',
    (name) => {
      const error = errorOf(`mongodb://h/?authMechanism=OIDC|${name}&${AZURE}`);
      expect(error.code).toBe('ERR_OIDC_INVALID_URI');
      expect(error.message).toMatch(/another/);
    },
  );

  test.each([
    [undefined, 'undefined'],
    [null, 'null'],
    [5, 'number'],
    [{}, 'object'],
    [new URL('mongodb://h'), 'object'],
  ])('a connection string that is no string: %s', (uri, type) => {
    const error = errorOf(uri);
    expect(error.code).toBe('ERR_OIDC_INVALID_URI');
    expect(error.message).toBe(`The connection string must be a string, not ${type}.`);
  });
});

describe('our own options', () => {
  const HOST_NAMES = /'allowedHosts' must be an array of host names/;
  test.each([
    [/'audience' must not be empty/, { audience: '' }],
    [/'audience' must not be empty/, { audience: ' ' }],
    [/'audience' must be a string/, { audience: 5 }],
    [/'audience' must be a string/, { audience: null }],
    [/'audience' contradicts TOKEN_RESOURCE, which is 'api:\/\/db'/, { audience: 'api://other' }],
    [HOST_NAMES, { allowedHosts: 'h' }],
    [HOST_NAMES, { allowedHosts: [] }],
    [HOST_NAMES, { allowedHosts: [''] }],
    [HOST_NAMES, { allowedHosts: ['h', 5] }],
    [HOST_NAMES, { allowedHosts: null }],
    [
      /'allowedHosts' means the same as ALLOWED_HOSTS/,
      { allowedHosts: ['h'], [P]: { ALLOWED_HOSTS: ['h'] } },
    ],
  ])('%s: %j', (message, options) => {
    const error = errorOf(`mongodb://h/?${M}&${AZURE}`, options);
    expect(error.code).toBe('ERR_OIDC_INVALID_OPTION');
    expect(error.message).toMatch(message);
  });

  test.each(['clientId', 'resourceId', 'objectId', 'tokenFile', 'credential', 'refreshAhead'])(
    '%s belongs to a class, and says so',
    (name) => {
      const error = errorOf(`mongodb://h/?${M}&${AZURE}`, { [name]: 'x' });
      expect(error.code).toBe('ERR_OIDC_INVALID_OPTION');
      expect(error.message).toMatch(new RegExp(`'${name}' belongs to a callback class.*is the user name`));
    },
  );

  const NO_STRING = Object.create(null);
  test.each([
    ['authSource', { authSource: NO_STRING }],
    ['user name', { auth: { username: NO_STRING, password: undefined } }],
    ['TOKEN_RESOURCE', { [P]: { ENVIRONMENT: 'azure', TOKEN_RESOURCE: NO_STRING } }],
    ['srvAllowedHostsSuffix', { srvAllowedHostsSuffix: NO_STRING, [P]: { ENVIRONMENT: 'k8s' } }],
  ])('what cannot be made a string is refused with a reason: %s', (name, options) => {
    const error = errorOf(`mongodb+srv://db.example.com/?${M}`, options);
    expect(error.code).toBe('ERR_OIDC_INVALID_URI');
    expect(error.message).toBe(`The ${name} must be a string.`);
  });

  test.each([null, 'x', 5, [], () => {}])('options that are no object: %s', (options) => {
    const error = errorOf(`mongodb://h/?${M}&${AZURE}`, options);
    expect(error.code).toBe('ERR_OIDC_INVALID_OPTION');
    expect(error.message).toMatch(/options of workloadIdentity must be an object/);
  });

  test('they do not reach the driver', () => {
    const [, options] = workloadIdentity(`mongodb://h/?${AZURE}`, {
      audience: 'api://db',
      allowedHosts: ['h'],
    });
    expect(Object.keys(options).sort()).toEqual(['authMechanism', P]);
    expectTypeOf(options).not.toHaveProperty('audience');
    expectTypeOf(options).not.toHaveProperty('allowedHosts');
  });

  test('undefined is as if they were not there', () => {
    const result = workloadIdentity(`mongodb://h/?${AZURE}`, {
      audience: undefined,
      allowedHosts: undefined,
    });
    expectSameReading(readByDriver(`mongodb://h/?${M}&${AZURE}`), result);
  });
});

describe('the connection string', () => {
  test.each([
    [`mongodb://h/?${AZURE}`, 'mongodb://h/?'],
    [`mongodb://h?${AZURE}`, 'mongodb://h?'],
    [`mongodb://h/?${M}&${AZURE}`, `mongodb://h/?${M}`],
    [`mongodb://h/?${AZURE}&${M}`, `mongodb://h/?${M}`],
    [`mongodb://h/?a=1&${AZURE}&b=2`, 'mongodb://h/?a=1&b=2'],
    [`mongodb://h/?a=1&${AZURE}&`, 'mongodb://h/?a=1&'],
    [`mongodb://h/?&${AZURE}&&b=%20+%2f`, 'mongodb://h/?&&b=%20+%2f'],
    [`mongodb://h/?${AZURE}&AuthMechanismProperties=x&b=2&authmechanismproperties`, 'mongodb://h/?b=2'],
    [`mongodb://h/?a=1 &${AZURE}`, 'mongodb://h/?a=1 &'],
    [`mongodb://h/?a=1 &b=2&${AZURE}`, 'mongodb://h/?a=1 &b=2'],
    [
      `mongodb://u%2fv@H1,[::1]:27018/D%62?a='&${AZURE}&b="#f?&c`,
      `mongodb://u%2fv@H1,[::1]:27018/D%62?a='&b="#f?&c`,
    ],
    [`mongodb://h/?${AZURE}\n&${P}=x`, `mongodb://h/?\n&${P}=x`],
    [`mongodb://h/?x${P}=1&${AZURE}&${P}x=2`, `mongodb://h/?x${P}=1&${P}x=2`],
  ])('%j without the parameter is %j', (uri, expected) => {
    expect(workloadIdentity(uri)[0]).toBe(expected);
  });

  test('stays as it is where the options say all', () => {
    for (const uri of [`mongodb://h/a%2Db?x=%7e&&y#${AZURE}`, `mongodb://h/#?${AZURE}`]) {
      expect(workloadIdentity(uri, inOptions({ ENVIRONMENT: 'k8s' }))[0]).toBe(uri);
    }
  });
});

describe('the options', () => {
  test('are not changed, and all that is not ours is passed on by reference', () => {
    const properties = Object.freeze({ ENVIRONMENT: 'azure', TOKEN_RESOURCE: 'a', OTHER: Object.freeze({}) });
    const allowed = Object.freeze(['H']);
    const options = Object.freeze({
      ...inOptions(properties),
      AUTHMECHANISMPROPERTIES: properties,
      allowedHosts: allowed,
      auth: Object.freeze({ username: 'u', password: undefined }),
      monitorCommands: true,
      autoIndex: false,
      lookup: () => {},
    });
    const [, result] = workloadIdentity('mongodb://h', options);
    const { authMechanismProperties, ...rest } = result as Record<string, unknown>;
    const {
      authMechanismProperties: _,
      AUTHMECHANISMPROPERTIES: __,
      allowedHosts: ___,
      ...expected
    } = options;
    expect(rest).toEqual(expected);
    expect(rest.auth).toBe(options.auth);
    expect(rest.lookup).toBe(options.lookup);
    expect(authMechanismProperties).toEqual({
      TOKEN_RESOURCE: 'a',
      OTHER: {},
      OIDC_CALLBACK: expect.any(Function),
      ALLOWED_HOSTS: ['h'],
    });
    expect((authMechanismProperties as typeof properties).OTHER).toBe(properties.OTHER);
  });

  test('the same arguments get the same callback', () => {
    const callbackOf = (uri: string) => workloadIdentity(uri)[1].authMechanismProperties?.OIDC_CALLBACK;
    expect(callbackOf(`mongodb://h/?${AZURE}`)).toBe(callbackOf(`mongodb://g/?appName=x&${AZURE}`));
    expect(callbackOf(`mongodb://h/?${AZURE}`)).not.toBe(callbackOf(`mongodb://h/?${GCP}`));
  });

  test('keep their type', () => {
    interface OtherDriversOptions {
      bufferCommands?: boolean;
      authMechanism?: 'MONGODB-OIDC' | 'PLAIN';
      readPreference?: { other: symbol };
    }
    const uri = `mongodb://h/?${AZURE}`;
    const other: OtherDriversOptions = { bufferCommands: true };
    expectTypeOf(workloadIdentity(uri)).toExtend<[string, MongoClientOptions]>();
    expectTypeOf(workloadIdentity(uri, other)).toExtend<[string, OtherDriversOptions]>();
    expectTypeOf(workloadIdentity(uri, { ...other, audience: 'api://db' })).toExtend<
      [string, OtherDriversOptions]
    >();
    expectTypeOf(
      workloadIdentity(uri, { authMechanism: 'MONGODB-OIDC', compressors: ['zlib'], allowedHosts: ['h'] }),
    ).toExtend<[string, MongoClientOptions]>();
    expectTypeOf(workloadIdentity<OtherDriversOptions>(uri, { authMechanism: 'MONGODB-OIDC' })).toExtend<
      [string, OtherDriversOptions]
    >();
  });
});

describe('the hosts that may get a token', () => {
  const allowedHostsOf = (uri: string, options: object = {}) =>
    readByDriver(...workloadIdentity(uri, options)).mechanismProperties.ALLOWED_HOSTS;
  const srv = (host: string, more = '') => `mongodb+srv://${host}/?${M}&${AZURE}${more}`;

  test.each([
    ['cluster0.abc12.mongodb.net', ['*.abc12.mongodb.net']],
    ['DB.Example.COM', ['*.example.com']],
    ['db.example.com.', ['*.example.com']],
    ['example.com', ['*.example.com']],
    ['localhost', ['*.localhost']],
  ])('of the SRV name %s are %j', (host, allowed) => {
    expect(allowedHostsOf(srv(host))).toEqual(allowed);
  });

  test('of an SRV name with srvAllowedHostsSuffix are those under the suffix', () => {
    expect(allowedHostsOf(srv('db.eu.example.com', '&srvAllowedHostsSuffix=.Example.com'))).toEqual([
      '*.example.com',
    ]);
    expect(allowedHostsOf(srv('db.example.com'), { srvAllowedHostsSuffix: 'internal' })).toEqual([
      '*.internal',
    ]);
    expect(
      allowedHostsOf(srv('db.example.com', '&srvAllowedHostsSuffix=x.org'), {
        srvAllowedHostsSuffix: 'y.org',
      }),
    ).toEqual(['*.y.org']);
    expect(errorOf(srv('db.example.com', '&srvAllowedHostsSuffix=a%20b')).message).toMatch(
      /srvAllowedHostsSuffix/,
    );
  });

  test.each([
    [`mongodb://h/?${AZURE}`, ['h']],
    [`mongodb://H.Example.com:27018/?${AZURE}`, ['*.example.com']],
    [`mongodb://h.example.com/?${AZURE}`, ['other', '*.Example.COM']],
    [`mongodb://example.com/?${AZURE}`, ['*.example.com']],
    [`mongodb://a.example.com,b.example.org/?${AZURE}`, ['a.example.com', '*.example.org']],
    [`mongodb://[::1]:27018/?${AZURE}`, ['::1']],
    [`mongodb://%2Ftmp%2FMongoDB.sock/?${AZURE}`, ['/tmp/MongoDB.sock']],
    [srv('cluster0.abc12.mongodb.net'), ['*.mongodb.net']],
    [srv('cluster0.abc12.mongodb.net'), ['*.ABC12.mongodb.net']],
    [srv('db.example.com', '&srvAllowedHostsSuffix=x.org'), ['*.x.org']],
  ])('%s may be pinned to %j', (uri, pins) => {
    const expected = pins.map((pin) => (pin.includes('/') ? pin : pin.toLowerCase()));
    expect(allowedHostsOf(uri, { allowedHosts: pins })).toEqual(expected);
    expect(allowedHostsOf(uri, { [P]: { ALLOWED_HOSTS: pins } })).toEqual(expected);
  });

  test.each([
    [`mongodb://evilexample.com/?${AZURE}`, ['*.example.com'], 'evilexample.com'],
    [`mongodb://example.com.evil.org/?${AZURE}`, ['*.example.com'], 'example.com.evil.org'],
    [`mongodb://a.example.com,evil.org/?${AZURE}`, ['*.example.com'], 'evil.org'],
    [`mongodb://h:27017/?${AZURE}`, ['h:27017'], 'h'],
    [`mongodb://h/?${AZURE}`, ['g', '*.example.com'], 'h'],
    [`mongodb://h/?${AZURE}`, ['*'], 'h'],
    [`mongodb://h/?${AZURE}`, ['*.'], 'h'],
    [`mongodb://[::1]/?${AZURE}`, ['[::1]'], '::1'],
    [srv('db.evilexample.com'), ['*.example.com'], '*.evilexample.com'],
    [srv('db.example.com'), ['*.db.example.com'], '*.example.com'],
    [srv('db.example.com'), ['db.example.com'], '*.example.com'],
    [srv('db.example.com'), ['example.com'], '*.example.com'],
    [srv('db.example.com', '&srvAllowedHostsSuffix=x.org'), ['*.example.com'], '*.x.org'],
  ])('%s is refused where the pins are %j', (uri, pins, host) => {
    for (const options of [{ allowedHosts: pins }, { [P]: { ALLOWED_HOSTS: pins } }]) {
      const error = errorOf(uri, options);
      expect(error.code).toBe('ERR_OIDC_INVALID_URI');
      expect(error.message).toContain(`'${host}'`);
      expect(error.message).toContain(`only: ${pins.map((pin) => `'${pin}'`).join(', ')}.`);
    }
  });

  test('with srvHostValidator are the pins, and the driver holds every host against them', () => {
    const srvHostValidator = () => true;
    const uri = srv('db.example.com');
    expect(allowedHostsOf(uri, { srvHostValidator, allowedHosts: ['a.other.org'] })).toEqual(['a.other.org']);
    expect(allowedHostsOf(uri, { srvHostValidator })).toEqual(['*.example.com']);
  });
});

describe('a token that would travel without TLS', () => {
  async function warningsFor(...calls: Parameters<typeof workloadIdentity>[]): Promise<unknown[][]> {
    vi.resetModules();
    const fresh = await import('../../src/connection-string.js');
    for (const call of calls) fresh.workloadIdentity(...call);
    return vi.mocked(process.emitWarning).mock.calls;
  }

  test.each<[uri: string, options: object]>([
    [`mongodb://db.example.com/?${AZURE}`, {}],
    [`mongodb://localhost,10.0.0.1/?${AZURE}`, {}],
    [`mongodb://db.example.com/?${AZURE}&tls=false`, {}],
    [`mongodb://db.example.com/?${AZURE}&SSL=false`, {}],
    [`mongodb+srv://db.example.com/?${AZURE}&tls=false`, {}],
    [`mongodb+srv://db.example.com/?${AZURE}`, { ssl: false }],
    ['mongodb://db.example.com', { [P]: { ENVIRONMENT: 'k8s' } }],
  ])('is warned of: %s %j', async (uri, options) => {
    const [warning, ...others] = await warningsFor([uri, options]);
    expect(warning).toEqual([expect.stringContaining('tls=true'), { code: 'OIDC_INSECURE_TRANSPORT' }]);
    expect(others).toEqual([]);
    expect(readByDriver(...workloadIdentity(uri, options)).rest).not.toMatchObject({ tls: true });
  });

  test.each<[uri: string, options: object]>([
    [`mongodb://db.example.com/?${AZURE}&tls=true`, {}],
    [`mongodb://db.example.com/?${AZURE}&ssl=true`, {}],
    [`mongodb://db.example.com/?${AZURE}`, { tls: true }],
    [`mongodb://db.example.com/?${AZURE}`, { TLS: 'true' }],
    [`mongodb+srv://db.example.com/?${AZURE}`, {}],
  ])('is not this one: %s %j', async (uri, options) => {
    expect(await warningsFor([uri, options])).toEqual([]);
    expect(readByDriver(...workloadIdentity(uri, options)).rest).toMatchObject({ tls: true });
  });

  test.each(['localhost', '127.0.0.1:27018,[::1]', '%2Ftmp%2Fmongodb-27017.sock', 'db.localhost'])(
    'stays on the machine: %s',
    async (hosts) => {
      expect(await warningsFor([`mongodb://${hosts}/?${AZURE}`, {}])).toEqual([]);
    },
  );

  test('is warned of once in a process, and not for what is refused', async () => {
    const uri = `mongodb://u:hunter2@localhost,a.example.com,10.0.0.1/?${AZURE}`;
    const options = { auth: { username: 'u', password: '' } };
    const warnings = await warningsFor([uri, options], [`mongodb://b.example.com/?${AZURE}`, {}]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]?.[0]).toMatch(/to a\.example\.com, 10\.0\.0\.1 without TLS/);
    expect(warnings[0]?.[0]).not.toContain('hunter2');

    vi.mocked(process.emitWarning).mockClear();
    const refused = warningsFor([`mongodb://db.example.com/?${AZURE}`, { allowedHosts: ['*.example.org'] }]);
    await expect(refused).rejects.toThrow('leads to');
    expect(process.emitWarning).not.toHaveBeenCalled();
  });
});

test('any connection string gets the same verdict and the same reading', { timeout: 60_000 }, () => {
  const joined = (parts: fc.Arbitrary<string>, separator = '') =>
    fc.array(parts, { maxLength: 4 }).map((all) => all.join(separator));
  const text = joined(
    fc.constantFrom(
      ...'a b%=+?/:;@#&,$"\\\0\t\n'.split(''),
      '%25',
      '%26',
      '%40',
      '%0A',
      '%FF',
      'é',
      '\ud800',
      '\udc00',
      'ab',
      'x',
    ),
  );
  const properties = fc
    .tuple(
      fc.constantFrom(P, P, P, P.toLowerCase(), 'auth%4DechanismProperties', 'auth\tMechanismProperties'),
      fc.constantFrom('ENVIRONMENT:azure', 'ENVIRONMENT:gcp', 'A:b,ENVIRONMENT:k8s', 'ENVIRONMENT%3Aazure'),
      text,
    )
    .map(([name, environment, resource]) => `${name}=${environment},TOKEN_RESOURCE:r${resource}`);
  const others = joined(
    fc.oneof(
      text.map((value) => `appName=x${value}`),
      fc.constantFrom('', 'replicaSet=rs ', 'APPNAME=x', `${P.toUpperCase()}=`, 'readPreferenceTags=', 'w=1'),
    ),
    '&',
  );
  const uri = fc
    .tuple(
      fc.constantFrom(
        ...['h', 'G,[::1]:1', '%2Ftmp%2Fm.sock', 'h%41', 'h.', 'h:0', 'u@h', 'u%20:@h', '\t@h'].map(
          (hosts) => `mongodb://${hosts}`,
        ),
        'mongodb+srv://db.example.com',
        'mongodb+srv://u@db.example.com',
      ),
      fc.constantFrom('?', '/?', '/db ?', '/a%20b?', '/%zz/../x?', '/#?'),
      fc.tuple(others, properties, others).map((segments) => segments.join('&')),
      fc.constantFrom('', '', '#', '#f', ' \t', '\n', '\n&appName=y', '\u2028'),
    )
    .map((parts) => parts.join(''));

  const options = { authMechanism: 'MONGODB-OIDC' } as const;
  const verdicts = { accepted: 0, rejected: 0 };
  fc.assert(
    fc.property(uri, (input) => {
      sentTo.mockClear();
      if (objectionOfDriver(input, options) === undefined) {
        expectSameReading(readByDriver(input, options), workloadIdentity(input, options));
        verdicts.accepted++;
        return;
      }
      verdicts.rejected++;
      let result: Parameters<typeof readByDriver> | undefined;
      try {
        result = workloadIdentity(input, options);
      } catch (error) {
        expect(error).toMatchObject({ name: 'OIDCCallbackError', code: 'ERR_OIDC_INVALID_URI' });
      }
      if (result) expect(objectionOfDriver(...result)).toBeInstanceOf(Error);
    }),
    { numRuns: 500 },
  );
  expect(Math.min(verdicts.accepted, verdicts.rejected)).toBeGreaterThan(50);
});
