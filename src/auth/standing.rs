//! Whether a session goes on, for what lives longer than a request: sockets and event streams.
//!
//! If the database is away, that is not known. A client whose session may be good must not be told that it has ended: it
//! would throw the session away, and a guest would lose reservations and tickets with it.

use std::time::Duration;

use tokio::time::Instant;

use super::{Identity, Viewer, current};
use crate::app::App;

/// For how long a connection goes on while nobody knows about its session. A session that ended just before the database
/// went away is served for as long.
const GRACE: Duration = Duration::from_mins(1);

/// How the session of a viewer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It goes on, with the same account and rights. So does an anonymous viewer.
    Current,
    /// It has ended, or the account has other rights now.
    Ended,
    /// Sessions cannot be looked up right now.
    Unknown,
}

/// Looks up how the viewer's session stands.
pub async fn standing(app: &App, viewer: &Viewer) -> Standing {
    let Some((identity, until)) = viewer.account else { return Standing::Current };
    if until <= app.clock.now() {
        return Standing::Ended;
    }
    Standing::of(identity, &current(app, identity.session).await)
}

impl Standing {
    /// The standing of a session that was opened as `identity`, and of which this was found.
    fn of<E>(identity: Identity, found: &Result<Option<Identity>, E>) -> Self {
        // A verified e-mail address gives a right, so it ends nothing.
        let email_verified = identity.email_verified;
        match found {
            Ok(Some(found)) if Identity { email_verified, ..*found } == identity => Self::Current,
            Ok(_) => Self::Ended,
            Err(_) => Self::Unknown,
        }
    }
}

/// For how long it has not been known how a session stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Doubt(Option<Instant>);

/// What a connection does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Stay,
    /// It ends: the client signs in again.
    End,
    /// It ends: the client may come back as it is.
    GiveUp,
}

impl Doubt {
    /// Judges a connection whose session stands so at `now`.
    pub fn judge(&mut self, standing: Standing, now: Instant) -> Verdict {
        match standing {
            Standing::Current => {
                self.0 = None;
                Verdict::Stay
            }
            Standing::Ended => Verdict::End,
            Standing::Unknown => {
                let since = *self.0.get_or_insert(now);
                if now.duration_since(since) < GRACE { Verdict::Stay } else { Verdict::GiveUp }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use entity::{AccountId, SessionId, account::AccountKind};
    use uuid::Uuid;

    use super::*;

    fn identity() -> Identity {
        Identity {
            account: AccountId(Uuid::from_u128(1)),
            session: SessionId(Uuid::from_u128(2)),
            kind: AccountKind::User,
            is_operator: true,
            email_verified: false,
        }
    }

    #[test]
    fn failed_lookup_is_no_sign_out() {
        let of = |found: Result<Option<Identity>, ()>| Standing::of(identity(), &found);
        assert_eq!(of(Ok(Some(identity()))), Standing::Current);
        assert_eq!(of(Ok(Some(Identity { email_verified: true, ..identity() }))), Standing::Current);
        assert_eq!(of(Ok(Some(Identity { is_operator: false, ..identity() }))), Standing::Ended);
        assert_eq!(of(Ok(None)), Standing::Ended);
        assert_eq!(of(Err(())), Standing::Unknown);
    }

    #[test]
    fn connection_is_given_up_after_a_minute_of_doubt() {
        let (mut doubt, start) = (Doubt::default(), Instant::now());
        assert_eq!(doubt.judge(Standing::Unknown, start), Verdict::Stay);
        assert_eq!(doubt.judge(Standing::Unknown, start + Duration::from_secs(59)), Verdict::Stay);
        assert_eq!(doubt.judge(Standing::Unknown, start + GRACE), Verdict::GiveUp);
    }

    #[test]
    fn doubt_ends_with_an_answer() {
        let (mut doubt, start) = (Doubt::default(), Instant::now());
        doubt.judge(Standing::Unknown, start);
        assert_eq!(doubt.judge(Standing::Current, start + Duration::from_secs(30)), Verdict::Stay);
        assert_eq!(doubt.judge(Standing::Unknown, start + GRACE), Verdict::Stay, "doubt begins anew");
        assert_eq!(doubt.judge(Standing::Ended, start + GRACE), Verdict::End);
    }
}
