// The example operations in the order in which a shop, its buyers and its scanners need them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';

import { Examples } from './caller.mjs';
import { relay } from './compile.mjs';
import { timed } from './timed.mjs';

// A chapter may take this long, in milliseconds.
const LIMIT = 60_000;
const DAY = 86_400_000;
const PASSWORD = 'correct horse battery';
const CONTACT = { name: 'Ada Buyer', email: 'ada@tessera.test', phone: '+49 30 1234567' };

const key = () => crypto.randomUUID();
const euros = (amount) => ({ amount, currency: 'EUR' });
const inDays = (days) => new Date(Date.now() + days * DAY).toISOString();
const nodes = (connection) => connection.edges.map(({ node }) => node);
const ids = (list) => list.map(({ id }) => id);

// Two rows of ten seats and a standing area.
const plan = {
  name: 'Hall',
  size: { width: 300, height: 200 },
  categories: [
    { name: 'Stalls', color: '#a8324a' },
    { name: 'Box', color: '#3d6b9e' },
    { name: 'Floor', color: '#c8963e' },
  ],
  zones: [
    {
      name: 'Stalls',
      position: { x: 0, y: 0 },
      rows: ['A', 'B', 'C'].map((row, index) => ({
        row_number: row,
        position: { x: 0, y: 40 * index },
        seats: [...Array(10).keys()].map((seat) => ({
          seat_guid: `${row}-${seat + 1}`,
          seat_number: String(seat + 1),
          position: { x: 25 * seat, y: 0 },
          category: row === 'C' ? 'Box' : 'Stalls',
        })),
      })),
      areas: [
        {
          shape: 'rectangle',
          area_guid: 'floor',
          name: 'Floor',
          capacity: 50,
          category: 'Floor',
          position: { x: 0, y: 140 },
          color: '#c8963e',
          border_color: '#000000',
          rectangle: { width: 250, height: 50 },
        },
      ],
    },
  ],
};

// Plays all chapters against the server at `address`; `server` is the command that runs its binary on the same data.
export async function journey(address, server) {
  const { errors, compiled } = await relay();
  assert.deepEqual(errors, [], 'relay-compiler');
  // relay-compiler compiles all operations. Those of plain clients are executed as they are.
  const plain = new Set([...new Examples(address).all.values()].map(({ operation }) => operation.name.value));
  const own = new Map([...compiled].filter(([name]) => !plain.has(name)));
  const examples = new Examples(`${address}/graphql`, own);
  const story = new Story(examples, address, server);
  const chapters = {
    'an operator maintains categories': () => story.categories(),
    'a vendor opens a shop': () => story.shop(),
    'a vendor prepares a venue': () => story.venue(),
    'a vendor publishes an event': () => story.event(),
    'a vendor publishes coupons': () => story.coupons(),
    'a guest browses': () => story.browse(),
    'a guest collects coupons': () => story.claims(),
    'a guest reserves seats': () => story.reservations(),
    'a guest buys tickets with a coupon': () => story.purchase(),
    'a buyer authenticates a payment and returns the order': () => story.authentication(),
    'a guest gives up orders': () => story.abandon(),
    'a buyer buys a coupon': () => story.paidCoupon(),
    'a guest signs up': () => story.account(),
    'a scanner works at the gate': () => story.gate(),
    'a vendor looks after orders': () => story.backOffice(),
    'a Relay application pages and refetches': () => story.relay(),
    'a vendor plans a season': () => story.season(),
    'a vendor closes': () => story.close(),
    'every example was executed': () => assert.deepEqual(examples.left(), []),
  };
  return timed(oneAfterAnother(chapters), LIMIT);
}

// Each chapter needs those before it.
function oneAfterAnother(chapters) {
  let failed;
  const guarded = Object.entries(chapters).map(([name, chapter]) => [
    name,
    async () => {
      if (failed) throw new Error(`not played, because "${failed}" failed`);
      failed = name;
      await chapter();
      failed = undefined;
    },
  ]);
  return Object.fromEntries(guarded);
}

class Story {
  constructor(examples, address, server) {
    Object.assign(this, { examples, address, server, anonymous: examples.as() });
  }

  async signUp(name) {
    const input = { email: `${name}@journey.test`, password: PASSWORD, name };
    const { session } = await this.anonymous.call('storefront/SignUp', { input });
    return this.examples.as(session.accessToken);
  }

  async signIn(name) {
    const input = { email: `${name}@journey.test`, password: PASSWORD };
    const { session } = await this.anonymous.call('storefront/SignIn', { input });
    return this.examples.as(session.accessToken);
  }

  async guest() {
    const { session } = await this.anonymous.call('storefront/StartGuest');
    assert.equal(session.account.kind, 'GUEST');
    return this.examples.as(session.accessToken);
  }

  async categories() {
    await this.signUp('operator');
    const [program, ...args] = this.server;
    execFileSync(program, [...args, 'operator', 'operator@journey.test'], { stdio: 'ignore' });
    // A session learns of the new right after a moment; a new one has it at once.
    const operator = await this.signIn('operator');
    const create = (input) => operator.call('vendor/CreateCategory', { input });
    const { category: stage } = await create({ name: 'Stage', slug: 'stage' });
    const { category: opera } = await create({ name: 'Opra', parentId: stage.id });
    assert.equal(opera.depth, stage.depth + 1);
    await operator.refused('vendor/CreateCategory', 'SLUG_TAKEN', { input: { name: 'Stage', slug: 'stage' } });
    const change = { categoryId: opera.id, name: 'Opera', expectedVersion: opera.version };
    const { category } = await operator.call('vendor/UpdateCategory', { input: change });
    assert.equal(category.name, 'Opera');
    await operator.refused('vendor/UpdateCategory', 'STALE', { input: change });
    this.category = stage.id;
  }

