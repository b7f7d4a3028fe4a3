// Makes schema.graphql the schema of the previous release, and empties the exceptions: node release.mjs
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { parse, print, visit } from 'graphql';

import { sdl } from './documents.mjs';

const write = (file, text) => writeFileSync(fileURLToPath(new URL(file, import.meta.url)), text);
// Descriptions break no client.
const bare = visit(parse(sdl), { enter: (node) => ('description' in node ? { ...node, description: undefined } : undefined) });
write('previous-schema.graphql', `${print(bare)}\n`);
write('breaking-changes.json', '[]\n');
