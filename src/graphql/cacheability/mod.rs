//! Decides whose responses can be shared. There are two degrees:
//!
//! - [`shared`]: the response is the same for all viewers and depends only on one inventory's version and on immutable
//!   data. The server executes such an operation once for all clients.
//! - [`http`]: the response is the same for all clients without an access token. HTTP caches may store it for a moment.
//!
//! Both use lists of allowed fields, not of forbidden ones. A new field is therefore neither until it is added.

pub mod http;
pub mod shared;
