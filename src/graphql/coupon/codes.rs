//! Codes through the API: brought by the vendor or made ahead, and claimed by whoever has one.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::CouponId;

use super::{Coupon, CouponError, claim::ClaimPayload};
use crate::{
    coupon::{
        claim_code::{self, ClaimCode},
        csv::LineFault,
        upload::{self, Generate, Refusal, Upload},
    },
    error::{Error, Fault, Faulty},
    graphql::{
        context::ContextExt,
        error::{ApiResult, outcome},
        id::decode,
    },
    transfer_slots::TransferPermit,
};

/// When to come back where another list of the shop is on its way.
const RETRY_AFTER_MS: u64 = 5_000;

/// Which code to claim.
#[derive(Debug, InputObject)]
pub struct ClaimCodeInput {
    /// The shop that gave the code out.
    shop_id: ID,
    /// The code, as it was typed: capitals and blanks around it do not matter.
    code: String,
    /// The same key with the same input has one effect and one answer, however often it is sent: 8 to 255 characters.
    idempotency_key: String,
}

/// Codes to upload.
#[derive(Debug, InputObject)]
pub struct ImportCouponCodesInput {
    /// A coupon with a list of codes.
    coupon_id: ID,
    /// CSV: one code a line. 4 to 64 letters A to Z, digits, hyphens and underscores. If a cell of the first line is
    /// `code`, `coupon code`, `voucher code`, `promo code` (with a blank or an underscore), `voucher`, `coupon` or their
    /// plurals, in capitals or not, that line names the columns, and the codes are in this one; such a word is therefore
    /// no code on the first line. At most 100,000 at a time. For more than a few thousand use
    /// `POST /coupons/{id}/codes`.
    csv: String,
    /// The same key with the same input has one effect and one answer: 8 to 255 characters.
    idempotency_key: String,
}

/// What became of it: all codes were stored, or none.
#[derive(Debug, SimpleObject)]
pub struct ImportCouponCodesPayload {
    /// The coupon, with as many copies more; null if nothing was stored.
    coupon: Option<Coupon>,
    /// How many codes were stored.
    imported: u32,
    /// The lines that are wrong; the first hundred of them.
    faults: Vec<CodeFault>,
    /// How many lines are wrong.
    fault_count: u32,
    /// Why nothing was stored; `INVALID_CODES` where it is because of the lines in `faults`.
    errors: Vec<CouponError>,
}

/// A line of an upload that is wrong.
#[derive(Debug, SimpleObject)]
pub struct CodeFault {
    /// The line, counted from one.
    line: u32,
    /// What is wrong with it.
    why: String,
}

/// Codes to be made ahead.
#[derive(Debug, InputObject)]
pub struct GenerateCouponCodesInput {
    /// A coupon with a list of codes.
    coupon_id: ID,
    /// How many, 1 to 100,000.
    count: u32,
    /// The same key with the same input has one effect and one answer: 8 to 255 characters.
    idempotency_key: String,
}

/// What became of it.
#[derive(Debug, SimpleObject)]
pub struct GenerateCouponCodesPayload {
    /// The coupon, with as many copies more; null if nothing was stored.
    coupon: Option<Coupon>,
    /// How many codes were made.
    generated: u32,
    /// Why none were made; empty if they were.
    errors: Vec<CouponError>,
}

/// Mutations.
#[derive(Debug, Default)]
pub struct CodeMutation;

#[Object]
impl CodeMutation {
    /// Puts the copy of a free coupon that has this code into your bag: a code that a shop printed or sent, and that nobody
    /// claimed yet. If it is in your bag already, that is the answer. Guests may do this too. Wrong codes are counted, and
    /// after ten in an hour you have to wait.
    async fn claim_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which code.")] input: ClaimCodeInput,
    ) -> ApiResult<ClaimPayload> {
        ctx.viewer().account()?;
        let claimed = async {
            let shop = decode(&input.shop_id, "shopId")?;
            let input = ClaimCode { shop, code: input.code, key: input.idempotency_key };
            claim_code::claim(ctx.app(), ctx.viewer(), input).await
        };
        ClaimPayload::of(claimed.await)
    }

    /// Uploads codes of the vendor's own: all or none. For the shop's owners and managers. A shop has one list on its way at
    /// a time; another is `OVERLOADED`.
    async fn import_coupon_codes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The codes.")] input: ImportCouponCodesInput,
    ) -> ApiResult<ImportCouponCodesPayload> {
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
        Ok(ImportCouponCodesPayload {
            imported: added.as_ref().map_or(0, |added| small(added.count)),
            coupon: added.map(|added| added.coupon.into()),
            faults,
            fault_count: small(fault_count),
            errors,
        })
    }

    /// Adds codes that are made here, unguessable, to a coupon with a list of codes: to be printed or sent before anybody
    /// claims them. `GET /coupons/{id}/codes.csv` gives them out, as `free` until they are claimed. For the shop's owners
    /// and managers, one list at a time.
    async fn generate_coupon_codes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, of which coupon.")] input: GenerateCouponCodesInput,
    ) -> ApiResult<GenerateCouponCodesPayload> {
        ctx.viewer().user()?;
        let generated = async {
            let coupon = decode(&input.coupon_id, "couponId")?;
            let _permit = transfer_permit(ctx, coupon).await?;
            let input = Generate { coupon, count: input.count, key: input.idempotency_key };
            upload::generate(ctx.app(), ctx.viewer(), input).await
        };
        let (added, errors) = outcome(generated.await)?;
        Ok(GenerateCouponCodesPayload {
            generated: added.as_ref().map_or(0, |added| small(added.count)),
            coupon: added.map(|added| added.coupon.into()),
            errors,
        })
    }
}

/// Reserves a transfer slot for the coupon's shop.
async fn transfer_permit(ctx: &Context<'_>, coupon: CouponId) -> Faulty<TransferPermit> {
    let shop = upload::authorise(ctx.app(), ctx.viewer(), coupon).await?;
    ctx.app().transfer_slots.acquire(shop).map_err(|_| Fault::Overloaded { retry_after_ms: RETRY_AFTER_MS })
}

impl CodeFault {
    fn of(fault: &LineFault) -> Self {
        Self { line: u32::try_from(fault.line).unwrap_or(u32::MAX), why: fault.why.to_string() }
    }
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
