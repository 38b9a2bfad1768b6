// The places of other people's projects, one for each cloud.

import { expect } from 'vitest';
import { defaultIdentities } from '../emulators/azure.js';
import { defaultServiceAccount } from '../emulators/gcp.js';
import { type Place, Stage } from '../stage.js';
import { azureVirtualMachine, gcpMetadataServer, podWithVariable, serviceAccount } from '../ways/sources.js';
import type { CloudName } from './programs.js';

export const audience = 'api://mongodb';

const places: Record<CloudName, Place> = {
  azure: { start: azureVirtualMachine, audience, subject: defaultIdentities[0]?.objectId ?? '' },
  gcp: { start: gcpMetadataServer, audience, subject: defaultServiceAccount.uniqueId },
  kubernetes: { start: podWithVariable, audience, subject: serviceAccount },
};

export function openStage(name: CloudName): Promise<Stage> {
  return Stage.open(places[name]);
}

/** The program prints the server's answer to who it is. */
export async function expectToConnect(stage: Stage, program: () => Promise<string>): Promise<void> {
  expect(await stage.expectArrival(program)).toBe(`${stage.user}\n`);
}
