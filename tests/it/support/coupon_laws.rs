//! The invariants of claims: no copy is claimed twice, no buyer exceeds the limit, and each uploaded code belongs to at
//! most one claim.

use std::collections::BTreeMap;

use entity::{
    AccountId, CouponId, InventoryId,
    claim::{self, ClaimState, redemption},
    coupon::{self, CodeSource, code},
    inventory::{area, buyer},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use tessera::store::Connections;

/// Panics at the first violated invariant.
pub(super) async fn hold(db: &Connections) {
    for coupon in coupon::Entity::find().all(db).await.expect("coupons") {
        claims_are_what_was_sold(db, &coupon).await;
        uploaded_codes_belong_to_claims(db, &coupon).await;
        nobody_is_above_the_limit(db, coupon.id).await;
    }
    for claim in claim::Entity::find().all(db).await.expect("claims") {
        nothing_is_both_used_and_given_back(db, &claim).await;
    }
}

/// Returns the accounts for which each claim on the coupon counts that is neither released nor revoked: its buyer, and
/// its holder.
pub(super) async fn buyers_of(db: &Connections, coupon: CouponId) -> Vec<AccountId> {
    let accounts = |claim: claim::Model| {
        let holder = (claim.account_id != claim.buyer_id).then_some(claim.account_id);
        std::iter::once(claim.buyer_id).chain(holder)
    };
    taken(db, coupon).await.into_iter().flat_map(accounts).collect()
}

async fn taken(db: &Connections, coupon: CouponId) -> Vec<claim::Model> {
    claim::Entity::find()
        .filter(claim::Column::CouponId.eq(coupon))
        .filter(claim::Column::State.is_not_in([ClaimState::Released, ClaimState::Revoked]))
        .all(db)
        .await
        .expect("claims")
}

async fn claims_are_what_was_sold(db: &Connections, coupon: &coupon::Model) {
    let claims = taken(db, coupon.id).await.len();
    let id = (InventoryId::from(coupon.id), 0);
    let Some(area) = area::Entity::find_by_id(id).one(db).await.expect("an area") else {
        // The row was inserted by a test of the checkout. It was never published or claimed.
        return;
    };
    assert_eq!(usize::try_from(area.sold).expect("few"), claims, "as many claims as copies sold");
    if let Some(stock) = coupon.stock {
        assert_eq!(area.capacity, stock, "the inventory has the coupon's stock");
        assert!(claims <= stock.unsigned_abs() as usize, "more claims than copies");
    }
}

async fn uploaded_codes_belong_to_claims(db: &Connections, coupon: &coupon::Model) {
    let codes = code::Entity::find().filter(code::Column::CouponId.eq(coupon.id));
    let codes = codes.all(db).await.expect("codes");
    if coupon.codes == CodeSource::Generated {
        assert!(codes.is_empty(), "uploaded codes of a coupon with generated codes");
        return;
    }
    assert_eq!(Some(i32::try_from(codes.len()).expect("few")), coupon.stock, "as many copies as codes");
    let given: BTreeMap<_, _> =
        codes.into_iter().filter_map(|code| Some((code.claim_id?, code.code))).collect();
    let claims = claim::Entity::find().filter(claim::Column::CouponId.eq(coupon.id));
    let claims: BTreeMap<_, _> =
        claims.all(db).await.expect("claims").into_iter().map(|claim| (claim.id, claim.code)).collect();
    assert_eq!(given, claims, "each claim has one of the uploaded codes, and each code at most one claim");
}

async fn nobody_is_above_the_limit(db: &Connections, id: CouponId) {
    let rows = buyer::Entity::find().filter(buyer::Column::InventoryId.eq(InventoryId::from(id)));
    for row in rows.all(db).await.expect("buyers") {
        assert!(row.taken <= row.allowed, "{} of {} taken", row.taken, row.allowed);
    }
}

/// A released or revoked claim has no lasting redemption.
async fn nothing_is_both_used_and_given_back(db: &Connections, claim: &claim::Model) {
    let uses = redemption::Entity::find()
        .filter(redemption::Column::ClaimId.eq(claim.id))
        .filter(redemption::Column::ReversedAt.is_null())
        .all(db)
        .await
        .expect("redemptions");
    if matches!(claim.state, ClaimState::Released | ClaimState::Revoked) {
        assert!(uses.is_empty(), "both used and released");
    }
}
