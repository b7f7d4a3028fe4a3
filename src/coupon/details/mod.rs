//! The properties of a coupon that its vendor sets, and their checks by kind.
//!
//! Invariant: pure and synchronous.

mod texts;

use std::collections::BTreeSet;

use chrono::{DateTime, SubsecRound, Utc};
use entity::{
    CategoryId, EventId, ProductId, TierId,
    coupon::{self, CodeSource, CouponKind},
};
use serde::Serialize;

use super::{
    rules::STOCK_MAX,
    terms::{Scope, ScopeKind},
};
use crate::{
    error::{Check, FaultResult},
    event::pricing::PRICE_MAX,
    input::is_storable,
};

/// Objects that a coupon may apply to.
const SCOPES_MAX: usize = 100;
/// Days of validity.
const DAYS_MAX: i32 = 3_650;
/// The largest limit per buyer.
const LIMIT_MAX: i32 = 1_000;

/// The properties of a coupon that its vendor sets. Amounts are in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Details {
    /// The product that it is shown with.
    pub product: Option<ProductId>,
    /// The event that it is shown with.
    pub event: Option<EventId>,
    /// The tier of the event that it is shown with.
    pub tier: Option<TierId>,
    /// The category. `None` for that of its product or event.
    pub category: Option<CategoryId>,
    /// The display name, 1–200 characters.
    pub title: String,
    /// The description, 0–10,000 characters.
    pub description: String,
    /// The small print, 0–10,000 characters.
    pub terms: String,
    /// The https URL of a picture.
    pub picture_url: Option<String>,
    /// The kind of discount.
    pub kind: CouponKind,
    /// The amount off, the fixed price or the face value.
    pub amount: Option<i64>,
    /// The percentage off, in hundredths of a percent, 1–10,000.
    pub basis_points: Option<i32>,
    /// The largest discount of a percentage.
    pub cap: Option<i64>,
    /// The price of a copy. Zero for a free coupon.
    pub price: i64,
    /// The tax rate that the price includes, in hundredths of a percent, 0–10,000.
    pub tax_basis_points: i32,
    /// Whether codes are generated, or taken from a list.
    pub codes: CodeSource,
    /// Whether lists show it to all viewers.
    pub listed: bool,
    /// The number of copies. `None` for an unlimited stock.
    pub stock: Option<i32>,
    /// The copies that a buyer may claim, 1–1,000.
    pub limit_per_buyer: i32,
    /// The beginning of the publication.
    pub publish_from: Option<DateTime<Utc>>,
    /// The end of the publication.
    pub publish_until: Option<DateTime<Utc>>,
    /// The beginning of the claims' validity.
    pub valid_from: Option<DateTime<Utc>>,
    /// The end of the claims' validity.
    pub valid_until: Option<DateTime<Utc>>,
    /// The claims' validity in days from the claim, instead of an end.
    pub valid_days: Option<i32>,
    /// Whether a holder may give a claim to another account.
    pub shareable: bool,
    /// The least sum of prices that it applies to.
    pub minimum_spend: i64,
    /// Whether it excludes other discounts.
    pub exclusive: bool,
    /// The group's name, 1–50 characters. At most one claim of a group applies to an order.
    pub stacking_group: Option<String>,
    /// The position in the order of application, 0–10,000.
    pub position: i32,
    /// The limit of the sum of all its discounts.
    pub budget: Option<i64>,
    /// What it applies to. Empty for everything that the shop sells.
    pub scopes: Vec<Scope>,
}

/// Changes of a coupon. `None` keeps a value; `Some(None)` removes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Category.
    pub category: Option<CategoryId>,
    /// Title.
    pub title: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Small print.
    pub terms: Option<String>,
    /// Picture.
    pub picture_url: Option<Option<String>>,
    /// Amount off, fixed price or face value.
    pub amount: Option<i64>,
    /// Percentage off.
    pub basis_points: Option<i32>,
    /// Largest discount of a percentage.
    pub cap: Option<Option<i64>>,
    /// Price of a copy.
    pub price: Option<i64>,
    /// Tax rate.
    pub tax_basis_points: Option<i32>,
    /// Whether lists show it to all viewers.
    pub listed: Option<bool>,
    /// Number of copies.
    pub stock: Option<Option<i32>>,
    /// Copies per buyer.
    pub limit_per_buyer: Option<i32>,
    /// Beginning of the publication.
    pub publish_from: Option<Option<DateTime<Utc>>>,
    /// End of the publication.
    pub publish_until: Option<Option<DateTime<Utc>>>,
    /// Beginning of the validity.
    pub valid_from: Option<Option<DateTime<Utc>>>,
    /// End of the validity.
    pub valid_until: Option<Option<DateTime<Utc>>>,
    /// Validity in days from the claim.
    pub valid_days: Option<Option<i32>>,
    /// Whether a claim can be given away.
    pub shareable: Option<bool>,
    /// Minimum spend.
    pub minimum_spend: Option<i64>,
    /// Whether it excludes other discounts.
    pub exclusive: Option<bool>,
    /// Stacking group.
    pub stacking_group: Option<Option<String>>,
    /// Position in the order of application.
    pub position: Option<i32>,
    /// Budget.
    pub budget: Option<Option<i64>>,
    /// What it applies to.
    pub scopes: Option<Vec<Scope>>,
}

