import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { reporters } from './vitest.report.js';
import { alone, twoAtATime } from './vitest.slow.js';

/** So that none runs by itself at the end. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => twoAtATime.findIndex((path) => moduleId.endsWith(path));
    return files.sort((one, other) => rank(one) - rank(other));
  }
}

// What happens to a token in its life, under load and over real sockets.
export default defineConfig({
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    sequence: { sequencer: LongestFirst },
    reporters,
    projects: [
      {
        extends: true,
        test: { name: 'two at a time', include: twoAtATime, maxWorkers: 2, sequence: { groupOrder: 0 } },
      },
      {
        extends: true,
        test: {
          name: 'alone',
          include: alone.map((path) => `${path}/*.test.ts`),
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
