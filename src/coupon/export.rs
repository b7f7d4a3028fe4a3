//! The export of a coupon's codes as CSV: all claims with their status, and the unclaimed codes of a list.
//!
//! The export reads page by page, so that any number of codes needs little memory. Pages are not from one snapshot.

use std::collections::BTreeMap;

use entity::{
    ClaimId, CouponId,
    claim::{self, ClaimState},
    coupon::{CodeSource, code},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{csv, edit::managed, state::claim_status};
use crate::{app::App, auth::Viewer, error::FaultResult};

/// Codes per page.
const PAGE: usize = 2_000;

/// An export in progress.
#[derive(Debug)]
pub struct Export {
    coupon: CouponId,
    next: Next,
}

/// What the export writes next.
#[derive(Debug)]
enum Next {
    Header(CodeSource),
    /// The claims after this one.
    Claims(Option<ClaimId>),
    /// The codes of the list from this position.
    Codes(i64),
    Nothing,
}

type Row = [String; 4];

/// Starts an export if the viewer may change the coupon.
pub async fn export(app: &App, viewer: &Viewer, id: CouponId) -> FaultResult<Export> {
    let coupon = managed(app, viewer, id).await?;
    Ok(Export { coupon: id, next: Next::Header(coupon.codes) })
}

impl Export {
    /// Returns the next part of the file, and `None` after the last one.
    pub async fn part(&mut self, app: &App) -> FaultResult<Option<Vec<u8>>> {
        let rows = match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Header(codes) => {
                self.next = match codes {
                    CodeSource::Generated => Next::Claims(None),
                    CodeSource::Uploaded => Next::Codes(0),
                };
                vec![["code", "state", "claimed_at", "redeemed_at"].map(str::to_owned)]
            }
            Next::Claims(after) => self.claims(app, after).await?,
            Next::Codes(from) => self.codes(app, from).await?,
            Next::Nothing => Vec::new(),
        };
        if rows.is_empty() {
            return Ok(None);
        }
        csv::export(rows.iter().map(|row| row.iter().map(String::as_str))).map(Some)
    }

    async fn claims(&mut self, app: &App, after: Option<ClaimId>) -> FaultResult<Vec<Row>> {
        let mut select = claim::Entity::find().filter(claim::Column::CouponId.eq(self.coupon));
        if let Some(after) = after {
            select = select.filter(claim::Column::Id.gt(after));
        }
        let select = select.order_by_asc(claim::Column::Id).limit(PAGE as u64);
        let claims = select.all(app.store.read()).await?;
        if let Some(last) = claims.last() {
            self.next = Next::Claims(Some(last.id));
        }
        Ok(claims.iter().map(|claim| row(app, claim)).collect())
    }

    async fn codes(&mut self, app: &App, from: i64) -> FaultResult<Vec<Row>> {
        let db = app.store.read();
        let codes = code::Entity::find()
            .filter(code::Column::CouponId.eq(self.coupon))
            .filter(code::Column::Position.gte(from))
            .order_by_asc(code::Column::Position)
            .limit(PAGE as u64)
            .all(db)
            .await?;
        if let Some(last) = codes.last() {
            self.next = Next::Codes(last.position + 1);
        }
        let claimed: Vec<ClaimId> = codes.iter().filter_map(|code| code.claim_id).collect();
        let mut claims = BTreeMap::new();
        if !claimed.is_empty() {
            let found = claim::Entity::find().filter(claim::Column::Id.is_in(claimed)).all(db).await?;
            claims.extend(found.into_iter().map(|claim| (claim.id, claim)));
        }
        let line = |code: code::Model| match code.claim_id.and_then(|id| claims.get(&id)) {
            Some(claim) => row(app, claim),
            None => [code.code, "free".to_owned(), String::new(), String::new()],
        };
        Ok(codes.into_iter().map(line).collect())
    }
}

fn row(app: &App, claim: &claim::Model) -> Row {
    let redeemed = claim.redeemed_at.map(|at| at.to_rfc3339()).unwrap_or_default();
    let state = name(claim_status(claim, app.clock.now()));
    [claim.code.clone(), state.to_owned(), claim.claimed_at.to_rfc3339(), redeemed]
}

fn name(state: ClaimState) -> &'static str {
    match state {
        ClaimState::Claimed => "claimed",
        ClaimState::Reserved => "reserved",
        ClaimState::Redeemed => "redeemed",
        ClaimState::Expired => "expired",
        ClaimState::Revoked => "revoked",
        ClaimState::Released => "released",
    }
}