impl Details {
    /// Returns the details of a stored coupon.
    pub fn of(row: coupon::Model, scopes: Vec<Scope>) -> Self {
        Self {
            product: row.product_id,
            event: row.event_id,
            tier: row.tier_id,
            category: Some(row.category_id),
            title: row.title,
            description: row.description,
            terms: row.terms,
            picture_url: row.picture_url,
            kind: row.kind,
            amount: row.amount_minor,
            basis_points: row.basis_points,
            cap: row.cap_minor,
            price: row.price_minor,
            tax_basis_points: row.tax_basis_points,
            codes: row.codes,
            listed: row.listed,
            stock: row.stock,
            limit_per_buyer: row.limit_per_buyer,
            publish_from: row.publish_from,
            publish_until: row.publish_until,
            valid_from: row.valid_from,
            valid_until: row.valid_until,
            valid_days: row.valid_days,
            shareable: row.shareable,
            minimum_spend: row.minimum_spend_minor,
            exclusive: row.exclusive,
            stacking_group: row.stacking_group,
            position: row.position,
            budget: row.budget_minor,
            scopes,
        }
    }

    /// Returns the details with the changes applied.
    #[must_use]
    pub fn with(self, change: Change) -> Self {
        Self {
            category: change.category.or(self.category),
            title: change.title.unwrap_or(self.title),
            description: change.description.unwrap_or(self.description),
            terms: change.terms.unwrap_or(self.terms),
            picture_url: change.picture_url.unwrap_or(self.picture_url),
            amount: change.amount.or(self.amount),
            basis_points: change.basis_points.or(self.basis_points),
            cap: change.cap.unwrap_or(self.cap),
            price: change.price.unwrap_or(self.price),
            tax_basis_points: change.tax_basis_points.unwrap_or(self.tax_basis_points),
            listed: change.listed.unwrap_or(self.listed),
            stock: change.stock.unwrap_or(self.stock),
            limit_per_buyer: change.limit_per_buyer.unwrap_or(self.limit_per_buyer),
            publish_from: change.publish_from.unwrap_or(self.publish_from),
            publish_until: change.publish_until.unwrap_or(self.publish_until),
            valid_from: change.valid_from.unwrap_or(self.valid_from),
            valid_until: change.valid_until.unwrap_or(self.valid_until),
            valid_days: change.valid_days.unwrap_or(self.valid_days),
            shareable: change.shareable.unwrap_or(self.shareable),
            minimum_spend: change.minimum_spend.unwrap_or(self.minimum_spend),
            exclusive: change.exclusive.unwrap_or(self.exclusive),
            stacking_group: change.stacking_group.unwrap_or(self.stacking_group),
            position: change.position.unwrap_or(self.position),
            budget: change.budget.unwrap_or(self.budget),
            scopes: change.scopes.unwrap_or(self.scopes),
            ..self
        }
    }

    /// Returns the details as they are stored, or all faults.
    pub fn checked(self) -> FaultResult<Self> {
        let mut check = Check::default();
        let texts = self.texts().checked(&mut check);
        self.with(texts).checked_with(check)
    }

    /// Returns the details with the changes applied as they are stored, or all faults. Texts that stay are not checked,
    /// so a coupon from an older version can be changed.
    pub fn changed(self, change: Change) -> FaultResult<Self> {
        let mut check = Check::default();
        let change = change.checked(&mut check);
        self.with(change).checked_with(check)
    }

    fn texts(&self) -> Change {
        Change {
            title: Some(self.title.clone()),
            description: Some(self.description.clone()),
            terms: Some(self.terms.clone()),
            picture_url: Some(self.picture_url.clone()),
            stacking_group: Some(self.stacking_group.clone()),
            ..Change::default()
        }
    }

    /// Checks everything except the texts.
    fn checked_with(self, mut check: Check) -> FaultResult<Self> {
        let kept = |time: Option<DateTime<Utc>>| time.map(|time| time.trunc_subsecs(6));
        let kept = Self {
            publish_from: kept(self.publish_from),
            publish_until: kept(self.publish_until),
            valid_from: kept(self.valid_from),
            valid_until: kept(self.valid_until),
            ..self
        };
        kept.check_worth(&mut check);
        kept.check_stock(&mut check);
        kept.check_times(&mut check);
        kept.check_rules(&mut check);
        check.done()?;
        Ok(kept)
    }

