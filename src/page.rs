//! Pages of lists: the window that a caller requests, and the page that it gets.

use std::fmt;

use futures_util::future::BoxFuture;
use sea_orm::{
    Condition, DbErr, EntityTrait, FromQueryResult, IdenStatic, IntoIdentity, Iterable, PaginatorTrait,
    QueryFilter, QuerySelect, Select,
    sea_query::{Expr, IntoValueTuple},
};

use crate::{
    error::{Check, Fault, FaultResult},
    store::Connections,
};

/// The largest page.
pub const PAGE_MAX: u64 = 100;
/// The page's length if the caller gives none.
pub const PAGE_DEFAULT: u64 = 20;

/// The direction of a sort order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The smallest value first.
    Ascending,
    /// The largest value first.
    Descending,
}

/// The requested part of a list that is ordered by `K`.
#[derive(Clone, Debug)]
pub struct Window<K> {
    /// Only items after this one.
    pub after: Option<K>,
    /// Only items before this one.
    pub before: Option<K>,
    /// The largest number of items.
    pub limit: u64,
    /// Whether to count from the end.
    pub backwards: bool,
}

/// The number of items on all pages. It is counted on request, in one statement.
pub struct Total(Box<dyn Fn() -> BoxFuture<'static, Result<u64, DbErr>> + Send + Sync>);

impl Total {
    fn of<E>(db: &Connections, select: &Select<E>) -> Self
    where
        E: EntityTrait,
        E::Model: FromQueryResult + Send + Sync,
    {
        let (db, select) = (db.clone(), select.clone());
        Self(Box::new(move || {
            let (db, select) = (db.clone(), select.clone());
            Box::pin(async move { select.count(&db).await })
        }))
    }

    /// Counts the items.
    pub async fn count(&self) -> FaultResult<u64> {
        Ok((self.0)().await?)
    }
}

impl fmt::Debug for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Total")
    }
}

/// A page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// The items in the list's order, also if they were counted from the end.
    pub items: Vec<T>,
    /// Whether more items follow.
    pub has_next: bool,
    /// Whether more items precede.
    pub has_previous: bool,
    /// The number of items on all pages.
    pub total: Total,
}

impl<T> Page<T> {
    /// Returns the page with each item replaced.
    pub fn map<U>(self, of: impl FnMut(T) -> U) -> Page<U> {
        let Self { items, has_next, has_previous, total } = self;
        Page { items: items.into_iter().map(of).collect(), has_next, has_previous, total }
    }

    /// Makes a page of `items`, which are in the list's order and up to one more than the window's limit.
    fn of<K>(mut items: Vec<T>, total: Total, window: &Window<K>) -> Self {
        let more = items.len() as u64 > window.limit;
        if more && window.backwards {
            items.remove(0);
        } else if more {
            items.pop();
        }
        let (has_next, has_previous) =
            if window.backwards { (window.before.is_some(), more) } else { (more, window.after.is_some()) };
        Self { items, has_next, has_previous, total }
    }
}

impl<K> Window<K> {
    /// Returns the window for the arguments of a connection: `first` or `last`, not both, 1 to [`PAGE_MAX`].
    pub fn try_new(
        after: Option<K>,
        before: Option<K>,
        first: Option<i32>,
        last: Option<i32>,
    ) -> FaultResult<Self> {
        let mut check = Check::default();
        check.that(first.is_none() || last.is_none(), "last", "give first or last, not both");
        let why = format!("must be between 1 and {PAGE_MAX}");
        let is_good = |size: Option<i32>| {
            size.is_none_or(|size| u64::try_from(size).is_ok_and(|size| (1..=PAGE_MAX).contains(&size)))
        };
        check.that(is_good(first), "first", &why).that(is_good(last), "last", &why).done()?;
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
/// A page of a hundred rows can have megabytes of text, which most lists do not show.
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

/// Reads the window of `select`, ordered by `columns` in the direction, whose values are `K`.
///
/// The last of the columns must be unique, so that no item is between two pages or on both.
pub async fn read<E, C, K>(
    db: &Connections,
    select: Select<E>,
    columns: C,
    direction: Direction,
    window: Window<K>,
) -> FaultResult<Page<E::Model>>
where
    E: EntityTrait,
    E::Model: FromQueryResult + Send + Sync,
    C: IntoIdentity,
    K: IntoValueTuple + Clone,
{
    let total = Total::of(db, &select);
    // One more than wanted tells whether there are more.
    let wanted = Window { limit: window.limit + 1, ..window.clone() };
    let items = rows(db, select, columns, direction, wanted).await?;
    Ok(Page::of(items, total, &window))
}

/// Reads the window of a list that consists of several parts, one after the other. A part has the items of `select` that
/// fulfil its condition, ordered by `columns` in its direction. A key is the index of a part and the values of the
/// columns. Each item of the page has the index of its part.
pub async fn read_parts<E, C, K>(
    db: &Connections,
    select: Select<E>,
    parts: Vec<(Condition, Direction)>,
    columns: C,
    window: Window<(usize, K)>,
) -> FaultResult<Page<(usize, E::Model)>>
where
    E: EntityTrait,
    E::Model: FromQueryResult + Send + Sync,
    C: IntoIdentity + Clone,
    K: IntoValueTuple + Clone,
{
    let total = Total::of(db, &select);
    let first = window.after.as_ref().map_or(0, |(part, _)| *part);
    let last = window.before.as_ref().map_or(parts.len(), |(part, _)| *part);
    let mut order: Vec<_> =
        parts.into_iter().enumerate().filter(|(index, _)| (first..=last).contains(index)).collect();
    if window.backwards {
        order.reverse();
    }
    let wanted = window.limit + 1;
    let mut items = Vec::new();
    for (index, (condition, direction)) in order {
        let select = select.clone().filter(condition);
        let missing = wanted - items.len() as u64;
        if missing == 0 {
            break;
        }
        let bound =
            |key: &Option<(usize, K)>| key.clone().filter(|(part, _)| *part == index).map(|(_, key)| key);
        let inner = Window {
            after: bound(&window.after),
            before: bound(&window.before),
            limit: missing,
            backwards: window.backwards,
        };
        let rows = rows(db, select, columns.clone(), direction, inner).await?;
        let mut rows: Vec<_> = rows.into_iter().map(|row| (index, row)).collect();
        if window.backwards {
            rows.append(&mut items);
            items = rows;
        } else {
            items.append(&mut rows);
        }
    }
    Ok(Page::of(items, total, &window))
}

/// Reads the rows of the window, in the list's order.
async fn rows<E, C, K>(
    db: &Connections,
    select: Select<E>,
    columns: C,
    direction: Direction,
    window: Window<K>,
) -> FaultResult<Vec<E::Model>>
where
    E: EntityTrait,
    E::Model: FromQueryResult + Send + Sync,
    C: IntoIdentity,
    K: IntoValueTuple,
{
    let mut cursor = select.cursor_by(columns);
    if direction == Direction::Descending {
        cursor.desc();
    }
    if let Some(after) = window.after {
        cursor.after(after);
    }
    if let Some(before) = window.before {
        cursor.before(before);
    }
    if window.backwards {
        cursor.last(window.limit)
    } else {
        cursor.first(window.limit)
    };
    Ok(cursor.all(db).await?)
}
