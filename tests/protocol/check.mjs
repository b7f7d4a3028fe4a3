// Runs all checks against a server and tells the outcome: node check.mjs ADDRESS COMMAND…
//
// COMMAND runs the server's binary on the same data, for what only operators do by hand.
import { audits } from './audits.mjs';
import { graphqlWs } from './client.mjs';
import { journey } from './journey.mjs';
import { persisted } from './persisted.mjs';
import { report } from './report.mjs';
import { socket } from './socket.mjs';
import { graphqlSse } from './sse.mjs';
import { stage } from './stage.mjs';

const [address, ...server] = process.argv.slice(2);
const http = `${address}/graphql`;
const ws = http.replace(/^http/, 'ws');

const made = await stage(http, server);
const suites = [
  ['graphql-http', await audits(http)],
  ['graphql-transport-ws', await socket(ws, made.event)],
  ['graphql-ws', await graphqlWs(ws, made)],
  ['graphql-sse', await graphqlSse(http, made)],
  ['persisted queries', await persisted(http, made)],
  ['example operations', await journey(address, server)],
];

process.exit(report(suites));