  async shop() {
    const vendor = await this.signUp('vendor');
    this.vendor = vendor;
    const input = { name: 'Journey Theatre', slug: 'journey-theatre', currency: 'EUR', categoryId: this.category };
    const { shop } = await vendor.call('vendor/CreateShop', { input });
    this.shopId = shop.id;
    const change = { shopId: shop.id, description: 'Plays and operas.', expectedVersion: shop.version };
    const { shop: changed } = await vendor.call('vendor/UpdateShop', { input: change });
    assert.equal(changed.description, 'Plays and operas.');
    const { shops } = await vendor.call('vendor/Dashboard');
    assert.deepEqual(shops.map(({ role }) => role), ['OWNER']);

    await this.signUp('scanner');
    await this.signUp('seller');
    const set = (name, role, expectedVersion) =>
      vendor.call('vendor/SetShopMember', { input: { shopId: shop.id, email: `${name}@journey.test`, role, expectedVersion } });
    const { shop: joined } = await set('scanner', 'SCANNER', changed.version);
    const { member, shop: staffed } = await set('seller', 'SELLER', joined.version);
    assert.equal(member.role, 'SELLER');
    const { members } = await vendor.call('vendor/ShopSettings', { id: shop.id });
    assert.equal(members.length, 3);
    const removal = { shopId: shop.id, accountId: member.accountId, expectedVersion: staffed.version };
    const { shop: left } = await vendor.call('vendor/RemoveShopMember', { input: removal });
    assert.equal(left.members.length, 2);
    await this.anonymous.fails('vendor/CreateShop', 'UNAUTHENTICATED', { input: { name: 'Nothing', currency: 'EUR' } });
  }

  async venue() {
    const { vendor, shopId } = this;
    const place = { shopId, name: 'Hall', city: 'Berlin', country: 'DE', timeZone: 'Europe/Berlin' };
    const { venue } = await vendor.call('vendor/CreateVenue', { input: place });
    const change = { venueId: venue.id, address: 'Am Markt 1', expectedVersion: venue.version };
    const { venue: changed } = await vendor.call('vendor/UpdateVenue', { input: change });
    assert.equal(changed.address, 'Am Markt 1');
    await vendor.refused('vendor/ImportSeatMap', 'INVALID', { input: { venueId: venue.id, plan: '{}' } });
    const { seatMap } = await vendor.call('vendor/ImportSeatMap', { input: { venueId: venue.id, plan: JSON.stringify(plan) } });
    assert.deepEqual([seatMap.seatCount, seatMap.areaCapacity, seatMap.revision], [30, 50, 1]);
    const wild = { ...plan, size: null, categories: [], zones: [...plan.zones, ...plan.zones] };
    await vendor.refused('vendor/ImportSeatMap', 'INVALID', { input: { venueId: venue.id, plan: JSON.stringify(wild) } });
    const { seatMap: spare, warnings } = await vendor.call('vendor/ImportSeatMap', {
      input: { venueId: venue.id, plan: JSON.stringify(wild), options: { prefixDuplicateGuids: true } },
    });
    assert.ok(warnings.some(({ code, count }) => code === 'GUID_PREFIXED' && count > 0));
    const { venue: cleaned } = await vendor.call('vendor/DeleteSeatMap', { input: { seatMapId: spare.id } });
    assert.deepEqual(ids(cleaned.seatMaps), [seatMap.id]);
    const exported = JSON.parse(await vendor.call('vendor/ExportSeatMap', { seatMapId: seatMap.id, format: 'PRETIX' }));
    assert.equal(exported.zones[0].rows.length, 3);
    const [listed] = nodes(await vendor.call('vendor/VenueList', { shopId, first: 10 }));
    assert.deepEqual(ids(listed.seatMaps), [seatMap.id]);
    Object.assign(this, { venueId: venue.id, seatMapId: seatMap.id });
  }

