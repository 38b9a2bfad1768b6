// The steps of doctor, in their order: each needs what the one before it found.

import type { Claims } from '../jwt.js';
import { type Advice, serverAdvice } from './advice.js';
import type { Settings } from './arguments.js';
import { wasJudged } from './authentication.js';
import { certainCausesOf } from './causes.js';
import { examineEnvironment } from './environment-step.js';
import type { Situation } from './finding.js';
import { examineMongoDB } from './mongodb-step.js';
import { failure, ok, type Report } from './report.js';
import type { IdentityProvider } from './server-config.js';
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
  const isKnown = report.checks.some((check) => check.name === 'authentication' && wasJudged(check));
  if (claims && settings.providers && !isKnown) compare(claims, settings.providers, situation, report);
  return claims && serverAdvice(claims, situation);
}

/** Where the server did not come to judge the token, its configuration tells less, but something. */
function compare(
  claims: Claims,
  providers: readonly IdentityProvider[],
  situation: Situation,
  report: Report,
): void {
  const told = new Set(report.checks.map(({ code }) => code));
  const causes = certainCausesOf(claims, providers, situation).filter(({ code }) => !told.has(code));
  for (const { code, summary, fix } of causes)
    report.note('mongodb', 'configuration', failure(code, summary, fix));
  if (causes.length > 0) return;
  const summary = 'The configuration fits the token; the server, its keys and its users were not asked';
  report.note('mongodb', 'configuration', ok(summary));
}
