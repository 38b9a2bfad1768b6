// The examples, and what becomes of each as it stands, told by variables alone where it is.

import { fileURLToPath } from 'node:url';
import { AZURE_DOCUMENTDB } from 'mongodb-workload-identity/azure';
import { expect } from 'vitest';
import { defaultIdentities } from '../emulators/azure.js';
import { defaultServiceAccount } from '../emulators/gcp.js';
import type { Place, Stage } from '../stage.js';
import {
  aks,
  appService,
  azureVirtualMachine,
  gcpMetadataServer,
  podOfEks,
  podWithVolume,
  serviceAccount,
} from '../ways/sources.js';
import { identityParameters } from '../ways/ways.js';
import { readPod } from './manifests.js';
import {
  commandLine,
  eksPod,
  googleServiceAccount,
  laptopWithAz,
  laptopWithGcloud,
  person,
  spiffeHelper,
  spiffeId,
} from './places.js';

export interface Example {
  readonly file: string;
  /** Those that it cannot do without, in the order in which it asks for them. */
  readonly variables: readonly string[];
  readonly runs: readonly Run[];
}

export interface Run {
  readonly as: string;
  readonly place: Place;
  /** Besides what the place sets, and the server and the audience. */
  readonly env?: (stage: Stage) => Readonly<Record<string, string>>;
  /** What Node.js is given before the example; or instead of it, where it is a framework that loads it. */
  readonly launch?: { readonly before: readonly string[] } | { readonly instead: readonly string[] };
  /** All that it prints, when it ends by itself. */
  readonly prints?: (stage: Stage) => string;
  /** How it ends on SIGTERM. Default: by itself, when it has closed its client. */
  readonly stops?: 'by the signal' | 'at once';
  /** What it answers over HTTP, one after the other, while it runs until SIGTERM. */
  readonly answers?: (stage: Stage) => readonly Exchange[];
}

export interface Exchange {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: object;
  readonly status: number;
  /** A string, or what JSON comes to. */
  readonly answer: unknown;
}

const { clientId } = identityParameters;
const [systemAssigned, userAssigned] = defaultIdentities.map(({ objectId }) => objectId) as [string, string];
/** The client ID of the application that stands for MongoDB. */
const azureAudience = '66666666-7777-4888-9999-000000000000';
const gcpAudience = 'https://mongodb.example.com';

const azureVm = { start: azureVirtualMachine, audience: azureAudience, subject: systemAssigned };
/** Functions, App Service, Container Apps. */
const site = { ...azureVm, start: appService };
const onGoogleCloud = {
  start: gcpMetadataServer,
  audience: gcpAudience,
  subject: defaultServiceAccount.uniqueId,
};
const inKubernetes = { start: podOfEks, audience: 'mongodb', subject: serviceAccount };

const uri = ['MONGODB_URI'];
const uriAndAudience = [...uri, 'MONGODB_AUDIENCE'];

const connected = ({ user }: Stage) => `Connected as ${user}\n`;
const connectedOverHttp = (stage: Stage): Exchange[] => [
  { method: 'GET', path: '/', status: 200, answer: connected(stage) },
];
function countedVisits(path: string, answer: (count: number) => unknown): Exchange[] {
  return [1, 2].map((count) => ({ method: 'GET', path, status: 200, answer: answer(count) }));
}
const visits = () => countedVisits('/', (count) => `Visits: ${count}\n`);
const orders: Run['answers'] = () => [
  { method: 'GET', path: '/orders', status: 200, answer: { orders: 0 } },
  {
    method: 'POST',
    path: '/orders',
    body: { articles: ['tea'] },
    status: 201,
    answer: { id: expect.any(String) },
  },
  { method: 'GET', path: '/orders', status: 200, answer: { orders: 1 } },
];

function systemAssignedOn(place: Place) {
  return { as: 'the system-assigned identity', place: { ...place, subject: systemAssigned } };
}

function userAssignedOn(place: Place) {
  return {
    as: 'the user-assigned identity that AZURE_CLIENT_ID names',
    place: { ...place, subject: userAssigned },
    env: () => ({ AZURE_CLIENT_ID: clientId }),
  };
}

