// The catalogue as a page for people.
import { slug } from 'github-slugger';

export interface Section {
  readonly title: string;
  readonly entries: readonly {
    readonly title: string;
    readonly symptom: string;
    readonly code: string;
    readonly summary: string;
    readonly fix: string;
    readonly isRefusal: boolean;
  }[];
}

const INTRODUCTION = `# Troubleshooting

A server that refuses a token says "Authentication failed" and no more, and there are a dozen reasons for it. This finds out which:

\`\`\`sh
npx mongodb-workload-identity doctor "$MONGODB_URI" --audience "$AUDIENCE"
\`\`\`

Each mistake below was made on purpose, with emulators of the clouds and of the server, and doctor run on it: what it said is what stands here. Run \`npx mongodb-workload-identity doctor --help\` for its options.

For programs, \`--json\` prints one document: \`ok\`, \`version\`, \`steps\` (each with \`step\` and \`checks\`) and \`advice\` (a server configuration that would take the token). A check has \`name\`, \`status\` (\`ok\`, \`warning\`, \`failed\` or \`skipped\`), \`summary\`, \`durationMS\`, and where they apply \`code\`, \`fix\`, \`causes\` (each with \`code\`, \`summary\`, \`fix\`) and \`details\`. These names and the codes are stable, the texts are not. Exit code: 0 all well, 1 a check failed, 2 wrong usage.

Where the server itself says no more than code 18, doctor needs its \`oidcIdentityProviders\` to name the one cause: \`--server-config providers.json\`. Without it, it lists what the cause may be, the most likely first; these are marked *.
`;

export function pageOf(sections: readonly Section[]): string {
  const contents = sections.flatMap(({ title, entries }) => [
    `- ${title}`,
    ...entries.map(
      ({ title: entry, isRefusal }) => `  - [${entry}](#${slug(entry)})${isRefusal ? ' *' : ''}`,
    ),
  ]);
  const body = sections.flatMap(({ title, entries }) => [
    `## ${title}`,
    ...entries.map(
      ({ title: entry, symptom, code, summary, fix }) =>
        `### ${entry}\n\n${symptom}\n\n> \`${code}\`: ${escaped(summary)}\n>\n> → ${escaped(fix)}`,
    ),
  ]);
  return `${[INTRODUCTION, contents.join('\n'), ...body].join('\n\n')}\n`;
}

/** What Markdown would take for markup. */
function escaped(text: string): string {
  return text.replace(/[<>*_|]/g, '\\$&');
}
