// graphql-eslint's findings in schema.graphql and in the example operations.
import { fileURLToPath } from 'node:url';

import { ESLint } from 'eslint';

const root = fileURLToPath(new URL('../..', import.meta.url));

const configuration = fileURLToPath(new URL('eslint.config.mjs', import.meta.url));
const eslint = new ESLint({ cwd: root, overrideConfigFile: configuration });

const findings = (results) =>
  results.flatMap(({ filePath, messages }) =>
    messages.map(({ line, ruleId, message }) => `${filePath.slice(root.length)}:${line} ${ruleId}: ${message}`),
  );

// Returns the findings in the files that match.
export async function lint(...patterns) {
  return findings(await eslint.lintFiles(patterns));
}

// Returns the findings in a text that stands for schema.graphql.
export async function lintSchema(text) {
  return findings(await eslint.lintText(text, { filePath: 'schema.graphql' }));
}