function pathOf(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

/** With the variables of its manifest, but for the server; the token file is where the emulator has it. */
function pod(folder: string, place: Omit<Place, 'audience'>): Run[] {
  const { env } = readPod(folder);
  return [
    {
      as: 'what its manifest says',
      place: { ...place, audience: env.MONGODB_AUDIENCE ?? '' },
      env: ({ uri: MONGODB_URI, source: { parameters } }) => ({
        ...env,
        MONGODB_URI,
        ...(parameters.tokenFile && { MONGODB_TOKEN_FILE: parameters.tokenFile }),
      }),
      answers: connectedOverHttp,
    },
  ];
}

/** MONGODB_URI with the driver's own settings. */
const withProperties = (properties: string) => ({
  env: ({ server }: Stage) => ({
    MONGODB_URI: `${server.uri}shop?authMechanism=MONGODB-OIDC&authMechanismProperties=${properties}`,
  }),
});

export const examples: readonly Example[] = [
  {
    file: 'azure-vm.ts',
    variables: uriAndAudience,
    runs: [
      { ...systemAssignedOn(azureVm), prints: connected },
      { ...userAssignedOn(azureVm), prints: connected },
    ],
  },
  {
    file: 'azure-functions/index.ts',
    variables: uriAndAudience,
    runs: [
      {
        ...systemAssignedOn(site),
        launch: {
          before: [`--import=${pathOf('../emulators/azure/functions-host.ts')}`],
        },
        answers: () => countedVisits('/api/visits', (count) => ({ visits: count })),
      },
    ],
  },
  {
    file: 'azure-app-service.ts',
    variables: uriAndAudience,
    runs: [{ ...userAssignedOn(site), answers: visits }],
  },
  {
    file: 'azure-container-apps.ts',
    variables: uriAndAudience,
    runs: [{ ...userAssignedOn(site), answers: visits }],
  },
  {
    file: 'azure-documentdb.ts',
    variables: uri,
    runs: [
      {
        ...systemAssignedOn({
          ...site,
          audience: AZURE_DOCUMENTDB.public.audience,
          host: 'orders.global.mongocluster.cosmos.azure.com',
        }),
        prints: () => 'Visits: 1\n',
      },
    ],
  },
  {
    file: 'aks/index.ts',
    variables: uriAndAudience,
    runs: pod('aks', { start: aks, subject: userAssigned }),
  },
  {
    file: 'compute-engine.ts',
    variables: uriAndAudience,
    runs: [{ as: 'the service account', place: onGoogleCloud, prints: connected }],
  },
  {
    file: 'cloud-run.ts',
    variables: uriAndAudience,
    runs: [
      {
        as: 'the service account',
        place: onGoogleCloud,
        env: () => ({ K_SERVICE: 'visits' }),
        answers: visits,
      },
    ],
  },
  {
    file: 'cloud-functions.ts',
    variables: uriAndAudience,
    runs: [
      {
        as: 'the service account',
        place: onGoogleCloud,
        env: () => ({ FUNCTION_TARGET: 'visits', K_SERVICE: 'visits' }),
        launch: {
          instead: [
            pathOf('../../node_modules/@google-cloud/functions-framework/build/src/main.js'),
            '--source=examples/cloud-functions.ts',
          ],
        },
        stops: 'at once',
        answers: () => countedVisits('/', (count) => ({ visits: count })),
      },
    ],
  },
  {
    file: 'gke/index.ts',
    variables: [...uriAndAudience, 'MONGODB_TOKEN_FILE'],
    runs: pod('gke', { start: podWithVolume, subject: serviceAccount }),
  },
  {
    file: 'gke-workload-identity/index.ts',
    variables: uriAndAudience,
    runs: pod('gke-workload-identity', onGoogleCloud),
  },
  {
    file: 'kubernetes/index.ts',
    variables: [...uriAndAudience, 'MONGODB_TOKEN_FILE'],
    runs: pod('kubernetes', { start: podWithVolume, subject: serviceAccount }),
  },
  {
    file: 'eks/index.ts',
    variables: [...uriAndAudience, 'MONGODB_TOKEN_FILE'],
    runs: pod('eks', { start: eksPod, subject: serviceAccount }),
  },
  {
    file: 'laptop.ts',
    variables: uriAndAudience,
    runs: [
      {
        as: 'who is logged in by az',
        place: { start: laptopWithAz, audience: azureAudience, subject: person },
        prints: connected,
      },
      {
        as: 'the service account that GOOGLE_TARGET_PRINCIPAL names',
        place: { start: laptopWithGcloud, audience: gcpAudience, subject: googleServiceAccount.uniqueId },
        prints: connected,
      },
    ],
  },
  {
    file: 'connection-string.ts',
    variables: uri,
    runs: [
      {
        as: 'the managed identity, on Azure',
        place: azureVm,
        ...withProperties(`ENVIRONMENT:azure,TOKEN_RESOURCE:${azureAudience}`),
        prints: connected,
      },
      {
        as: 'the service account, on Google Cloud',
        place: onGoogleCloud,
        ...withProperties(`ENVIRONMENT:gcp,TOKEN_RESOURCE:${gcpAudience}`),
        prints: connected,
      },
      {
        as: 'the Kubernetes service account, by a token for this audience',
        place: inKubernetes,
        ...withProperties('TOKEN_RESOURCE:mongodb'),
        prints: connected,
      },
    ],
  },
  {
    file: 'express.ts',
    variables: uriAndAudience,
    runs: [{ ...systemAssignedOn(azureVm), answers: orders }],
  },
  {
    file: 'fastify.ts',
    variables: uriAndAudience,
    runs: [{ as: 'the service account', place: onGoogleCloud, answers: orders }],
  },
  {
    file: 'mongoose.ts',
    variables: uri,
    runs: [
      {
        as: 'the managed identity',
        place: site,
        ...withProperties(`TOKEN_RESOURCE:${azureAudience}`),
        prints: () => 'Orders: 1\n',
      },
    ],
  },
  {
    file: 'nest-mongoose.ts',
    variables: uri,
    runs: [
      {
        as: 'the managed identity',
        place: site,
        ...withProperties(`TOKEN_RESOURCE:${azureAudience}`),
        answers: orders,
        stops: 'by the signal',
      },
    ],
  },
  {
    file: 'custom-command.ts',
    variables: [...uriAndAudience, 'TOKEN_COMMAND'],
    runs: [
      {
        as: 'who the token says',
        place: { start: commandLine, audience: 'mongodb', subject: 'orders' },
        prints: connected,
      },
    ],
  },
  {
    file: 'custom-spiffe.ts',
    variables: [...uri, 'JWT_SVID'],
    runs: [
      {
        as: 'its SPIFFE ID',
        place: { start: spiffeHelper, audience: 'mongodb', subject: spiffeId },
        prints: connected,
      },
    ],
  },
];

/** Each run with its example, for `test.each`. */
export const runs = examples.flatMap((example) =>
  example.runs.map((run) => ({ ...run, file: example.file, title: `${example.file} connects as ${run.as}` })),
);
