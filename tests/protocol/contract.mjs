// Checks schema.graphql and the example operations without a server: node contract.mjs
import assert from 'node:assert/strict';

import { parse, print, visit } from 'graphql';

import { allowed, breaking, previous } from './compare.mjs';
import { relay, types } from './compile.mjs';
import { differences } from './conforms.mjs';
import { documents, invalid, schema, sdl, uncovered } from './documents.mjs';
import { lint, lintSchema } from './lint.mjs';
import { report } from './report.mjs';
import { timed } from './timed.mjs';

// Compilers take their time, most of all beside other work.
const LIMIT = 120_000;

const none = (findings) => assert.equal(findings.length, 0, findings.slice(0, 40).join('\n        '));

// Planted answers to a query, and what is wrong with each.
const ANSWERED = parse(`query Answered($id: ID!) {
  event(id: $id) { id status capacity startsAt tiers { name price { ...Price } } }
  node(id: $id) { __typename id ... on Shop { slug } }
}
fragment Price on Money { amount currency }`);
const tier = { name: 'Stalls', price: { amount: '40.00', currency: 'EUR' } };
const event = { id: 'event_1', status: 'ON_SALE', capacity: 80, startsAt: '2026-12-01T19:00:00Z', tiers: [tier] };
const node = { __typename: 'Shop', id: 'shop_1', slug: 'theatre' };
const answers = [
  [{ event, node }, []],
  [{ event: null, node: null }, []],
  [{ event: { ...event, id: undefined }, node }, ['event.id is missing']],
  [{ event: { ...event, capacity: null }, node }, ['event.capacity is null']],
  [{ event: { ...event, capacity: 1.5 }, node }, ['event.capacity is 1.5, no Int']],
  [{ event: { ...event, status: 'OPEN' }, node }, ['event.status is "OPEN", no EventStatus']],
  [{ event: { ...event, startsAt: 'tomorrow' }, node }, ['event.startsAt is "tomorrow", no DateTime']],
  [{ event: { ...event, tiers: tier }, node }, ['event.tiers is no list']],
  [{ event: { ...event, tiers: [{ ...tier, price: { amount: 40, currency: 'EUR' } }] }, node }, ['event.tiers.0.price.amount is 40, no Decimal']],
  [{ event: { ...event, name: 'Hamlet' }, node }, ['event has name, which nobody selected']],
  [{ event, node: { ...node, __typename: 'Planet' } }, ['node is no Node']],
  [{ event, node: { ...node, __typename: 'Venue' } }, ['node has slug, which nobody selected']],
];

const suites = {
  schema: {
    'graphql-eslint finds nothing': async () => none(await lint('schema.graphql')),
    'graphql-eslint finds a planted bad name': async () => {
      const planted = `${sdl}\n"""\nA planted type.\n"""\ntype planted_type {\n\t"""\n\tThe id.\n\t"""\n\tid: ID!\n}\n`;
      assert.match((await lintSchema(planted)).join('\n'), /naming-convention: Type "planted_type"/);
    },
    'no breaking change since the previous release': async () => none(await breaking(previous, sdl, allowed)),
    'a planted breaking change is found': async () => {
      const planted = print(visit(parse(sdl), { FieldDefinition: ({ name }) => (name.value === 'applicableCoupons' ? null : undefined) }));
      const change = "Field 'applicableCoupons' was removed from object type 'Query'";
      assert.deepEqual(await breaking(sdl, planted, []), [change]);
      none(await breaking(sdl, planted, [{ change, reason: 'planted' }]));
      assert.equal((await breaking(sdl, planted, [{ change }])).length, 1, 'an exception needs a reason');
      assert.equal((await breaking(sdl, sdl, [{ change, reason: 'planted' }])).length, 1, 'an exception needs a change');
    },
  },
  operations: {
    'there are at least 50': () => assert.ok(documents().size >= 50, `there are ${documents().size}`),
    'every root field has an example': () => none(uncovered()),
    'they are valid': () => none(invalid()),
    'planted wrong answers are found': () => {
      for (const [data, expected] of answers) assert.deepEqual(differences(schema, ANSWERED, data), expected);
    },
    'graphql-eslint finds nothing': async () => none(await lint('tests/protocol/operations/*/*.graphql')),
    'relay-compiler compiles them': async () => none((await relay()).errors),
    'graphql-codegen generates their types, and TypeScript accepts them': async () => none(await types()),
  },
};

const results = [];
for (const [suite, checks] of Object.entries(suites)) results.push([suite, await timed(checks, LIMIT)]);
process.exit(report(results));
