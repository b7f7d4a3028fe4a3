// A crowd browses through nginx while an event sells: node cache.mjs SERVER NGINX LOG COMMAND…
//
// LOG has a line for each request that nginx handled, those that it made by itself included: the server's status, or a dash if
// the server was not asked.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { createClient as createEvents } from 'graphql-sse';
import { createClient as createSocket } from 'graphql-ws';
import WebSocket from 'ws';

import { stage } from './stage.mjs';
import { timed } from './timed.mjs';

const CLIENTS = 50;
const REQUESTS_EACH = 40;
const SECONDS = 10;
const SEATS = 200;
// What docs/caching.md promises: a second each in the server's memory, as max-age and as stale-while-revalidate, and one
// because nginx counts whole seconds.
const OLDEST_MS = 4_000;
const SERVED_MIN = 0.95;

const [server, nginx, log, ...command] = process.argv.slice(2);
const made = await stage(`${server}/graphql`, command, SEATS);
const { token, event } = made;

const pages = {
  'event list': '{events(first:20){nodes{id name status seatsLeft priceRange{lowest{amount currency}}}}}',
  'event page': `{event(id:"${event}"){name startsAt shop{name} venue{city} tiers{name total{amount}}}}`,
  'seat map': `{event(id:"${event}"){availability{version asOf available reserved rows{zone row statuses}}}}`,
};
const get = (base, query, headers = {}) =>
  fetch(`${base}/graphql?query=${encodeURIComponent(query)}`, {
    headers: { accept: 'application/graphql-response+json', ...headers },
  });
const pause = (ms) => new Promise((wake) => setTimeout(wake, ms));

const statuses = {};
let answers = 0;
let failures = 0;
let oldest = 0;
let backwards = 0;

async function browse(client) {
  const each = (SECONDS * 1000) / REQUESTS_EACH;
  let seen = 0;
  await pause((client / CLIENTS) * each);
  for (let turn = 0; turn < REQUESTS_EACH; turn += 1) {
    const begun = Date.now();
    const [, query] = Object.entries(pages)[(client + turn) % 3];
    const response = await get(nginx, query);
    const { data } = await response.json();
    const availability = data?.event?.availability;
    answers += 1;
    if (response.status !== 200 || !data) failures += 1;
    const status = response.headers.get('x-cache-status') ?? 'NONE';
    statuses[status] = (statuses[status] ?? 0) + 1;
    if (availability) {
      oldest = Math.max(oldest, Date.now() - Date.parse(availability.asOf));
      if (availability.version < seen) backwards += 1;
      seen = availability.version;
    }
    await pause(Math.max(0, each - (Date.now() - begun)));
  }
}

let selling = true;
let sold = 0;
async function sell() {
  while (selling) {
    await made.take();
    sold += 1;
    await pause(80);
  }
}

// How many requests nginx has sent to the server so far.
const asked = () => readFileSync(log, 'utf8').split('\n').filter((line) => /\d/.test(line)).length;

const before = asked();
const seller = sell();
const begun = Date.now();
await Promise.all([...Array(CLIENTS).keys()].map(browse));
const took = (Date.now() - begun) / 1000;
selling = false;
await seller;
// What nginx fetches in the background has arrived by then.
await pause(500);

const forwarded = asked() - before;
const served = 1 - forwarded / answers;
console.log(`requests              ${answers} by ${CLIENTS} clients in ${took.toFixed(1)} s, ${failures} failed`);
console.log(`seats reserved        ${sold} meanwhile`);
console.log(`by cache status       ${JSON.stringify(statuses)}`);
console.log(`asked of the server   ${forwarded}`);
console.log(`served by nginx       ${(served * 100).toFixed(2)} %`);
console.log(`oldest asOf           ${oldest} ms (allowed ${OLDEST_MS} ms)`);

const watch = `subscription{seatAvailability(eventId:"${event}"){__typename ...on AvailabilityDelta{version}}}`;
// The type names of a snapshot and of the change that follows a reservation.
async function kinds(results) {
  const all = [];
  for await (const { data } of results) {
    all.push(data.seatAvailability.__typename);
    if (all.length === 2) break;
    await made.take();
  }
  return all;
}
const EXPECTED = ['AvailabilitySnapshot', 'AvailabilityDelta'];

