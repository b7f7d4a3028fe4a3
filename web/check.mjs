// Checks the GraphiQL page of a running server in a browser:
// node check.mjs <base-url> <screenshot.png>
import {
  buildClientSchema,
  getIntrospectionQuery,
  parse,
  validate,
} from 'graphql';
import { chromium } from 'playwright-core';
import { execute, writeHeaders } from './check/editors.mjs';
import { watch } from './check/watch.mjs';
import { journeys } from './src/journeys.js';

// The operations to run, in this order; each needs a name. `text` gets what the
// earlier steps have found; `find` takes it out of an answer's data, or throws.
const steps = {
  query: {
    name: 'CheckQuery',
    text: () =>
      'query CheckQuery { events(first: 1) { nodes { id name } } }',
    find: (data) => ({ eventId: data.events.nodes[0].id }),
  },
  mutation: {
    name: 'CheckMutation',
    text: () =>
      'mutation CheckMutation { createGuestSession { session { accessToken } } }',
    find: (data) => ({ token: data.createGuestSession.session.accessToken }),
  },
  authenticated: {
    name: 'CheckHeaders',
    text: () => 'query CheckHeaders { viewer { account { id } } }',
    find: (data) => ({ viewerId: data.viewer.account.id }),
  },
  subscription: {
    name: 'CheckSubscription',
    text: ({ eventId }) =>
      `subscription CheckSubscription { seatAvailability(eventId: "${eventId}") { ... on AvailabilitySnapshot { version available } } }`,
    find: (data) => ({ version: data.seatAvailability.version }),
  },
};

// A field that the query above could also ask for: the explorer adds it.
const explorerField = 'startsAt';

const TIMEOUT = 15_000;
const BROWSER = {
  executablePath: '/usr/bin/chromium',
  args: [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
};

const [baseUrl, screenshot] = process.argv.slice(2);
if (!baseUrl || !screenshot) {
  console.error('usage: node check.mjs <base-url> <screenshot.png>');
  process.exit(2);
}

// What the page did wrong, and the headers each socket was opened with.
const faults = [];
const socketHeaders = [];

const browser = await chromium.launch(BROWSER);
try {
  const page = await browser.newPage({
    viewport: { width: 1400, height: 900 },
  });
  page.setDefaultTimeout(TIMEOUT);
  await watch(page, baseUrl, { faults, socketHeaders });
  try {
    await run(page);
    await checkJourneys();
  } finally {
    await page.screenshot({ path: screenshot });
  }
} catch (error) {
  faults.push(error.message);
} finally {
  await browser.close();
}

if (faults.length > 0) {
  const lines = faults.map((fault) => `- ${fault.slice(0, 400)}`);
  console.error(`GraphiQL check failed:\n${[...new Set(lines)].join('\n')}`);
  process.exit(1);
}
console.log(
  'GraphiQL check passed: query, mutation, headers, subscription, default tabs.',
);

// Goes through the page as a person would.
async function run(page) {
  await page.goto(new URL('/graphiql/', baseUrl).href);
  await page.locator('.graphiql-query-editor .view-line').first().waitFor();

  const title = await page.locator('.graphiql-logo').innerText();
  expect(title === 'Tessera', `the page is titled "${title}"`);
  const tabs = await page.locator('.graphiql-tab').count();
  expect(tabs === journeys.length, `${tabs} default tabs are shown`);
  await page.getByRole('button', { name: 'New tab' }).click();

  const { eventId } = await execute(page, steps.query, {});
  const { token } = await execute(page, steps.mutation, {});

  const headers = { Authorization: `Bearer ${token}` };
  await writeHeaders(page, headers);
  await execute(page, steps.authenticated, {});

  // The headers change while the first subscription runs: the second one must
  // open its socket with the new ones.
  await execute(page, steps.subscription, { eventId });
  const laterHeaders = { ...headers, 'X-Check': 'second' };
  await writeHeaders(page, laterHeaders);
  await page.getByRole('button', { name: 'Stop query' }).click();
  await execute(page, steps.subscription, { eventId });
  await page.getByRole('button', { name: 'Stop query' }).click();
  const sent = JSON.stringify(socketHeaders);
  const wanted = JSON.stringify([headers, laterHeaders]);
  expect(sent === wanted, `sockets were opened with ${sent}, not ${wanted}`);

  await page.getByRole('button', { name: 'Show GraphiQL Explorer' }).click();
  await execute(page, steps.query, {});
  await page
    .locator('.graphiql-explorer-root')
    .getByText(explorerField)
    .click();
  await page
    .locator('.graphiql-query-editor .view-lines', { hasText: explorerField })
    .waitFor();

  const kept = await page.evaluate(() => localStorage.length);
  expect(kept === 0, 'the page keeps data beyond the session');
}

// Compares the default tabs with the server's schema.
async function checkJourneys() {
  const response = await fetch(new URL('/graphql', baseUrl), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ query: getIntrospectionQuery() }),
  });
  const schema = buildClientSchema((await response.json()).data);
  for (const { query } of journeys) {
    for (const { message, locations } of validate(schema, parse(query))) {
      faults.push(`default tab, line ${locations[0].line}: ${message}`);
    }
  }
}

function expect(condition, complaint) {
  if (!condition) throw new Error(complaint);
}
