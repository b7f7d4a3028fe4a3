//! Code mutations: upload and generate code lists, withdraw a code, and claim by code.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::CouponId;

use super::{
    Coupon, CouponCodesError,
    claim::ClaimPayload,
    code_preview::{CodeListFirstLine, CodeListPreview, small},
    error::CouponData,
};
use crate::{
    coupon::{
        claim_code::{self, ClaimCode},
        code_list::{LineFault, Options},
        rules,
        upload::{self, Generate, Refusal, Upload},
        withdraw::{self, Withdraw},
    },
    error::{Error, Fault, FaultResult},
    graphql::{
        context::ContextExt,
        error::{ApiResult, outcome},
        id::decode,
        scalar::unsigned,
        user_error::{Causes, Explain, Explanation, user_error},
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
    /// The code as entered or pasted. Case, spaces, invisible characters, quotes and the kind of dashes are ignored.
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
    /// and underscores. The cells are separated by commas, semicolons, tabs or bars, or by the character that a first
    /// line such as `sep=;` names. Blank lines and lines that begin with `#` are skipped. If the first line is a heading
    /// such as `code`, `Voucher-Code` or `Gutscheincode`, it is skipped, and the codes are read from the column that it
    /// names. If the first line only looks like a heading, send `firstLine`. For more than a few thousand codes, use
    /// `POST /coupons/{id}/codes`.
    csv: String,
    /// What the first line is. Null to detect it. If it is unclear, the upload fails with `INVALID_CODES`.
    first_line: Option<CodeListFirstLine>,
    /// The column with the codes, starting at 1. Null to detect it.
    column: Option<i32>,
    /// Whether to check the list without storing anything. The payload then contains the preview, `imported` is 0, and
    /// the idempotency key is not used.
    #[graphql(default)]
    dry_run: bool,
    /// Your own key, 8 to 255 characters. Repeated calls with the same key and input have one effect and the same
    /// result.
    idempotency_key: String,
}

/// The result of `importCouponCodes`. Either all codes are stored or none.
#[derive(Debug, SimpleObject)]
pub struct ImportCouponCodesPayload {
    /// The coupon with its increased stock. Null if `errors` is not empty.
    coupon: Option<Coupon>,
    /// Number of stored codes. 0 for a dry run.
    imported: u32,
    /// How the list was read. Null if `errors` is not empty.
    preview: Option<CodeListPreview>,
    /// The first 100 invalid lines. If the whole list cannot be read for one reason, there is one entry.
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

/// Input of `withdrawCouponCode`.
#[derive(Debug, InputObject)]
pub struct WithdrawCouponCodeInput {
    /// The id of a coupon whose `codes` is `UPLOADED`.
    coupon_id: ID,
    /// The code. Case and surrounding spaces are ignored.
    code: String,
    /// Your own key, 8 to 255 characters. Repeated calls with the same key and input have one effect and the same
    /// result.
    idempotency_key: String,
}

/// The result of `withdrawCouponCode`.
#[derive(Debug, SimpleObject)]
pub struct WithdrawCouponCodePayload {
    /// The coupon with its decreased stock. Null if `errors` is not empty.
    coupon: Option<Coupon>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<WithdrawCodeError>,
}

/// Why a code was not withdrawn.
#[derive(Debug)]
pub(crate) enum WithdrawCause {
    /// The list has no such code.
    UnknownCode,
    /// The code is claimed.
    Claimed,
    /// The coupon has ended.
    Ended,
    /// Another refusal, which a withdrawal cannot get.
    Other(rules::Refusal),
}

user_error! {
    /// An error of `withdrawCouponCode`.
    WithdrawCodeError, WithdrawCodeErrorCode (Invalid NotFound IdempotencyMismatch) from WithdrawCause {
        /// The list of the coupon has no such code, or the code was withdrawn before.
        UnknownCode: NotFound,
        /// The code is claimed and belongs to its holder. It cannot be withdrawn.
        Claimed: Conflict,
        /// The coupon has ended permanently. None of its codes can be claimed any more.
        Ended: Refused,
    }
}

impl Causes<WithdrawCause> for withdraw::Refusal {
    fn causes(self) -> Vec<WithdrawCause> {
        vec![match self {
            Self::UnknownCode => WithdrawCause::UnknownCode,
            Self::Claimed => WithdrawCause::Claimed,
            Self::Coupon(rules::Refusal::Ended) => WithdrawCause::Ended,
            Self::Coupon(refusal) => WithdrawCause::Other(refusal),
        }]
    }
}

impl Explain for WithdrawCause {
    type Data = CouponData;

    fn explain(self) -> Explanation<CouponData> {
        match self {
            Self::UnknownCode => Explanation::new("the list has no such code").at("code"),
            Self::Claimed => Explanation::new("the code is already claimed").at("code"),
            Self::Ended => rules::Refusal::Ended.explain(),
            Self::Other(refusal) => refusal.explain(),
        }
    }
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
            let column = input.column.map(|column| unsigned(column, "column")).transpose()?;
            if column == Some(0) {
                return Err(Fault::invalid("column", "must be at least 1").into());
            }
            let first_line = input.first_line.map(Into::into);
            let options = Options { first_line, column: column.map(|column| column as usize), charset: None };
            let (text, key) = (input.csv.into_bytes(), Some(input.idempotency_key));
            let _permit = transfer_permit(ctx, coupon).await?;
            let upload = Upload { coupon, text, options, dry_run: input.dry_run, key };
            upload::import(ctx.app(), ctx.viewer(), upload).await
        };
        let imported = imported.await;
        let (faults, fault_count) = match &imported {
            Err(Error::Refused(Refusal::Lines(faults))) => {
                (faults.reported.iter().map(CodeFault::of).collect(), faults.count)
            }
            Ok(_) | Err(Error::Refused(Refusal::Coupon(_)) | Error::Fault(_)) => (Vec::new(), 0),
        };
        let (imported, errors) = outcome(imported)?;
        let (added, preview) = imported.map(|imported| (imported.added, imported.preview)).unzip();
        Ok(Some(ImportCouponCodesPayload {
            imported: added.as_ref().map_or(0, |added| small(added.count)),
            coupon: added.map(|added| added.coupon.into()),
            preview: preview.map(CodeListPreview::from),
            faults,
            fault_count: small(fault_count),
            errors,
        }))
    }

    /// Withdraws a code of a coupon's list that is not claimed yet, so that it cannot be claimed. The stock decreases by
    /// one. Requires an owner or manager of the shop.
    async fn withdraw_coupon_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `withdrawCouponCode`.")] input: WithdrawCouponCodeInput,
    ) -> ApiResult<Option<WithdrawCouponCodePayload>> {
        ctx.viewer().user()?;
        let withdrawn = async {
            let coupon = decode(&input.coupon_id, "couponId")?;
            let input = Withdraw { coupon, code: input.code, key: input.idempotency_key };
            withdraw::withdraw(ctx.app(), ctx.viewer(), input).await
        };
        let (coupon, errors) = outcome(withdrawn.await)?;
        Ok(Some(WithdrawCouponCodePayload { coupon: coupon.map(Into::into), errors }))
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

/// Parses the text of a coupon id.
pub(crate) fn named(id: String) -> Option<CouponId> {
    decode(&ID(id), "id").ok()
}