  async event() {
    const { vendor, shopId, venueId } = this;
    const times = { startsAt: inDays(30), endsAt: inDays(31) };
    const plan = { shopId, venueId, categoryId: this.category, name: 'Hamlet', slug: 'hamlet', ...times };
    const { event } = await vendor.call('vendor/CreateEvent', { input: { ...plan, refundUntil: inDays(20) } });
    const eventId = event.id;
    const { event: changed } = await vendor.call('vendor/UpdateEvent', {
      input: { eventId, description: 'A tragedy.', orphanRule: false, limitPerBuyer: 20, expectedVersion: event.version },
    });
    assert.deepEqual([changed.status, changed.limitPerBuyer], ['DRAFT', 20]);

    const [seatMap] = [(await vendor.call('vendor/EventSettings', { id: eventId })).seatMap];
    this.areaId = seatMap.areas[0].id;
    const tier = (input) => vendor.call('vendor/CreateTier', { input: { eventId, taxBasisPoints: 700, ...input } });
    const { tier: stalls } = await tier({ name: 'Stals', categories: ['Stalls'], basePrice: euros('40.00'), fee: euros('2.50') });
    const { tier: box } = await tier({ name: 'Box', categories: ['Box'], basePrice: euros('90.00'), hidden: true });
    const { tier: wrong } = await tier({ name: 'Wrong', areas: [this.areaId], basePrice: euros('1.00') });
    const { tier: renamed } = await vendor.call('vendor/UpdateTier', {
      input: { tierId: stalls.id, name: 'Stalls', expectedVersion: stalls.version },
    });
    assert.equal(renamed.name, 'Stalls');
    const deletion = { tierId: wrong.id, expectedVersion: wrong.version };
    const { event: rest } = await vendor.call('vendor/DeleteTier', { input: deletion });
    assert.equal(rest.tiers.length, 2);
    await tier({ name: 'Floor', areas: [this.areaId], basePrice: euros('20.00') });

    const { version } = await vendor.call('vendor/EventSettings', { id: eventId });
    const { event: moved } = await vendor.call('vendor/ChangeEventSeatMap', {
      input: { eventId, expectedVersion: version, seatMapId: this.seatMapId },
    });
    assert.equal(moved.seatMap.id, this.seatMapId);
    await vendor.refused('vendor/DeleteSeatMap', 'IN_USE', { input: { seatMapId: this.seatMapId } });

    const settings = await vendor.call('vendor/EventSettings', { id: eventId });
    const { event: published } = await vendor.call('vendor/PublishEvent', { input: { eventId, expectedVersion: settings.version } });
    assert.equal(published.status, 'ON_SALE');
    const events = await vendor.call('vendor/ShopEvents', { shopId, filter: { status: ['ON_SALE'] }, first: 10 });
    assert.deepEqual(ids(nodes(events.events)), [eventId]);
    const later = { updatedAfter: inDays(1) };
    const unchanged = await vendor.call('vendor/ShopEvents', { shopId, filter: later, first: 10 });
    assert.deepEqual(nodes(unchanged.events), []);
    const { availability } = await vendor.call('vendor/EventSales', { id: eventId });
    // Members of the shop also see the ten places of the hidden tier.
    assert.deepEqual([availability.capacity, availability.available, availability.blocked], [80, 80, 0]);
    Object.assign(this, { eventId, stallsId: stalls.id, boxId: box.id });
  }

  async publish(coupon) {
    const { coupon: published } = await this.vendor.call('vendor/PublishCoupon', {
      input: { couponId: coupon.id, expectedVersion: coupon.version },
    });
    assert.equal(published.state, 'PUBLISHED');
    return published;
  }

  async coupons() {
    const { vendor, shopId, eventId } = this;
    const { product } = await vendor.call('vendor/CreateProduct', { input: { shopId, categoryId: this.category, name: 'Programe' } });
    const { product: named } = await vendor.call('vendor/UpdateProduct', {
      input: { productId: product.id, name: 'Programme', expectedVersion: product.version },
    });
    const products = await vendor.call('vendor/ProductList', { shopId, archived: false, first: 10 });
    assert.deepEqual(nodes(products.products).map(({ name }) => name), ['Programme']);
    this.product = named;

    const create = async (input) => (await vendor.call('vendor/CreateCoupon', { input: { shopId, categoryId: this.category, ...input } })).coupon;
    const fifth = await create({ title: 'A fith off', kind: 'PERCENT_OFF', basisPoints: 2000, stock: 50, limitPerBuyer: 5, shareable: true });
    const { coupon: corrected } = await vendor.call('vendor/UpdateCoupon', {
      input: { couponId: fifth.id, title: 'A fifth off', cap: euros('30.00'), expectedVersion: fifth.version },
    });
    let step = await this.publish(corrected);
    const { coupon: paused } = await vendor.call('vendor/PauseCoupon', { input: { couponId: step.id, expectedVersion: step.version } });
    assert.equal(paused.state, 'PAUSED');
    const { coupon: resumed } = await vendor.call('vendor/ResumeCoupon', { input: { couponId: step.id, expectedVersion: paused.version } });
    assert.equal(resumed.state, 'PUBLISHED');
    await vendor.refused('vendor/ResumeCoupon', 'STALE', { input: { couponId: step.id, expectedVersion: paused.version } });

    const leaflet = await create({ title: 'Leaflet', kind: 'AMOUNT_OFF', amount: euros('5.00'), codes: 'UPLOADED', listed: false, limitPerBuyer: 5 });
    const codes = { couponId: leaflet.id, csv: 'sep=;\nGutscheincode;Wert\nLEAFLET-1;5,00\nLEAFLET-2;5,00\nLEAFLET-3;5,00\n', idempotencyKey: key() };
    const checked = await vendor.call('vendor/ImportCodes', { input: { ...codes, dryRun: true } });
    assert.equal(checked.imported, 0);
    assert.deepEqual(checked.preview.firstCodes, ['LEAFLET-1', 'LEAFLET-2', 'LEAFLET-3']);
    assert.equal(checked.preview.delimiter, ';');
    const imported = await vendor.call('vendor/ImportCodes', { input: codes });
    assert.equal(imported.imported, 3);
    const withdrawn = await vendor.call('vendor/WithdrawCode', { input: { couponId: leaflet.id, code: 'leaflet-3', idempotencyKey: key() } });
    assert.equal(withdrawn.coupon.stock, 2);
    const generated = await vendor.call('vendor/GenerateCodes', { input: { couponId: leaflet.id, count: 8, idempotencyKey: key() } });
    assert.equal(generated.coupon.stock, 10);
    step = (await vendor.call('vendor/CouponSettings', { id: leaflet.id }));
    await this.publish(step);

    const access = await create({ title: 'Box access', kind: 'ACCESS_CODE', appliesTo: [this.boxId] });
    await this.publish(access);
    const gift = await create({ title: 'Gift card', kind: 'GIFT_CARD', amount: euros('25.00'), price: euros('25.00'), limitPerBuyer: 3 });
    await this.publish(gift);
    const free = await create({ title: 'Free programme', kind: 'FREE_ITEM', productId: named.id, limitPerBuyer: 3 });
    await this.publish(free);
    const over = await this.publish(await create({ title: 'Over', kind: 'FREE_ITEM', eventId }));
    const { coupon: ended } = await vendor.call('vendor/EndCoupon', { input: { couponId: over.id, expectedVersion: over.version } });
    assert.equal(ended.state, 'ENDED');

    const listed = await vendor.call('vendor/ShopCoupons', { filter: { shopId, state: ['PUBLISHED', 'ENDED'] }, first: 20 });
    assert.equal(listed.totalCount, 6);
    Object.assign(this, { fifthId: fifth.id, accessId: access.id, giftId: gift.id, freeId: free.id });
  }

