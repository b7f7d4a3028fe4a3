//! What a coupon says of itself, and what each kind of coupon must and must not say.
//!
//! Invariant: pure and synchronous.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, SubsecRound, Utc};
use entity::{
    CategoryId, EventId, ProductId, TierId,
    coupon::{self, CodeSource, CouponKind},
};

use super::{
    rules::STOCK_MAX,
    terms::{Scope, ScopeKind},
};
use crate::{
    error::{Check, Faulty},
    event::pricing::PRICE_MAX,
};

/// Things that one coupon may name as what it applies to.
const SCOPES_MAX: usize = 100;
/// Days for which a claim may be valid.
const DAYS_MAX: i32 = 3_650;
/// Copies that one buyer may have.
const LIMIT_MAX: i32 = 1_000;

/// Everything about a coupon that its vendor says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// The product that it is shown with.
    pub product: Option<ProductId>,
    /// The event that it is shown with.
    pub event: Option<EventId>,
    /// The event's price level that it is shown with.
    pub tier: Option<TierId>,
    /// What kind of offer it is; none: what its product or event is.
    pub category: Option<CategoryId>,
    /// Display name.
    pub title: String,
    /// May be empty.
    pub description: String,
    /// The small print; may be empty.
    pub terms: String,
    /// Where its picture is.
    pub picture_url: Option<String>,
    /// What it is worth.
    pub kind: CouponKind,
    /// The amount off, the fixed price or the face value.
    pub amount: Option<i64>,
    /// The share off, in hundredths of a percent.
    pub basis_points: Option<i32>,
    /// The most that a share off may come to.
    pub cap: Option<i64>,
    /// What one costs.
    pub price: i64,
    /// Tax rate contained in the price.
    pub tax_basis_points: i32,
    /// Where codes come from.
    pub codes: CodeSource,
    /// Whether strangers find it.
    pub listed: bool,
    /// How many there are.
    pub stock: Option<i32>,
    /// How many one buyer may claim.
    pub limit_per_buyer: i32,
    /// Shown and claimed from here …
    pub publish_from: Option<DateTime<Utc>>,
    /// … until here.
    pub publish_until: Option<DateTime<Utc>>,
    /// Claims are valid from here …
    pub valid_from: Option<DateTime<Utc>>,
    /// … until here, …
    pub valid_until: Option<DateTime<Utc>>,
    /// … or so many days from the claim.
    pub valid_days: Option<i32>,
    /// Whether a holder may give it to somebody else.
    pub shareable: bool,
    /// What has to be bought for it to apply.
    pub minimum_spend: i64,
    /// Whether it applies alone only.
    pub exclusive: bool,
    /// Of one group at most one applies.
    pub stacking_group: Option<String>,
    /// Order in which several apply.
    pub position: i32,
    /// What all its discounts may come to.
    pub budget: Option<i64>,
    /// What it applies to; empty: everything of its shop.
    pub scopes: Vec<Scope>,
}

/// What to change of it; none stays as it is, some none takes it away.
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
    /// Share off.
    pub basis_points: Option<i32>,
    /// The most that a share off may come to.
    pub cap: Option<Option<i64>>,
    /// What one costs.
    pub price: Option<i64>,
    /// Tax rate.
    pub tax_basis_points: Option<i32>,
    /// Whether strangers find it.
    pub listed: Option<bool>,
    /// How many there are.
    pub stock: Option<Option<i32>>,
    /// How many one buyer may claim.
    pub limit_per_buyer: Option<i32>,
    /// Beginning of the publication.
    pub publish_from: Option<Option<DateTime<Utc>>>,
    /// Its end.
    pub publish_until: Option<Option<DateTime<Utc>>>,
    /// Beginning of the validity.
    pub valid_from: Option<Option<DateTime<Utc>>>,
    /// Its end.
    pub valid_until: Option<Option<DateTime<Utc>>>,
    /// Days from the claim.
    pub valid_days: Option<Option<i32>>,
    /// Whether it may be given away.
    pub shareable: Option<bool>,
    /// What has to be bought.
    pub minimum_spend: Option<i64>,
    /// Whether it applies alone only.
    pub exclusive: Option<bool>,
    /// Its group.
    pub stacking_group: Option<Option<String>>,
    /// Its place in the order.
    pub position: Option<i32>,
    /// The campaign's budget.
    pub budget: Option<Option<i64>>,
    /// What it applies to.
    pub scopes: Option<Vec<Scope>>,
}

