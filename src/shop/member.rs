//! Who works for a shop, and as what.
//!
//! Every change of members raises the shop's version behind its guard, in the same transaction. So changes of one
//! shop's members happen one after the other, each sees the last, and a shop never loses its last owner.

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
    auth::Viewer,
    error::{Fault, FaultResult, Object, Result},
    store::{self, Tx},
};

/// A member as colleagues see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Of which shop.
    pub shop: ShopId,
    /// The member's account.
    pub account: AccountId,
    /// The member's name; may be empty.
    pub name: String,
    /// The member's e-mail address.
    pub email: String,
    /// What the member may do.
    pub role: ShopRole,
    /// Since when.
    pub created_at: DateTime<Utc>,
}

/// Gives somebody a role in a shop.
#[derive(Clone, Debug)]
pub struct SetMember {
    /// In which shop.
    pub shop: ShopId,
    /// The user's e-mail address.
    pub email: String,
    /// The role from now on.
    pub role: ShopRole,
}

/// Takes somebody's role in a shop.
#[derive(Clone, Debug)]
pub struct RemoveMember {
    /// In which shop.
    pub shop: ShopId,
    /// Whose.
    pub account: AccountId,
}

/// Makes a user a member of the shop, or gives a member another role.
pub async fn set_member(app: &App, viewer: &Viewer, input: SetMember) -> Result<Member, Refusal> {
    authorise(app, viewer, input.shop, Power::Members).await?;
    let account =
        account::by_email(app.store.read(), &input.email).await?.ok_or(Fault::NotFound(Object::User))?;
    let tx = app.store.begin().await?;
    let mut roles = guarded_in_tx(app, &tx, input.shop).await?;
    // The right was checked before the guard; whoever held it first may have taken it.
    if !roles.get(&viewer.user()?).is_some_and(|role| rules::has(*role, Power::Members)) {
        return Err(forbidden().into());
    }
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
    tx.commit().await?;
    Ok(Member::of(&row, account))
}

/// Ends a membership; members may end their own.
pub async fn remove_member(app: &App, viewer: &Viewer, input: RemoveMember) -> Result<shop::Model, Refusal> {
    let actor = viewer.user()?;
    if actor != input.account {
        authorise(app, viewer, input.shop, Power::Members).await?;
    }
    let tx = app.store.begin().await?;
    let mut roles = guarded_in_tx(app, &tx, input.shop).await?;
    let allowed =
        roles.get(&actor).is_some_and(|role| actor == input.account || rules::has(*role, Power::Members));
    if !allowed {
        return Err(forbidden().into());
    }
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

/// The members of those of the shops whose members the viewer may see: owners and managers.
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

/// Raises the shop's version, so that no other change of its members is under way, and reads its roles.
async fn guarded_in_tx(app: &App, tx: &Tx, id: ShopId) -> FaultResult<HashMap<AccountId, ShopRole>> {
    // Race: on PostgreSQL the lock makes the second wait here instead of losing the guard.
    let shop = shop::Entity::find_by_id(id)
        .lock(LockType::NoKeyUpdate)
        .one(tx)
        .await?
        .ok_or(Fault::NotFound(Object::Shop))?;
    let row =
        shop::ActiveModel { id: Unchanged(shop.id), updated_at: Set(app.clock.now()), ..Default::default() };
    store::save_versioned::<shop::Entity>(tx, row, shop.version, Object::Shop).await?;
    let members = member::Entity::find().filter(member::Column::ShopId.eq(id)).all(tx).await?;
    Ok(members.into_iter().map(|member| (member.account_id, member.role)).collect())
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