  async browse() {
    const guest = await this.guest();
    this.buyer = guest;
    const home = await guest.call('storefront/Home', { from: new Date().toISOString() });
    assert.ok(nodes(home.events).some(({ id }) => id === this.eventId));
    const category = await guest.call('storefront/CategoryPage', { slug: 'stage' });
    assert.deepEqual(category.children.map(({ name }) => name), ['Opera']);
    assert.deepEqual(ids(nodes(category.events)), [this.eventId]);
    const limits = await guest.call('storefront/ServerLimits');
    assert.ok(limits.pageSize >= limits.defaultPageSize && limits.rates.length > 0);
    const found = await guest.call('storefront/EventSearch', { filter: { search: 'hamlet', categorySlug: 'stage', from: inDays(30.5) }, sort: { field: 'NAME', direction: 'DESC' }, first: 5 });
    assert.deepEqual(ids(nodes(found)), [this.eventId]);
    const event = await guest.call('storefront/EventPage', { slug: 'hamlet' });
    assert.deepEqual(event.tiers.map(({ name }) => name).sort(), ['Floor', 'Stalls']);
    const stalls = event.tiers.find(({ name }) => name === 'Stalls');
    assert.deepEqual([stalls.price.amount, stalls.basePrice.amount, stalls.fee.amount], ['42.50', '40.00', '2.50']);
    assert.equal(await guest.call('storefront/EventPage', { slug: 'macbeth' }), null);

    const selection = await guest.call('storefront/SeatSelection', { eventId: this.eventId });
    const map = await guest.call('storefront/SeatGeometry', { id: selection.seatMap.id });
    const rows = map.zones.flatMap((zone) => zone.rows);
    assert.deepEqual(selection.availability.rows.map(({ statuses }) => statuses), ['A'.repeat(10), 'A'.repeat(10), 'X'.repeat(10)]);
    this.seats = rows.map(({ seats }) => ids(seats));
    const drawn = await fetch(new URL(new URL(selection.seatMap.url, this.address).pathname, this.address));
    assert.equal(drawn.status, 200, 'the geometry for drawing');
    const venue = await guest.call('storefront/VenuePage', { id: this.venueId });
    assert.equal(venue.latestSeatMap.seatCount, 30);

    const shops = await guest.call('storefront/ShopDirectory', { filter: { search: 'journey' }, first: 5 });
    assert.deepEqual(ids(nodes(shops)), [this.shopId]);
    const shop = await guest.call('storefront/ShopPage', { slug: 'journey-theatre' });
    assert.ok(nodes(shop.coupons).some(({ title }) => title === 'A fifth off'));
    const coupons = await guest.call('storefront/CouponCatalogue', { filter: { shopSlug: 'journey-theatre', claimable: true, free: true }, first: 10 });
    assert.ok(ids(nodes(coupons)).includes(this.fifthId));
    const coupon = await guest.call('storefront/CouponPage', { id: this.fifthId });
    assert.deepEqual([coupon.basisPoints, coupon.left, coupon.viewerTaken], [2000, 50, 0]);
    assert.equal(await guest.call('storefront/ProofOfWork', { eventId: this.eventId }), null, 'this event needs no proof');
  }

  async claim(couponId) {
    const { claim } = await this.buyer.call('storefront/ClaimCoupon', { input: { couponId, idempotencyKey: key() } });
    return claim;
  }

