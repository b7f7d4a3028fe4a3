//! What a resolver finds in its context.

use async_graphql::Context;

use super::{budget::Budget, loader::Loaders, progress::Progress};
use crate::{app::App, auth::Viewer};

/// The application, the viewer and the loaders of a request.
pub(crate) trait ContextExt<'a> {
    /// The application.
    fn app(&self) -> &'a App;
    /// Who asks.
    fn viewer(&self) -> &'a Viewer;
    /// Batched reads.
    fn loaders(&self) -> &'a Loaders;
    /// To whom it is told which versions were read.
    fn progress(&self) -> &'a Progress;
    /// What the operation may still use.
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
