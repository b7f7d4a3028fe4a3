// The rules for schema.graphql and for the example operations: all of graphql-eslint's, and the reasons for each exception.
import { fileURLToPath } from 'node:url';

import graphql from '@graphql-eslint/eslint-plugin';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const schema = path('../../schema.graphql');

// The rule without its reports on the definitions that `isException` names, such as `Query.events`.
const except = (name, isException) => {
  const rule = graphql.rules[name];
  const nameOf = (node) => node?.name?.value ?? node?.value;
  const owner = (node) => (/Definition$/.test(node?.parent?.kind) ? node.parent : node?.parent && owner(node.parent));
  return {
    ...rule,
    create(context) {
      const report = (problem) => {
        const names = problem.node ? [] : [problem.data.nodeName.split('"')[1]];
        for (let node = problem.node; node; node = owner(node)) names.unshift(nameOf(node));
        if (!isException(names.filter((part, at) => part && part !== names[at - 1]).join('.'))) context.report(problem);
      };
      return rule.create(Object.create(context, { report: { value: report } }));
    },
  };
};

const strict = {
  rules: {
    'no-typename-prefix': except('no-typename-prefix', (name) => name === 'Claim.claimedAt'),
    'relay-edge-types': except('relay-edge-types', (name) => name === 'AuditEntryEdge'),
    'require-description': except('require-description', (name) => name.endsWith('Connection')),
    'require-nullable-result-in-root': except('require-nullable-result-in-root', (name) => name.startsWith('Query.')),
  },
};

const off = (...names) => Object.fromEntries(names.map((name) => [`@graphql-eslint/${name}`, 'off']));

const schemaRules = {
  ...graphql.configs['flat/schema-recommended'].rules,
  ...graphql.configs['flat/schema-all'].rules,
  ...graphql.configs['flat/schema-relay'].rules,
  // Related elements stand together.
  ...off('alphabetize'),
  // It forbids `Mutation` and `Subscription`, which this API has.
  ...off('no-root-type'),
  // A client selects what it needs from the changed object. Relay's rule for `Query` in payloads is from Relay Classic.
  ...off('require-field-of-type-query-in-mutation-result'),
  // These have no identity of their own. A new type has to get an id or to be added here.
  '@graphql-eslint/strict-id-in-types': [
    'error',
    {
      exceptions: {
        suffixes: ['Payload', 'Error', 'Connection', 'Edge', 'Availability', 'Snapshot', 'Delta', 'Limits', 'Warning'],
        types: [
          'Money', 'PriceRange', 'PageInfo', 'Session', 'Viewer', 'CouponCounts', 'Rate', 'RateLimit', 'ClaimTerms', 'CodeFault', 'CodeListPreview', 'CodeListSkippedLine', 'OrderContact',
          'OrderDiscount', 'EarlierCheckIn', 'ReservationItem', 'ReservationRules', 'ReservationChallenge', 'EventsPreview', 'PlannedDate', 'LeftOutDate', 'ApplicableCoupon', 'Row',
          'EventAdmission', 'EntryRules', 'Zone', 'SeatCategory', 'ZoneTier', 'ShopMember', 'ShopMembership',
        ],
      },
    },
  ],
  // A page's items stand in `edges`; other lists are short and complete, such as an event's tiers.
  '@graphql-eslint/relay-edge-types': 'off',
  'strict/relay-edge-types': ['error', { listTypeCanWrapOnlyEdgeType: false }],
  // The library defines the connection types, without a description. Their fields have one.
  '@graphql-eslint/require-description': 'off',
  'strict/require-description': graphql.configs['flat/schema-recommended'].rules['@graphql-eslint/require-description'],
  // `claimedAt` is a participle as in `redeemedAt`, not the name of the type.
  '@graphql-eslint/no-typename-prefix': 'off',
  'strict/no-typename-prefix': 'error',
  // Public lists never fail because of the viewer. Objects are nullable: see `node`, `event`, `shop`.
  '@graphql-eslint/require-nullable-result-in-root': 'off',
  'strict/require-nullable-result-in-root': 'error',
};

const operationRules = {
  ...graphql.configs['flat/operations-recommended'].rules,
  ...graphql.configs['flat/operations-all'].rules,
  // Fields stand in the order in which a page shows them.
  ...off('alphabetize'),
  // relay-compiler checks these names: a file is a module, and its definition begins with the module's name.
  ...off('match-document-filename'),
  // A component's fragment belongs to the component, however many pages use it.
  ...off('no-one-place-fragments'),
  // `#import` comments mean something to one bundler only.
  ...off('require-import-fragment'),
  '@graphql-eslint/naming-convention': [
    'error',
    {
      VariableDefinition: 'camelCase',
      OperationDefinition: { style: 'PascalCase', forbiddenPrefixes: ['Query', 'Mutation', 'Subscription', 'Get'] },
      'OperationDefinition[operation=query]': { requiredSuffixes: ['Query'] },
      'OperationDefinition[operation=mutation]': { requiredSuffixes: ['Mutation'] },
      'OperationDefinition[operation=subscription]': { requiredSuffixes: ['Subscription'] },
      // Relay's names: the component and its property.
      FragmentDefinition: { requiredPattern: /^(?:[A-Z][A-Za-z]*_[a-z][A-Za-z]*)$/ },
    },
  ],
};

const languageOptions = {
  parser: graphql.parser,
  parserOptions: {
    graphQLConfig: { schema: [schema, path('relay-directives.graphql')], documents: `${path('operations')}/*/*.graphql` },
  },
};
const plugins = { '@graphql-eslint': graphql, strict };

export default [
  { files: ['schema.graphql'], languageOptions, plugins, rules: schemaRules },
  { files: ['tests/protocol/operations/*/*.graphql'], languageOptions, plugins, rules: operationRules },
  // Relay's fragments declare arguments of their own.
  { files: ['tests/protocol/operations/relay/*.graphql'], rules: off('no-undefined-variables') },
];
