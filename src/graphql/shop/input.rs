//! What clients say about shops.

use async_graphql::{ID, InputObject, MaybeUndefined};

use super::ShopRole;
use crate::{
    error::Faulty,
    graphql::{
        id::decode,
        scalar::{CurrencyCode, Long},
    },
    shop,
};

/// Which shops are wanted; all conditions must hold.
#[derive(Debug, Default, InputObject)]
pub struct ShopFilter {
    /// Shops of this category, and of those below it.
    pub category_id: Option<ID>,
    /// Shops with this text in their name or description, in upper or lower case; at most 100 characters.
    pub search: Option<String>,
}

impl ShopFilter {
    pub(super) fn parse(self) -> Faulty<shop::Filter> {
        let category = self.category_id.map(|id| decode(&id, "filter.categoryId")).transpose()?;
        Ok(shop::Filter { category, search: self.search.filter(|search| !search.trim().is_empty()) })
    }
}

/// A new shop.
#[derive(Debug, InputObject)]
pub struct CreateShopInput {
    /// Its unique name for addresses: 3 to 60 characters, a to z, 0 to 9, and single hyphens between them. Derived from
    /// the name when left out.
    pub slug: Option<String>,
    /// Its name, 1 to 200 characters.
    pub name: String,
    /// What it sells, at most 5,000 characters.
    #[graphql(default)]
    pub description: String,
    /// The currency in which it sells, for ever.
    pub currency: CurrencyCode,
    /// Where it stands in the category tree.
    pub category_id: Option<ID>,
}

impl CreateShopInput {
    pub(super) fn parse(self) -> Faulty<shop::Create> {
        let category = self.category_id.map(|id| decode(&id, "categoryId")).transpose()?;
        Ok(shop::Create {
            slug: self.slug,
            name: self.name,
            description: self.description,
            currency: self.currency.0,
            category,
        })
    }
}

/// Changes of a shop; what is left out stays as it is.
#[derive(Debug, InputObject)]
pub struct UpdateShopInput {
    /// Which shop.
    pub shop_id: ID,
    /// Its unique name for addresses. Addresses with the old one stop working.
    pub slug: Option<String>,
    /// Its name, 1 to 200 characters.
    pub name: Option<String>,
    /// What it sells, at most 5,000 characters.
    pub description: Option<String>,
    /// Where it stands in the category tree; null takes it out.
    pub category_id: MaybeUndefined<ID>,
    /// The shop's `version` as you read it.
    pub expected_version: Long,
}

impl UpdateShopInput {
    pub(super) fn parse(self) -> Faulty<shop::Update> {
        let category = match self.category_id {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(id) => Some(Some(decode(&id, "categoryId")?)),
        };
        Ok(shop::Update {
            shop: decode(&self.shop_id, "shopId")?,
            expected_version: self.expected_version.0,
            slug: self.slug,
            name: self.name,
            description: self.description,
            category,
        })
    }
}

/// Who gets which role in a shop.
#[derive(Debug, InputObject)]
pub struct SetShopMemberInput {
    /// In which shop.
    pub shop_id: ID,
    /// The e-mail address of a signed-up user.
    pub email: String,
    /// The role from now on.
    pub role: ShopRole,
}

impl SetShopMemberInput {
    pub(super) fn parse(self) -> Faulty<shop::SetMember> {
        let shop = decode(&self.shop_id, "shopId")?;
        Ok(shop::SetMember { shop, email: self.email, role: self.role.into() })
    }
}

/// Whose membership of a shop ends.
#[derive(Debug, InputObject)]
pub struct RemoveShopMemberInput {
    /// In which shop.
    pub shop_id: ID,
    /// The member's account.
    pub account_id: ID,
}

impl RemoveShopMemberInput {
    pub(super) fn parse(self) -> Faulty<shop::RemoveMember> {
        let shop = decode(&self.shop_id, "shopId")?;
        Ok(shop::RemoveMember { shop, account: decode(&self.account_id, "accountId")? })
    }
}
