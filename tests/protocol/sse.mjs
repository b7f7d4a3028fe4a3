// The client graphql-sse, against our event streams in the mode of distinct connections.
import assert from 'node:assert/strict';

import { createClient } from 'graphql-sse';

import { timed } from './timed.mjs';

const code = ({ errors }) => errors?.[0].extensions.code;

export async function graphqlSse(url, { token, event, nobody, reserve, release }) {
  const authorization = `Bearer ${token}`;
  const client = (options) => createClient({ url, headers: { authorization }, retryAttempts: 0, ...options });
  const watch = (id) =>
    `subscription{seatAvailability(eventId:"${id}"){__typename ...on AvailabilitySnapshot{version capacity} ` +
    '...on AvailabilityDelta{after version}}}';
  // The first `enough` results of an operation, whose connection is then closed by us.
  const results = async (query, enough = Infinity, from = client()) => {
    const all = [];
    for await (const result of from.iterate({ query })) {
      all.push(result);
      if (all.length >= enough) break;
    }
    return all;
  };
  return timed({
    'a query': async () => {
      assert.deepEqual(await results('{__typename}'), [{ data: { __typename: 'Query' } }]);
    },
    'a mutation': async () => {
      const [{ data }] = await results('mutation{createGuestSession{session{account{kind}}}}');
      assert.equal(data.createGuestSession.session.account.kind, 'GUEST');
    },
    'who asks is known': async () => {
      const [{ data }] = await results('{viewer{account{kind}}}');
      assert.equal(data.viewer.account.kind, 'USER');
    },
    'a validation error is a result': async () => {
      const all = await results('{nope}');
      assert.deepEqual(all.map(code), ['GRAPHQL_VALIDATION_FAILED']);
    },
    'a subscription that is refused': async () => {
      assert.deepEqual((await results(watch(nobody))).map(code), ['NOT_FOUND']);
    },
    'a bad token': async () => {
      const stranger = client({ headers: { authorization: 'Bearer wrong' } });
      await assert.rejects(results('{__typename}', 1, stranger), (error) => error.response?.status === 401);
    },
    'a subscription tells of every change in order': async () => {
      const all = [];
      for await (const { data } of client().iterate({ query: watch(event) })) {
        all.push(data.seatAvailability);
        if (all.length === 3) break;
        await (all.length === 1 ? reserve() : release());
      }
      const [snapshot, ...deltas] = all;
      assert.deepEqual([snapshot.__typename, snapshot.capacity], ['AvailabilitySnapshot', 3]);
      for (const [index, { after, version }] of deltas.entries()) {
        assert.deepEqual([after, version], [snapshot.version + index, snapshot.version + index + 1]);
      }
    },
    'a stream that breaks off is opened again with the version': async () => {
      // Breaks the first connection off after the snapshot; the second one says which event came last.
      let opened = 0;
      const sent = [];
      let last;
      const fetchFn = async (input, init) => {
        opened += 1;
        const abort = new AbortController();
        init.signal.addEventListener('abort', () => abort.abort());
        const headers = { ...init.headers, ...(last && { 'last-event-id': last }) };
        sent.push(headers['last-event-id']);
        const response = await fetch(input, { ...init, headers, signal: abort.signal });
        const first = opened === 1;
        const reader = response.body.getReader();
        const body = new ReadableStream({
          async pull(controller) {
            const { done, value } = await reader.read().catch((error) => {
              controller.error(error);
              return { done: true };
            });
            if (done) return;
            const id = /^id: (\d+)$/m.exec(new TextDecoder().decode(value))?.[1];
            last = id ?? last;
            controller.enqueue(value);
            if (first && id) {
              await reserve();
              abort.abort();
            }
          },
        });
        return new Response(body, { status: response.status, headers: response.headers });
      };
      const patient = client({ fetchFn, retryAttempts: 3, retry: () => new Promise((wake) => setTimeout(wake, 50)) });
      const all = await results(watch(event), 2, patient);
      await release();
      const [snapshot, delta] = all.map(({ data }) => data.seatAvailability);
      assert.equal(opened, 2);
      assert.deepEqual(sent, [undefined, String(snapshot.version)]);
      assert.deepEqual([delta.__typename, delta.after], ['AvailabilityDelta', snapshot.version]);
    },
    'a hundred streams at once': async () => {
      const all = await Promise.all([...Array(100)].map(() => results(watch(event), 1)));
      assert.ok(all.every(([{ data }]) => data.seatAvailability.capacity === 3));
    },
  });
}
