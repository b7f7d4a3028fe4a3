// Rolling restarts behind a proxy: node deploy.mjs PROXY PORT PORT SCRATCH COMMAND…
//
// COMMAND starts an instance; two of them run on the two ports. Buyers send POSTs through PROXY, and watchers follow an
// event over WebSockets and event streams, while the instances are restarted one after the other. No POST may be lost or
// executed twice, no watcher may miss a version, and the server must see the clients' real addresses.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createWriteStream, readFileSync } from 'node:fs';
import http from 'node:http';

import WebSocket from 'ws';

import { stage } from './stage.mjs';

const BUYERS = 16;
const WATCHERS = 6;
const ROUNDS = 2;
const SEATS = 300;
const DELIVERED_MS = 2_000;
const FORGED = '203.0.113.9';
const CLIENT = '127.3.0.7';

const [proxy, first, second, scratch, ...command] = process.argv.slice(2);
const target = new URL(proxy);
const pause = (ms) => new Promise((wake) => setTimeout(wake, ms));

// One request. A connection that breaks is an answer with status 0.
function send({ port = target.port, method = 'POST', path = '/graphql', headers = {}, body, ...options }) {
  return new Promise((answer) => {
    const request = http.request({ host: '127.0.0.1', port, method, path, headers, timeout: 30_000, ...options });
    const broken = (error) => answer({ status: 0, error: error.code ?? String(error), text: '' });
    request.on('error', broken);
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('response', (response) => {
      let text = '';
      response.on('data', (piece) => (text += piece));
      response.on('error', broken);
      response.on('end', () => answer({ status: response.statusCode, headers: response.headers, text }));
    });
    request.end(body);
  });
}

// An instance as a process of its own.
class Instance {
  constructor(port) {
    this.port = port;
    this.log = `${scratch}/instance-${port}.log`;
  }

  async start() {
    const [program, ...args] = command;
    this.process = spawn(program, [...args, '--listen', `127.0.0.1:${this.port}`], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.process.stderr.pipe(createWriteStream(this.log, { flags: 'a' }));
    this.ended = new Promise((ended) => this.process.on('exit', ended));
    this.process.stdout.resume();
    for (let tries = 0; tries < 300; tries += 1) {
      // From an address that is no proxy's, as an orchestrator's probe comes.
      const { status } = await send({ port: this.port, method: 'GET', path: '/health/ready', localAddress: '127.0.0.9' });
      if (status === 200) return;
      if (this.process.exitCode !== null) {
        await pause(200);
        throw new Error(`an instance ended: ${readFileSync(this.log, 'utf8').slice(-400)}`);
      }
      await pause(100);
    }
    throw new Error('an instance does not become ready');
  }

  async stop() {
    const begun = Date.now();
    this.process.kill('SIGTERM');
    await this.ended;
    return Date.now() - begun;
  }
}

const instances = [new Instance(first), new Instance(second)];
process.on('exit', () => instances.forEach((instance) => instance.process?.kill('SIGKILL')));
for (const instance of instances) await instance.start();
// The proxy finds them.
for (let tries = 0; tries < 50 && (await send({ method: 'GET', path: '/' })).status >= 502; tries += 1) await pause(100);

const { event } = await stage(`${proxy}/graphql`, command, SEATS);

// Buyers: every POST counts, and is sent once. One that got no answer is sent again with the same key, to learn its outcome.
const posts = { sent: 0, lost: {}, refused: {} };
let ending = false;
let kept = 0;
const ids = new Set();
let acknowledged = 0;

async function post(buyer, query, variables) {
  const body = JSON.stringify({ query, variables });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  if (buyer.token) headers.authorization = `Bearer ${buyer.token}`;
  for (;;) {
    posts.sent += 1;
    const answer = await send({ agent: buyer.agent, localAddress: buyer.address, headers, body });
    const json = answer.status === 200 ? JSON.parse(answer.text) : {};
    if (json.data && !json.errors) {
      const [payload] = Object.values(json.data);
      const code = payload?.errors?.[0]?.code;
      if (code) posts.refused[code] = (posts.refused[code] ?? 0) + 1;
      return payload;
    }
    const kind = json.errors?.[0]?.extensions?.code ?? answer.error ?? `HTTP ${answer.status}`;
    posts.lost[kind] = (posts.lost[kind] ?? 0) + 1;
    await pause(100);
  }
}

async function buy(number) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const buyer = { agent, address: `127.2.0.${number + 1}` };
  buyer.token = (await post(buyer, 'mutation{createGuestSession{session{accessToken} errors{code}}}')).session.accessToken;
  const reserve = `mutation($input:ReserveSeatsInput!){reserveSeats(input:$input){reservation{id} errors{code}}}`;
  const release = `mutation($id:ID!){releaseReservation(input:{reservationId:$id}){reservation{status} errors{code}}}`;
  for (let turn = 0; !ending; turn += 1) {
    const input = { eventId: event, pick: { bestAvailable: { quantity: 1 } }, idempotencyKey: crypto.randomUUID() };
    const id = (await post(buyer, reserve, { input })).reservation?.id;
    await post(buyer, '{viewer{account{id}}}');
    if (id) {
      acknowledged += 1;
      ids.add(id);
      kept += 1;
      if ((await post(buyer, release, { id })).reservation?.status === 'RELEASED') kept -= 1;
    }
    await pause(10);
  }
  // The last reservation stays.
  const input = { eventId: event, pick: { bestAvailable: { quantity: 1 } }, idempotencyKey: crypto.randomUUID() };
  if ((await post(buyer, reserve, { input })).reservation) kept += 1;
  agent.destroy();
}

