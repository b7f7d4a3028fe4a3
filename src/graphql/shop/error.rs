//! Error types of shops and memberships.

use crate::{
    graphql::user_error::{Explain, Explanation, user_error},
    shop::Refusal,
};

user_error! {
    /// An error of `createShop`.
    CreateShopError, CreateShopErrorCode (Invalid NotFound IdempotencyMismatch) from Refusal {
        /// Another shop uses or used this slug. Choose a different one.
        SlugTaken: Conflict,
    }
}

user_error! {
    /// An error of `updateShop`.
    UpdateShopError, UpdateShopErrorCode (Invalid NotFound Stale) from Refusal {
        /// Another shop uses or used this slug. Choose a different one.
        SlugTaken: Conflict,
    }
}

user_error! {
    /// An error of a mutation that changes the members of a shop.
    ShopMemberError, ShopMemberErrorCode (Invalid NotFound Stale) from Refusal {
        /// The shop would have no owner. Make another member an owner first.
        LastOwner: Refused,
        /// The shop already has 200 members, which is the maximum.
        TooManyMembers: Limited,
    }
}

impl Explain for Refusal {
    type Data = ();

    fn explain(self) -> Explanation {
        match self {
            Self::SlugTaken => Explanation::new("another shop has this slug").at("slug"),
            Self::LastOwner => Explanation::new("the shop would have no owner"),
            Self::TooManyMembers => Explanation::new("the shop already has the maximum number of members"),
        }
    }
}
