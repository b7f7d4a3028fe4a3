// The default tab about a season: one event becomes many.

import { errors, session } from './tab.js';

export const season = `# A vendor's season: copy an event to many dates.
#
# Choose a step from the menu of the run button. Copy each
# id and version that you get into the Variables tab below,
# and the access token of a vendor into the Headers tab.

# 1. Copy an event with its tiers to another date. Doors
# at 19:00 stay at 19:00, in summer and in winter.
mutation DuplicateEvent(
  $eventId: ID!
  $startsAt: DateTime!
  $duplicateKey: String!
) {
  duplicateEvent(
    input: {
      eventId: $eventId
      startsAt: $startsAt
      idempotencyKey: $duplicateKey
    }
  ) {
    event {
      id
      name
      status
      startsAt
      salesStart
      tiers {
        name
        price {
          amount
          currency
        }
      }
    }
    ${errors}
  }
}

# 2. See the dates of a rule. Nothing is stored yet.
mutation PreviewSeason($copyId: ID!, $dates: EventDatesInput!) {
  createEvents(
    input: { eventId: $copyId, dates: $dates, dryRun: true }
  ) {
    preview {
      timeZone
      count
      dates {
        localStart
        startsAt
        endsAt
      }
      leftOut {
        localStart
        reason
      }
    }
    ${errors}
  }
}

# 3. Create the drafts. Together with the copy they are a
# series.
mutation CreateSeason(
  $copyId: ID!
  $dates: EventDatesInput!
  $seasonKey: String!
) {
  createEvents(
    input: {
      eventId: $copyId
      dates: $dates
      idempotencyKey: $seasonKey
    }
  ) {
    event {
      seriesId
    }
    events {
      id
      slug
      startsAt
      version
    }
    ${errors}
  }
}

# 4. One date too many? A draft can be deleted.
mutation DeleteDraft($draftId: ID!, $draftVersion: Long!) {
  deleteEvent(
    input: { eventId: $draftId, expectedVersion: $draftVersion }
  ) {
    deletedEventId
    ${errors}
  }
}

# 5. Put the whole series on sale.
mutation PublishSeason($seriesId: ID!) {
  publishEvents(input: { seriesId: $seriesId }) {
    events {
      slug
      status
    }
    draftsLeft
    ${errors}
  }
}

# 6. Find the series again.
query Season($seriesId: ID!) {
  events(
    filter: { seriesId: $seriesId }
    sort: { field: STARTS_AT }
    first: 100
  ) {
    totalCount
    nodes {
      slug
      startsAt
      status
      seatsLeft
    }
  }
}
`;

export const seasonVariables = {
  eventId: '',
  startsAt: '2030-09-06T18:00:00Z',
  duplicateKey: `duplicate-${session}`,
  copyId: '',
  dates: {
    rule: 'FREQ=WEEKLY;BYDAY=FR,SA;COUNT=10',
    exceptDays: ['2030-09-14'],
  },
  seasonKey: `season-${session}`,
  draftId: '',
  draftVersion: 1,
  seriesId: '',
};