  async claims() {
    const { buyer } = this;
    const live = { couponId: this.fifthId };
    await buyer.watch('storefront/CouponLive', live, async ({ next, until }) => {
      assert.equal((await next()).left, 50);
      await buyer.watch('storefront/BagLive', { first: 10 }, async (bag) => {
        assert.deepEqual(nodes((await bag.next()).claims), []);
        const input = { couponId: this.fifthId, idempotencyKey: key() };
        const { claim } = await buyer.call('storefront/ClaimCoupon', { input });
        const again = await buyer.call('storefront/ClaimCoupon', { input });
        assert.equal(again.claim.id, claim.id, 'the same key has one effect');
        await buyer.refused('storefront/ClaimCoupon', 'IDEMPOTENCY_MISMATCH', { input: { ...input, couponId: this.freeId } });
        await bag.until(({ claims }) => ids(nodes(claims)).includes(claim.id));
        this.fifth = claim;
      });
      await until(({ left }) => left === 49);
    });
    const given = await this.claim(this.fifthId);
    const released = await this.claim(this.freeId);
    const { claim } = await buyer.call('storefront/ReleaseClaim', { input: { claimId: released.id } });
    assert.equal(claim.status, 'RELEASED');
    const code = { shopId: this.shopId, code: 'LEAFLET-1', idempotencyKey: key() };
    await buyer.call('storefront/EnterCode', { input: code });
    await buyer.refused('storefront/EnterCode', 'UNKNOWN_CODE', { input: { ...code, code: 'LEAFLET-99', idempotencyKey: key() } });
    const bag = await buyer.call('storefront/BagPage');
    assert.deepEqual(nodes(bag.bag.claims).map(({ title }) => title).sort(), ['A fifth off', 'A fifth off', 'Leaflet']);
    const page = await buyer.call('storefront/ClaimPage', { id: this.fifth.id });
    assert.match(page.qrSvg, /^<\?xml|^<svg/);

    const friend = await this.guest();
    const { token } = await buyer.call('storefront/ShareClaim', { input: { claimId: given.id } });
    const accepted = await friend.call('storefront/AcceptClaim', { input: { token } });
    assert.notEqual(accepted.claim.code, given.code, 'the old code is invalid');
    assert.equal(await buyer.call('storefront/ClaimPage', { id: given.id }), null, 'it belongs to somebody else now');
    this.friend = friend;
    this.shared = accepted.claim;
  }

  async reserve(pick, more = {}) {
    const input = { eventId: this.eventId, pick, idempotencyKey: key(), ...more };
    const { reservation } = await this.buyer.call('storefront/ReserveSeats', { input });
    return reservation;
  }

  async reservations() {
    const { buyer, eventId, seats } = this;
    const shown = await buyer.call('storefront/SeatSelection', { eventId });
    await buyer.watch('storefront/SeatMapLive', { eventId }, async ({ next, until }) => {
      const snapshot = await next();
      assert.equal(snapshot.__typename, 'AvailabilitySnapshot');
      assert.ok(snapshot.version >= shown.availability.version);
      const reservation = await this.reserve({ seatIds: seats[0].slice(0, 2) });
      assert.deepEqual([reservation.subtotal.amount, reservation.fees.amount, reservation.total.amount], ['80.00', '5.00', '85.00']);
      assert.deepEqual(reservation.items.map(({ seat }) => seat.id), seats[0].slice(0, 2));
      const delta = await until(({ __typename }) => __typename === 'AvailabilityDelta');
      assert.deepEqual(delta.seats.map(({ status }) => status), ['RESERVED', 'RESERVED']);
      assert.equal(delta.available, snapshot.available - 2);
      this.reservation = reservation;
      this.version = delta.after;
    });
    await buyer.watch('vendor/SalesLive', { eventId, after: this.version }, async ({ next }) => {
      assert.equal((await next()).after, this.version, 'it continues where the client left off');
    });
    const input = { eventId, pick: { seatIds: seats[0].slice(1, 3) }, idempotencyKey: key() };
    const taken = await this.friend.refused('storefront/ReserveSeats', 'SEATS_TAKEN', { input });
    assert.deepEqual(taken.seats, [seats[0][1]]);
    await this.anonymous.fails('storefront/ReserveSeats', 'UNAUTHENTICATED', { input });

    const { id } = this.reservation;
    const { reservation: extended } = await buyer.call('storefront/ExtendReservation', { input: { reservationId: id } });
    assert.ok(extended.expiresAt >= this.reservation.expiresAt);
    const cart = await buyer.call('storefront/CartPage');
    assert.deepEqual(ids(cart.reservations), [id]);
    assert.equal((await buyer.call('storefront/ReservationPage', { id })).quantity, 2);
    assert.equal(await this.friend.call('storefront/ReservationPage', { id }), null, 'it is not theirs');

    const other = await this.reserve({ bestAvailable: { quantity: 2, tierIds: [this.stallsId] } });
    await buyer.watch('storefront/ReservationLive', { id: other.id }, async ({ next, until }) => {
      assert.equal((await next()).status, 'ACTIVE');
      const { reservation } = await buyer.call('storefront/ReleaseReservation', { input: { reservationId: other.id } });
      assert.equal(reservation.status, 'RELEASED');
      await until(({ status }) => status === 'RELEASED');
    });
    const access = await this.claim(this.accessId);
    const opened = await buyer.call('storefront/HiddenTiers', { eventId, code: access.code });
    assert.deepEqual(opened.tiersOpenedBy.map(({ name }) => name), ['Box']);
    const box = await this.reserve({ seatIds: [seats[2][0]] }, { accessCode: access.code });
    assert.equal(box.total.amount, '90.00');
    await buyer.call('storefront/ReleaseReservation', { input: { reservationId: box.id } });
  }

  async checkout(reservation, more = {}) {
    const input = { reservationIds: [reservation.id], contact: CONTACT, idempotencyKey: key(), ...more };
    const { order } = await this.buyer.call('storefront/Checkout', { input });
    return order;
  }

