//! Access to a resolver's context.

use async_graphql::Context;

use super::{budget::Budget, loader::Loaders, progress::Progress};
use crate::{app::App, auth::Viewer};

/// Access to the application, the viewer and the loaders of a request.
pub(crate) trait ContextExt<'a> {
    /// Returns the application.
    fn app(&self) -> &'a App;
    /// Returns the viewer.
    fn viewer(&self) -> &'a Viewer;
    /// Returns the loaders for batched reads.
    fn loaders(&self) -> &'a Loaders;
    /// Returns the record of the versions that were read.
    fn progress(&self) -> &'a Progress;
    /// Returns the remaining budget of the operation.
    fn budget(&self) -> &'a Budget;
}

impl<'a> ContextExt<'a> for Context<'a> {
    fn app(&self) -> &'a App {
        self.data_unchecked()
    }

    fn viewer(&self) -> &'a Viewer {
        self.data_unchecked()
    }

    fn loaders(&self) -> &'a Loaders {
        self.data_unchecked()
    }

    fn progress(&self) -> &'a Progress {
        self.data_unchecked()
    }

    fn budget(&self) -> &'a Budget {
        self.data_unchecked()
    }
}
