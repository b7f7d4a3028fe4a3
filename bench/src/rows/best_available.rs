//! Best available in a big hall.

use super::Row;
use crate::{Outcome, bench::Bench, table::Line};

#[expect(clippy::unused_async, reason = "a row like the others")]
pub(super) async fn run(_: &Bench) -> Outcome<Vec<Line>> {
    let (figure, reach) = Row::BestAvailable.title();
    Ok(vec![Line::without(figure, reach, "not built yet")])
}
