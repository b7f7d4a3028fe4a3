//! Validation of price levels, and of the seats and areas that they price.
//!
//! Invariant: pure and synchronous.

use std::collections::BTreeSet;

use entity::{
    TierId,
    tier::{ScopeKind, scope},
};
use serde::Serialize;

use super::{admission::EntryRules, rules::Refusal};
use crate::{
    error::{Check, Fault, FaultResult, Invalid},
    limits::text,
    spelling,
    venue::plan::Plan,
};

/// The maximum number of price levels per event.
pub const TIERS_MAX: usize = 100;
/// The maximum price and fee, in minor units. Sums of many stay far below the limit of 64 bits.
pub const PRICE_MAX: i64 = 1_000_000_000_000;

/// All editable details of a price level, except what it prices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TierDetails {
    /// Display name.
    pub name: String,
    /// Price in minor units, tax included.
    pub price: i64,
    /// Fee per place in minor units, tax included.
    pub fee: i64,
    /// The tax rate contained in price and fee, in hundredths of a percent, 0–10,000.
    pub tax_basis_points: i32,
    /// The sort position within the event, 0–10,000.
    pub position: i32,
    /// Whether only buyers with an access code can buy it.
    pub hidden: bool,
    /// How often its tickets admit. `None` if the event's rules apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<EntryRules>,
}

impl TierDetails {
    /// Returns the details in their stored form. If any are invalid, returns all errors. A name that equals the `stored`
    /// one is not checked.
    pub fn checked(self, stored: Option<&str>) -> FaultResult<Self> {
        let mut check = Check::default();
        let name = match stored {
            Some(stored) if stored == self.name => self.name,
            _ => check.line(&self.name, "name", 1..=text::NAME),
        };
        let kept = Self { name, ..self };
        let good = |amount: i64| (0..=PRICE_MAX).contains(&amount);
        check
            .that(good(kept.price), "basePrice.amount", "is too large")
            .that(good(kept.fee), "fee.amount", "is too large")
            .that(
                (0..=10_000).contains(&kept.tax_basis_points),
                "taxBasisPoints",
                "must be between 0 and 10000",
            )
            .that((0..=10_000).contains(&kept.position), "position", "must be between 0 and 10000");
        if let Some(entries) = kept.entries {
            entries.check("entryRules", &mut check);
        }
        check.done()?;
        Ok(kept)
    }
}

/// A category or area that a price level prices, with its path in the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whether it is a category or an area.
    pub kind: ScopeKind,
    /// The category's name, or the area's guid.
    pub key: String,
    /// The path in the input.
    pub path: Vec<String>,
    /// The display name.
    pub name: String,
}

/// Returns the categories (by name) and areas (by ordinal) that a price level prices. An ordinal of `None` is not on
/// this map. If any are invalid, returns all errors.
pub fn wanted(plan: &Plan, categories: &[String], areas: &[Option<u32>]) -> FaultResult<Vec<Wanted>> {
    let keys: Vec<String> = plan.categories.iter().map(|category| spelling::key(&category.name)).collect();
    let mut wanted = Vec::new();
    let mut faults = Vec::new();
    let path = |list: &str, index: usize| vec![list.to_owned(), index.to_string()];
    for (index, name) in categories.iter().enumerate() {
        let path = path("categories", index);
        match category(plan, &keys, name) {
            Ok(name) => {
                let (key, name) = (name.to_owned(), name.to_owned());
                wanted.push(Wanted { kind: ScopeKind::Category, key, path, name });
            }
            Err(why) => faults.push(Invalid { path, why }),
        }
    }
    for (index, ordinal) in areas.iter().enumerate() {
        let path = path("areas", index);
        match ordinal.and_then(|ordinal| plan.areas.get(ordinal as usize)) {
            Some(area) => wanted.push(Wanted {
                kind: ScopeKind::Area,
                key: area.guid.clone(),
                path,
                name: area.name.clone(),
            }),
            None => faults.push(Invalid { path, why: "must be an area of the event's seat map".to_owned() }),
        }
    }
    let mut seen = BTreeSet::new();
    for Wanted { kind, key, path, .. } in &wanted {
        if !seen.insert((*kind == ScopeKind::Area, key)) {
            faults.push(Invalid { path: path.clone(), why: "is a duplicate".to_owned() });
        }
    }
    if categories.is_empty() && areas.is_empty() {
        let why = format!("a tier needs a category or an area; the seat map has {}", names(plan));
        faults.push(Invalid { path: vec!["categories".to_owned()], why });
    }
    if faults.is_empty() { Ok(wanted) } else { Err(Fault::Invalid(faults)) }
}

/// Returns the name of the plan's category that a caller means by this name. Upper and lower case and the form of accents
/// do not matter, unless several categories differ only by them. `keys` are the comparison keys of the categories.
fn category<'a>(plan: &'a Plan, keys: &[String], name: &str) -> Result<&'a str, String> {
    let all = || plan.categories.iter().map(|category| category.name.as_str());
    if let Some(exact) = all().find(|category| *category == name) {
        return Ok(exact);
    }
    let key = spelling::key(name);
    let mut similar = all().zip(keys).filter(|(_, other)| **other == key).map(|(category, _)| category);
    match (similar.next(), similar.next()) {
        (Some(only), None) => Ok(only),
        (Some(one), Some(other)) => Err(format!("may be {one} or {other}; write it as in the seat map")),
        (None, _) => Err(format!("is not a category of the seat map, which has {}", names(plan))),
    }
}

