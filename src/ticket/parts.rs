//! What the slice keeps in memory: the keys of ticket codes.

use super::code::{TicketKeys, TicketVerifier};
use crate::keys::SigningKeys;

/// The tickets' part of the application.
pub struct TicketParts {
    /// Signs ticket codes.
    pub keys: TicketKeys,
    /// Verifies ticket codes.
    pub verifier: TicketVerifier,
}

impl TicketParts {
    /// Creates the part.
    pub(crate) fn new(keys: &SigningKeys) -> Self {
        Self { keys: TicketKeys::new(keys), verifier: TicketVerifier::new(keys.ticket.public()) }
    }
}
