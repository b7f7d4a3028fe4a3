// The default tabs: a buyer's and a vendor's way through the API, ready to run.

// The part of every mutation's answer that says what went wrong.
const errors = `errors {
      __typename
      code
      ... on UserError {
        message
        path
      }
    }`;

// A later step needs ids from an earlier answer: they go into the Variables tab.
// The server answers a repeated idempotency key with the first result, so each
// browser session starts with fresh ones.
const session = Date.now().toString(36);

const headers = `{
  // Paste an access token and remove the two slashes.
  // "Authorization": "Bearer <accessToken>"
}
`;

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

# 2. See what is on: take an id as "eventId".
query BrowseEvents {
  events(first: 10) {
    nodes {
      id
      name
      startsAt
    }
  }
}

# 3. Hold seats for a few minutes.
mutation ReserveSeats($eventId: ID!, $seatIds: [ID!]!, $reserveKey: String!) {
  reserveSeats(
    input: {
      eventId: $eventId
      pick: { seatIds: $seatIds }
      idempotencyKey: $reserveKey
    }
  ) {
    reservations {
      id
      expiresAt
    }
    ${errors}
  }
}

# 4. Turn the reservations into an order.
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
      state
    }
    ${errors}
  }
}

# 5. Pay with a test card: the tickets are issued.
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
    }
    ${errors}
  }
}
`;

const buyerVariables = {
  email: 'buyer@example.com',
  password: '',
  eventId: '',
  seatIds: [],
  reservationIds: [],
  orderId: '',
  contact: { name: 'Example Buyer', email: 'buyer@example.com' },
  reserveKey: `reserve-${session}`,
  checkoutKey: `checkout-${session}`,
  payKey: `pay-${session}`,
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

# 2. Open a shop.
mutation CreateShop($shopName: String!) {
  createShop(input: { name: $shopName }) {
    shop {
      id
      name
    }
    ${errors}
  }
}

# 3. Add a venue ...
mutation CreateVenue($shopId: ID!, $venueName: String!, $timeZone: String!) {
  createVenue(
    input: { shopId: $shopId, name: $venueName, timeZone: $timeZone }
  ) {
    venue {
      id
      name
    }
    ${errors}
  }
}

# ... and its seats.
mutation ImportSeatMap($venueId: ID!, $sections: [SeatSectionInput!]!) {
  importSeatMap(
    input: { venueId: $venueId, name: "Main hall", sections: $sections }
  ) {
    seatMap {
      id
      seatCount
    }
    ${errors}
  }
}

# 4. Plan an event: it stays a draft until it is published.
mutation CreateEvent(
  $shopId: ID!
  $seatMapId: ID!
  $eventName: String!
  $startsAt: DateTime!
) {
  createEvent(
    input: {
      shopId: $shopId
      seatMapId: $seatMapId
      name: $eventName
      startsAt: $startsAt
    }
  ) {
    event {
      id
      name
      startsAt
    }
    ${errors}
  }
}

# 5. Set a price.
mutation CreateTier($eventId: ID!) {
  createTier(
    input: {
      eventId: $eventId
      name: "Standard"
      price: { amount: 2500, currency: "EUR" }
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
mutation PublishEvent($eventId: ID!) {
  publishEvent(input: { eventId: $eventId }) {
    event {
      id
      name
      startsAt
    }
    ${errors}
  }
}
`;

const vendorVariables = {
  email: 'vendor@example.com',
  password: '',
  shopName: 'Example Shop',
  shopId: '',
  venueName: 'Example Hall',
  timeZone: 'Europe/Berlin',
  venueId: '',
  sections: [{ name: 'Stalls', rows: 10, seatsPerRow: 20 }],
  seatMapId: '',
  eventName: 'Example Concert',
  startsAt: '2030-06-01T18:00:00Z',
  eventId: '',
};

const watcher = `# Watches the seats of an event live, over a WebSocket.
#
# Open this page in a second window and reserve seats
# there: each change arrives here at once. Press the
# button again to stop.
subscription WatchSeats($eventId: ID!) {
  seatAvailability(eventId: $eventId) {
    seatId
    state
  }
}
`;

const watcherVariables = { eventId: '' };

function tab(query, variables) {
  return { query, variables: JSON.stringify(variables, null, 2), headers };
}

export const journeys = [
  tab(buyer, buyerVariables),
  tab(vendor, vendorVariables),
  tab(watcher, watcherVariables),
];