fn names(plan: &Plan) -> String {
    const TOLD: usize = 20;
    let mut names: Vec<&str> = plan.categories.iter().map(|category| category.name.as_str()).collect();
    if names.len() > TOLD {
        names.truncate(TOLD);
        names.push("…");
    }
    if names.is_empty() { "no categories".to_owned() } else { format!("the categories {}", names.join(", ")) }
}

/// Checks that no other tier of the event prices any of the categories and areas.
pub fn price(wanted: &[Wanted], scopes: &[scope::Model], tier: TierId) -> Result<(), Refusal> {
    let taken = |wanted: &&Wanted| {
        scopes
            .iter()
            .any(|scope| scope.tier_id != tier && scope.kind == wanted.kind && scope.key == wanted.key)
    };
    match wanted.iter().find(taken) {
        Some(wanted) => Err(Refusal::AlreadyPriced(wanted.path.clone(), wanted.name.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use entity::EventId;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn plan() -> Plan {
        let document = json!({
            "name": "Hall", "size": {"width": 10, "height": 10},
            "categories": [{"name": "Front"}, {"name": "Back"}],
            "zones": [{
                "name": "Stalls", "position": {"x": 0, "y": 0},
                "areas": [{"shape": "circle", "circle": {"radius": 5}, "position": {"x": 1, "y": 1},
                    "capacity": 50, "area_guid": "a1", "name": "Floor"}],
            }],
        });
        Plan::parse(&document.to_string()).unwrap()
    }

    fn scope(tier: u128, kind: ScopeKind, key: &str) -> scope::Model {
        let (event_id, tier_id) = (EventId(Uuid::from_u128(1)), TierId(Uuid::from_u128(tier)));
        scope::Model { event_id, kind, key: key.to_owned(), tier_id }
    }

    fn paths(fault: Fault) -> Vec<String> {
        let Fault::Invalid(all) = fault else { panic!("{fault:?} is not about the input") };
        all.into_iter().map(|invalid| invalid.path.join(".")).collect()
    }

    #[test]
    fn tier_scope_must_exist_and_be_unpriced() {
        let plan = plan();
        let wanted = wanted(&plan, &["Front".to_owned()], &[Some(0)]).unwrap();
        assert_eq!(wanted[1].key, "a1");
        let scopes = [scope(1, ScopeKind::Category, "Front"), scope(2, ScopeKind::Category, "a1")];
        assert_eq!(price(&wanted, &scopes, TierId(Uuid::from_u128(1))), Ok(()));
        assert_eq!(
            price(&wanted, &scopes, TierId(Uuid::from_u128(3))),
            Err(Refusal::AlreadyPriced(vec!["categories".to_owned(), "0".to_owned()], "Front".to_owned()))
        );
        let fault = super::wanted(&plan, &["Front".into(), "Side".into(), "front".into()], &[Some(1), None]);
        assert_eq!(paths(fault.unwrap_err()), ["categories.1", "areas.0", "areas.1", "categories.2"]);
        assert_eq!(paths(super::wanted(&plan, &[], &[]).unwrap_err()), ["categories"]);
    }

    #[test]
    fn category_is_found_in_any_spelling() {
        let document = json!({
            "name": "Hall", "size": {"width": 10, "height": 10},
            "categories": [{"name": "Loge é"}, {"name": "Straße"}, {"name": "Back"}, {"name": "BACK"}],
            "zones": [{
                "name": "Stalls", "position": {"x": 0, "y": 0},
                "areas": [{"shape": "circle", "circle": {"radius": 5}, "position": {"x": 1, "y": 1},
                    "capacity": 50, "area_guid": "a1", "name": "Floor"}],
            }],
        });
        let plan = Plan::parse(&document.to_string()).unwrap();
        for (name, expected) in [
            ("Loge é", Some("Loge é")),
            ("loge e\u{301}", Some("Loge é")),
            ("LOGE É", Some("Loge é")),
            (" Ｌoge\u{a0}é", Some("Loge é")),
            ("STRASSE", Some("Straße")),
            ("Back", Some("Back")),
            ("BACK", Some("BACK")),
            ("back", None),
            ("Loge e", None),
        ] {
            let found = wanted(&plan, &[name.to_owned()], &[]).ok().map(|wanted| wanted[0].key.clone());
            assert_eq!(found.as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn prices_stay_far_from_overflow() {
        let tier = |price, fee, tax| {
            TierDetails {
                name: "A".to_owned(),
                price,
                fee,
                tax_basis_points: tax,
                position: 0,
                hidden: false,
                entries: None,
            }
            .checked(None)
        };
        assert!(tier(PRICE_MAX, PRICE_MAX, 10_000).is_ok());
        let fault = tier(PRICE_MAX + 1, -1, 10_001).unwrap_err();
        assert_eq!(paths(fault), ["basePrice.amount", "fee.amount", "taxBasisPoints"]);
    }
}
