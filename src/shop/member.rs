//! The members of a shop and their roles.
//!
//! Each change of members raises the shop's version in the same transaction, checked by the version guard. So changes
//! of one shop's members are serialised, and a shop never loses its last owner.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::{
    AccountId, ShopId, shop,
    shop::{ShopRole, member},
};
use sea_orm::{
    ActiveValue::{Set, Unchanged},
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{LockType, OnConflict},
};

use serde_json::json;

use super::{
    Refusal, authorise, forbidden, roles_in,
    rules::{self, Power},
};
use crate::{
    account,
    app::App,
    audit,
    auth::{self, Viewer},
    error::{Fault, FaultResult, Object, Result},
    input,
    store::{self, Tx},
};

/// A member as other members see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The shop.
    pub shop: ShopId,
    /// The member's account.
    pub account: AccountId,
    /// The member's name. May be empty.
    pub name: String,
    /// The member's e-mail address.
    pub email: String,
    /// The member's role.
    pub role: ShopRole,
    /// When the member was added.
    pub created_at: DateTime<Utc>,
}

/// The input that adds a member or changes a member's role.
#[derive(Clone, Debug)]
pub struct SetMember {
    /// The shop.
    pub shop: ShopId,
    /// The shop's version that the viewer saw.
    pub expected_version: i64,
    /// The user's e-mail address.
    pub email: String,
    /// The new role.
    pub role: ShopRole,
}

/// The input that removes a member.
#[derive(Clone, Debug)]
pub struct RemoveMember {
    /// The shop.
    pub shop: ShopId,
    /// The shop's version that the viewer saw.
    pub expected_version: i64,
    /// The member's account.
    pub account: AccountId,
}

/// Adds a user to the shop's members, or changes a member's role. Requires [`Power::Members`]. Returns the member and
/// the shop.
pub async fn set_member(
    app: &App,
    viewer: &Viewer,
    input: SetMember,
) -> Result<(Member, shop::Model), Refusal> {
    authorise(app, viewer, input.shop, Power::Members).await?;
    let Some(account) = account::by_email(app.store.read(), &input.email).await? else {
        input::email(&input.email).map_err(|fault| Fault::invalid("email", fault.to_string()))?;
        return Err(Fault::NotFound(Object::User).into());
    };
    let tx = app.store.begin().await?;
    let (shop, mut roles) = guarded_in_tx(app, &tx, input.shop).await?;
    // Race: the permission was checked before the guard. An earlier holder of the guard may have revoked it.
    if !roles.get(&viewer.user()?).is_some_and(|role| rules::has(*role, Power::Members)) {
        return Err(forbidden().into());
    }
    check_version(&shop, input.expected_version)?;
    let before = roles.insert(account.id, input.role);
    rules::staffed(roles.values().copied())?;
    let row = member::ActiveModel {
        shop_id: Set(input.shop),
        account_id: Set(account.id),
        role: Set(input.role),
        created_at: Set(app.clock.now()),
    };
    let replace = OnConflict::columns([member::Column::ShopId, member::Column::AccountId])
        .update_column(member::Column::Role)
        .to_owned();
    let row = member::Entity::insert(row).on_conflict(replace).exec_with_returning(&tx).await?;
    if before != Some(input.role) {
        let action = before.map_or(audit::Action::MemberAdded, |_| audit::Action::MemberRoleChanged);
        let details = json!({ "from": before, "to": input.role });
        let entry = audit::Entry::new(action, account.id, details).of_shop(input.shop);
        audit::record_in_tx(&tx, app, audit::By::Viewer(*viewer), entry).await?;
    }
    let shop = shop::Entity::find_by_id(input.shop).one(&tx).await?.ok_or(Fault::NotFound(Object::Shop))?;
    tx.commit().await?;
    auth::forget_sessions(app, account.id).await;
    Ok((Member::of(&row, account), shop))
}

