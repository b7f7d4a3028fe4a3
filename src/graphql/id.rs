//! Public ids: `TypeIDs`, with a prefix that names the type and a UUID in base 32.
//!
//! See <https://github.com/jetify-com/typeid>, version 0.3.

use async_graphql::ID;
use entity::TypedId;
use type_safe_id::{DynamicType, TypeSafeId};
use uuid::Uuid;

use crate::{
    error::{Fault, FaultResult},
    slug::{self, IdOrSlug},
};

/// The id prefix of a seat.
pub(crate) const SEAT: &str = "seat";
/// The id prefix of a general-admission area.
pub(crate) const AREA: &str = "area";
/// The id prefix of a bag. Its UUID is the account's.
pub(crate) const BAG: &str = "bag";

/// Returns the id in its public form.
pub(crate) fn encode<T: TypedId>(id: T) -> ID {
    encode_as(T::PREFIX, id.uuid())
}

/// Returns the id of something that has no row of its own.
pub(crate) fn encode_as(prefix: &str, uuid: Uuid) -> ID {
    // The prefixes are constants. A test checks that they are valid.
    ID(match DynamicType::new(prefix) {
        Ok(kind) => TypeSafeId::from_type_and_uuid(kind, uuid).to_string(),
        Err(_) => uuid.to_string(),
    })
}

/// Parses a client's id. If it is malformed or of another type, returns an invalid-input fault at `path`.
pub(crate) fn decode<T: TypedId>(id: &ID, path: &str) -> FaultResult<T> {
    decode_as(T::PREFIX, id, path).map(T::from_uuid)
}

/// Returns the UUID of an id with this prefix.
pub(crate) fn decode_as(prefix: &str, id: &ID, path: &str) -> FaultResult<Uuid> {
    match split(id) {
        Some((kind, uuid)) if kind == prefix => Ok(uuid),
        Some((kind, _)) => {
            Err(Fault::invalid(path, format!("must be the id of a {prefix}, not of a {kind}")))
        }
        None => Err(Fault::invalid(path, format!("must be an id such as {prefix}_…"))),
    }
}

/// Parses the two fields of a filter that name an object by its id and by its slug. If both are given, both must match.
pub(crate) fn id_or_slug<T: TypedId>(
    id: Option<ID>,
    slug: Option<String>,
    path: &str,
) -> FaultResult<Vec<IdOrSlug<T>>> {
    let id = id.map(|id| decode(&id, path)).transpose()?.map(IdOrSlug::Id);
    Ok(id.into_iter().chain(slug.map(|slug| IdOrSlug::Slug(readable_slug(&slug)))).collect())
}

/// Returns the slug to look up: an empty text, which no object has, if the text has characters that no slug has.
/// PostgreSQL would refuse U+0000, and `SQLite` would find nothing.
pub(crate) fn readable_slug(text: &str) -> String {
    let text = slug::normal(text);
    let is_readable = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_readable { text } else { String::new() }
}

/// Splits any id into its prefix and UUID.
pub(crate) fn split(id: &ID) -> Option<(String, Uuid)> {
    let id: TypeSafeId<DynamicType> = id.0.parse().ok()?;
    Some((id.type_prefix().to_owned(), id.uuid()))
}
