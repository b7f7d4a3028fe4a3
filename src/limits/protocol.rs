//! Limits of documents, requests and sockets. The HTTP layer enforces them, and the API publishes them.

/// Bytes of one document.
pub const MAX_BYTES: usize = 32 * 1024;
/// Lexical tokens of one document.
pub const MAX_TOKENS: usize = 5_000;
/// Nested brackets of all kinds. The parser recurses once for each.
pub const MAX_NESTING: usize = 48;
/// Selections after fragments are expanded.
pub const MAX_SELECTIONS: u32 = 5_000;
/// Levels of fields after fragments are expanded. The introspection query of `GraphiQL` 5 needs all fifteen.
pub const MAX_DEPTH: u32 = 15;
/// Aliased fields after fragments are expanded.
pub const MAX_ALIASES: u32 = 30;
/// Directives after fragments are expanded.
pub const MAX_DIRECTIVES: u32 = 50;
/// Fragment definitions of one document.
pub const MAX_FRAGMENTS: usize = 50;
/// Root fields of one query.
pub const MAX_QUERY_FIELDS: u32 = 50;
/// Root fields of one mutation.
pub const MAX_MUTATION_FIELDS: u32 = 10;
/// Nested lists of types or fields in an introspection. Each level multiplies the response by the schema's size.
pub const MAX_INTROSPECTION_LISTS: u32 = 2;

/// Bytes of the body of a request.
pub const BODY_BYTES: usize = 256 * 1024;
/// Bytes of the body of an import by a signed-up user: a seat plan of 16 MiB as a string variable, with escaped quotes.
pub const LARGE_BODY_BYTES: usize = 24 * 1024 * 1024;
/// Bytes of an uploaded list of codes: 100,000 of 64 characters.
pub const CODES_BODY_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of one message from a client on a socket: a document of 32 KiB with its variables.
pub const SOCKET_MESSAGE_BYTES: usize = 64 * 1024;
/// Operations that one socket may have open.
pub const SOCKET_OPERATIONS: usize = 50;
/// Queries and mutations of one socket that execute at the same time. The others wait.
pub const SOCKET_EXECUTING: usize = 3;
