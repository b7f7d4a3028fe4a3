// Sends GraphiQL's operations to /graphql: subscriptions by WebSocket, the rest by HTTP.
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { createClient } from 'graphql-ws';

const url = new URL('/graphql', location.href).href;
const socketUrl = url.replace(/^http/, 'ws');

// A socket is authenticated once, when it opens, so each operation gets a client
// of its own: its connection parameters are always the headers as they are now.
// The client is lazy: it opens a socket only for a subscription, and closes it
// when the subscription ends.
function createSocketClient(headers) {
  return createClient({
    url: socketUrl,
    lazy: true,
    keepAlive: 12_000,
    connectionParams: headers,
  });
}

export function fetcher(params, options) {
  const send = createGraphiQLFetcher({
    url,
    wsClient: createSocketClient(options?.headers),
    // Tessera has no @defer or @stream; without them, the toolkit asks for
    // application/graphql-response+json.
    enableIncrementalDelivery: false,
  });
  return send(params, options);
}
