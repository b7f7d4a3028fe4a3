//! Codes of claims: new ones, or codes of the coupon's list. Only the holder of the inventory's version guard assigns
//! codes of its list.

use std::collections::HashSet;

use entity::{ClaimId, CouponId, InventoryId, ShopId, coupon::code};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{
    batch::AcceptedJob,
    command::{NewClaim, NewClaimCode},
};
use crate::{
    error::{Fault, FaultResult},
    store::{Rows, Tx},
};

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
    const SELECT: &str = "SELECT c.code AS code FROM {rows} AS r \
        JOIN coupon_code AS c ON c.shop_id = r.shop_id AND c.code = r.code \
        WHERE c.coupon_id = $1 AND c.claim_id IS NULL";
    let mut wanted: Vec<(usize, ShopId, &str)> = Vec::new();
    for (index, job) in accepted.iter().enumerate() {
        for claim in job.decisions.iter().flat_map(|decision| &decision.claims) {
            if let NewClaimCode::Listed(code) = &claim.code {
                wanted.push((index, claim.shop, code));
            }
        }
    }
    if wanted.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = Rows::default()
        .uuid("shop_id", wanted.iter().map(|(_, shop, _)| shop.0))
        .text("code", wanted.iter().map(|(_, _, code)| (*code).to_owned()));
    let statement = rows.statement(tx.get_database_backend(), SELECT, vec![id.0.into()]);
    let mut free: HashSet<String> = HashSet::new();
    for row in tx.query_all_raw(statement).await? {
        free.insert(row.try_get("", "code")?);
    }
    let lost = wanted.into_iter().filter(|(_, _, code)| !free.remove(*code));
    Ok(lost.map(|(index, _, _)| index).collect())
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
    const UPDATE: &str = "UPDATE coupon_code SET claim_id = r.claim_id FROM {rows} AS r \
        WHERE coupon_code.shop_id = r.shop_id AND coupon_code.code = r.code AND coupon_code.claim_id IS NULL";
    let count = taken.len() as u64;
    let changed = Rows::default()
        .uuid("shop_id", taken.iter().map(|(shop, _, _)| shop.0))
        .text("code", taken.iter().map(|(_, code, _)| code.clone()))
        .uuid("claim_id", taken.iter().map(|(_, _, claim)| claim.0))
        .execute(tx, UPDATE, Vec::new())
        .await?;
    if changed == count { Ok(()) } else { Err(Fault::internal("a code of the list was assigned twice")) }
}
