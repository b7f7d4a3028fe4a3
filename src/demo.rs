//! Demo data: fills an empty database with shops, venues and events to try everything on.

use crate::{app::App, error::Faulty};

/// Who may sign in, and as what.
pub const SIGN_INS: [(&str, &str); 0] = [];
/// Their password.
pub const PASSWORD: &str = "tessera-demo";

/// Fills the database if there is no account in it yet; says whether it did.
pub async fn fill(_app: &App) -> Faulty<bool> {
    Ok(false)
}
