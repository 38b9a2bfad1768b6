// The steps of doctor, in their order: each needs what the one before it found.

import { type Advice, serverAdvice } from './advice.js';
import type { Settings } from './arguments.js';
import { examineEnvironment } from './environment-step.js';
import type { Situation } from './finding.js';
import { examineMongoDB } from './mongodb-step.js';
import type { Report } from './report.js';
import { examineSource } from './source-step.js';
import { examineToken } from './token-step.js';

/** @returns what would make a server take the token; undefined where there is none */
export async function examine(settings: Settings, report: Report): Promise<Advice | undefined> {
  const { driver, workload, surveyed } = await examineEnvironment(settings, report);
  const decoded = surveyed && (await examineSource(surveyed, settings.timeoutMS, report));
  const claims = decoded?.claims;
  const situation: Situation = {
    nowMS: Date.now(),
    environment: surveyed?.environment,
    audienceAskedFor: surveyed?.audience,
    clientId: surveyed?.username,
    header: decoded?.header,
  };
  const willConnect = settings.connect && workload && driver;
  if (claims) examineToken(claims, situation, !willConnect, report);
  if (willConnect) {
    const { providers, timeoutMS } = settings;
    await examineMongoDB({ workload, driver, surveyed, claims, situation, providers, timeoutMS }, report);
  }
  return claims && serverAdvice(claims, situation);
}
