//! A search: its words, and the conditions under which an object matches them.
//!
//! An object matches with one of three ranks: each word of the query is a word of the object (*exact*), or the start of
//! one (*prefix*), or differs from one by a typing error (*near*). The worst word counts.
//!
//! The work is bounded: a query has at most eight words, each is a range of the index, and stands for at most fifty other
//! words.

use std::collections::BTreeSet;

use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
    sea_query::{ExprTrait, SelectStatement},
};
use uuid::Uuid;

use super::{Indexed, vocabulary};
use crate::{error::FaultResult, spelling::search::query_words, store::Connections};

/// Greater than every character of a word. It turns a prefix into a range of the index.
const LAST: char = '\u{10FFFF}';

/// How well an object matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    Exact,
    Prefix,
    Near,
}

/// A word of a query.
#[derive(Clone, Debug)]
struct Word {
    spellings: Vec<String>,
    /// The indexed words that differ by a typing error.
    near: Vec<String>,
}

/// A search text. It matches nothing if it has no letters and digits.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    words: Vec<Word>,
}

impl Search {
    /// Returns the search for a text. Returns `None` if the text is empty.
    pub(crate) async fn new(db: &Connections, text: Option<&str>) -> FaultResult<Option<Self>> {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
        let words = query_words(text);
        let tolerant: BTreeSet<&str> = words
            .iter()
            .filter(|word| word.tolerant)
            .flat_map(|word| word.spellings.iter().map(String::as_str))
            .collect();
        let known = vocabulary::near(db, &tolerant).await?;
        let near = |spellings: &[String]| {
            spellings.iter().filter_map(|spelling| known.get(spelling)).flatten().cloned().collect()
        };
        let words =
            words.iter().map(|word| Word { near: near(&word.spellings), spellings: word.spellings.clone() });
        Ok(Some(Self { words: words.collect() }))
    }

    /// Returns the condition for objects that match with any rank.
    pub(crate) fn matching<E: Indexed>(&self) -> Condition {
        self.at_least::<E>(Rank::Near)
    }

    /// Returns one condition per rank, the best rank first. Each object that matches fulfils exactly one of them.
    pub(crate) fn ranks<E: Indexed>(&self) -> Vec<Condition> {
        let mut ranks = vec![
            self.at_least::<E>(Rank::Exact),
            self.at_least::<E>(Rank::Prefix).add(self.at_least::<E>(Rank::Exact).not()),
        ];
        if self.words.iter().any(|word| !word.near.is_empty()) {
            ranks.push(self.at_least::<E>(Rank::Near).add(self.at_least::<E>(Rank::Prefix).not()));
        }
        ranks
    }

    fn at_least<E: Indexed>(&self, rank: Rank) -> Condition {
        if self.words.is_empty() {
            return Condition::all().add(E::ID.is_in(Vec::<Uuid>::new()));
        }
        let found = self.words.iter().map(|word| E::ID.in_subquery(word.found::<E>(rank)));
        found.fold(Condition::all(), Condition::add)
    }
}

impl Word {
    /// Returns a query for the ids of the objects that have the word.
    fn found<E: Indexed>(&self, rank: Rank) -> SelectStatement {
        let mut any = Condition::any();
        match rank {
            Rank::Exact => any = any.add(E::WORD.is_in(&self.spellings)),
            Rank::Prefix | Rank::Near => {
                for start in &self.spellings {
                    any = any.add(E::WORD.gte(start).and(E::WORD.lt(format!("{start}{LAST}"))));
                }
            }
        }
        if rank == Rank::Near && !self.near.is_empty() {
            any = any.add(E::WORD.is_in(&self.near));
        }
        E::Words::find().select_only().column(E::OBJECT).filter(any).into_query()
    }
}

/// Returns the conditions of the parts of a list: one per rank of the search, or a single one without a search.
pub(crate) fn parts<E: Indexed>(search: Option<&Search>) -> Vec<Condition> {
    search.map_or_else(|| vec![Condition::all()], Search::ranks::<E>)
}
