//! The results of coupon mutations of vendors.

use async_graphql::{Context, Enum, ID, SimpleObject};
use entity::coupon;

use super::{Coupon, CouponError, CreateCouponError};
use crate::{
    coupon::{
        find,
        rules::{self, Refusal, Warning},
    },
    error::Result,
    graphql::{
        context::ContextExt,
        error::{ApiResult, edited},
        id::decode,
    },
};

/// The code of a warning about a coupon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Warning")]
pub(super) enum CouponWarningCode {
    /// No buyer can claim or buy the coupon, because it is not listed and its codes are generated with its claims. Set
    /// `listed` to true, or create the coupon with `codes: UPLOADED` and give buyers the codes.
    Unclaimable,
}

/// Something about an accepted coupon that you probably do not want. The mutation succeeded.
#[derive(Clone, Debug, SimpleObject)]
pub(super) struct CouponWarning {
    /// The warning's code.
    code: CouponWarningCode,
    /// An explanation for developers, in English. Do not parse it; use `code`.
    message: String,
    /// The location in the coupon's input: field names from the outside in.
    path: Vec<String>,
}

fn warnings(coupon: Option<&Coupon>) -> Vec<CouponWarning> {
    let all = coupon.map(|coupon| rules::warnings(&coupon.row)).unwrap_or_default();
    let explained = |warning: Warning| {
        let (message, path) = match warning {
            Warning::Unclaimable => {
                ("nobody can claim the coupon: it is not listed and has no codes", "listed")
            }
        };
        CouponWarning { code: warning.into(), message: message.to_owned(), path: vec![path.to_owned()] }
    };
    all.into_iter().map(explained).collect()
}

/// The result of `createCoupon`.
#[derive(Debug, SimpleObject)]
pub(super) struct CreateCouponPayload {
    /// The new coupon, a draft. Null if `errors` is not empty.
    pub(super) coupon: Option<Coupon>,
    /// What you probably do not want about the new coupon. Empty if nothing is suspicious.
    pub(super) warnings: Vec<CouponWarning>,
    /// Why the mutation failed. Empty if it succeeded.
    pub(super) errors: Vec<CreateCouponError>,
}

impl CreateCouponPayload {
    /// Returns the payload of a new coupon, or of the errors.
    pub(super) fn of(coupon: Option<Coupon>, errors: Vec<CreateCouponError>) -> Self {
        Self { warnings: warnings(coupon.as_ref()), coupon, errors }
    }
}

/// The result of a mutation that changes a coupon.
#[derive(Debug, SimpleObject)]
pub(super) struct CouponPayload {
    /// The coupon after the change. With the error `STALE`, the current coupon. Null with other errors.
    pub(super) coupon: Option<Coupon>,
    /// What you probably do not want about the coupon. Empty if nothing is suspicious.
    pub(super) warnings: Vec<CouponWarning>,
    /// Why the mutation failed. Empty if it succeeded.
    pub(super) errors: Vec<CouponError>,
}

impl CouponPayload {
    /// Returns the payload of a change of the coupon with this id.
    pub(super) async fn of(
        ctx: &Context<'_>,
        id: &ID,
        result: Result<coupon::Model, Refusal>,
    ) -> ApiResult<Option<Self>> {
        let current = async {
            let id = decode(id, "couponId")?;
            find::coupon(ctx.app(), ctx.viewer(), id).await.map(Coupon::from)
        };
        let (coupon, errors) = edited(result.map(Coupon::from), current).await?;
        Ok(Some(Self { warnings: warnings(coupon.as_ref()), coupon, errors }))
    }
}
