// What front-end compilers make of the example operations: relay-compiler, and graphql-codegen with TypeScript.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { codegen } from '@graphql-codegen/core';
import * as typescriptOperations from '@graphql-codegen/typescript-operations';
import { parse, print } from 'graphql';
import compiler from 'typescript';

import { documents, files, RELAY, schema, sdl } from './documents.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const run = promisify(execFile);

// The types of the custom scalars in JSON.
const SCALARS = { CurrencyCode: 'string', DateTime: 'string', Decimal: 'string', Long: 'number' };

// Runs `work` with a folder that is removed afterwards.
async function inScratch(work) {
  const scratch = mkdtempSync(join(tmpdir(), 'tessera-contract-'));
  try {
    return await work(scratch);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

// Compiles all operations as a Relay application. Returns the compiler's errors, and the documents that it makes for the
// server by operation name.
export function relay() {
  return inScratch(async (scratch) => {
    for (const { app, module, definition } of files()) {
      mkdirSync(join(scratch, 'src', app), { recursive: true });
      writeFileSync(join(scratch, 'src', app, `${module}.js`), `graphql\`${print(definition)}\`;\n`);
    }
    writeFileSync(join(scratch, 'schema.graphql'), sdl);
    writeFileSync(join(scratch, 'queries.json'), '{}');
    mkdirSync(join(scratch, 'out'));
    const config = {
      src: './src',
      schema: './schema.graphql',
      language: 'typescript',
      artifactDirectory: './out',
      customScalarTypes: SCALARS,
      // `@alias` is a word of Relay's dialect, which other clients do not know.
      featureFlags: { enforce_fragment_alias_where_ambiguous: { kind: 'disabled' } },
      persistConfig: { file: './queries.json', algorithm: 'SHA256' },
    };
    writeFileSync(join(scratch, 'relay.config.json'), JSON.stringify(config));
    const program = join(here, 'node_modules/relay-compiler/cli.js');
    try {
      await run(process.execPath, [program, 'relay.config.json'], { cwd: scratch, env: { ...process.env, NO_COLOR: '1' } });
    } catch ({ stdout, stderr }) {
      return { errors: [`${stdout}${stderr}`.trim()], compiled: new Map() };
    }
    const texts = Object.values(JSON.parse(readFileSync(join(scratch, 'queries.json'), 'utf8')));
    return { errors: [], compiled: new Map(texts.map((text) => [parse(text).definitions[0].name.value, text])) };
  });
}

// Generates the TypeScript types of all operations and checks them with the compiler. Returns the errors.
export function types() {
  return inScratch(async (scratch) => {
    const config = { scalars: SCALARS, strictScalars: true };
    const inputs = files().filter(({ app }) => app !== RELAY);
    let text;
    try {
      text = await codegen({
        filename: 'operations.ts',
        schema: parse(sdl),
        schemaAst: schema,
        documents: inputs.map(({ name, text }) => ({ location: name, document: parse(text) })),
        config: {},
        pluginMap: { operations: typescriptOperations },
        plugins: [{ operations: config }],
      });
    } catch (error) {
      return [error.message];
    }
    const missing = [...documents().values()]
      .map(({ operation }) => operation.name.value)
      .filter((name) => !new RegExp(`export type ${name}(?:Query|Mutation|Subscription)? =`).test(text));
    const file = join(scratch, 'operations.ts');
    writeFileSync(file, text);
    const program = compiler.createProgram([file], { strict: true, noEmit: true, types: [], skipLibCheck: false });
    const found = compiler.getPreEmitDiagnostics(program);
    return [
      ...missing.map((name) => `no type for ${name}`),
      ...found.map(({ messageText }) => compiler.flattenDiagnosticMessageText(messageText, '\n')),
    ];
  });
}
