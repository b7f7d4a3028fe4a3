// Breaking changes since the previous release, by graphql-inspector.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { CriticalityLevel, diff } from '@graphql-inspector/core';
import { buildSchema } from 'graphql';

const read = (file) => readFileSync(fileURLToPath(new URL(file, import.meta.url)), 'utf8');

// The schema of the previous release. A release replaces it by its own, and empties breaking-changes.json.
export const previous = read('previous-schema.graphql');

// The breaking changes that are allowed: `{ "change": the message, "reason": why clients do not break }`.
export const allowed = JSON.parse(read('breaking-changes.json'));

// Returns the breaking changes without a reason, and the reasons without a change.
export async function breaking(before, after, exceptions) {
  const changes = await diff(buildSchema(before), buildSchema(after));
  const found = changes.filter(({ criticality }) => criticality.level === CriticalityLevel.Breaking).map(({ message }) => message);
  return [
    ...found.filter((message) => !exceptions.some(({ change, reason }) => change === message && reason)),
    ...exceptions.filter(({ change }) => !found.includes(change)).map(({ change }) => `no such change any more: ${change}`),
  ];
}
