//! Code mutations: upload and generate code lists, and claim by code.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::CouponId;

use super::{Coupon, CouponCodesError, claim::ClaimPayload};
use crate::{
    coupon::{
        claim_code::{self, ClaimCode},
        csv::LineFault,
        upload::{self, Generate, Refusal, Upload},
    },
    error::{Error, Fault, FaultResult},
    graphql::{
        context::ContextExt,
        error::{ApiResult, outcome},
        id::decode,
        scalar::unsigned,
    },
    transfer_slots::TransferPermit,
};

/// Delay in milliseconds before the next attempt while another code list of the shop is being transferred.
const RETRY_AFTER_MS: u64 = 5_000;

/// Input of `claimCode`.
#[derive(Debug, InputObject)]
pub struct ClaimCodeInput {
    /// The shop that issued the code.
    shop_id: ID,
    /// The code as entered. Case and surrounding spaces are ignored.
    code: String,
    /// Your own key, 8 to 255 characters. Repeated calls with the same key and input have one effect and the same
    /// result.
    idempotency_key: String,
}

/// Input of `importCouponCodes`.
#[derive(Debug, InputObject)]
pub struct ImportCouponCodesInput {
    /// The id of a coupon whose `codes` is `UPLOADED`.
    coupon_id: ID,
    /// The codes as CSV, one per line, at most 100,000. A code has 4 to 64 characters: letters A to Z, digits, hyphens
    /// and underscores. The first line can be a header. It is a header if one of its cells is `code`, `coupon code`,
    /// `voucher code`, `promo code`, `voucher` or `coupon`, in singular or plural. Case is ignored, and an underscore
    /// may replace the space. The codes are then read from that column. These words cannot be codes on the first line.
    /// For more than a few thousand codes, use `POST /coupons/{id}/codes`.
    csv: String,
    /// Your own key, 8 to 255 characters. Repeated calls with the same key and input have one effect and the same
    /// result.
    idempotency_key: String,
}

/// The result of `importCouponCodes`. Either all codes are stored or none.
#[derive(Debug, SimpleObject)]
pub struct ImportCouponCodesPayload {
    /// The coupon with its increased stock. Null if `errors` is not empty.
    coupon: Option<Coupon>,
    /// Number of stored codes.
    imported: u32,
    /// The first 100 invalid lines.
    faults: Vec<CodeFault>,
    /// Number of all invalid lines.
    fault_count: u32,
    /// Why the mutation failed. Empty if it succeeded. `INVALID_CODES` refers to the lines in `faults`.
    errors: Vec<CouponCodesError>,
}

/// An invalid line of an uploaded code list.
#[derive(Debug, SimpleObject)]
pub struct CodeFault {
    /// The line number, starting at 1.
    line: u32,
    /// The problem with the line, for people.
    why: String,
}

/// Input of `generateCouponCodes`.
#[derive(Debug, InputObject)]
pub struct GenerateCouponCodesInput {
    /// The id of a coupon whose `codes` is `UPLOADED`.
    coupon_id: ID,
    /// Number of codes to generate, 1 to 100,000.
    count: i32,
    /// Your own key, 8 to 255 characters. Repeated calls with the same key and input have one effect and the same
    /// result.
    idempotency_key: String,
}

/// The result of `generateCouponCodes`.
#[derive(Debug, SimpleObject)]
pub struct GenerateCouponCodesPayload {
    /// The coupon with its increased stock. Null if `errors` is not empty.
    coupon: Option<Coupon>,
    /// Number of generated codes.
    generated: u32,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<CouponCodesError>,
}

/// The mutations of this slice.
#[derive(Debug, Default)]
pub struct CodeMutation;

#[Object]
impl CodeMutation {
    /// Claims the copy of a free coupon that has this code, and puts it into your bag. The code comes from the shop,
    /// for instance on paper or by mail, and is not claimed yet. If the claim is already in your bag, returns it.
    /// Guests can call it too. After ten wrong codes within an hour, you must wait.
    async fn claim_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `claimCode`.")] input: ClaimCodeInput,
    ) -> ApiResult<Option<ClaimPayload>> {
        ctx.viewer().account()?;
        let claimed = async {
            let shop = decode(&input.shop_id, "shopId")?;
            let input = ClaimCode { shop, code: input.code, key: input.idempotency_key };
            claim_code::claim(ctx.app(), ctx.viewer(), input).await
        };
        ClaimPayload::of(claimed.await)
    }

    /// Uploads the vendor's own codes: all of them or none. Requires an owner or manager of the shop. A shop can
    /// transfer one code list at a time; a second one fails with `OVERLOADED`.
    async fn import_coupon_codes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `importCouponCodes`.")] input: ImportCouponCodesInput,
    ) -> ApiResult<Option<ImportCouponCodesPayload>> {
        ctx.viewer().user()?;
        let imported = async {
            let coupon = decode(&input.coupon_id, "couponId")?;
            let (text, key) = (input.csv.into_bytes(), Some(input.idempotency_key));
            let _permit = transfer_permit(ctx, coupon).await?;
            upload::import(ctx.app(), ctx.viewer(), Upload { coupon, text, key }).await
        };
        let imported = imported.await;
        let (faults, fault_count) = match &imported {
            Err(Error::Refused(Refusal::Lines(faults))) => {
                (faults.reported.iter().map(CodeFault::of).collect(), faults.count)
            }
            Ok(_) | Err(Error::Refused(Refusal::Coupon(_)) | Error::Fault(_)) => (Vec::new(), 0),
        };
        let (added, errors) = outcome(imported)?;
        Ok(Some(ImportCouponCodesPayload {
            imported: added.as_ref().map_or(0, |added| small(added.count)),
            coupon: added.map(|added| added.coupon.into()),
            faults,
            fault_count: small(fault_count),
            errors,
        }))
    }

    /// Generates unguessable codes for a coupon with a code list, so that they can be printed or sent before they are
    /// claimed. `GET /coupons/{id}/codes.csv` lists them, with the state `free` until they are claimed. Requires an
    /// owner or manager of the shop. A shop can transfer one code list at a time.
    async fn generate_coupon_codes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `generateCouponCodes`.")] input: GenerateCouponCodesInput,
    ) -> ApiResult<Option<GenerateCouponCodesPayload>> {
        ctx.viewer().user()?;
        let generated = async {
            let coupon = decode(&input.coupon_id, "couponId")?;
            let _permit = transfer_permit(ctx, coupon).await?;
            let count = unsigned(input.count, "count")?;
            let input = Generate { coupon, count, key: input.idempotency_key };
            upload::generate(ctx.app(), ctx.viewer(), input).await
        };
        let (added, errors) = outcome(generated.await)?;
        Ok(Some(GenerateCouponCodesPayload {
            generated: added.as_ref().map_or(0, |added| small(added.count)),
            coupon: added.map(|added| added.coupon.into()),
            errors,
        }))
    }
}

/// Takes the transfer slot of the coupon's shop. A shop can transfer one code list at a time.
async fn transfer_permit(ctx: &Context<'_>, coupon: CouponId) -> FaultResult<TransferPermit> {
    let shop = upload::authorise(ctx.app(), ctx.viewer(), coupon).await?;
    ctx.app()
        .coupon
        .transfer_slots
        .acquire(shop)
        .map_err(|_| Fault::Overloaded { retry_after_ms: RETRY_AFTER_MS })
}

impl CodeFault {
    fn of(fault: &LineFault) -> Self {
        Self { line: u32::try_from(fault.line).unwrap_or(u32::MAX), why: fault.why.to_string() }
    }
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
