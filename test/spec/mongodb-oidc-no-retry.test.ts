// The specification's unified tests of MONGODB-OIDC, in the order of its file: what a client that retries nothing by
// itself must do about code 391, and when it authenticates speculatively. And the same for `getMore`, which is not in
// that file.
// https://github.com/mongodb/specifications/blob/master/source/auth/tests/unified/mongodb-oidc-no-retry.yml

import type { MongoClient } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { everyWay, setTheStage, useSources } from './stage.js';

const REAUTHENTICATION_REQUIRED = { errorCode: 391 };
const AUTHENTICATION_FAILED = { errorCode: 18 };

useSources();

/** What becomes of the client's commands of that name, as it tells whoever monitors it. */
function monitor(client: MongoClient, command: string): string[] {
  const events: string[] = [];
  for (const event of ['commandStarted', 'commandSucceeded', 'commandFailed'] as const) {
    client.on(event, ({ commandName }: { commandName: string }) => {
      if (commandName === command) events.push(event);
    });
  }
  return events;
}

const SUCCESS = ['commandStarted', 'commandSucceeded'];
const FAILURE = ['commandStarted', 'commandFailed'];

describe.concurrent.each(everyWay)('with $name', (way) => {
  const how = { ...way, monitorCommands: true };

  it.for([
    ['1', 'find'],
    ['2', 'insert'],
  ] as const)('%s. %s succeeds', async ([, command], context) => {
    const { client, [command]: operate } = await setTheStage(context, how);
    const events = monitor(client, command);
    await operate();
    expect(events).toEqual(SUCCESS);
  });

  it.for([
    ['3', 'find'],
    ['4', 'insert'],
  ] as const)('%s. %s is repeated after a reauthentication', async ([, command], context) => {
    const { client, [command]: operate, failNext } = await setTheStage(context, how);
    const events = monitor(client, command);
    await failNext(command, REAUTHENTICATION_REQUIRED);
    await operate();
    expect(events).toEqual([...FAILURE, ...SUCCESS]);
  });

  it('5. a new connection with a cached token authenticates speculatively', async (context) => {
    const { client, insert, calls, failNext, server } = await setTheStage(context, how);
    const events = monitor(client, 'insert');
    await failNext('insert', { closeConnection: true });
    await expect(insert()).rejects.toMatchObject({ name: 'MongoNetworkError' });
    await failNext('saslStart', AUTHENTICATION_FAILED);
    await insert();
    expect(events).toEqual([...FAILURE, ...SUCCESS]);
    expect(calls).toHaveLength(1);
    expect(server.authFailures).toEqual([]);
  });

  it('6. a new connection without a cached token does not', async (context) => {
    const { insert, failNext } = await setTheStage(context, how);
    await failNext('saslStart', AUTHENTICATION_FAILED);
    await expect(insert()).rejects.toMatchObject({ code: 18 });
  });

  it('getMore is repeated after a reauthentication', async (context) => {
    const { client, insert, find, calls, failNext } = await setTheStage(context, how);
    for (let i = 0; i < 3; i++) await insert();
    const events = monitor(client, 'getMore');
    await failNext('getMore', REAUTHENTICATION_REQUIRED);
    expect(await find({ batchSize: 2 })).toHaveLength(3);
    expect(events).toEqual([...FAILURE, ...SUCCESS]);
    expect(calls).toHaveLength(2);
  });
});
