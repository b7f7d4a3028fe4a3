//! Codes of claims: new ones, or codes of the coupon's list. Only the holder of the inventory's version guard assigns
//! codes of its list.

use std::collections::HashSet;

use entity::{ClaimId, CouponId, InventoryId, ShopId, coupon::code};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{
    batch::AcceptedJob,
    change::Decision,
    command::{NewClaim, NewClaimCode},
};
use crate::{
    error::{Fault, FaultResult},
    store::{Rows, Tx},
};

/// Selects those codes that are free.
///
/// A scalar subquery, not a join: SQLite may begin a join with all free codes of all lists.
const FREE: &str = "SELECT code FROM (SELECT r.code AS code, \
    (SELECT 1 FROM coupon_code AS c WHERE c.shop_id = r.shop_id AND c.code = r.code \
        AND c.coupon_id = $1 AND c.claim_id IS NULL) AS is_free \
    FROM {rows} AS r) AS looked_up WHERE is_free = 1";

/// Assigns free codes to claims.
///
/// The comparison with `true` prevents SQLite from beginning with all free codes of all lists.
const TAKE: &str = "UPDATE coupon_code SET claim_id = r.claim_id FROM {rows} AS r \
    WHERE coupon_code.shop_id = r.shop_id AND coupon_code.code = r.code \
        AND (coupon_code.claim_id IS NULL) = true";

/// Returns the new codes of the claims.
pub(super) fn made(claims: &[&NewClaim]) -> Vec<String> {
    let made = |claim: &&NewClaim| match &claim.code {
        NewClaimCode::Made(code) => Some(code.clone()),
        NewClaimCode::Next | NewClaimCode::Listed(_) => None,
    };
    claims.iter().filter_map(made).collect()
}

/// Returns the jobs that want a code that is taken, or that an earlier job of the batch gets.
pub(super) async fn lost_in_tx(
    tx: &Tx,
    id: InventoryId,
    accepted: &[AcceptedJob],
) -> FaultResult<HashSet<usize>> {
    let mut wanted: Vec<(usize, ShopId, &str)> = Vec::new();
    for (index, job) in accepted.iter().enumerate() {
        let claims = job.decisions.iter().flat_map(|decision| &decision.claims);
        wanted.extend(claims.filter_map(|claim| listed(claim)).map(|(shop, code)| (index, shop, code)));
    }
    let mut free = free_of_in_tx(tx, id, wanted.iter().map(|(_, shop, code)| (*shop, *code))).await?;
    let lost = wanted.into_iter().filter(|(_, _, code)| !free.remove(*code));
    Ok(lost.map(|(index, _, _)| index).collect())
}

/// Returns whether all codes that the decisions want are free and different.
pub(super) async fn are_free_in_tx(tx: &Tx, id: InventoryId, decisions: &[Decision]) -> FaultResult<bool> {
    let claims = decisions.iter().flat_map(|decision| &decision.claims);
    let wanted: Vec<(ShopId, &str)> = claims.filter_map(|claim| listed(claim)).collect();
    let mut free = free_of_in_tx(tx, id, wanted.iter().copied()).await?;
    Ok(wanted.iter().all(|(_, code)| free.remove(*code)))
}

/// Returns the shop and the code of the list that the claim wants.
fn listed(claim: &NewClaim) -> Option<(ShopId, &str)> {
    wanted(claim).map(|code| (claim.shop, code))
}

/// Returns those of these codes that are free.
async fn free_of_in_tx<'a>(
    tx: &Tx,
    id: InventoryId,
    codes: impl Iterator<Item = (ShopId, &'a str)> + Clone,
) -> FaultResult<HashSet<String>> {
    let rows = Rows::default()
        .uuid("shop_id", codes.clone().map(|(shop, _)| shop.0))
        .text("code", codes.map(|(_, code)| code.to_owned()));
    let mut free: HashSet<String> = HashSet::new();
    if rows.is_empty() {
        return Ok(free);
    }
    let statement = rows.statement(tx.get_database_backend(), FREE, vec![id.0.into()]);
    for row in tx.query_all_raw(statement).await? {
        free.insert(row.try_get("", "code")?);
    }
    Ok(free)
}

/// Returns the codes of the claims, in order.
pub(super) async fn chosen_in_tx(tx: &Tx, id: InventoryId, claims: &[&NewClaim]) -> FaultResult<Vec<String>> {
    let listed: HashSet<&str> = claims.iter().copied().filter_map(wanted).collect();
    let nexts = claims.iter().filter(|claim| claim.code == NewClaimCode::Next).count();
    let free = if nexts == 0 { Vec::new() } else { free_in_tx(tx, id, nexts + listed.len()).await? };
    let mut free = free.into_iter().filter(|code| !listed.contains(code.as_str()));
    let code = |claim: &&NewClaim| match &claim.code {
        NewClaimCode::Made(code) | NewClaimCode::Listed(code) => Ok(code.clone()),
        NewClaimCode::Next => free.next().ok_or_else(|| Fault::internal("more copies than codes")),
    };
    claims.iter().map(code).collect()
}

fn wanted(claim: &NewClaim) -> Option<&str> {
    match &claim.code {
        NewClaimCode::Listed(code) => Some(code),
        NewClaimCode::Made(_) | NewClaimCode::Next => None,
    }
}

/// Returns the next free codes of the list, in order.
async fn free_in_tx(tx: &Tx, id: InventoryId, count: usize) -> FaultResult<Vec<String>> {
    Ok(code::Entity::find()
        .select_only()
        .column(code::Column::Code)
        .filter(code::Column::CouponId.eq(CouponId::from(id)))
        .filter(code::Column::ClaimId.is_null())
        .order_by_asc(code::Column::Position)
        .limit(count as u64)
        .into_tuple()
        .all(tx)
        .await?)
}

/// Assigns codes of the list to claims. The claims must exist.
pub(super) async fn take_in_tx(tx: &Tx, taken: Vec<(ShopId, String, ClaimId)>) -> FaultResult<()> {
    let count = taken.len() as u64;
    let changed = Rows::default()
        .uuid("shop_id", taken.iter().map(|(shop, _, _)| shop.0))
        .text("code", taken.iter().map(|(_, code, _)| code.clone()))
        .uuid("claim_id", taken.iter().map(|(_, _, claim)| claim.0))
        .execute(tx, TAKE, Vec::new())
        .await?;
    if changed == count { Ok(()) } else { Err(Fault::internal("a code of the list was assigned twice")) }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::store::plans;

    #[tokio::test]
    async fn codes_are_looked_up_by_their_key() {
        let rows = || {
            Rows::default()
                .uuid("shop_id", [Uuid::nil()])
                .text("code", ["CODE-1".to_owned()])
                .uuid("claim_id", [Uuid::nil()])
        };
        for (sql, values) in [(FREE, vec![Uuid::nil().into()]), (TAKE, Vec::new())] {
            let plan = plans::of(rows(), sql, values).await;
            plans::assert_reads_by(&plan, "coupon_code", "shop_id=? AND code=?");
        }
    }
}
