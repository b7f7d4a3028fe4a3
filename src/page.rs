//! Pages of lists: what the caller may ask for, and what a page is.

use sea_orm::{
    EntityTrait, FromQueryResult, IdenStatic, IntoIdentity, Iterable, QuerySelect, Select,
    sea_query::{Expr, IntoValueTuple},
};

use crate::{
    error::{Check, Fault, FaultResult},
    store::Connections,
};

/// The most that one page may have.
pub const PAGE_MAX: u64 = 100;
/// What a page has when nothing is said.
pub const PAGE_DEFAULT: u64 = 20;

/// Which part of a list is wanted; `K` is what the list is ordered by.
#[derive(Clone, Debug)]
pub struct Window<K> {
    /// Items after this one.
    pub after: Option<K>,
    /// Items before this one.
    pub before: Option<K>,
    /// At most as many.
    pub limit: u64,
    /// From the end instead of from the beginning.
    pub backwards: bool,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in the list's order whichever end they were taken from.
    pub items: Vec<T>,
    /// Whether there are more after these.
    pub has_next: bool,
    /// Whether there are more before these.
    pub has_previous: bool,
}

impl<K> Window<K> {
    /// A window from the arguments of a connection: `first` or `last`, not both, 1 to [`PAGE_MAX`].
    pub fn try_new(
        after: Option<K>,
        before: Option<K>,
        first: Option<i32>,
        last: Option<i32>,
    ) -> FaultResult<Self> {
        let mut check = Check::default();
        check.that(first.is_none() || last.is_none(), "last", "give first or last, not both");
        let why = "must be between 1 and 100";
        let good = |value: Option<i32>| value.is_none_or(|value| (1..=100).contains(&value));
        check.that(good(first), "first", why).that(good(last), "last", why).done()?;
        let limit = first.or(last).and_then(|limit| u64::try_from(limit).ok()).unwrap_or(PAGE_DEFAULT);
        Ok(Self { after, before, limit: limit.min(PAGE_MAX), backwards: last.is_some() })
    }

    /// The same window by another key, for lists that have several orders; invalid with a cursor that has no such key.
    pub fn keyed<T>(self, of: impl Fn(K) -> Option<T>) -> FaultResult<Window<T>> {
        let of = |key: Option<K>, path| match key {
            Some(key) => {
                of(key).map(Some).ok_or_else(|| Fault::invalid(path, "not a cursor of a list in this order"))
            }
            None => Ok(None),
        };
        Ok(Window {
            after: of(self.after, "after")?,
            before: of(self.before, "before")?,
            limit: self.limit,
            backwards: self.backwards,
        })
    }
}

/// Selects all columns but these texts, which are then read as empty texts.
///
/// A page of a hundred rows may have megabytes of them, and most lists show none.
pub fn without<E: EntityTrait>(select: Select<E>, texts: &[E::Column]) -> Select<E> {
    let is_text = |column: &E::Column| texts.iter().any(|text| text.as_str() == column.as_str());
    E::Column::iter().fold(select.select_only(), |select, column| {
        if is_text(&column) {
            select.column_as(Expr::cust("''"), column.as_str())
        } else {
            select.column(column)
        }
    })
}

/// Reads the window of `select`, ordered by `columns` (descending if asked), whose values are `K`.
///
/// The last of the columns must be unique, so that no item is between two pages or on both.
pub async fn read<E, C, K>(
    db: &Connections,
    select: Select<E>,
    columns: C,
    descending: bool,
    window: Window<K>,
) -> FaultResult<Page<E::Model>>
where
    E: EntityTrait,
    E::Model: FromQueryResult + Send + Sync,
    C: IntoIdentity,
    K: IntoValueTuple,
{
    let (bounded_after, bounded_before) = (window.after.is_some(), window.before.is_some());
    let mut cursor = select.cursor_by(columns);
    if descending {
        cursor.desc();
    }
    if let Some(after) = window.after {
        cursor.after(after);
    }
    if let Some(before) = window.before {
        cursor.before(before);
    }
    // One more than wanted tells whether there are more.
    if window.backwards {
        cursor.last(window.limit + 1)
    } else {
        cursor.first(window.limit + 1)
    };
    let mut items = cursor.all(db).await?;
    let more = items.len() as u64 > window.limit;
    if more && window.backwards {
        items.remove(0);
    } else if more {
        items.pop();
    }
    let (has_next, has_previous) =
        if window.backwards { (bounded_before, more) } else { (more, bounded_after) };
    Ok(Page { items, has_next, has_previous })
}