    /// Each kind requires some amounts and excludes the others.
    fn check_worth(&self, check: &mut Check) {
        let price = |amount: i64| (1..=PRICE_MAX).contains(&amount);
        let amount = match self.kind {
            CouponKind::AmountOff | CouponKind::GiftCard => self.amount.is_some_and(price),
            CouponKind::FixedPrice => self.amount.is_some_and(|amount| amount == 0 || price(amount)),
            CouponKind::PercentOff | CouponKind::FreeItem | CouponKind::AccessCode => self.amount.is_none(),
        };
        let is_share = self.kind == CouponKind::PercentOff;
        let share = self.basis_points.is_none_or(|points| (1..=10_000).contains(&points));
        check
            .that(
                amount,
                "amount",
                "is required for AMOUNT_OFF, FIXED_PRICE and GIFT_CARD, must not be too large, and is for these kinds only",
            )
            .that(
                share && is_share == self.basis_points.is_some(),
                "basisPoints",
                "is required for PERCENT_OFF, must be between 1 and 10000, and is for this kind only",
            )
            .that(
                self.cap.is_none_or(|cap| is_share && price(cap)),
                "cap",
                "is for PERCENT_OFF only, and must be more than zero",
            )
            .that((0..=PRICE_MAX).contains(&self.price), "price.amount", "is too large")
            .that(
                (0..=10_000).contains(&self.tax_basis_points),
                "taxBasisPoints",
                "must be between 0 and 10000",
            );
    }

    fn check_stock(&self, check: &mut Check) {
        let is_uploaded = self.codes == CodeSource::Uploaded;
        check
            .that(
                self.stock.is_none_or(|stock| (0..=STOCK_MAX).contains(&stock)),
                "stock",
                "must be between 0 and 100000000",
            )
            .that(
                !is_uploaded || self.stock.is_some(),
                "stock",
                "is the number of uploaded codes, and cannot be unlimited",
            )
            .that(
                (1..=LIMIT_MAX).contains(&self.limit_per_buyer),
                "limitPerBuyer",
                "must be between 1 and 1000",
            )
            .that(
                !(is_uploaded && self.shareable),
                "shareable",
                "claims with uploaded codes cannot be given away",
            )
            .that(!is_uploaded || self.price == 0, "price", "must be zero for a coupon with uploaded codes");
    }

    fn check_times(&self, check: &mut Check) {
        let times = [
            ("publishFrom", self.publish_from),
            ("publishUntil", self.publish_until),
            ("validFrom", self.valid_from),
            ("validUntil", self.valid_until),
        ];
        for (path, time) in times {
            let good = time.is_none_or(is_storable);
            check.that(good, path, "must be between the years 2000 and 2999");
        }
        let ordered = |from: Option<DateTime<Utc>>, until: Option<DateTime<Utc>>| {
            from.zip(until).is_none_or(|(from, until)| from < until)
        };
        check
            .that(ordered(self.publish_from, self.publish_until), "publishUntil", "must be after publishFrom")
            .that(ordered(self.valid_from, self.valid_until), "validUntil", "must be after validFrom")
            .that(
                self.valid_days.is_none_or(|days| (1..=DAYS_MAX).contains(&days)),
                "validDays",
                "must be between 1 and 3650",
            )
            .that(
                self.valid_days.is_none() || self.valid_until.is_none(),
                "validDays",
                "give validUntil or validDays, not both",
            );
    }

    /// Checks the combination with other claims, the budget, and what the coupon applies to.
    fn check_rules(&self, check: &mut Check) {
        let is_discount = !matches!(self.kind, CouponKind::AccessCode | CouponKind::GiftCard);
        let distinct: BTreeSet<(ScopeKind, uuid::Uuid)> =
            self.scopes.iter().map(|scope| (scope.kind, scope.target)).collect();
        let opens = |scope: &Scope| matches!(scope.kind, ScopeKind::Tier | ScopeKind::Event);
        let is_access_code = self.kind == CouponKind::AccessCode;
        check
            .that((0..=PRICE_MAX).contains(&self.minimum_spend), "minimumSpend.amount", "is too large")
            .that((0..=10_000).contains(&self.position), "position", "must be between 0 and 10000")
            .that(
                self.budget.is_none_or(|budget| (0..=PRICE_MAX).contains(&budget)),
                "budget.amount",
                "is too large",
            )
            .that(is_discount || self.budget.is_none(), "budget", "only discounts have a budget")
            .that(is_discount || self.minimum_spend == 0, "minimumSpend", "only discounts have a minimum")
            .that(is_discount || !self.exclusive, "exclusive", "only discounts can be exclusive")
            .that(
                is_discount || self.stacking_group.is_none(),
                "stackingGroup",
                "only discounts have a group",
            )
            .that(self.scopes.len() <= SCOPES_MAX, "appliesTo", "must have at most 100 entries")
            .that(distinct.len() == self.scopes.len(), "appliesTo", "has a duplicate entry")
            .that(
                !is_access_code || (!self.scopes.is_empty() && self.scopes.iter().all(opens)),
                "appliesTo",
                "must have at least one tier or event, and nothing else, for an access code",
            )
            .that(self.tier.is_none() || self.event.is_some(), "tierId", "requires eventId");
    }
}

#[cfg(test)]
mod tests;
