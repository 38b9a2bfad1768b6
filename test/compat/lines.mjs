// The program's side of `program.ts`: each line of standard input is a question, and gets a line in answer.
import { createInterface } from 'node:readline';

export async function answerEach(answer) {
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify((await answer(JSON.parse(line))) ?? null));
  }
}
