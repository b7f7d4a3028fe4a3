// The default tabs: a buyer's and a vendor's way through the API, ready to run.

import { coupons, couponVariables, bag, bagVariables } from './coupons.js';
import { season, seasonVariables } from './season.js';
import { errors, session, tab } from './tab.js';

// A later step needs ids from an earlier answer: they go into the Variables tab.

const buyer = `# A buyer's journey: run the steps one by one.
#
# Choose a step from the menu of the run button, or put
# the cursor into it and press Ctrl-Enter. Copy the ids
# that you get into the Variables tab below, and the
# access token into the Headers tab.

# 1. Start as a guest ...
mutation BuyAsGuest {
  createGuestSession {
    session {
      accessToken
    }
    ${errors}
  }
}

# ... or sign in.
mutation SignInAsBuyer($email: String!, $password: String!) {
  signIn(input: { email: $email, password: $password }) {
    session {
      accessToken
      refreshToken
    }
    ${errors}
  }
}

# 2. See what is on sale: take an id as "eventId".
query BrowseEvents {
  events(first: 10, filter: { status: ON_SALE }) {
    nodes {
      id
      name
      startsAt
      seatsLeft
      priceRange {
        lowest {
          amount
          currency
        }
      }
    }
  }
}

# 3. Find free seats (A is available) and their ids.
query FindSeats($eventId: ID!) {
  event(id: $eventId) {
    availability {
      rows {
        zone
        row
        statuses
      }
    }
    seatMap {
      zones {
        name
        rows {
          number
          seats {
            id
            number
          }
        }
      }
    }
  }
}

# 4. Hold seats for a few minutes.
mutation ReserveSeats($eventId: ID!, $seatIds: [ID!]!, $reserveKey: String!) {
  reserveSeats(
    input: {
      eventId: $eventId
      pick: { seatIds: $seatIds }
      idempotencyKey: $reserveKey
    }
  ) {
    reservation {
      id
      expiresAt
      total {
        amount
        currency
      }
    }
    ${errors}
  }
}

# 5. Turn the reservations into an order.
mutation Checkout(
  $reservationIds: [ID!]!
  $contact: ContactInput!
  $checkoutKey: String!
) {
  checkout(
    input: {
      reservationIds: $reservationIds
      contact: $contact
      idempotencyKey: $checkoutKey
    }
  ) {
    order {
      id
      number
      state
    }
    ${errors}
  }
}

# 6. Pay with a test card: the tickets are issued.
mutation PayOrder($orderId: ID!, $payKey: String!) {
  payOrder(
    input: {
      orderId: $orderId
      method: "pm_card_visa"
      idempotencyKey: $payKey
    }
  ) {
    order {
      id
      state
      tickets {
        id
        label
        code
      }
    }
    payment {
      state
      failureCode
      nextActionUrl
    }
    ${errors}
  }
}
`;

const buyerVariables = {
  email: 'buyer@tessera.example',
  password: 'tessera-demo',
  eventId: '',
  seatIds: [],
  reservationIds: [],
  orderId: '',
  contact: { name: 'Example Buyer', email: 'buyer@tessera.example' },
  reserveKey: `reserve-${session}`,
  checkoutKey: `checkout-${session}`,
  payKey: `payment-${session}`,
};

