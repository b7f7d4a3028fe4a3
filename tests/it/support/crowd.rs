//! Clients who browse, sign in, reserve, check out and watch at one server through faults, and all that they see.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    given,
    scene::{BROWSE, DEADLINE, PASSWORD, Scene, Seen, WATCH, ask},
    socket::Socket,
};

/// The pause of a client between two rounds.
const PAUSE: Duration = Duration::from_millis(100);

const SIGN_IN: &str = "mutation($password: String!) {
    signIn(input: { email: \"buyer@tessera.test\", password: $password }) {
        session { accessToken } errors { code } } }";
const CANCEL: &str =
    "mutation($id: ID!) { cancelOrder(input: { orderId: $id }) { order { state } errors { code } } }";
const RELEASE: &str = "mutation($id: ID!) { releaseReservation(input: { reservationId: $id }) {
    reservation { status } errors { code } } }";

/// The clients of one server.
pub(crate) struct Crowd<'a> {
    scene: &'a Scene,
    address: String,
    progress: Vec<Progress>,
    /// What was seen that is no success, by kind, with the first of each kind.
    seen: Mutex<BTreeMap<String, (u64, String)>>,
    ended: CancellationToken,
}

/// What one client has done.
#[derive(Debug, Default)]
struct Progress {
    /// Rounds in which all was answered.
    good: AtomicU64,
    /// Rounds in which something was not.
    bad: AtomicU64,
}

/// One buyer.
struct Buyer {
    number: usize,
    round: usize,
    token: Option<String>,
    /// A reservation to check out in the next round.
    reservation: Option<String>,
}

impl<'a> Crowd<'a> {
    /// This number of buyers, and one who watches. The first buyer signs in again and again.
    pub(crate) fn new(scene: &'a Scene, address: &str, buyers: usize) -> Self {
        Self {
            scene,
            address: address.to_owned(),
            progress: (0..buyers).map(|_| Progress::default()).collect(),
            seen: Mutex::default(),
            ended: CancellationToken::new(),
        }
    }

    /// Runs all clients during a script, and ends them after it.
    pub(crate) async fn during<T>(&self, script: impl Future<Output = T>) -> T {
        let buyers = join_all((0..self.progress.len()).map(|number| self.buy(number)));
        let script = async {
            let result = script.await;
            self.ended.cancel();
            result
        };
        tokio::join!(script, buyers, self.watch()).0
    }

    /// Waits until every buyer had a round in which something was not answered. Returns false if that takes too long.
    pub(crate) async fn all_suffer(&self, bound: Duration) -> bool {
        self.all_had(|progress| &progress.bad, bound).await
    }

    /// Waits until every buyer had a whole round in which all was answered. Returns false if that takes too long.
    pub(crate) async fn all_are_served(&self, bound: Duration) -> bool {
        self.all_had(|progress| &progress.good, bound).await
    }

    async fn all_had(&self, of: impl Fn(&Progress) -> &AtomicU64, bound: Duration) -> bool {
        let count = |progress: &Progress| of(progress).load(Relaxed);
        // The round in progress may have begun before.
        let before: Vec<u64> = self.progress.iter().map(count).collect();
        let begun = Instant::now();
        while begun.elapsed() < bound {
            if self.progress.iter().zip(&before).all(|(progress, before)| count(progress) > before + 1) {
                return true;
            }
            sleep(Duration::from_millis(20)).await;
        }
        false
    }

    /// What clients must never see, each kind with the number of times and an example.
    pub(crate) fn violations(&self) -> Vec<String> {
        let seen = self.seen.lock().expect("what was seen");
        let wrong = seen.iter().filter(|(kind, _)| !is_allowed(kind));
        wrong.map(|(kind, (count, example))| format!("{count} × {kind}: {example}")).collect()
    }

    /// All that was seen that is no success.
    pub(crate) fn all(&self) -> Vec<String> {
        let seen = self.seen.lock().expect("what was seen");
        seen.iter().map(|(kind, (count, example))| format!("{count} × {kind}: {example}")).collect()
    }

    /// How often something was not answered.
    pub(crate) fn failures(&self) -> u64 {
        self.progress.iter().map(|progress| progress.bad.load(Relaxed)).sum()
    }

    async fn buy(&self, number: usize) {
        let mut buyer = Buyer { number, round: 0, token: None, reservation: None };
        while !self.ended.is_cancelled() {
            buyer.round += 1;
            let is_good = self.round(&mut buyer).await.is_some();
            let progress = &self.progress[number];
            if is_good { &progress.good } else { &progress.bad }.fetch_add(1, Relaxed);
            drop(timeout(PAUSE, self.ended.cancelled()).await);
        }
    }

    /// One of everything, also after something failed. Returns `None` if something was not answered.
    async fn round(&self, buyer: &mut Buyer) -> Option<()> {
        if buyer.token.is_none() {
            let guest = self.ask("createGuestSession", None, (given::GUEST, json!({}))).await?;
            buyer.token = guest.data("/createGuestSession/session/accessToken").as_str().map(str::to_owned);
        }
        let token = buyer.token.clone();
        let token = token.as_deref();
        let browsed = self.ask("browse", token, (BROWSE, json!({ "event": self.scene.event() }))).await;
        let signed_in = if buyer.number == 0 { self.sign_in().await } else { Some(()) };
        let checked_out = match buyer.reservation.clone() {
            Some(reservation) => self.check_out(token, &reservation).await,
            None => Some(()),
        };
        if checked_out.is_some() {
            buyer.reservation = None;
        }
        let reserved = self.reserve(buyer).await;
        browsed.and(signed_in).and(checked_out).and(reserved)
    }

