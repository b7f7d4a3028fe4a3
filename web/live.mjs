// Prints the live availability of an event, one line a message, until it is
// stopped: node web/live.mjs <event-id> [after-version] [url]
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const [eventId, after = '', url = 'ws://127.0.0.1:8080/graphql'] =
  process.argv.slice(2);
if (!eventId) {
  console.error('usage: node web/live.mjs <event-id> [after-version] [url]');
  process.exit(2);
}

const query = `subscription Live($eventId: ID!, $after: Long) {
  seatAvailability(eventId: $eventId, after: $after) {
    __typename
    ... on AvailabilitySnapshot { version available reserved sold }
    ... on AvailabilityDelta { after version seats { id status } areas { id available } }
  }
}`;
const variables = { eventId, after: after === '' ? null : Number(after) };

const client = createClient({ url, webSocketImpl: WebSocket });
for await (const result of client.iterate({ query, variables })) {
  console.log(JSON.stringify(result.data?.seatAvailability ?? result.errors));
}