  async pay(order, method = 'pm_card_visa') {
    return this.buyer.call('storefront/PayOrder', { input: { orderId: order.id, method, idempotencyKey: key() } });
  }

  async purchase() {
    const { buyer, reservation, fifth } = this;
    const picker = await buyer.call('storefront/DiscountPicker', { reservationIds: [reservation.id] });
    const saving = picker.find(({ claim }) => claim.id === fifth.id);
    assert.equal(saving.saves.amount, '16.00', 'a fifth of two prices without their fees');
    const bad = { reservationIds: [reservation.id], contact: { ...CONTACT, email: 'nowhere' }, idempotencyKey: key() };
    const invalid = await buyer.refused('storefront/Checkout', 'INVALID', { input: bad });
    assert.deepEqual(invalid.path.slice(-2), ['contact', 'email']);
    const order = await this.checkout(reservation, { claimIds: [fifth.id] });
    assert.deepEqual([order.subtotal.amount, order.fees.amount, order.discount.amount, order.total.amount], ['80.00', '5.00', '16.00', '69.00']);

    const declined = await this.pay(order, 'pm_card_chargeDeclined');
    assert.deepEqual([declined.payment.state, declined.order.state], ['FAILED', 'AWAITING_PAYMENT']);
    await buyer.watch('storefront/OrderLive', { id: order.id }, async ({ next, until }) => {
      assert.equal((await next()).state, 'AWAITING_PAYMENT');
      const paid = await this.pay(order);
      assert.deepEqual([paid.order.state, paid.payment.state, paid.order.tickets.length], ['PAID', 'CAPTURED', 2]);
      this.tickets = paid.order.tickets;
      await until(({ state, tickets }) => state === 'PAID' && tickets.length === 2);
    });
    const link = { id: order.id, accessToken: order.accessToken };
    const page = await this.anonymous.call('storefront/OrderPage', link);
    assert.deepEqual([page.state, page.lines.length, page.payments.length], ['PAID', 2, 2]);
    assert.equal(await this.anonymous.call('storefront/OrderPage', { id: order.id }), null, 'it needs its token');
    const ticket = await buyer.call('storefront/TicketPage', { id: this.tickets[0].id });
    assert.equal(ticket.event.venue.city, 'Berlin');
    assert.equal(ticket.order.id, order.id);
    const line = page.lines.find(({ id }) => id === ticket.line.id);
    assert.deepEqual([line.ticket.id, line.seat.id], [ticket.id, ticket.seat.id]);
    const wallet = await buyer.call('storefront/TicketWallet', { first: 10 });
    assert.equal(nodes(wallet.tickets).length, 2);
    const history = await buyer.call('storefront/OrderHistory', { first: 10 });
    assert.deepEqual(ids(nodes(history.orders)), [order.id]);
    const again = await buyer.call('storefront/Refetch', { id: order.id });
    assert.deepEqual([again.__typename, again.state], ['Order', 'PAID']);
    const wanted = [order.id, line.id, page.payments[0].id, line.tier.id];
    const kinds = (list) => list.map((node) => node?.__typename);
    const all = await buyer.call('storefront/RefetchAll', { ids: wanted });
    assert.deepEqual(kinds(all), ['Order', 'OrderLine', 'Payment', 'Tier']);
    const shown = await this.anonymous.call('storefront/RefetchAll', { ids: wanted, accessToken: order.accessToken });
    assert.deepEqual(kinds(shown), ['Order', 'OrderLine', 'Payment', 'Tier'], 'the link of a guest shows its order');
    const hidden = await this.friend.call('storefront/RefetchAll', { ids: wanted });
    assert.deepEqual(kinds(hidden), [undefined, undefined, undefined, 'Tier']);
    this.order = order;
  }

  async authentication() {
    const { buyer } = this;
    const order = await this.checkout(await this.reserve({ admission: { areaId: this.areaId, quantity: 2 } }));
    const first = await this.pay(order, 'pm_card_authenticationRequired');
    assert.equal(first.payment.state, 'REQUIRES_ACTION');
    const cancelled = await buyer.call('storefront/CancelPayment', { input: { paymentId: first.payment.id } });
    assert.deepEqual([cancelled.payment.state, cancelled.order.state], ['CANCELLED', 'AWAITING_PAYMENT']);
    const second = await this.pay(order, 'pm_card_authenticationRequired');
    const bank = new URL(new URL(second.payment.nextActionUrl).pathname, this.address);
    const answered = await fetch(bank, { method: 'POST', body: new URLSearchParams({ answer: 'yes' }) });
    assert.equal(answered.status, 200);
    const confirmed = await buyer.call('storefront/ConfirmPayment', { input: { paymentId: second.payment.id } });
    assert.deepEqual([confirmed.payment.state, confirmed.order.state], ['CAPTURED', 'PAID']);
    const input = { orderId: order.id, reason: 'I am ill.', idempotencyKey: key() };
    const returned = await buyer.call('storefront/ReturnOrder', { input });
    assert.equal(returned.refund.amount.amount, '40.00');
    await buyer.refused('storefront/ReturnOrder', 'ALREADY_REFUNDED', { input: { ...input, idempotencyKey: key() } });
  }

