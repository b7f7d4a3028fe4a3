// Keeps what GraphiQL remembers for the browser session only.
import { StorageAPI } from '@graphiql/toolkit';
import { journeys } from './journeys.js';

// Tabs, headers and history may all hold a token or a password. Here they
// survive a reload, and go when the browser tab is closed.
export const storage = sessionStorage;

// Of the first default tab, GraphiQL itself shows only the query: on a first
// visit, remember its variables and headers as well.
const memory = new StorageAPI(storage);
if (memory.get('tabState') === null) {
  const { query, variables, headers } = journeys[0];
  memory.set('query', query);
  memory.set('variables', variables);
  memory.set('headers', headers);
}
