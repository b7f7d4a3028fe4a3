//! Error types of products, coupons and code lists.

use crate::{
    coupon::{rules::Refusal, upload},
    graphql::user_error::{Causes, Explain, Explanation, user_error},
};

user_error! {
    /// An error of `createProduct`.
    CreateProductError, CreateProductErrorCode (Invalid NotFound IdempotencyMismatch) from Refusal {}
}

user_error! {
    /// An error of a mutation that changes a product.
    ProductError, ProductErrorCode (Invalid NotFound Stale) from Refusal {
        /// The product is archived and cannot be changed.
        Archived: Refused,
    }
}

user_error! {
    /// An error of `createCoupon`.
    CreateCouponError, CreateCouponErrorCode (Invalid NotFound IdempotencyMismatch) from Refusal {}
}

user_error! {
    /// An error of a mutation that changes a coupon.
    CouponError, CouponErrorCode (Invalid NotFound Stale) from Refusal {
        /// The operation requires a draft, and the coupon is already published. Read the coupon again.
        NotDraft: Refused,
        /// The operation requires a published coupon. Publish it first.
        NotPublished: Refused,
        /// The operation requires a paused coupon.
        NotPaused: Refused,
        /// The coupon has ended permanently. Create a new coupon.
        Ended: Refused,
        /// The publication window or the validity is already over. Move its end into the future first.
        Over: Refused,
        /// The coupon has no codes. Upload or generate codes first.
        NoCodes: Refused,
        /// The new stock would be less than the `taken` copies that are reserved or claimed. Choose a larger stock.
        StockTaken: Limited,
        /// The new budget would be less than is already spent. Choose a larger budget.
        BudgetSpent: Limited,
    }
    {
        /// Number of copies that are reserved or claimed. Set only with `STOCK_TAKEN`.
        taken: i32,
    }
}

user_error! {
    /// An error of `deleteCoupon`.
    DeleteCouponError, DeleteCouponErrorCode (Invalid NotFound Stale) from Refusal {
        /// The coupon was published. Call `endCoupon` instead.
        NotDraft: Refused,
    }
}

/// Why a code list was not stored.
#[derive(Debug)]
pub(crate) enum CodesCause {
    /// The upload has invalid lines.
    InvalidCodes,
    /// The coupon has ended.
    Ended,
    /// Another refusal, which an upload cannot get.
    Other(Refusal),
}

user_error! {
    /// An error of a mutation that adds codes to a coupon.
    CouponCodesError, CouponCodesErrorCode (Invalid NotFound IdempotencyMismatch) from CodesCause {
        /// The coupon has ended permanently. Create a new coupon.
        Ended: Refused,
        /// The upload has invalid lines or is not valid as a whole. `faults` lists the lines. Nothing was stored;
        /// correct the file and upload it again.
        InvalidCodes: Invalid,
    }
}

/// The data of coupon errors.
#[derive(Debug, Default)]
pub(crate) struct CouponData {
    taken: Option<i32>,
}

impl Explain for Refusal {
    type Data = CouponData;

    fn explain(self) -> Explanation<CouponData> {
        match self {
            Self::NotDraft => Explanation::new("the coupon is already published"),
            Self::NotPublished => Explanation::new("the coupon is not published"),
            Self::NotPaused => Explanation::new("the coupon is not paused"),
            Self::Ended => Explanation::new("the coupon has ended"),
            Self::Over => Explanation::new("the publication window or the validity is already over"),
            Self::NoCodes => Explanation::new("the coupon has no codes; upload codes first"),
            Self::StockTaken { taken } => Explanation::new("more copies are already taken")
                .at("stock")
                .with(CouponData { taken: Some(taken) }),
            Self::BudgetSpent { .. } => Explanation::new("more of the budget is already spent").at("budget"),
            Self::Archived => Explanation::new("the product is archived"),
        }
    }
}

impl Causes<CodesCause> for upload::Refusal {
    fn causes(self) -> Vec<CodesCause> {
        vec![match self {
            Self::Lines(_) => CodesCause::InvalidCodes,
            Self::Coupon(Refusal::Ended) => CodesCause::Ended,
            Self::Coupon(refusal) => CodesCause::Other(refusal),
        }]
    }
}

impl Explain for CodesCause {
    type Data = CouponData;

    fn explain(self) -> Explanation<CouponData> {
        match self {
            Self::InvalidCodes => Explanation::new("some lines are invalid; nothing was stored").at("csv"),
            Self::Ended => Refusal::Ended.explain(),
            Self::Other(refusal) => refusal.explain(),
        }
    }
}
