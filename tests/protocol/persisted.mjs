// Apollo's client with automatic persisted queries over GET, and trusted documents by hand.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client/core';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';

import { timed } from './timed.mjs';

const sha256 = (text) => createHash('sha256').update(text).digest('hex');

export async function persisted(url, { event }) {
  // What was sent: the method, whether it held the document, and whether caches may keep the answer.
  const sent = [];
  const spy = async (input, init) => {
    const response = await fetch(input, init);
    const parameters = new URL(input).searchParams;
    const held = init.method === 'GET' ? parameters.has('query') : 'query' in JSON.parse(init.body);
    sent.push([init.method, held ? 'document' : 'hash', response.headers.get('cache-control').split(',')[0]]);
    return response;
  };
  const client = () =>
    new ApolloClient({
      cache: new InMemoryCache(),
      link: ApolloLink.from([
        new PersistedQueryLink({ sha256, useGETForHashedQueries: true }),
        new HttpLink({ uri: url, fetch: spy }),
      ]),
      defaultOptions: { query: { fetchPolicy: 'no-cache' } },
    });
  const query = gql`
    query Free($event: ID!) {
      event(id: $event) {
        id
        availability {
          version
          available
        }
      }
    }
  `;
  const asked = async (one) => {
    sent.length = 0;
    const { data } = await one.query({ query, variables: { event } });
    return data.event.availability.available;
  };
  return timed({
    'an unknown query is sent again with its document': async () => {
      assert.equal(await asked(client()), 3);
      assert.deepEqual(sent[0], ['GET', 'hash', 'no-store']);
      assert.equal(sent[1][1], 'document');
      assert.equal(sent.length, 2);
    },
    'a known query is asked by its hash, and caches may keep the answer': async () => {
      assert.equal(await asked(client()), 3);
      assert.deepEqual(sent, [['GET', 'hash', 'public']]);
    },
    'an invalid query is not registered': async () => {
      const invalid = gql`query Bad { nope }`;
      for (let turn = 0; turn < 2; turn += 1) {
        sent.length = 0;
        await assert.rejects(client().query({ query: invalid }));
        assert.equal(sent.length, 2, 'it is unknown each time');
      }
    },
  });
}
