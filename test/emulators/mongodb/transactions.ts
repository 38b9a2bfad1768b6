/** Transactions that can be taken back. They are not isolated: what one writes, everybody sees at once. */
import type { Document } from 'bson';
import type { Commands, Undo } from './context.js';
import { CommandError } from './errors.js';

interface Transaction {
  number: string;
  undo: Undo[];
}

export class Transactions {
  /** By logical session. */
  readonly #active = new Map<string, Transaction>();

  constructor(readonly supported: boolean) {}

  /** Where the command's writes leave their way back, if it is part of a transaction. */
  enter(name: string, command: Document): Undo[] | undefined {
    if (command.txnNumber === undefined) return undefined;
    if (!this.supported) {
      throw new CommandError(20, 'Transaction numbers are only allowed on a replica set member or mongos');
    }
    if (command.autocommit !== false) return undefined;
    const session = sessionOf(command);
    const number = String(command.txnNumber);
    if (command.startTransaction) {
      this.#abort(session);
      this.#active.set(session, { number, undo: [] });
    }
    const transaction = this.#active.get(session);
    if (transaction?.number === number) return transaction.undo;
    // A commit may be sent again when its answer was lost.
    if (name === 'commitTransaction') return undefined;
    throw new CommandError(
      251,
      `Given transaction number ${number} does not match any in-progress transactions. The active transaction number is ${transaction?.number ?? -1}`,
      { errorLabels: ['TransientTransactionError'] },
    );
  }

  end(command: Document, commit: boolean): void {
    const session = sessionOf(command);
    if (!commit) this.#abort(session);
    this.#active.delete(session);
  }

  #abort(session: string): void {
    for (const undo of this.#active.get(session)?.undo.reverse() ?? []) undo();
    this.#active.delete(session);
  }
}

function sessionOf({ lsid }: Document): string {
  if (lsid?.id === undefined) throw new CommandError(72, 'Transaction number requires a session ID');
  return String(lsid.id);
}

export const transactionCommands: Commands = {
  commitTransaction({ command, state }) {
    state.transactions.end(command, true);
    return { ok: 1 };
  },

  abortTransaction({ command, state }) {
    state.transactions.end(command, false);
    return { ok: 1 };
  },

  endSessions: () => ({ ok: 1 }),
};