impl Details {
    /// What the rows say.
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

    /// The details with the changes made.
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

    /// The details as they are stored, or all that is wrong with them.
    pub fn checked(self) -> Faulty<Self> {
        let kept = |time: Option<DateTime<Utc>>| time.map(|time| time.trunc_subsecs(6));
        let trimmed = |text: Option<String>| text.map(|text| text.trim().to_owned());
        let kept = Self {
            title: self.title.trim().to_owned(),
            description: self.description.trim().to_owned(),
            terms: self.terms.trim().to_owned(),
            picture_url: trimmed(self.picture_url),
            stacking_group: trimmed(self.stacking_group),
            publish_from: kept(self.publish_from),
            publish_until: kept(self.publish_until),
            valid_from: kept(self.valid_from),
            valid_until: kept(self.valid_until),
            ..self
        };
        let mut check = Check::default();
        kept.check_texts(&mut check);
        kept.check_worth(&mut check);
        kept.check_stock(&mut check);
        kept.check_times(&mut check);
        kept.check_rules(&mut check);
        check.done()?;
        Ok(kept)
    }

    fn check_texts(&self, check: &mut Check) {
        check
            .text(&self.title, "title", 1, 200)
            .text(&self.description, "description", 0, 10_000)
            .text(&self.terms, "terms", 0, 10_000)
            .that(
                self.picture_url.as_deref().is_none_or(is_picture),
                "pictureUrl",
                "must be an https address of at most 2000 characters",
            );
    }

    /// Each kind has the amounts that it needs, and no others.
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
                "is needed for AMOUNT_OFF, FIXED_PRICE and GIFT_CARD, in reason, and no other kind has one",
            )
            .that(
                share && is_share == self.basis_points.is_some(),
                "basisPoints",
                "is needed for PERCENT_OFF, between 1 and 10000, and no other kind has it",
            )
            .that(
                self.cap.is_none_or(|cap| is_share && price(cap)),
                "cap",
                "only PERCENT_OFF can have one, and it must be more than nothing",
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
                "uploaded codes cannot be given to somebody else",
            )
            .that(!is_uploaded || self.price == 0, "price", "what has uploaded codes cannot be sold");
    }

    fn check_times(&self, check: &mut Check) {
        let times = [
            ("publishFrom", self.publish_from),
            ("publishUntil", self.publish_until),
            ("validFrom", self.valid_from),
            ("validUntil", self.valid_until),
        ];
        for (path, time) in times {
            let good = time.is_none_or(|time| (2000..3000).contains(&time.year()));
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

    /// What it may be combined with, and what it applies to.
    fn check_rules(&self, check: &mut Check) {
        let is_discount = !matches!(self.kind, CouponKind::AccessCode | CouponKind::GiftCard);
        let distinct: BTreeSet<(ScopeKind, uuid::Uuid)> =
            self.scopes.iter().map(|scope| (scope.kind, scope.target)).collect();
        let opens = |scope: &Scope| matches!(scope.kind, ScopeKind::Tier | ScopeKind::Event);
        let is_key = self.kind == CouponKind::AccessCode;
        check
            .that((0..=PRICE_MAX).contains(&self.minimum_spend), "minimumSpend.amount", "is too large")
            .that((0..=10_000).contains(&self.position), "position", "must be between 0 and 10000")
            .that(
                self.stacking_group.as_deref().is_none_or(|group| (1..=50).contains(&group.chars().count())),
                "stackingGroup",
                "must have 1 to 50 characters",
            )
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
            .that(self.scopes.len() <= SCOPES_MAX, "appliesTo", "names more than 100 things")
            .that(distinct.len() == self.scopes.len(), "appliesTo", "names something twice")
            .that(
                !is_key || (!self.scopes.is_empty() && self.scopes.iter().all(opens)),
                "appliesTo",
                "an access code opens tiers, or all of an event's: name at least one, and nothing else",
            )
            .that(self.tier.is_none() || self.event.is_some(), "tierId", "name its event too");
    }
}

/// Whether it can be the address of a picture that pages may show.
pub(super) fn is_picture(url: &str) -> bool {
    url.len() <= 2_000
        && url.strip_prefix("https://").is_some_and(|rest| {
            !rest.is_empty()
                && !rest.starts_with('/')
                && !rest.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>'))
        })
}

#[cfg(test)]
mod tests;