    async fn sign_in(&self) -> Option<()> {
        let seen = self.ask("signIn", None, (SIGN_IN, json!({ "password": PASSWORD }))).await?;
        if let Some(code) = seen.data("/signIn/errors/0/code").as_str() {
            self.note(format!("signIn: refused with {code}"), &seen);
        }
        Some(())
    }

    async fn check_out(&self, token: Option<&str>, reservation: &str) -> Option<()> {
        let input = json!({ "reservations": [reservation], "key": format!("checkout-{reservation}") });
        let ordered = self.ask("checkout", token, (given::CHECKOUT, input)).await?;
        if let Some(order) = ordered.data("/checkout/order/id").as_str() {
            self.ask("cancelOrder", token, (CANCEL, json!({ "id": order }))).await?;
        }
        self.ask("releaseReservation", token, (RELEASE, json!({ "id": reservation }))).await.map(|_| ())
    }

    async fn reserve(&self, buyer: &mut Buyer) -> Option<()> {
        let seats = &self.scene.goods.seats;
        let own = seats.len() / self.progress.len();
        let seat = &seats[buyer.number * own + buyer.round % own];
        let key = format!("crowd-{}-{}", buyer.number, buyer.round);
        let input = json!({ "event": self.scene.event(), "seats": [seat], "key": key });
        let seen = self.ask("reserveSeats", buyer.token.as_deref(), (given::RESERVE, input)).await?;
        buyer.reservation = seen.data("/reserveSeats/reservation/id").as_str().map(str::to_owned);
        if buyer.reservation.is_none() {
            // Reservations without an answer count against the guest's places.
            buyer.token = None;
        }
        Some(())
    }

    /// Asks and takes note. Returns the answer if there is one without top-level errors.
    async fn ask(
        &self,
        name: &str,
        token: Option<&str>,
        (document, variables): (&str, Value),
    ) -> Option<Seen> {
        let seen = ask(&self.address, token, (document, variables), DEADLINE).await;
        match &seen {
            Seen::Answered { status, .. } if [401, 403].contains(status) => {
                self.note(format!("{name}: status {status}"), &seen);
            }
            Seen::Answered { .. } => {}
            Seen::Closed => self.note(format!("{name}: closed"), &seen),
            Seen::Silent => self.note(format!("{name}: no answer in {DEADLINE:?}"), &seen),
        }
        for error in seen.errors() {
            self.note_error(name, error);
        }
        seen.is_answer().then_some(seen)
    }

    fn note_error(&self, name: &str, error: &Value) {
        let code = error["extensions"]["code"].as_str().unwrap_or("NONE");
        let after = error["extensions"]["retryAfterMs"].as_u64().unwrap_or(0);
        let without = if after == 0 { " without retryAfterMs" } else { "" };
        self.note(format!("{name}: {code}{without}"), error);
    }

    fn note(&self, kind: String, example: &impl std::fmt::Debug) {
        let mut seen = self.seen.lock().expect("what was seen");
        seen.entry(kind).or_insert_with(|| (0, format!("{example:?}"))).0 += 1;
    }

    /// Watches with a token, and begins anew whenever the socket or the subscription ends.
    async fn watch(&self) {
        let mut token = None;
        while !self.ended.is_cancelled() {
            if token.is_none() {
                let guest = self.ask("createGuestSession", None, (given::GUEST, json!({}))).await;
                token = guest.and_then(|seen| {
                    seen.data("/createGuestSession/session/accessToken").as_str().map(str::to_owned)
                });
            }
            if let Some(token) = &token
                && let Ok(mut socket) = Socket::connect(&self.address, &[]).await
            {
                let authorization = json!({ "Authorization": format!("Bearer {token}") });
                socket.say(json!({ "type": "connection_init", "payload": authorization })).await;
                self.hear(&mut socket).await;
            }
            drop(timeout(PAUSE, self.ended.cancelled()).await);
        }
    }

    async fn hear(&self, socket: &mut Socket) {
        while !self.ended.is_cancelled() {
            match socket.within(PAUSE).await {
                None => {}
                Some(Ok(message)) if message["type"] == "connection_ack" => {
                    socket.subscribe("map", WATCH, json!({ "event": self.scene.event() })).await;
                }
                Some(Ok(message)) => {
                    let payload = &message["payload"];
                    let errors = payload["errors"].as_array().or(payload.as_array());
                    for error in errors.into_iter().flatten() {
                        self.note_error("seatAvailability", error);
                    }
                    if message["type"] != "next" {
                        return;
                    }
                }
                Some(Err(code)) => {
                    let kind =
                        code.map_or_else(|| "socket: closed".to_owned(), |code| format!("socket: {code}"));
                    return self.note(kind, &code);
                }
            }
        }
    }
}

/// Returns whether clients may see this during a fault.
fn is_allowed(kind: &str) -> bool {
    let what = kind.split_once(": ").map_or(kind, |(_, what)| what);
    matches!(what, "UNAVAILABLE" | "OVERLOADED" | "closed" | "1012" | "1013")
}
