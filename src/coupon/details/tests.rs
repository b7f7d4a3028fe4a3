//! The checks of each kind of coupon.

use uuid::Uuid;

use super::*;
use crate::error::Fault;

fn details(kind: CouponKind) -> Details {
    Details {
        product: None,
        event: None,
        tier: None,
        category: None,
        title: " Ten off ".to_owned(),
        description: String::new(),
        terms: String::new(),
        picture_url: None,
        kind,
        amount: None,
        basis_points: None,
        cap: None,
        price: 0,
        tax_basis_points: 0,
        codes: CodeSource::Generated,
        listed: true,
        stock: None,
        limit_per_buyer: 1,
        publish_from: None,
        publish_until: None,
        valid_from: None,
        valid_until: None,
        valid_days: None,
        shareable: true,
        minimum_spend: 0,
        exclusive: false,
        stacking_group: None,
        position: 0,
        budget: None,
        scopes: Vec::new(),
    }
}

fn wrong(details: Details) -> Vec<String> {
    match details.checked() {
        Ok(_) => Vec::new(),
        Err(Fault::Invalid(all)) => all.into_iter().map(|invalid| invalid.path.join(".")).collect(),
        Err(fault) => panic!("{fault:?} is not about the input"),
    }
}

#[test]
fn each_kind_requires_its_amounts_and_excludes_others() {
    let amount = |kind, amount| Details { amount: Some(amount), ..details(kind) };
    let share = |kind, points| Details { basis_points: Some(points), ..details(kind) };
    let key = |kind| Details {
        scopes: vec![Scope { kind: ScopeKind::Tier, target: Uuid::nil() }],
        ..details(kind)
    };
    let table = [
        (details(CouponKind::AmountOff), vec!["amount"]),
        (amount(CouponKind::AmountOff, 0), vec!["amount"]),
        (amount(CouponKind::AmountOff, 1), vec![]),
        (details(CouponKind::PercentOff), vec!["basisPoints"]),
        (share(CouponKind::PercentOff, 0), vec!["basisPoints"]),
        (share(CouponKind::PercentOff, 10_001), vec!["basisPoints"]),
        (share(CouponKind::PercentOff, 10_000), vec![]),
        (Details { cap: Some(0), ..share(CouponKind::PercentOff, 1) }, vec!["cap"]),
        (Details { cap: Some(1), ..share(CouponKind::PercentOff, 1) }, vec![]),
        (Details { cap: Some(1), ..details(CouponKind::FreeItem) }, vec!["cap"]),
        (details(CouponKind::FreeItem), vec![]),
        (amount(CouponKind::FreeItem, 1), vec!["amount"]),
        (share(CouponKind::FreeItem, 1), vec!["basisPoints"]),
        (details(CouponKind::FixedPrice), vec!["amount"]),
        (amount(CouponKind::FixedPrice, 0), vec![]),
        (amount(CouponKind::GiftCard, 0), vec!["amount"]),
        (amount(CouponKind::GiftCard, 5_000), vec![]),
        (Details { exclusive: true, ..amount(CouponKind::GiftCard, 5_000) }, vec!["exclusive"]),
        (Details { budget: Some(1), ..amount(CouponKind::GiftCard, 5_000) }, vec!["budget"]),
        (details(CouponKind::AccessCode), vec!["appliesTo"]),
        (key(CouponKind::AccessCode), vec![]),
    ];
    for (details, expected) in table {
        assert_eq!(wrong(details.clone()), expected, "{details:?}");
    }
}

#[test]
fn windows_stock_and_links_are_checked() {
    let at = |minute: i64| DateTime::from_timestamp(1_800_000_000 + 60 * minute, 0);
    let of = |change: Change| wrong(details(CouponKind::FreeItem).with(change));
    let table = [
        (
            Change { publish_from: Some(at(1)), publish_until: Some(at(1)), ..Change::default() },
            "publishUntil",
        ),
        (Change { valid_from: Some(at(2)), valid_until: Some(at(1)), ..Change::default() }, "validUntil"),
        (Change { valid_days: Some(Some(3)), valid_until: Some(at(1)), ..Change::default() }, "validDays"),
        (Change { valid_days: Some(Some(0)), ..Change::default() }, "validDays"),
        (Change { stock: Some(Some(-1)), ..Change::default() }, "stock"),
        (Change { limit_per_buyer: Some(0), ..Change::default() }, "limitPerBuyer"),
        (
            Change { picture_url: Some(Some("http://x.test/a.png".to_owned())), ..Change::default() },
            "pictureUrl",
        ),
        (
            Change { picture_url: Some(Some("https://x.test/a b".to_owned())), ..Change::default() },
            "pictureUrl",
        ),
        (Change { stacking_group: Some(Some("  ".to_owned())), ..Change::default() }, "stackingGroup"),
        (Change { title: Some(" ".to_owned()), ..Change::default() }, "title"),
    ];
    for (change, expected) in table {
        assert_eq!(of(change.clone()), [expected], "{change:?}");
    }
    let uploaded = Details { codes: CodeSource::Uploaded, stock: Some(0), ..details(CouponKind::FreeItem) };
    assert_eq!(wrong(uploaded.clone()), ["shareable"]);
    assert_eq!(wrong(Details { shareable: false, price: 100, ..uploaded.clone() }), ["price"]);
    assert_eq!(wrong(Details { shareable: false, stock: None, ..uploaded.clone() }), ["stock"]);
    assert!(wrong(Details { shareable: false, ..uploaded }).is_empty());
    assert_eq!(details(CouponKind::FreeItem).checked().unwrap().title, "Ten off");
}
