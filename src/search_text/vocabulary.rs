//! The words of all objects under spellings with one letter left out, which lead from a typing error to the word.
//!
//! A word stays after its last object is gone: it finds nothing then, and other objects often use it again.

use std::collections::{BTreeMap, BTreeSet};

use entity::search::deletion::{ActiveModel, Column, Entity};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::ROWS_PER_STATEMENT;
use crate::{
    error::FaultResult,
    spelling::search::{deletions, is_near},
    store::{Connections, Tx},
};

/// Candidates that are read for one query.
const CANDIDATES_MAX: u64 = 500;
/// Words that a word with a typing error may stand for.
const NEAR_MAX: usize = 50;

/// Adds the words that are not known yet.
///
/// Race: of two transactions that add the same word, one waits for the other. All words are added in one order at the end
/// of a change, so none waits for each other.
pub(super) async fn add_in_tx(tx: &Tx, words: &BTreeSet<String>) -> FaultResult<()> {
    let words: Vec<(&String, BTreeSet<String>)> = words.iter().map(|word| (word, deletions(word))).collect();
    let words: Vec<_> = words.into_iter().filter(|(_, deletions)| !deletions.is_empty()).collect();
    let mut rows = BTreeSet::new();
    for words in words.chunks(ROWS_PER_STATEMENT) {
        let known: Vec<String> = Entity::find()
            .select_only()
            .column(Column::Word)
            .filter(Column::Spelling.is_in(words.iter().map(|(word, _)| word.as_str())))
            .filter(Column::Word.is_in(words.iter().map(|(word, _)| word.as_str())))
            .into_tuple()
            .all(tx)
            .await?;
        let known: BTreeSet<String> = known.into_iter().collect();
        for (word, deletions) in words.iter().filter(|(word, _)| !known.contains(*word)) {
            rows.extend(deletions.iter().map(|spelling| (spelling, *word)));
        }
    }
    let rows: Vec<(&String, &String)> = rows.into_iter().collect();
    for rows in rows.chunks(ROWS_PER_STATEMENT) {
        let rows = rows.iter().map(|(spelling, word)| ActiveModel {
            spelling: Set((*spelling).clone()),
            word: Set((*word).clone()),
        });
        Entity::insert_many(rows)
            .on_conflict_do_nothing_on([Column::Spelling, Column::Word])
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}

/// Returns the known words that differ from each of the given words by one typing error.
pub(super) async fn near(
    db: &Connections,
    words: &BTreeSet<&str>,
) -> FaultResult<BTreeMap<String, Vec<String>>> {
    let spellings: BTreeSet<String> = words.iter().flat_map(|word| deletions(word)).collect();
    if spellings.is_empty() {
        return Ok(BTreeMap::new());
    }
    let candidates: Vec<String> = Entity::find()
        .select_only()
        .column(Column::Word)
        .distinct()
        .filter(Column::Spelling.is_in(spellings))
        .order_by_asc(Column::Word)
        .limit(CANDIDATES_MAX)
        .into_tuple()
        .all(db)
        .await?;
    let near = |word: &str| {
        candidates.iter().filter(|candidate| is_near(word, candidate)).take(NEAR_MAX).cloned().collect()
    };
    Ok(words.iter().map(|word| ((*word).to_owned(), near(word))).collect())
}