// Watchers: each message must follow the one before, also after a reconnection.
const SUBSCRIPTION = `subscription($event:ID!,$after:Long){seatAvailability(eventId:$event,after:$after){
  ...on AvailabilitySnapshot{version} ...on AvailabilityDelta{after version}}}`;
const watchers = [];

function take(watcher, { data, errors }) {
  const message = data?.seatAvailability;
  if (!message) {
    watcher.errors.push(JSON.stringify(errors));
    return;
  }
  if (message.after !== undefined && message.after !== watcher.version) watcher.gaps += 1;
  watcher.version = message.version;
}

function overSocket(watcher) {
  return new Promise((ended) => {
    const socket = new WebSocket(`ws://127.0.0.1:${target.port}/graphql`, 'graphql-transport-ws', {
      localAddress: watcher.address,
    });
    socket.on('open', () => socket.send('{"type":"connection_init"}'));
    socket.on('message', (bytes) => {
      const message = JSON.parse(bytes);
      const payload = { query: SUBSCRIPTION, variables: { event, after: watcher.version } };
      if (message.type === 'connection_ack') socket.send(JSON.stringify({ type: 'subscribe', id: '1', payload }));
      if (message.type === 'next') take(watcher, message.payload);
      if (message.type === 'error') watcher.errors.push(JSON.stringify(message.payload));
      if (message.type === 'complete') socket.close();
    });
    socket.on('error', (error) => watcher.errors.push(error.message));
    socket.on('close', (code) => {
      if (code >= 4_000) watcher.errors.push(`closed with ${code}`);
      ended();
    });
    watcher.close = () => socket.terminate();
  });
}

function overStream(watcher) {
  return new Promise((ended) => {
    const body = JSON.stringify({ query: SUBSCRIPTION, variables: { event, after: watcher.version } });
    const headers = { 'content-type': 'application/json', accept: 'text/event-stream' };
    const options = { host: '127.0.0.1', port: target.port, method: 'POST', path: '/graphql', headers };
    const request = http.request({ ...options, localAddress: watcher.address });
    watcher.close = () => request.destroy();
    request.on('error', ended);
    request.on('response', (response) => {
      if (response.statusCode !== 200) watcher.errors.push(`HTTP ${response.statusCode}`);
      let text = '';
      response.on('data', (piece) => {
        text += piece;
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const data = /^data: ?(.*)$/m.exec(text.slice(0, end))?.[1];
          if (data?.startsWith('{')) take(watcher, JSON.parse(data));
          text = text.slice(end + 2);
        }
      });
      response.on('error', ended);
      response.on('close', ended);
    });
    request.end(body);
  });
}