const vendor = `# A vendor's journey: from a new shop to an event on sale.
#
# Choose a step from the menu of the run button, or put
# the cursor into it and press Ctrl-Enter. Copy each id
# that you get into the Variables tab below. Every step
# but the first needs the access token in the Headers tab.

# 1. Sign in.
mutation SignInAsVendor($email: String!, $password: String!) {
  signIn(input: { email: $email, password: $password }) {
    session {
      accessToken
      refreshToken
    }
    ${errors}
  }
}

# 2. Open a shop, and choose a category.
mutation CreateShop($shopName: String!) {
  createShop(input: { name: $shopName, currency: "EUR" }) {
    shop {
      id
      name
    }
    ${errors}
  }
}

query Categories {
  categories {
    id
    slug
    name
  }
}

# 3. Add a venue ...
mutation CreateVenue($shopId: ID!, $venueName: String!) {
  createVenue(
    input: {
      shopId: $shopId
      name: $venueName
      city: "Berlin"
      country: "DE"
      timeZone: "Europe/Berlin"
    }
  ) {
    venue {
      id
      name
    }
    ${errors}
  }
}

# ... and its seats: a pretix seating plan, as text. The
# plan in the Variables tab comes from another program: it
# has no size, its two blocks share their guids, and it
# does not say where the stage is. Without the option, the
# error tells what to do. Read the warnings.
mutation ImportSeatMap($venueId: ID!, $plan: String!) {
  importSeatMap(
    input: {
      venueId: $venueId
      plan: $plan
      options: { prefixDuplicateGuids: true }
    }
  ) {
    seatMap {
      id
      seatCount
      focalPoint {
        x
        y
        source
      }
      categories {
        name
        color
      }
    }
    warnings {
      code
      count
      message
      examples
    }
    ${errors}
  }
}

# 4. Plan an event: it stays a draft until it is published.
mutation CreateEvent(
  $shopId: ID!
  $venueId: ID!
  $categoryId: ID!
  $eventName: String!
  $startsAt: DateTime!
  $endsAt: DateTime!
) {
  createEvent(
    input: {
      shopId: $shopId
      venueId: $venueId
      categoryId: $categoryId
      name: $eventName
      startsAt: $startsAt
      endsAt: $endsAt
    }
  ) {
    event {
      id
      version
    }
    ${errors}
  }
}

# 5. Set a price for a category of the plan.
mutation CreateTier($eventId: ID!) {
  createTier(
    input: {
      eventId: $eventId
      name: "Standard"
      categories: ["Stalls"]
      basePrice: { amount: "25.00", currency: "EUR" }
      fee: { amount: "1.50", currency: "EUR" }
    }
  ) {
    tier {
      id
      name
    }
    ${errors}
  }
}

# 6. Put it on sale.
mutation PublishEvent($eventId: ID!, $eventVersion: Long!) {
  publishEvent(
    input: { eventId: $eventId, expectedVersion: $eventVersion }
  ) {
    event {
      id
      slug
      status
      seatsLeft
    }
    ${errors}
  }
}

# 7. See what was sold.
query Sales($shopId: ID!) {
  shop(id: $shopId) {
    orders(first: 20) {
      nodes {
        number
        state
        total {
          amount
          currency
        }
      }
    }
  }
}

# 8. At the gate: let a ticket in. It admits from two hours before the start until the end, unless you change the
# event's \`admission\`.
mutation CheckIn($code: String!) {
  checkIn(input: { code: $code }) {
    ticket {
      id
      label
      state
      version
    }
    errors {
      code
      message
      path
      ticketId
      ticketVersion
      admissionFrom
      admissionUntil
    }
  }
}

# 9. At the gate: correct a mistake. The ticket admits again.
mutation UndoCheckIn($ticketId: ID!, $ticketVersion: Long!) {
  undoCheckIn(
    input: { ticketId: $ticketId, expectedVersion: $ticketVersion, reason: "wrong guest" }
  ) {
    ticket {
      label
      state
    }
    ${errors}
  }
}
`;

// A block of two rows, as another program wrote it: row 1 is at the lower edge.
const block = (x) => ({
  name: 'Stalls',
  position: { x, y: 20 },
  rows: ['2', '1'].map((number, index) => ({
    row_number: number,
    position: { x: 0, y: 25 * index },
    seats: [1, 2, 3, 4, 5, 6, 7, 8].map((seat) => ({
      seat_guid: `${number}-${seat}`,
      seat_number: seat,
      position: { x: `${25 * seat}`, y: 0 },
      category: 'Stalls',
    })),
  })),
});

const plan = {
  name: 'Example hall',
  categories: [{ name: 'Stalls', color: 'rebeccapurple' }],
  zones: [block(20), block(280)],
};

const vendorVariables = {
  email: 'vendor@tessera.example',
  password: 'tessera-demo',
  shopName: 'Example Shop',
  shopId: '',
  venueName: 'Example Hall',
  venueId: '',
  plan: JSON.stringify(plan),
  categoryId: '',
  eventName: 'Example Concert',
  startsAt: '2030-06-01T18:00:00Z',
  endsAt: '2030-06-01T21:00:00Z',
  eventId: '',
  eventVersion: 1,
  code: '',
};

const watcher = `# Watches the seats of an event live, over a WebSocket.
#
# Open this page in a second window and reserve seats
# there: each change arrives here at once. Press the
# button again to stop. To resume after a break, give
# the last version that you saw as "after".
subscription WatchSeats($eventId: ID!, $after: Long) {
  seatAvailability(eventId: $eventId, after: $after) {
    __typename
    ... on AvailabilitySnapshot {
      version
      available
      reserved
      sold
    }
    ... on AvailabilityDelta {
      after
      version
      available
      reserved
      sold
      seats {
        id
        status
      }
      areas {
        id
        available
      }
    }
  }
}
`;

const watcherVariables = { eventId: '', after: null };

export const journeys = [
  tab(buyer, buyerVariables),
  tab(vendor, vendorVariables),
  tab(season, seasonVariables),
  tab(watcher, watcherVariables),
  tab(coupons, couponVariables),
  tab(bag, bagVariables),
];
