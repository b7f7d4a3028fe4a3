// The client that most pages use, graphql-ws, against our sockets.
import assert from 'node:assert/strict';

import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { timed } from './timed.mjs';

const client = (url, options) => createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0, ...options });

// The first `enough` results of an operation, which is then completed by us.
async function results(client, query, enough = Infinity) {
  const all = [];
  for await (const result of client.iterate({ query })) {
    all.push(result);
    if (all.length >= enough) break;
  }
  return all;
}

const code = (errors) => errors[0].extensions.code;

export async function graphqlWs(url, { token, event, nobody }) {
  const watch = (id) => `subscription{seatAvailability(eventId:"${id}"){__typename ...on AvailabilitySnapshot{capacity}}}`;
  const signedIn = client(url, { connectionParams: { Authorization: `Bearer ${token}` } });
  const checks = {
    'a query': async () => {
      assert.deepEqual(await results(signedIn, '{__typename}'), [{ data: { __typename: 'Query' } }]);
    },
    'a mutation': async () => {
      const [{ data }] = await results(signedIn, 'mutation{createGuestSession{session{account{kind}}}}');
      assert.equal(data.createGuestSession.session.account.kind, 'GUEST');
    },
    'who asks is known': async () => {
      const [{ data }] = await results(signedIn, '{viewer{account{kind}}}');
      assert.equal(data.viewer.account.kind, 'USER');
    },
    'a subscription begins with a snapshot': async () => {
      const [{ data }] = await results(signedIn, watch(event), 1);
      assert.deepEqual(data.seatAvailability, { __typename: 'AvailabilitySnapshot', capacity: 3 });
    },
    'several operations at once': async () => {
      const all = await Promise.all([...Array(10)].map(() => results(signedIn, watch(event), 1)));
      assert.ok(all.every(([{ data }]) => data.seatAvailability.capacity === 3));
    },
    'a subscription that is refused': async () => {
      await assert.rejects(results(signedIn, watch(nobody)), (errors) => code(errors) === 'NOT_FOUND');
    },
    'an invalid query': async () => {
      await assert.rejects(results(signedIn, '{nope}'), (errors) => code(errors) === 'GRAPHQL_VALIDATION_FAILED');
    },
    'a bad token': async () => {
      const stranger = client(url, { connectionParams: { token: 'wrong' } });
      await assert.rejects(results(stranger, '{__typename}'), { code: 4403, reason: 'Forbidden' });
    },
    'keeping alive': async () => {
      const patient = client(url, { keepAlive: 100, lazy: false });
      const ponged = new Promise((resolve) => patient.on('pong', resolve));
      await ponged;
      await patient.dispose();
    },
  };
  const told = await timed(checks);
  await signedIn.dispose();
  return told;
}
