//! The results of coupon mutations of vendors.

use async_graphql::{Context, ID, SimpleObject};
use entity::coupon;

use super::{Coupon, CouponError, CreateCouponError};
use crate::{
    coupon::{find, rules::Refusal},
    error::Result,
    graphql::{
        context::ContextExt,
        error::{ApiResult, edited},
        id::decode,
    },
};

/// The result of `createCoupon`.
#[derive(Debug, SimpleObject)]
pub(super) struct CreateCouponPayload {
    /// The new coupon, a draft. Null if `errors` is not empty.
    pub(super) coupon: Option<Coupon>,
    /// Why the mutation failed. Empty if it succeeded.
    pub(super) errors: Vec<CreateCouponError>,
}

/// The result of a mutation that changes a coupon.
#[derive(Debug, SimpleObject)]
pub(super) struct CouponPayload {
    /// The coupon after the change. With the error `STALE`, the current coupon. Null with other errors.
    pub(super) coupon: Option<Coupon>,
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
        Ok(Some(Self { coupon, errors }))
    }
}