/// Removes a member. Members may remove themselves. Otherwise requires [`Power::Members`].
pub async fn remove_member(app: &App, viewer: &Viewer, input: RemoveMember) -> Result<shop::Model, Refusal> {
    let actor = viewer.user()?;
    if actor != input.account {
        authorise(app, viewer, input.shop, Power::Members).await?;
    }
    let tx = app.store.begin().await?;
    let (shop, mut roles) = guarded_in_tx(app, &tx, input.shop).await?;
    let allowed =
        roles.get(&actor).is_some_and(|role| actor == input.account || rules::has(*role, Power::Members));
    if !allowed {
        return Err(forbidden().into());
    }
    check_version(&shop, input.expected_version)?;
    let before = roles.remove(&input.account).ok_or(Fault::NotFound(Object::Member))?;
    rules::staffed(roles.values().copied())?;
    member::Entity::delete_by_id((input.shop, input.account)).exec(&tx).await?;
    let details = json!({ "from": before });
    let entry = audit::Entry::new(audit::Action::MemberRemoved, input.account, details).of_shop(input.shop);
    audit::record_in_tx(&tx, app, audit::By::Viewer(*viewer), entry).await?;
    let shop = shop::Entity::find_by_id(input.shop).one(&tx).await?.ok_or(Fault::NotFound(Object::Shop))?;
    tx.commit().await?;
    Ok(shop)
}

/// Returns the members of the shops in which the viewer is an owner or a manager. Omits other shops.
pub async fn members_of(
    app: &App,
    viewer: &Viewer,
    shops: Vec<ShopId>,
) -> FaultResult<HashMap<ShopId, Vec<Member>>> {
    let roles = roles_in(app, viewer, shops).await?;
    let mut members: HashMap<ShopId, Vec<Member>> = roles
        .into_iter()
        .filter(|(_, role)| rules::has(*role, Power::Manage))
        .map(|(shop, _)| (shop, Vec::new()))
        .collect();
    let rows = member::Entity::find()
        .filter(member::Column::ShopId.is_in(members.keys().copied()))
        .order_by_asc(member::Column::CreatedAt)
        .order_by_asc(member::Column::AccountId)
        .all(app.store.read())
        .await?;
    let ids = rows.iter().map(|row| row.account_id).collect();
    let accounts: HashMap<AccountId, _> =
        account::by_ids(app, ids).await?.into_iter().map(|account| (account.id, account)).collect();
    for row in rows {
        if let (Some(list), Some(account)) = (members.get_mut(&row.shop_id), accounts.get(&row.account_id)) {
            list.push(Member::of(&row, account.clone()));
        }
    }
    Ok(members)
}

/// Raises the shop's version, which excludes concurrent changes of the members. Returns the shop as it was before, and
/// the roles of its members.
async fn guarded_in_tx(
    app: &App,
    tx: &Tx,
    id: ShopId,
) -> FaultResult<(shop::Model, HashMap<AccountId, ShopRole>)> {
    // Race: on PostgreSQL, the lock makes the second transaction wait here instead of failing at the guard.
    let shop = shop::Entity::find_by_id(id)
        .lock(LockType::NoKeyUpdate)
        .one(tx)
        .await?
        .ok_or(Fault::NotFound(Object::Shop))?;
    let row =
        shop::ActiveModel { id: Unchanged(shop.id), updated_at: Set(app.clock.now()), ..Default::default() };
    store::save_versioned::<shop::Entity>(tx, row, shop.version, Object::Shop).await?;
    let members = member::Entity::find().filter(member::Column::ShopId.eq(id)).all(tx).await?;
    Ok((shop, members.into_iter().map(|member| (member.account_id, member.role)).collect()))
}

/// Refuses a change of another version than the one that the viewer saw. Check the viewer's role first.
fn check_version(shop: &shop::Model, expected: i64) -> FaultResult<()> {
    if shop.version == expected { Ok(()) } else { Err(Fault::Stale(Object::Shop)) }
}

impl Member {
    fn of(row: &member::Model, account: entity::account::Model) -> Self {
        Self {
            shop: row.shop_id,
            account: row.account_id,
            name: account.name,
            email: account.email.unwrap_or_default(),
            role: row.role,
            created_at: row.created_at,
        }
    }
}
