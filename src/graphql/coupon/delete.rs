//! The mutation that deletes a draft of a coupon.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::{Coupon, DeleteCouponError};
use crate::{
    coupon::{delete, find},
    error::FaultResult,
    graphql::{
        context::ContextExt,
        error::{ApiResult, edited},
        id::decode,
        scalar::Long,
    },
};

/// Input of `deleteCoupon`.
#[derive(Debug, InputObject)]
pub struct DeleteCouponInput {
    /// The id of a draft.
    coupon_id: ID,
    /// The coupon's `version` when you last read it. If it has changed since, nothing is deleted and the error is
    /// `STALE`.
    expected_version: Long,
}

/// The result of `deleteCoupon`.
#[derive(Debug, SimpleObject)]
pub struct DeleteCouponPayload {
    /// The id of the deleted coupon. Null if `errors` is not empty.
    deleted_coupon_id: Option<ID>,
    /// The current coupon if the error is `STALE`. Otherwise null.
    coupon: Option<Coupon>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<DeleteCouponError>,
}

/// Deletes coupons.
#[derive(Debug, Default)]
pub struct CouponDeletion;

#[Object]
impl CouponDeletion {
    /// Deletes a draft with its codes and its budget. A coupon that was published cannot be deleted; end it instead.
    async fn delete_coupon(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `deleteCoupon`.")] input: DeleteCouponInput,
    ) -> ApiResult<Option<DeleteCouponPayload>> {
        ctx.viewer().user()?;
        let coupon_id = input.coupon_id;
        let result = match decode(&coupon_id, "couponId") {
            Ok(id) => delete::delete(ctx.app(), ctx.viewer(), id, input.expected_version.0).await,
            Err(fault) => Err(fault.into()),
        };
        let current = async {
            let coupon = find::coupon(ctx.app(), ctx.viewer(), decode(&coupon_id, "couponId")?).await?;
            FaultResult::Ok((None, Some(Coupon::from(coupon))))
        };
        let result = result.map(|()| (Some(coupon_id.clone()), None));
        let (result, errors) = edited(result, current).await?;
        let (deleted_coupon_id, coupon) = result.unwrap_or_default();
        Ok(Some(DeleteCouponPayload { deleted_coupon_id, coupon, errors }))
    }
}
