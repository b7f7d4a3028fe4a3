//! Claims for tests of the checkout. They are inserted into the database directly, not claimed through the API.

use chrono::TimeDelta;
use entity::{
    ClaimId, CouponId, OrderId,
    claim::{self, ClaimState, redemption},
    coupon::{self, CodeSource, CouponKind, CouponState, budget, scope},
    order::{self, OrderState, discount, line},
    shop,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use serde_json::json;
use tessera::{
    auth,
    coupon::{
        code::Code,
        terms::{Terms, Worth},
    },
    store::Connections,
};
use type_safe_id::{DynamicType, TypeSafeId};

use super::{Answer, World};

/// A claim in a bag.
#[derive(Clone, Debug)]
pub(crate) struct ClaimHandle {
    /// The claim's id.
    pub(crate) id: ClaimId,
    /// The claim's id as clients see it.
    pub(crate) text: String,
    /// Its code, in groups.
    pub(crate) code: String,
}

impl World {
    /// Inserts a published coupon of the only shop: 10.00 off, unless `change` modifies it.
    pub(crate) async fn coupon(&self, change: impl FnOnce(&mut coupon::Model)) -> coupon::Model {
        let shop = shop::Entity::find().one(self.app.store.read()).await.expect("read").expect("a shop");
        let category = entity::category::Entity::find().one(self.app.store.read()).await.expect("read");
        let now = self.app.clock.now();
        let mut row = coupon::Model {
            id: CouponId(self.app.clock.new_uuid()),
            shop_id: shop.id,
            product_id: None,
            event_id: None,
            tier_id: None,
            category_id: category.expect("a category").id,
            title: "Spring".to_owned(),
            sort_key: String::new(),
            description: String::new(),
            terms: String::new(),
            picture_url: None,
            kind: CouponKind::AmountOff,
            amount_minor: Some(1_000),
            basis_points: None,
            cap_minor: None,
            currency: "EUR".to_owned(),
            price_minor: 0,
            tax_basis_points: 0,
            codes: CodeSource::Generated,
            listed: true,
            stock: None,
            limit_per_buyer: 10,
            publish_from: None,
            publish_until: None,
            valid_from: None,
            valid_until: None,
            valid_days: None,
            shareable: false,
            minimum_spend_minor: 0,
            exclusive: false,
            stacking_group: None,
            position: 0,
            budget_minor: None,
            state: CouponState::Published,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        change(&mut row);
        let tx = self.app.store.begin().await.expect("begun");
        coupon::Entity::insert(row.clone().into_active_model())
            .exec_without_returning(&tx)
            .await
            .expect("a coupon");
        let budget =
            budget::ActiveModel { coupon_id: Set(row.id), allowed: Set(row.budget_minor), spent: Set(0) };
        budget::Entity::insert(budget).exec_without_returning(&tx).await.expect("a budget");
        tx.commit().await.expect("committed");
        row
    }

    /// Inserts a gift card's coupon.
    pub(crate) async fn gift_card(&self, face: i64) -> coupon::Model {
        self.coupon(|coupon| {
            coupon.kind = CouponKind::GiftCard;
            coupon.amount_minor = Some(face);
            coupon.shareable = true;
        })
        .await
    }

    /// Inserts a claim into the bag of the token's account.
    pub(crate) async fn given_claim(&self, coupon: &coupon::Model, token: &str) -> ClaimHandle {
        self.given_claim_of(coupon, &[], token).await
    }

    /// Does the same for a coupon with these scopes only.
    pub(crate) async fn given_claim_of(
        &self,
        coupon: &coupon::Model,
        scopes: &[scope::Model],
        token: &str,
    ) -> ClaimHandle {
        let viewer = auth::authenticate(&self.app, Some(token)).await.expect("a viewer");
        let account = viewer.account().expect("an account");
        let now = self.app.clock.now();
        let code = Code::generated(self.app.random());
        let terms = Terms::of(coupon, scopes).expect("terms");
        let id = ClaimId(self.app.clock.new_uuid());
        let row = claim::ActiveModel {
            id: Set(id),
            coupon_id: Set(coupon.id),
            shop_id: Set(coupon.shop_id),
            account_id: Set(account),
            buyer_id: Set(account),
            state: Set(ClaimState::Claimed),
            code: Set(code.as_str().to_owned()),
            epoch: Set(1),
            face_minor: Set(terms.worth.face()),
            balance_minor: Set(terms.worth.face()),
            terms: Set(terms.to_json().expect("JSON")),
            valid_from: Set(coupon.valid_from.unwrap_or(now)),
            valid_until: Set(coupon
                .valid_until
                .or(coupon.valid_days.map(|days| now + TimeDelta::days(days.into())))),
            order_id: Set(None),
            order_line_id: Set(None),
            claimed_at: Set(now),
            redeemed_at: Set(None),
            opened_at: Set(None),
            version: Set(1),
            updated_at: Set(now),
        };
        let tx = self.app.store.begin().await.expect("begun");
        claim::Entity::insert(row).exec_without_returning(&tx).await.expect("a claim");
        tx.commit().await.expect("committed");
        let kind = DynamicType::new("claim").expect("a prefix");
        let text = TypeSafeId::from_type_and_uuid(kind, id.0).to_string();
        ClaimHandle { id, text, code: code.to_string() }
    }

    /// Reads the claim's row.
    pub(crate) async fn claim_row(&self, held: &ClaimHandle) -> claim::Model {
        let found = claim::Entity::find_by_id(held.id).one(self.app.store.read()).await;
        found.expect("read").expect("a claim")
    }

    /// Returns the spent amount of the coupon's budget.
    pub(crate) async fn spent(&self, coupon: &coupon::Model) -> i64 {
        let found = budget::Entity::find_by_id(coupon.id).one(self.app.store.read()).await;
        found.expect("read").expect("a budget").spent
    }

    /// Returns the labels of the places in the account's live reservations.
    pub(crate) async fn reservation_labels(&self, token: &str) -> Vec<String> {
        let document = "{ viewer { reservations { items { label } } } }";
        let answer = self.gql(Some(token), document, json!({})).await.good();
        let all = answer.data("viewer.reservations");
        let items = all.as_array().into_iter().flatten().filter_map(|one| one["items"].as_array().cloned());
        items.flatten().map(|item| item["label"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Returns the ids of the account's live reservations.
    pub(crate) async fn reservations(&self, token: &str) -> Vec<String> {
        let answer = self.gql(Some(token), "{ viewer { reservations { id } } }", json!({})).await.good();
        let all = answer.data("viewer.reservations");
        let ids = all.as_array().into_iter().flatten();
        ids.filter_map(|one| one["id"].as_str().map(str::to_owned)).collect()
    }

    /// Tries to check out reservations with claims.
    pub(crate) async fn spend(
        &self,
        token: &str,
        reservations: &[&str],
        claims: &[&ClaimHandle],
        key: &str,
    ) -> Answer {
        let claims: Vec<&str> = claims.iter().map(|held| held.text.as_str()).collect();
        let input = json!({ "reservations": reservations, "claims": claims, "codes": [], "key": format!("spend-{key}") });
        self.gql(Some(token), SPEND, input).await
    }

    /// Tries to check out reservations with claims and codes.
    pub(crate) async fn spend_codes(
        &self,
        token: &str,
        reservations: &[&str],
        codes: &[&str],
        key: &str,
    ) -> Answer {
        let input = json!({ "reservations": reservations, "claims": [], "codes": codes, "key": format!("spend-{key}") });
        // The codes may be of claims of other holders, which the buyer may not read.
        self.gql(Some(token), &SPEND.replace(" claim { id }", ""), input).await
    }
}

/// Checks out reservations with claims and codes.
const SPEND: &str = "mutation($reservations: [ID!]!, $claims: [ID!]!, $codes: [String!]!, $key: String!) {
    checkout(input: { reservationIds: $reservations, claimIds: $claims, codes: $codes, idempotencyKey: $key,
        contact: { name: \"A Buyer\", email: \"buyer@tessera.test\" } }) {
        order { id state total { amount } fees { amount } tax { amount } discount { amount }
            discounts { label amount { amount } claim { id } }
            lines { label basePrice { amount } fee { amount } discount { amount } tax { amount } total { amount } } }
        errors { code message path retryable retryAfterMs missing { amount currency } validFrom } } }";

/// Checks the invariants of spending: each discount is given once, and all amounts add up.
pub(crate) async fn hold(db: &Connections) {
    let orders = order::Entity::find().all(db).await.expect("orders");
    let discounts = discount::Entity::find().all(db).await.expect("discounts");
    for order in &orders {
        let lines = line::Entity::find().filter(line::Column::OrderId.eq(order.id));
        let lines = lines.all(db).await.expect("lines");
        let of_lines: i64 = lines.iter().map(|line| line.discount_minor).sum();
        let of_claims: i64 = discounts
            .iter()
            .filter(|discount| discount.order_id == order.id)
            .map(|discount| discount.amount_minor)
            .sum();
        assert_eq!((of_lines, of_claims), (order.discount_minor, order.discount_minor), "discounts add up");
        copies_are_what_was_bought(db, order, &lines).await;
        let tax: i64 = lines.iter().map(|line| line.tax_minor).sum();
        assert_eq!(order.tax_minor, tax, "tax adds up");
    }
    let live = |id: OrderId| orders.iter().find(|order| order.id == id).is_some_and(is_live);
    let uses = redemption::Entity::find().all(db).await.expect("redemptions");
    let claims = claim::Entity::find().all(db).await.expect("claims");
    for row in budget::Entity::find().all(db).await.expect("budgets") {
        let Some(allowed) = row.allowed else { continue };
        let in_orders: i64 = discounts
            .iter()
            .filter(|discount| discount.coupon_id == row.coupon_id && live(discount.order_id))
            .map(|discount| discount.amount_minor)
            .sum();
        let own = |one: &&redemption::Model| {
            claims.iter().any(|claim| claim.id == one.claim_id && claim.coupon_id == row.coupon_id)
        };
        let at_counters: i64 = uses.iter().filter(own).filter_map(|one| one.given_minor).sum();
        assert_eq!(row.spent, in_orders + at_counters, "the budget is the sum of the discounts");
        assert!((0..=allowed).contains(&row.spent), "the budget is not exceeded");
    }
    for claim in claims {
        let lasting: Vec<_> =
            uses.iter().filter(|one| one.claim_id == claim.id && one.reversed_at.is_none()).collect();
        let bound: Vec<OrderId> = discounts
            .iter()
            .filter(|discount| discount.claim_id == claim.id && live(discount.order_id))
            .map(|discount| discount.order_id)
            .collect();
        let waiting = bound.iter().filter(|id| {
            let order = orders.iter().find(|order| order.id == **id);
            order.is_some_and(|order| order.state == OrderState::AwaitingPayment)
        });
        let waiting = waiting.count();
        if claim.opened_at.is_some() {
            let terms = Terms::from_json(&claim.terms).expect("terms");
            assert_eq!(terms.worth, Worth::AccessCode, "only access codes open anything");
            let is_kept = matches!(claim.state, ClaimState::Claimed | ClaimState::Expired);
            assert!(is_kept, "an access code that unlocked places is {:?}", claim.state);
        }
        assert_eq!(waiting, usize::from(claim.state == ClaimState::Reserved), "reserved by one order");
        if let (Some(face), Some(balance)) = (claim.face_minor, claim.balance_minor) {
            let taken: i64 = lasting.iter().filter_map(|one| one.amount_minor).sum();
            assert_eq!(face, balance + taken, "a gift card's uses and balance are its face value");
        } else {
            assert!(bound.len() <= 1, "used in two orders: {bound:?}");
            let once = usize::from(claim.state == ClaimState::Redeemed);
            assert_eq!(lasting.len(), once, "a redeemed claim has one use, and others have none");
        }
    }
}

/// Checks that a paid order has a claim for each copy of a coupon, that a refunded order's claims are revoked, and that
/// other orders have no claims.
async fn copies_are_what_was_bought(db: &Connections, order: &order::Model, lines: &[line::Model]) {
    let copies: Vec<_> = lines.iter().filter(|line| line.coupon_id.is_some()).map(|line| line.id).collect();
    let issued = claim::Entity::find().filter(claim::Column::OrderLineId.is_in(copies.iter().copied()));
    let issued = issued.all(db).await.expect("claims");
    let revoked = issued.iter().filter(|claim| claim.state == ClaimState::Revoked).count();
    let expected = match order.state {
        OrderState::Paid => (copies.len(), 0),
        OrderState::PartiallyRefunded => {
            assert!(revoked < copies.len(), "a partial refund revokes only a part of the claims");
            (copies.len(), revoked)
        }
        OrderState::Refunded => (copies.len(), copies.len()),
        OrderState::AwaitingPayment
        | OrderState::Expired
        | OrderState::Cancelled
        | OrderState::RefundDue
        | OrderState::Stuck => (0, 0),
    };
    assert_eq!((issued.len(), revoked), expected, "copies of an order that is {:?}", order.state);
}

/// Returns whether the order's discounts still count. Stuck orders count, because an operator decides about them.
fn is_live(order: &order::Model) -> bool {
    match order.state {
        OrderState::AwaitingPayment | OrderState::Paid | OrderState::RefundDue | OrderState::Stuck => true,
        OrderState::Refunded
        | OrderState::PartiallyRefunded
        | OrderState::Expired
        | OrderState::Cancelled => false,
    }
}
