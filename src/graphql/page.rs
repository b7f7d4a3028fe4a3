//! Relay connections with opaque cursors.
//!
//! See <https://relay.dev/graphql/connections.htm>.

use async_graphql::{
    ObjectType, OutputType,
    connection::{Connection, CursorType, Edge, EmptyFields},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::{Fault, FaultResult},
    page::{Page, Window},
};

/// A cursor: the key that the list is sorted by. It is opaque to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor<K>(pub(crate) K);

impl<K: Serialize + DeserializeOwned + Send + Sync> CursorType for Cursor<K> {
    type Error = &'static str;

    fn decode_cursor(text: &str) -> Result<Self, Self::Error> {
        let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| "not a cursor of this list")?;
        serde_json::from_slice(&json).map(Self).map_err(|_| "not a cursor of this list")
    }

    fn encode_cursor(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&self.0).unwrap_or_default())
    }
}

/// The arguments of every connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct PageArgs {
    pub(crate) after: Option<String>,
    pub(crate) before: Option<String>,
    pub(crate) first: Option<i32>,
    pub(crate) last: Option<i32>,
}

impl PageArgs {
    /// Returns the window that the arguments describe.
    pub(crate) fn window<K: Serialize + DeserializeOwned + Send + Sync>(&self) -> FaultResult<Window<K>> {
        let key = |text: &Option<String>, path| match text {
            Some(text) => match Cursor::decode_cursor(text) {
                Ok(Cursor(key)) => Ok(Some(key)),
                Err(why) => Err(Fault::invalid(path, why)),
            },
            None => Ok(None),
        };
        Window::try_new(key(&self.after, "after")?, key(&self.before, "before")?, self.first, self.last)
    }
}

/// Converts a page to a connection with `extra` fields. `node` creates each edge's cursor and object.
pub(crate) fn connection<T, K, N, X>(
    page: Page<T>,
    extra: X,
    node: impl Fn(T) -> (K, N),
) -> Connection<Cursor<K>, N, X>
where
    K: Serialize + DeserializeOwned + Send + Sync,
    N: OutputType,
    X: ObjectType,
{
    let mut connection = Connection::with_additional_fields(page.has_previous, page.has_next, extra);
    connection.edges.extend(page.items.into_iter().map(|item| {
        let (key, node) = node(item);
        Edge::<_, _, EmptyFields>::new(Cursor(key), node)
    }));
    connection
}
