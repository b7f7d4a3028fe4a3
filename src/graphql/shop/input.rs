//! Inputs of shop queries and mutations.

use async_graphql::{ID, InputObject, MaybeUndefined};

use super::ShopRole;
use crate::{
    error::FaultResult,
    graphql::{
        id::{decode, id_or_slug},
        scalar::{CurrencyCode, Long},
    },
    shop,
};

/// A filter for shops. All given conditions must hold.
#[derive(Debug, Default, InputObject)]
pub struct ShopFilter {
    /// Only shops in the category with this id or its descendants.
    pub category_id: Option<ID>,
    /// Only shops in the category with this slug or its descendants.
    pub category_slug: Option<String>,
    /// Words to search for, at most eight, in at most 100 characters. Each must be a word in the shop's name or
    /// description, or the start of such a word. Case and accents are ignored. A word of five or more letters also finds
    /// words that differ from it by one typing error after the first letter. Exact matches come first, then words that
    /// begin with your words, then words with a typing error. A text without letters and digits finds nothing.
    pub search: Option<String>,
}

impl ShopFilter {
    pub(super) fn parse(self) -> FaultResult<shop::Filter> {
        let categories = id_or_slug(self.category_id, self.category_slug, "filter.categoryId")?;
        Ok(shop::Filter { categories, search: self.search.filter(|search| !search.trim().is_empty()) })
    }
}

/// Input of `createShop`.
#[derive(Debug, InputObject)]
pub struct CreateShopInput {
    /// The unique name for URLs, 3 to 60 characters: a to z, 0 to 9, and single hyphens between them. If omitted, it is
    /// derived from the name.
    pub slug: Option<String>,
    /// The display name as plain text, 1 to 200 characters.
    pub name: String,
    /// What the shop sells, as plain text, not Markdown or HTML; at most 5,000 characters.
    #[graphql(default)]
    pub description: String,
    /// The currency in which the shop sells. It cannot be changed later.
    pub currency: CurrencyCode,
    /// The category of the shop. Null if there is none.
    pub category_id: Option<ID>,
    /// Your own key, 8 to 255 characters. Repeated calls with the same key and input have one effect and the same
    /// result. Without a key, a repeated call creates another object.
    pub idempotency_key: Option<String>,
}

impl CreateShopInput {
    pub(super) fn parse(self) -> FaultResult<shop::Create> {
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

/// Input of `updateShop`. Omitted fields stay unchanged.
#[derive(Debug, InputObject)]
pub struct UpdateShopInput {
    /// The id of the shop.
    pub shop_id: ID,
    /// The unique name for URLs. The old slug still leads to the shop, and no other shop can take it.
    pub slug: Option<String>,
    /// The display name as plain text, 1 to 200 characters.
    pub name: Option<String>,
    /// What the shop sells, as plain text, not Markdown or HTML; at most 5,000 characters.
    pub description: Option<String>,
    /// The category of the shop. Null removes it.
    pub category_id: MaybeUndefined<ID>,
    /// The shop's `version` when you last read it. If it has changed since, nothing is stored and the error is `STALE`.
    pub expected_version: Long,
}

impl UpdateShopInput {
    pub(super) fn parse(self) -> FaultResult<shop::Update> {
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

/// Input of `setShopMember`.
#[derive(Debug, InputObject)]
pub struct SetShopMemberInput {
    /// The id of the shop.
    pub shop_id: ID,
    /// The e-mail address of a signed-up user, by the rules of `SignUpInput.email`.
    pub email: String,
    /// The new role.
    pub role: ShopRole,
    /// The shop's `version` when you last read it. It increases with every change of the shop or its members. If it has
    /// changed since, nothing is stored and the error is `STALE`.
    pub expected_version: Long,
}

impl SetShopMemberInput {
    pub(super) fn parse(self) -> FaultResult<shop::SetMember> {
        let shop = decode(&self.shop_id, "shopId")?;
        let expected_version = self.expected_version.0;
        Ok(shop::SetMember { shop, expected_version, email: self.email, role: self.role.into() })
    }
}

/// Input of `removeShopMember`.
#[derive(Debug, InputObject)]
pub struct RemoveShopMemberInput {
    /// The id of the shop.
    pub shop_id: ID,
    /// The id of the member's account.
    pub account_id: ID,
    /// The shop's `version` when you last read it. It increases with every change of the shop or its members. If it has
    /// changed since, nothing is stored and the error is `STALE`.
    pub expected_version: Long,
}

impl RemoveShopMemberInput {
    pub(super) fn parse(self) -> FaultResult<shop::RemoveMember> {
        let shop = decode(&self.shop_id, "shopId")?;
        let expected_version = self.expected_version.0;
        Ok(shop::RemoveMember { shop, expected_version, account: decode(&self.account_id, "accountId")? })
    }
}
