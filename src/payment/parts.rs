//! What the slice keeps in memory: the payment provider.

use std::sync::Arc;

use super::{provider::PaymentProvider, sandbox::Sandbox};
use crate::{clock::Clock, config::Config, store::Store};

/// The payments' part of the application.
pub struct PaymentParts {
    /// The payment provider.
    pub provider: Arc<dyn PaymentProvider>,
    /// The embedded sandbox if it is the provider. Its page for the buyer's authentication needs it.
    pub sandbox: Option<Arc<Sandbox>>,
}

impl PaymentParts {
    /// Creates the part.
    pub(crate) fn new(config: &Config, store: &Store, clock: &Clock) -> Self {
        // The only provider so far. `Config::validate` requires production to name it.
        let sandbox = Arc::new(Sandbox::new(store.clone(), clock.clone(), config.public_url()));
        Self { provider: sandbox.clone(), sandbox: config.serves_sandbox().then_some(sandbox) }
    }
}
