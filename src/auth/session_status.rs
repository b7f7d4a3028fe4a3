//! The status of a session, for connections that live longer than a request: sockets and event streams.
//!
//! If the database is unavailable, the status is unknown. The server must not tell a client that its session has ended
//! unless it has: the client would discard the session, and a guest would lose reservations and tickets.

use std::time::Duration;

use tokio::time::Instant;

use super::{Identity, Viewer, current};
use crate::app::App;

/// The time for which a connection is served while the status of its session is unknown. A session that ended just
/// before the outage is served for as long.
const GRACE: Duration = Duration::from_mins(1);

/// The status of a viewer's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionStatus {
    /// The session is valid, with the same account and rights. Anonymous viewers are always current.
    Current,
    /// The session has ended, or the account's rights have changed.
    Ended,
    /// The session cannot be looked up now.
    Unknown,
}

/// Looks up the status of the viewer's session.
pub async fn session_status(app: &App, viewer: &Viewer) -> SessionStatus {
    let Some((identity, until)) = viewer.account else { return SessionStatus::Current };
    if until <= app.clock.now() {
        return SessionStatus::Ended;
    }
    SessionStatus::of(identity, &current(app, identity.session).await)
}

impl SessionStatus {
    /// Compares the identity that opened the connection with the result of the look-up.
    fn of<E>(identity: Identity, found: &Result<Option<Identity>, E>) -> Self {
        // A newly verified e-mail address only adds a right, and memberships are checked where they matter.
        let Identity { email_verified, is_member, .. } = identity;
        match found {
            Ok(Some(found)) if Identity { email_verified, is_member, ..*found } == identity => Self::Current,
            Ok(_) => Self::Ended,
            Err(_) => Self::Unknown,
        }
    }
}

/// How long the status of a connection's session has been unknown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Doubt(Option<Instant>);

/// What happens to a connection after a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It continues.
    Stay,
    /// It is closed, and the client must sign in again.
    End,
    /// It is closed, and the client may reconnect with the same session.
    GiveUp,
}

impl Doubt {
    /// Decides about a connection whose session has this status at `now`.
    pub fn judge(&mut self, status: SessionStatus, now: Instant) -> Verdict {
        match status {
            SessionStatus::Current => {
                self.0 = None;
                Verdict::Stay
            }
            SessionStatus::Ended => Verdict::End,
            SessionStatus::Unknown => {
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
            is_member: false,
        }
    }

    #[test]
    fn failed_lookup_does_not_end_a_session() {
        let of = |found: Result<Option<Identity>, ()>| SessionStatus::of(identity(), &found);
        assert_eq!(of(Ok(Some(identity()))), SessionStatus::Current);
        assert_eq!(of(Ok(Some(Identity { email_verified: true, ..identity() }))), SessionStatus::Current);
        assert_eq!(of(Ok(Some(Identity { is_member: true, ..identity() }))), SessionStatus::Current);
        assert_eq!(of(Ok(Some(Identity { is_operator: false, ..identity() }))), SessionStatus::Ended);
        assert_eq!(of(Ok(None)), SessionStatus::Ended);
        assert_eq!(of(Err(())), SessionStatus::Unknown);
    }

    #[test]
    fn connection_is_closed_after_a_minute_with_unknown_status() {
        let (mut doubt, start) = (Doubt::default(), Instant::now());
        assert_eq!(doubt.judge(SessionStatus::Unknown, start), Verdict::Stay);
        assert_eq!(doubt.judge(SessionStatus::Unknown, start + Duration::from_secs(59)), Verdict::Stay);
        assert_eq!(doubt.judge(SessionStatus::Unknown, start + GRACE), Verdict::GiveUp);
    }

    #[test]
    fn known_status_resets_the_grace_period() {
        let (mut doubt, start) = (Doubt::default(), Instant::now());
        doubt.judge(SessionStatus::Unknown, start);
        assert_eq!(doubt.judge(SessionStatus::Current, start + Duration::from_secs(30)), Verdict::Stay);
        assert_eq!(
            doubt.judge(SessionStatus::Unknown, start + GRACE),
            Verdict::Stay,
            "the grace period starts again"
        );
        assert_eq!(doubt.judge(SessionStatus::Ended, start + GRACE), Verdict::End);
    }
}
