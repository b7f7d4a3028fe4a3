//! Checks that the objects that a coupon refers to exist and belong to its shop.

use std::collections::BTreeSet;

use entity::{CategoryId, EventId, ProductId, ShopId, TierId, event, product, tier};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::{details::Details, terms::ScopeKind};
use crate::{
    app::App,
    category,
    error::{Check, Fault, FaultResult},
    event as events,
};

/// Checks all references of the details. Returns the coupon's category: its own, its product's or its event's.
pub(super) async fn check(app: &App, shop: ShopId, details: &Details) -> FaultResult<CategoryId> {
    let mut check = Check::default();
    let (products, events, tiers) = found(app, shop, details).await?;
    let product = details.product.map(|id| products.iter().find(|product| product.id == id));
    let event = details.event.map(|id| events.iter().find(|event| event.id == id));
    let tier = details.tier.map(|id| tiers.iter().find(|tier| tier.id == id));
    check
        .that(product.is_none_or(|product| product.is_some()), "productId", "the shop has no such product")
        .that(event.is_none_or(|event| event.is_some()), "eventId", "the shop has no such event")
        .that(
            tier.is_none_or(|tier| tier.is_some_and(|tier| Some(tier.event_id) == details.event)),
            "tierId",
            "the event has no such tier",
        );
    let scoped: Vec<CategoryId> = targets(details, ScopeKind::Category).map(CategoryId).collect();
    let wanted: BTreeSet<CategoryId> = scoped.iter().copied().chain(details.category).collect();
    let categories: BTreeSet<CategoryId> = category::by_ids(app, wanted.into_iter().collect())
        .await?
        .into_iter()
        .map(|category| category.id)
        .collect();
    let there = details.category.is_none_or(|id| categories.contains(&id));
    check.that(there, "categoryId", "there is no such category");
    for (index, scope) in details.scopes.iter().enumerate() {
        let target = scope.target;
        let good = match scope.kind {
            ScopeKind::Shop => target == shop.0,
            ScopeKind::Product => products.iter().any(|product| product.id.0 == target),
            ScopeKind::Event => events.iter().any(|event| event.id.0 == target),
            ScopeKind::Tier => tiers.iter().any(|tier| tier.id.0 == target),
            ScopeKind::Category => categories.contains(&CategoryId(target)),
        };
        check.that(good, &format!("appliesTo.{index}"), "the shop has no such thing");
    }
    check.done()?;
    let category = details
        .category
        .or(product.flatten().map(|product| product.category_id))
        .or(event.flatten().map(|event| event.category_id));
    category.ok_or_else(|| {
        Fault::invalid("categoryId", "is required unless the coupon has a product or an event")
    })
}

type Found = (Vec<product::Model>, Vec<event::Model>, Vec<tier::Model>);

/// Returns the products, events and tiers that exist and belong to the shop.
async fn found(app: &App, shop: ShopId, details: &Details) -> FaultResult<Found> {
    let products: BTreeSet<ProductId> =
        targets(details, ScopeKind::Product).map(ProductId).chain(details.product).collect();
    let tiers: BTreeSet<TierId> = targets(details, ScopeKind::Tier).map(TierId).chain(details.tier).collect();
    let db = app.store.read();
    let tiers = tier::Entity::find().filter(tier::Column::Id.is_in(tiers)).all(db).await?;
    let of_tiers = tiers.iter().map(|tier| tier.event_id);
    let wanted: BTreeSet<EventId> =
        targets(details, ScopeKind::Event).map(EventId).chain(details.event).chain(of_tiers).collect();
    let mut events = events::by_ids(app, wanted.into_iter().collect()).await?;
    events.retain(|event| event.shop_id == shop);
    let tiers = tiers.into_iter().filter(|tier| events.iter().any(|event| event.id == tier.event_id));
    let tiers = tiers.collect();
    let mut products = product::Entity::find().filter(product::Column::Id.is_in(products)).all(db).await?;
    products.retain(|product| product.shop_id == shop);
    Ok((products, events, tiers))
}

/// Returns the targets of this kind.
fn targets(details: &Details, kind: ScopeKind) -> impl Iterator<Item = Uuid> {
    details.scopes.iter().filter(move |scope| scope.kind == kind).map(|scope| scope.target)
}