async function watch(number) {
  const connect = number % 2 === 0 ? overSocket : overStream;
  const watcher = { address: `127.2.1.${number + 1}`, gaps: 0, errors: [], connections: 0 };
  watchers.push(watcher);
  while (!watcher.stopped) {
    watcher.connections += 1;
    await connect(watcher);
    await pause(50);
  }
}

const following = [...Array(WATCHERS).keys()].map(watch);
const buying = [...Array(BUYERS).keys()].map(buy);
await pause(1_000);
for (let round = 0; round < ROUNDS; round += 1) {
  for (const instance of instances) {
    const stopped = await instance.stop();
    await instance.start();
    console.log(`restarted ${instance.port}: stopped after ${(stopped / 1000).toFixed(1)} s, ${posts.sent} POSTs so far`);
    // As long as an orchestrator waits before it goes on.
    await pause(2_000);
  }
}
ending = true;
await Promise.all(buying);

const reader = { agent: new http.Agent(), address: '127.2.2.1' };
const ask = 'query($id:ID!){event(id:$id){availability{version reserved}}}';
const settled = Date.now();
let snapshot;
for (;;) {
  snapshot = (await post(reader, ask, { id: event })).availability;
  const behind = watchers.filter((watcher) => watcher.version !== snapshot.version).length;
  if (behind === 0 && snapshot.reserved === kept) break;
  if (Date.now() - settled > DELIVERED_MS) break;
  await pause(50);
}
for (const watcher of watchers) {
  watcher.stopped = true;
  watcher.close();
}
await Promise.all(following);

// The client's address, and not what the client says it is.
const headers = {
  'content-type': 'application/json',
  'x-forwarded-for': FORGED,
  forwarded: `for=${FORGED}`,
  authorization: 'Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.',
};
await send({ localAddress: CLIENT, headers, body: '{"query":"{viewer{account{id}}}"}' });
await pause(500);
const logs = instances.map((instance) => readFileSync(instance.log, 'utf8')).join('\n');
const probe = await send({ method: 'GET', path: '/health/ready', localAddress: CLIENT });
for (const instance of instances) await instance.stop();

const lost = Object.values(posts.lost).reduce((sum, count) => sum + count, 0);
const errors = watchers.flatMap((watcher) => watcher.errors);
console.log(
  `${posts.sent} POSTs, ${lost} lost ${JSON.stringify(posts.lost)}, refusals ${JSON.stringify(posts.refused)}; ` +
    `${acknowledged} reservations, ${acknowledged - ids.size} with an id of another, ` +
    `${snapshot.reserved} places reserved for ${kept} kept; ` +
    `${watchers.reduce((sum, watcher) => sum + watcher.connections, 0)} connections of ${WATCHERS} watchers, ` +
    `${watchers.reduce((sum, watcher) => sum + watcher.gaps, 0)} gaps, ${errors.length} errors ${errors.slice(0, 2)}`,
);
const failures = [];
const check = (holds, text) => holds || failures.push(text);
check(lost === 0, `${lost} POSTs were lost`);
check(posts.sent > 500, `only ${posts.sent} POSTs were sent`);
check(acknowledged === ids.size, 'two keys have one reservation');
check(snapshot.reserved === kept, `${snapshot.reserved} places are reserved, ${kept} were acknowledged`);
check(watchers.every((watcher) => watcher.gaps === 0), 'a watcher missed a version');
check(watchers.every((watcher) => watcher.version === snapshot.version), 'a watcher is behind');
check(errors.length === 0, `watchers saw errors: ${errors.slice(0, 3)}`);
check(logs.includes(`${CLIENT}/32`), `the server did not see the client ${CLIENT}`);
check(!logs.includes(FORGED), `the server believed a forged X-Forwarded-For`);
check(probe.status === 404, `probes are open to the public: ${probe.status}`);
for (const failure of failures) console.error(`deploy: ${failure}`);
process.exit(failures.length > 0 ? 1 : 0);
