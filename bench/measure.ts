/**
 * Takes measurements, one after another, in a network namespace where that is permitted: starts a metadata service
 * and a MongoDB server, and runs `program.mjs` against them in another process. Tasks and outcomes are lines of JSON on
 * a Unix socket.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startAzureImds } from '../test/emulators/azure.js';
import { startMongoServer } from '../test/emulators/mongodb/index.js';
import type { Outcome, Task } from './tasks.js';

const AUDIENCE = 'api://mongodb';
const program = fileURLToPath(new URL('program.mjs', import.meta.url));
const [socketPath = '', isNamespace] = process.argv.slice(2);
const inNamespace = isNamespace === 'true';

const socket = connect(socketPath);
await once(socket, 'connect');
for await (const line of createInterface(socket)) {
  const task = JSON.parse(line) as Task;
  const answer = await measure(task).then(
    (outcome) => ({ outcome }),
    (error: Error) => ({ error: error.message }),
  );
  socket.write(`${JSON.stringify(answer)}\n`);
}

async function measure(task: Task): Promise<Outcome> {
  const imds = await startAzureImds({
    lifeSeconds: task.kind === 'start' ? 3600 : task.lifeSeconds,
    latencyMS: task.latencyMS,
    ...(inNamespace ? { host: '169.254.169.254', port: 80 } : {}),
  });
  const server = await startMongoServer({
    identityProviders: [
      { issuer: imds.issuer, audience: AUDIENCE, jwksUri: imds.jwksUri, authNamePrefix: 'azure' },
    ],
  });
  const setFaults = () => {
    if (task.kind === 'outage')
      imds.faults.splice(0, imds.faults.length, ...Array(task.times).fill(task.fault));
  };
  setFaults();
  let requestsBefore = 0;
  const child = fork(program, [JSON.stringify({ ...task, address: server.address, audience: AUDIENCE })], {
    execArgv: [],
    env: { PATH: process.env.PATH, ...(inNamespace ? {} : imds.env) },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  try {
    return await new Promise<Outcome>((resolve, reject) => {
      child.on('message', ({ event, ...message }: Record<string, unknown>) => {
        if (event === 'ready') {
          requestsBefore = imds.requests.length;
          if (task.kind !== 'start') imds.lifeSeconds = task.nextLifeSeconds;
          setFaults();
          child.send({ expiresAt: Math.max(...server.claims.map(({ exp }) => (exp as number) * 1000)) });
        } else {
          const requests = imds.requests.length - requestsBefore;
          resolve({ ...message, requests, maxConcurrent: imds.maxConcurrent } as unknown as Outcome);
        }
      });
      child.once('close', (code) => reject(new Error(`the program ended with ${code}: ${stderr}`)));
    });
  } finally {
    child.kill('SIGKILL');
    await Promise.all([server.close(), imds.close()]);
  }
}