const results = await timed({
  'nginx serves the crowd': async () => {
    assert.equal(failures, 0);
    assert.ok(served >= SERVED_MIN, `${served}`);
  },
  'no asOf is older than promised': async () => assert.ok(oldest > 0 && oldest <= OLDEST_MS, `${oldest} ms`),
  'no client sees an older version after a newer one': async () => assert.equal(backwards, 0),
  'seats were sold meanwhile': async () => assert.ok(sold >= 20, `${sold}`),
  'after the sale the cache has the truth': async () => {
    await pause(2_500);
    const fresh = async (base) => (await (await get(base, pages['seat map'])).json()).data.event.availability;
    // The first one may be told the old answer while nginx fetches the new one.
    const [cached, own] = [await fresh(nginx), await fresh(server)];
    assert.deepEqual([cached.version, cached.rows], [own.version, own.rows]);
  },
  'an answer that nobody asked for is not served old': async () => {
    await made.take();
    await pause(3_500);
    const { data } = await (await get(nginx, pages['seat map'])).json();
    const age = Date.now() - Date.parse(data.event.availability.asOf);
    assert.ok(age <= OLDEST_MS, `${age} ms`);
  },
  'requests with a token pass and are not kept': async () => {
    for (const _ of [1, 2]) {
      const response = await get(nginx, pages['seat map'], { authorization: `Bearer ${token}` });
      assert.deepEqual(
        [response.status, response.headers.get('x-cache-status'), response.headers.get('cache-control')],
        [200, 'BYPASS', 'private, no-store'],
      );
    }
    assert.equal((await get(nginx, pages['seat map'], { authorization: 'Bearer wrong' })).status, 401);
  },
  'what depends on the caller is not kept': async () => {
    for (const _ of [1, 2]) {
      const response = await get(nginx, '{viewer{account{id}}}');
      assert.equal(response.headers.get('x-cache-status'), 'MISS');
    }
  },
  'a known tag is answered with 304': async () => {
    const first = await get(nginx, pages['event page']);
    const tag = first.headers.get('etag');
    await first.text();
    const again = await get(nginx, pages['event page'], { 'if-none-match': tag });
    assert.equal(again.status, 304);
  },
  'each request has an id of its own': async () => {
    const all = await Promise.all([...Array(10)].map(() => get(nginx, pages['event page'])));
    assert.equal(new Set(all.map((response) => response.headers.get('x-request-id'))).size, 10);
  },
  'posts pass': async () => {
    const response = await fetch(`${nginx}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{__typename}' }),
    });
    assert.deepEqual(await response.json(), { data: { __typename: 'Query' } });
    assert.equal(response.headers.get('cache-control'), 'no-store');
  },
  'WebSockets pass': async () => {
    const url = `${nginx.replace(/^http/, 'ws')}/graphql`;
    const client = createSocket({ url, webSocketImpl: WebSocket, retryAttempts: 0 });
    assert.deepEqual(await kinds(client.iterate({ query: watch })), EXPECTED);
    await client.dispose();
  },
  'event streams pass as they come, twenty of the same at once': async () => {
    const one = async () => {
      const client = createEvents({ url: `${nginx}/graphql?query=${encodeURIComponent(watch)}`, retryAttempts: 0 });
      return kinds(client.iterate({ query: watch }));
    };
    const all = await Promise.all([...Array(20)].map(one));
    assert.ok(all.every((told) => JSON.stringify(told) === JSON.stringify(EXPECTED)));
    // By GET, as a browser's EventSource asks: nobody waits for the cache.
    const opened = await Promise.all(
      [...Array(5)].map(() => get(nginx, watch, { accept: 'text/event-stream' })),
    );
    for (const response of opened) {
      assert.equal(response.headers.get('x-cache-status'), 'BYPASS');
      await response.body.cancel();
    }
  },
});
let failed = 0;
for (const { name, reason } of results) {
  if (reason) failed += 1;
  console.log(reason ? `FAILED  ${name}\n        ${reason}` : `good    ${name}`);
}
process.exit(failed === 0 ? 0 : 1);
