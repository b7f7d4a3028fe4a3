// The example operations: the files in operations/, each with one operation or fragment.
import { readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { buildSchema, Kind, parse, print, validate, visit } from 'graphql';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = fileURLToPath(new URL('operations', import.meta.url));

// The folder whose documents are in Relay's dialect: its compiler makes the documents for the server.
export const RELAY = 'relay';

export const schemaFile = join(root, 'schema.graphql');
export const sdl = readFileSync(schemaFile, 'utf8');
export const schema = buildSchema(sdl);

// Returns all files: their name such as `vendor/CreateShop`, module, text and definition.
export function files() {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((app) => readdirSync(join(folder, app.name)).map((file) => ({ app: app.name, file })))
    .sort((one, other) => `${one.app}/${one.file}`.localeCompare(`${other.app}/${other.file}`))
    .map(({ app, file }) => {
      const text = readFileSync(join(folder, app, file), 'utf8');
      const module = basename(file, '.graphql');
      return { app, module, name: `${app}/${module}`, text, definition: parse(text).definitions[0] };
    });
}

// Returns the operations as the server gets them, by name, each with the fragments that it uses.
export function documents() {
  const all = files().filter(({ app }) => app !== RELAY);
  const fragments = new Map(
    all.filter(({ definition }) => definition.kind === Kind.FRAGMENT_DEFINITION)
      .map(({ definition }) => [definition.name.value, definition]),
  );
  const operations = all.filter(({ definition }) => definition.kind === Kind.OPERATION_DEFINITION);
  return new Map(
    operations.map(({ name, definition }) => {
      const used = new Map([[definition.name.value, definition]]);
      for (const one of used.values()) {
        visit(one, {
          FragmentSpread: ({ name: { value } }) => {
            if (fragments.has(value)) used.set(value, fragments.get(value));
          },
        });
      }
      const document = { kind: Kind.DOCUMENT, definitions: [...used.values()] };
      return [name, { name, operation: definition, document, text: print(document) }];
    }),
  );
}

// Returns what the specification's validation finds in the documents.
export function invalid() {
  return [...documents().values()].flatMap(({ name, document }) =>
    validate(schema, document).map(({ message }) => `${name}: ${message}`),
  );
}

// Returns the root fields without an example.
export function uncovered() {
  const used = new Set(
    [...documents().values()].flatMap(({ operation }) =>
      operation.selectionSet.selections.map((field) => `${operation.operation}.${field.name.value}`),
    ),
  );
  const roots = { query: schema.getQueryType(), mutation: schema.getMutationType(), subscription: schema.getSubscriptionType() };
  return Object.entries(roots).flatMap(([kind, type]) =>
    Object.keys(type.getFields()).map((field) => `${kind}.${field}`).filter((field) => !used.has(field)),
  );
}