  async abandon() {
    const { buyer, seats } = this;
    const order = await this.checkout(await this.reserve({ seatIds: [seats[1][0]] }));
    const { order: cancelled } = await buyer.call('storefront/CancelOrder', { input: { orderId: order.id } });
    assert.equal(cancelled.state, 'CANCELLED');
    await buyer.refused('storefront/PayOrder', 'ORDER_ENDED', {
      input: { orderId: order.id, method: 'pm_card_visa', idempotencyKey: key() },
    });
  }

  async paidCoupon() {
    const { buyer } = this;
    await buyer.refused('storefront/ClaimCoupon', 'NOT_FREE', { input: { couponId: this.giftId, idempotencyKey: key() } });
    const input = { couponId: this.giftId, quantity: 1, idempotencyKey: key() };
    const { reservation } = await buyer.call('storefront/ReserveCoupon', { input });
    const paid = await this.pay(await this.checkout(reservation));
    assert.deepEqual(paid.order.claims.map(({ balance }) => balance.amount), ['25.00']);
  }

  async account() {
    const before = nodes((await this.buyer.call('storefront/OrderHistory', { first: 10 })).orders).length;
    const input = { email: 'ada@journey.test', password: PASSWORD, name: 'Ada' };
    const { session } = await this.buyer.call('storefront/SignUp', { input });
    const buyer = this.examples.as(session.accessToken);
    assert.equal(nodes((await buyer.call('storefront/OrderHistory', { first: 10 })).orders).length, before, 'a guest keeps the orders');
    await this.anonymous.refused('storefront/SignUp', 'EMAIL_TAKEN', { input });
    await this.anonymous.refused('storefront/SignIn', 'WRONG_CREDENTIALS', { input: { email: input.email, password: 'wrong' } });
    const { account } = await buyer.call('storefront/AccountMenu');
    const change = { name: 'Ada B.', phone: null, expectedVersion: account.version };
    const { account: changed } = await buyer.call('storefront/UpdateProfile', { input: change });
    assert.equal(changed.name, 'Ada B.');
    await buyer.call('storefront/ChangePassword', { input: { currentPassword: PASSWORD, newPassword: `${PASSWORD} staple` } });
    const { session: fresh } = await this.anonymous.call('storefront/SignIn', {
      input: { email: input.email, password: `${PASSWORD} staple`, deviceToken: session.deviceToken },
    });
    const { session: renewed } = await this.anonymous.call('storefront/RefreshSession', { input: { refreshToken: fresh.refreshToken } });
    this.buyer = this.examples.as(renewed.accessToken);
    const leaving = (await this.anonymous.call('storefront/SignIn', { input: { email: input.email, password: `${PASSWORD} staple` } })).session;
    await this.examples.as(leaving.accessToken).call('storefront/SignOut');
    await this.anonymous.refused('storefront/RefreshSession', 'SESSION_ENDED', { input: { refreshToken: leaving.refreshToken } });
  }

  async gate() {
    const scanner = await this.signIn('scanner');
    const home = await scanner.call('scanner/ScannerHome');
    assert.deepEqual(home.shops.map(({ role, shop }) => [role, shop.id]), [['SCANNER', this.shopId]]);
    const events = await scanner.call('scanner/GateEvents', { shopId: this.shopId, from: inDays(29), until: inDays(32) });
    assert.deepEqual(ids(nodes(events)), [this.eventId]);
    const [ticket] = this.tickets;
    const input = { code: ticket.code, eventId: this.eventId };
    await scanner.refused('scanner/CheckIn', 'NOT_YET', { input });
    const { version } = await this.vendor.call('vendor/EventSettings', { id: this.eventId });
    const admission = { from: inDays(0), reentry: true };
    const change = { eventId: this.eventId, expectedVersion: version, admission };
    await this.vendor.call('vendor/UpdateEvent', { input: change });
    const { ticket: scanned } = await scanner.call('scanner/CheckIn', { input });
    assert.deepEqual([scanned.id, scanned.state], [ticket.id, 'CHECKED_IN']);
    await scanner.refused('scanner/CheckIn', 'USED', { input });
    const undo = { ticketId: scanned.id, expectedVersion: scanned.version, reason: 'The wrong guest.' };
    const { ticket: undone } = await scanner.call('scanner/UndoCheckIn', { input: undo });
    assert.equal(undone.state, 'ISSUED');
    await scanner.refused('scanner/UndoCheckIn', 'STALE', { input: undo });
    await scanner.call('scanner/CheckIn', { input });
    const left = await scanner.call('scanner/CheckOut', { input });
    assert.deepEqual([left.mayReturn, left.ticket.entries], [true, 1]);
    await scanner.refused('scanner/CheckOut', 'NOT_INSIDE', { input });
    await scanner.call('scanner/CheckIn', { input });
    await scanner.refused('scanner/CheckIn', 'UNREADABLE', { input: { ...input, code: 'no ticket' } });
    await this.buyer.refused('scanner/CheckIn', 'WRONG_EVENT', { input });
    const counter = { code: this.shared.code, idempotencyKey: key() };
    const redeemed = await scanner.call('scanner/RedeemAtCounter', { input: counter });
    assert.equal(redeemed.claim.status, 'REDEEMED');
    await scanner.refused('scanner/RedeemAtCounter', 'USED', { input: { ...counter, idempotencyKey: key() } });
  }

