/** Faults that a test puts in the way of commands to come. */
import type { Document } from 'bson';
import { CommandError } from './errors.js';
import type { Fault } from './types.js';

interface Failpoint {
  commands: readonly string[];
  fault: Fault;
  remaining: number;
  appName?: string | undefined;
  configured?: boolean;
}

export class Failpoints {
  #queue: Failpoint[] = [];

  add(failpoint: Failpoint): void {
    this.#queue.push(failpoint);
  }

  /** The fault that this command meets, which is thereby used up. */
  take(command: string, appName: string | undefined): Fault | undefined {
    const failpoint = this.#queue.find(
      (each) => each.commands.includes(command) && (each.appName ?? appName) === appName,
    );
    if (!failpoint) return undefined;
    failpoint.remaining -= 1;
    if (failpoint.remaining <= 0) this.#queue.splice(this.#queue.indexOf(failpoint), 1);
    return failpoint.fault;
  }

  /**
   * The server's own `failCommand`, which the drivers' specification tests use.
   * https://github.com/mongodb/mongo/wiki/The-failCommand-Fail-Point
   */
  configure(command: Document): Document {
    if (command.configureFailPoint !== 'failCommand') {
      throw new CommandError(2, `failpoint not found: ${command.configureFailPoint}`);
    }
    this.#queue = this.#queue.filter((each) => !each.configured);
    const { mode, data = {} } = command;
    if (mode === 'off') return { ok: 1 };
    this.add({
      commands: data.failCommands ?? [],
      fault: {
        code: data.errorCode,
        close: data.closeConnection === true,
        delayMS: data.blockConnection === true ? data.blockTimeMS : 0,
      },
      remaining: mode === 'alwaysOn' ? Number.POSITIVE_INFINITY : (mode?.times ?? 1),
      appName: data.appName,
      configured: true,
    });
    return { ok: 1 };
  }
}
