// What the checks need on an empty server: one event on sale, made through the API as any vendor would.
import { execFileSync } from 'node:child_process';

const PASSWORD = 'correct horse battery';
const plan = (seats) => ({
  name: 'Room',
  size: { width: 20 * seats + 40, height: 100 },
  categories: [{ name: 'All', color: '#aa0000' }],
  zones: [
    {
      name: 'Hall',
      position: { x: 0, y: 0 },
      rows: [
        {
          row_number: 'A',
          position: { x: 0, y: 0 },
          seats: [...Array(seats).keys()].map((index) => index + 1).map((number) => ({
            seat_guid: `A-${number}`,
            seat_number: String(number),
            position: { x: 20 * number, y: 0 },
            category: 'All',
          })),
        },
      ],
      areas: [],
    },
  ],
});

// `server` is the command that runs the server's binary on the same data; `seats` is how many the event has.
export async function stage(url, server, seats = 3) {
  let token;
  const run = async (query, variables = {}) => {
    const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query, variables }) });
    const { data, errors } = await response.json();
    const refused = Object.values(data ?? {}).flatMap((field) => field?.errors ?? []);
    if (errors || refused.length > 0) throw new Error(JSON.stringify(errors ?? refused));
    return Object.values(data)[0];
  };
  const signUp = async (name) => {
    token = undefined;
    const email = `${name}@tessera.test`;
    const input = { email, password: PASSWORD, name };
    const made = await run('mutation($input:SignUpInput!){signUp(input:$input){session{accessToken} errors{code}}}', {
      input,
    });
    token = made.session.accessToken;
    return email;
  };
  const make = async (what, type, input) => {
    const field = `create${type}`;
    const query = `mutation($input:Create${type}Input!){${field}(input:$input){${what}{id} errors{code message path}}}`;
    return (await run(query, { input }))[what].id;
  };

  const operator = await signUp('operator');
  const [program, ...args] = server;
  execFileSync(program, [...args, 'operator', operator], { stdio: 'ignore' });
  // Sessions are believed for a moment: only a new one is sure to know of the new right.
  const signIn = 'mutation($input:SignInInput!){signIn(input:$input){session{accessToken} errors{code}}}';
  token = (await run(signIn, { input: { email: operator, password: PASSWORD } })).session.accessToken;
  const categoryId = await make('category', 'Category', { name: 'Music' });

  await signUp('vendor');
  const shopId = await make('shop', 'Shop', { name: 'The Room', currency: 'EUR' });
  const venueId = await make('venue', 'Venue', {
    shopId,
    name: 'Room',
    city: 'Graz',
    country: 'AT',
    timeZone: 'Europe/Vienna',
  });
  const imported = 'mutation($input:ImportSeatMapInput!){importSeatMap(input:$input){errors{code message path}}}';
  await run(imported, { input: { venueId, plan: JSON.stringify(plan(seats)) } });
  const startsAt = new Date(Date.now() + 30 * 86_400_000).toISOString();
  const endsAt = new Date(Date.now() + 30 * 86_400_000 + 7_200_000).toISOString();
  const event = await make('event', 'Event', { shopId, venueId, categoryId, name: 'Concert', startsAt, endsAt });
  const price = { amount: '20.00', currency: 'EUR' };
  await make('tier', 'Tier', { eventId: event, name: 'All', categories: ['All'], basePrice: price, taxBasisPoints: 1000 });
  const { version } = await run('query($id:ID!){event(id:$id){version}}', { id: event });
  const publish = 'mutation($input:PublishEventInput!){publishEvent(input:$input){errors{code message path}}}';
  await run(publish, { input: { eventId: event, expectedVersion: version } });

  // One buyer who takes a seat and gives it back.
  const guest = () => run('mutation{createGuestSession{session{accessToken}}}');
  let buyer = await guest();
  const vendor = token;
  const asBuyer = async (work) => {
    token = buyer.session.accessToken;
    try {
      return await work();
    } finally {
      token = vendor;
    }
  };
  const { seatMap } = await run('query($id:ID!){event(id:$id){seatMap{zones{rows{seats{id}}}}}}', { id: event });
  const seat = seatMap.zones[0].rows[0].seats[0].id;
  let reservation;
  const reserve = () =>
    asBuyer(async () => {
      const query =
        'mutation($input:ReserveSeatsInput!){reserveSeats(input:$input){reservation{id} errors{code message}}}';
      const input = { eventId: event, pick: { seatIds: [seat] }, idempotencyKey: crypto.randomUUID() };
      reservation = (await run(query, { input })).reservation.id;
    });
  const release = () =>
    asBuyer(() =>
      run('mutation($id:ID!){releaseReservation(input:{reservationId:$id}){errors{code message}}}', { id: reservation }),
    );
  // Many buyers, each of whom takes four seats, one after the other.
  let taken = 0;
  let turn = Promise.resolve();
  const take = () => {
    turn = turn.then(takeOne, takeOne);
    return turn;
  };
  const takeOne = () =>
    asBuyer(async () => {
      if (taken % 4 === 0) {
        token = undefined;
        buyer = await guest();
        token = buyer.session.accessToken;
      }
      taken += 1;
      const query =
        'mutation($input:ReserveSeatsInput!){reserveSeats(input:$input){reservation{id} errors{code message}}}';
      const pick = { bestAvailable: { quantity: 1 } };
      await run(query, { input: { eventId: event, pick, idempotencyKey: crypto.randomUUID() } });
    });
  return { token, event, reserve, release, take, nobody: event.replace(/_.*/, '_01h455vb4pex5vsknk084sn02q') };
}