  async backOffice() {
    const { vendor, shopId } = this;
    const { orders } = await vendor.call('vendor/ShopOrders', { id: shopId, first: 20 });
    assert.ok(ids(nodes(orders)).includes(this.order.id));
    const details = await vendor.call('vendor/OrderDetails', { id: this.order.id });
    assert.equal(details.payments.length, 2);
    const reservation = await this.reserve({ seatIds: [this.seats[1][5]] });
    const paid = await this.pay(await this.checkout(reservation));
    const { order, refund } = await vendor.call('vendor/RefundCustomer', {
      input: { orderId: paid.order.id, reason: 'The seat is broken.', idempotencyKey: key() },
    });
    assert.deepEqual([order.id, refund.amount.amount], [paid.order.id, '42.50']);
    const { auditLog } = await vendor.call('vendor/AuditLog', { id: shopId, first: 50 });
    const actions = nodes(auditLog).map(({ action }) => action);
    for (const action of ['SHOP_CREATED', 'MEMBER_REMOVED', 'TIER_CREATED', 'COUPON_PUBLISHED', 'PAYMENT_CAPTURED', 'REFUND_REQUESTED']) {
      assert.ok(actions.includes(action), action);
    }
    await vendor.watch('vendor/CouponFunnelLive', { couponId: this.freeId }, async ({ next, until }) => {
      const before = await next();
      await this.claim(this.freeId);
      await until(({ counts }) => counts.claimed === before.counts.claimed + 1);
    });
  }

  async relay() {
    const { buyer } = this;
    const catalogue = await buyer.call('relay/EventCatalogueQuery', { count: 1, filter: { shopId: this.shopId } });
    assert.deepEqual(ids(nodes(catalogue)), [this.eventId]);
    const rest = { count: 5, cursor: catalogue.pageInfo.endCursor, filter: { shopId: this.shopId } };
    assert.deepEqual(nodes(await buyer.call('relay/EventCatalogueListPaginationQuery', rest)), []);
    const viewer = await buyer.call('relay/OrdersQuery');
    const all = ids(nodes(viewer.orders));
    const page = await buyer.call('relay/OrdersListPaginationQuery', { count: 2, cursor: null });
    assert.deepEqual(ids(nodes(page.orders)), all.slice(0, 2));
    const refetched = await buyer.call('relay/OrderStatusRefetchQuery', { id: this.order.id });
    assert.equal(refetched.state, 'PAID');
    const shop = await buyer.call('relay/ShopFrontQuery', { slug: 'journey-theatre' });
    const coupons = await buyer.call('relay/ShopCouponListPaginationQuery', { id: shop.id, count: 2, cursor: null });
    assert.deepEqual(ids(nodes(coupons.coupons)), ids(nodes(shop.coupons)).slice(0, 2));
  }

  async season() {
    const { vendor, shopId, eventId } = this;
    const offer = { shopId, eventId, title: 'For schools', kind: 'PERCENT_OFF', basisPoints: 2_000 };
    const { coupon } = await vendor.call('vendor/CreateCoupon', { input: offer });
    const mistake = { couponId: coupon.id, expectedVersion: coupon.version };
    const { deletedCouponId } = await vendor.call('vendor/DeleteCoupon', { input: mistake });
    assert.equal(deletedCouponId, coupon.id);
    const copy = { eventId, startsAt: inDays(60), name: 'Hamlet for schools', idempotencyKey: key() };
    const { event: first } = await vendor.call('vendor/DuplicateEvent', { input: copy });
    assert.deepEqual([first.status, first.limitPerBuyer], ['DRAFT', 20]);
    const dates = { rule: 'FREQ=WEEKLY;COUNT=4' };
    const preview = await vendor.call('vendor/CreateEvents', { input: { eventId: first.id, dates, dryRun: true } });
    assert.deepEqual([preview.preview.count, preview.events], [3, null]);
    const season = { eventId: first.id, dates, slug: 'hamlet-for-schools', idempotencyKey: key() };
    const { event, events } = await vendor.call('vendor/CreateEvents', { input: season });
    assert.equal(events.length, 3);
    const [cancelled] = events;
    const deletion = { eventId: cancelled.id, expectedVersion: cancelled.version };
    const { deletedEventId } = await vendor.call('vendor/DeleteEvent', { input: deletion });
    assert.equal(deletedEventId, cancelled.id);
    await vendor.refused('vendor/DeleteEvent', 'NOT_FOUND', { input: deletion });
    const { seriesId } = event;
    const published = await vendor.call('vendor/PublishEvents', { input: { seriesId } });
    assert.deepEqual([published.events.length, published.draftsLeft], [3, 0]);
    await vendor.refused('vendor/PublishEvents', 'NO_DRAFTS', { input: { seriesId } });
    const found = await vendor.call('vendor/ShopEvents', { shopId, filter: { seriesId }, first: 10 });
    assert.equal(nodes(found.events).length, 3);
  }

  async close() {
    const { vendor, product } = this;
    const { product: archived } = await vendor.call('vendor/ArchiveProduct', {
      input: { productId: product.id, expectedVersion: product.version },
    });
    assert.ok(archived.archived);
    const { version } = await vendor.call('vendor/EventSettings', { id: this.eventId });
    const { event } = await vendor.call('vendor/CancelEvent', { input: { eventId: this.eventId, expectedVersion: version } });
    assert.equal(event.status, 'CANCELLED');
  }
}
