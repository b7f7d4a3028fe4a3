// The default tabs about coupons: a vendor's and a holder's.

import { errors, session } from './tab.js';

export const coupons = `# A vendor's way with coupons: publish, watch, redeem.
#
# Choose a step from the menu of the run button. Copy each
# id and version that you get into the Variables tab below,
# and an access token into the Headers tab.

# 1. Make a coupon: it stays a draft until it is published.
mutation CreateCoupon($shopId: ID!, $eventId: ID!, $title: String!) {
  createCoupon(
    input: {
      shopId: $shopId
      eventId: $eventId
      title: $title
      kind: PERCENT_OFF
      basisPoints: 2000
      cap: { amount: "30.00", currency: "EUR" }
      stock: 50
      shareable: true
    }
  ) {
    coupon {
      id
      version
      state
    }
    ${errors}
  }
}

# 2. From now on everybody may claim it.
mutation PublishCoupon($couponId: ID!, $couponVersion: Long!) {
  publishCoupon(
    input: { couponId: $couponId, expectedVersion: $couponVersion }
  ) {
    coupon {
      id
      version
      state
      left
    }
    ${errors}
  }
}

# 3. How many were claimed, redeemed, expired: live.
subscription Counts($couponId: ID!) {
  couponCounts(couponId: $couponId) {
    id
    counts {
      published
      reserved
      claimed
      redeemed
      expired
    }
  }
}

# 4. At the counter: a code is good once.
mutation RedeemClaim($code: String!, $redeemKey: String!) {
  redeemClaim(input: { code: $code, idempotencyKey: $redeemKey }) {
    claim {
      title
      status
    }
    redeemedAt
    ${errors}
  }
}

# 5. Enough for today: what was claimed stays valid.
mutation PauseCoupon($couponId: ID!, $couponVersion: Long!) {
  pauseCoupon(
    input: { couponId: $couponId, expectedVersion: $couponVersion }
  ) {
    coupon {
      version
      state
    }
    ${errors}
  }
}

# 6. A coupon with a list of codes, such as a file of a
# spreadsheet. It is found only by its codes.
mutation CreateList($shopId: ID!) {
  createCoupon(
    input: {
      shopId: $shopId
      title: "On the leaflet"
      kind: AMOUNT_OFF
      amount: { amount: "5.00", currency: "EUR" }
      codes: UPLOADED
      listed: false
    }
  ) {
    coupon {
      id
      version
    }
    ${errors}
  }
}

# 7. Check the list first. The heading is not imported.
# Then import it with "dryRun": false.
mutation ImportCodes($couponId: ID!, $csv: String!, $dryRun: Boolean!, $importKey: String!) {
  importCouponCodes(
    input: { couponId: $couponId, csv: $csv, dryRun: $dryRun, idempotencyKey: $importKey }
  ) {
    imported
    preview {
      codeCount
      firstCodes
      delimiter
      encoding
      column
      skipped {
        line
        why
        text
      }
      warnings
    }
    faults {
      line
      why
    }
    ${errors}
  }
}

# 8. A code was leaked: withdraw it before it is claimed.
mutation WithdrawCode($couponId: ID!, $code: String!, $withdrawKey: String!) {
  withdrawCouponCode(
    input: { couponId: $couponId, code: $code, idempotencyKey: $withdrawKey }
  ) {
    coupon {
      stock
    }
    ${errors}
  }
}
`;

export const couponVariables = {
  shopId: '',
  eventId: '',
  title: 'A fifth off',
  couponId: '',
  couponVersion: 1,
  code: '',
  redeemKey: `redeem-${session}`,
  csv: '# spring leaflet\r\nNr;Gutschein-Code;Wert\r\n1;SPRING-1;5,00\r\n2;SPRING-2;5,00\r\n',
  dryRun: true,
  importKey: `import-${session}`,
  withdrawKey: `withdraw-${session}`,
};

export const bag = `# A holder's way with coupons: claim, share, spend.
#
# Every step but the first needs an access token in the
# Headers tab: "createGuestSession" gives one.

# 1. See what can be claimed: take an id as "couponId".
query BrowseCoupons {
  coupons(first: 10, filter: { claimable: true }) {
    nodes {
      id
      title
      kind
      isFree
      left
      shop {
        name
      }
    }
  }
}

# 2. Put one into your bag.
mutation ClaimCoupon($couponId: ID!, $claimKey: String!) {
  claimCoupon(input: { couponId: $couponId, idempotencyKey: $claimKey }) {
    claim {
      id
      code
      validUntil
    }
    ${errors}
  }
}

# 3. What you have.
query Bag {
  viewer {
    bag {
      claims(first: 20) {
        nodes {
          id
          title
          status
          code
        }
      }
    }
  }
}

# 4. Give it away: whoever has the token first has it ...
mutation ShareClaim($claimId: ID!) {
  shareClaim(input: { claimId: $claimId }) {
    token
    expiresAt
    ${errors}
  }
}

# ... by this. The old code is dead then.
mutation AcceptClaim($token: String!) {
  acceptClaim(input: { token: $token }) {
    claim {
      id
      code
    }
    ${errors}
  }
}

# 5. What your claims would save on places that you have
# reserved ("reserveSeats", see the buyer's tab).
query ApplicableCoupons($reservationIds: [ID!]!) {
  applicableCoupons(reservationIds: $reservationIds) {
    claim {
      id
      title
    }
    saves {
      amount
    }
    reason
  }
}

# 6. Spend them: what they take off is fixed in the order.
mutation SpendClaims(
  $reservationIds: [ID!]!
  $claimIds: [ID!]!
  $contact: ContactInput!
  $checkoutKey: String!
) {
  checkout(
    input: {
      reservationIds: $reservationIds
      claimIds: $claimIds
      contact: $contact
      idempotencyKey: $checkoutKey
    }
  ) {
    order {
      id
      discounts {
        label
        amount {
          amount
        }
      }
      total {
        amount
      }
    }
    ${errors}
  }
}

# 7. Paid: they are used up.
mutation PayOrder($orderId: ID!, $payKey: String!) {
  payOrder(
    input: {
      orderId: $orderId
      method: "pm_card_visa"
      idempotencyKey: $payKey
    }
  ) {
    order {
      state
    }
    ${errors}
  }
}

# 8. Refunded: the money and the claims come back. Look
# into the bag again.
mutation RefundOrder($orderId: ID!, $refundKey: String!) {
  refundOrder(
    input: { orderId: $orderId, idempotencyKey: $refundKey }
  ) {
    order {
      state
    }
    refund {
      amount {
        amount
      }
    }
    ${errors}
  }
}

# 9. Give an unused free one back to the shop.
mutation ReleaseClaim($claimId: ID!) {
  releaseClaim(input: { claimId: $claimId }) {
    claim {
      status
    }
    ${errors}
  }
}
`;

export const bagVariables = {
  couponId: '',
  claimId: '',
  token: '',
  reservationIds: [],
  claimIds: [],
  orderId: '',
  contact: { name: 'Example Buyer', email: 'buyer@tessera.example' },
  claimKey: `claim-${session}`,
  checkoutKey: `spend-${session}`,
  payKey: `spend-pay-${session}`,
  refundKey: `spend-refund-${session}`,
};
