// Twelve checks of graphql-transport-ws, frame by frame: what is allowed when, and how a socket is closed.
import WebSocket from 'ws';

const INIT = { type: 'connection_init' };
const PING = { type: 'ping', payload: { a: 1 } };
// A pause in milliseconds, after which what was said has been answered.
const PAUSE = 200;
// How long nothing may follow what was expected.
const SILENCE = 300;
// Longer than the server waits for connection_init.
const PATIENCE = 8_000;

const subscribe = (id, query) => ({ id, type: 'subscribe', payload: { query } });

// Sends the frames, numbers being pauses. Tells what came, and the code with which the socket was closed: none when
// `enough` messages had come and nothing followed them.
function talk(url, frames, enough) {
  return new Promise((resolve) => {
    const socket = new WebSocket(url, 'graphql-transport-ws');
    const said = [];
    let closed;
    const finish = () => {
      clearTimeout(end);
      socket.terminate();
      resolve({ said: said.join(' '), closed });
    };
    const end = setTimeout(finish, PATIENCE);
    socket.on('open', async () => {
      for (const frame of frames) {
        if (typeof frame === 'number') await new Promise((wake) => setTimeout(wake, frame));
        else socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
      }
    });
    socket.on('message', (data) => {
      said.push(JSON.parse(data.toString()).type);
      if (said.length === enough) setTimeout(finish, SILENCE);
    });
    socket.on('close', (code) => {
      closed = code;
      finish();
    });
    socket.on('error', (error) => said.push(error.message));
  });
}

// The checks: their name, the frames, and either the code that closes or the messages that come.
const checks = (event) => {
  const watch = (alias) => `${alias}:seatAvailability(eventId:"${event}"){__typename}`;
  const watching = subscribe('1', `subscription{${watch('a')}}`);
  const begun = [INIT, PAUSE];
  return [
    ['no connection_init is awaited for ever', [], 4408],
    ['nothing runs before the acknowledgement', [subscribe('1', '{__typename}')], 4401],
    ['a second connection_init closes', [INIT, INIT], 4429],
    ['a duplicate id closes', [...begun, watching, watching], 4409],
    ['garbage closes', ['{nope'], 4400],
    ['an unknown type closes', [{ type: 'foo' }], 4400],
    ['an invalid query is an error, not completed', [...begun, subscribe('1', '{nope}')], 'connection_ack error'],
    [
      'an invalid subscription is an error, not completed',
      [...begun, subscribe('1', 'subscription{nope}')],
      'connection_ack error',
    ],
    [
      'what the client completes is silent',
      [...begun, watching, PAUSE, { id: '1', type: 'complete' }, PING],
      'connection_ack next pong',
    ],
    ['a query has one result and completes', [...begun, subscribe('1', '{__typename}')], 'connection_ack next complete'],
    ['a ping is answered', [...begun, PING], 'connection_ack pong'],
    [
      'a subscription has one root field',
      [...begun, subscribe('1', `subscription{${watch('a')} ${watch('b')}}`)],
      'connection_ack error',
    ],
  ];
};

export async function socket(url, event) {
  const results = [];
  for (const [name, frames, expected] of checks(event)) {
    const closes = typeof expected === 'number';
    const { said, closed } = await talk(url, frames, closes ? Infinity : expected.split(' ').length);
    const good = closes ? closed === expected : said === expected && closed === undefined;
    results.push({ name, reason: good ? '' : `said "${said}" and closed ${closed}, expected ${expected}` });
  }
  return results;
}
