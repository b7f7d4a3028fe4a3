//! What tests of coupons begin with, all made through the API.

use axum::{
    body::{Body, to_bytes},
    http::{Request, Response},
};
use serde_json::{Value, json};

use super::{Answer, World, given::Stage};

/// What is told of a coupon.
pub(crate) const COUPON: &str = "id version state title kind left stock viewerTaken viewerMayClaim isFree";

/// A coupon that takes five off whatever the stage's shop sells; `with` says what is different.
pub(crate) fn five_off(stage: &Stage, with: &Value) -> Value {
    let mut input = json!({
        "shopId": stage.shop, "categoryId": stage.category, "title": "Five off", "kind": "AMOUNT_OFF",
        "amount": { "amount": "5.00", "currency": "EUR" },
    });
    for (name, value) in with.as_object().into_iter().flatten() {
        input[name] = value.clone();
    }
    input
}

impl World {
    /// Tries to make a coupon.
    pub(crate) async fn try_coupon(&self, vendor: &str, input: Value) -> Answer {
        let document = format!(
            "mutation($input: CreateCouponInput!) {{ createCoupon(input: $input) {{
                coupon {{ {COUPON} }} errors {{ code message path }} }} }}"
        );
        self.gql(Some(vendor), &document, json!({ "input": input })).await
    }

    /// A draft of a coupon; its id.
    pub(crate) async fn draft_coupon(&self, stage: &Stage, with: Value) -> String {
        let answer = self.try_coupon(&stage.vendor, five_off(stage, &with)).await.good();
        answer.text("createCoupon.coupon.id")
    }

    /// A published coupon; its id.
    pub(crate) async fn published(&self, stage: &Stage, with: Value) -> String {
        let id = self.draft_coupon(stage, with).await;
        self.step_coupon(&stage.vendor, "publishCoupon", &id).await.good();
        id
    }

    /// Moves a coupon on in its life, at the version that it has.
    pub(crate) async fn step_coupon(&self, vendor: &str, mutation: &str, id: &str) -> Answer {
        let version = self.coupon_version(vendor, id).await;
        let document = format!(
            "mutation($id: ID!, $version: Long!) {{ {mutation}(input: {{ couponId: $id, expectedVersion: $version }})
                {{ coupon {{ {COUPON} }} errors {{ code message path }} }} }}"
        );
        self.gql(Some(vendor), &document, json!({ "id": id, "version": version })).await
    }

    /// Changes a coupon, at the version that it has.
    pub(crate) async fn update_coupon(&self, vendor: &str, id: &str, with: Value) -> Answer {
        let mut input = with;
        input["couponId"] = id.into();
        input["expectedVersion"] = self.coupon_version(vendor, id).await;
        let document = format!(
            "mutation($input: UpdateCouponInput!) {{ updateCoupon(input: $input) {{
                coupon {{ {COUPON} }} errors {{ code message path taken }} }} }}"
        );
        self.gql(Some(vendor), &document, json!({ "input": input })).await
    }

    /// Signs somebody in whom [`World::user`] signed up.
    pub(crate) async fn sign_in(&self, name: &str) -> String {
        let document = "mutation($email: String!) { signIn(input: { email: $email,
            password: \"correct horse battery\" }) { session { accessToken } errors { code } } }";
        let answer =
            self.gql(None, document, json!({ "email": format!("{name}@tessera.test") })).await.good();
        answer.text("signIn.session.accessToken")
    }

    /// Uploads codes of the vendor's, under a key of their own.
    pub(crate) async fn import_codes(&self, vendor: &str, coupon: &str, csv: &str) -> Answer {
        let document = "mutation($id: ID!, $csv: String!, $key: String!) {
            importCouponCodes(input: { couponId: $id, csv: $csv, idempotencyKey: $key }) {
                coupon { stock } imported faultCount faults { line why } errors { code message path } } }";
        let key = uuid::Uuid::from_bytes(self.app.random()).to_string();
        self.gql(Some(vendor), document, json!({ "id": coupon, "csv": csv, "key": key })).await
    }

    /// A published coupon with a list of these codes; its id.
    pub(crate) async fn published_with(&self, stage: &Stage, codes: &str, with: Value) -> String {
        let mut with = with;
        with["codes"] = "UPLOADED".into();
        let id = self.draft_coupon(stage, with).await;
        self.import_codes(&stage.vendor, &id, codes).await.good();
        self.step_coupon(&stage.vendor, "publishCoupon", &id).await.good();
        id
    }

    /// Tries to claim a code of the shop's under a key.
    pub(crate) async fn claim_code(&self, token: &str, shop: &str, (code, key): (&str, &str)) -> Answer {
        self.gql(Some(token), CLAIM_CODE, json!({ "shop": shop, "code": code, "key": key })).await
    }

    /// Asks for the file of a coupon's codes.
    pub(crate) async fn ask_codes(&self, token: Option<&str>, coupon: &str) -> Response<Body> {
        let mut request = Request::get(format!("/coupons/{coupon}/codes.csv"));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.http(request.body(Body::empty()).expect("a request")).await
    }

    /// The file of a coupon's codes.
    pub(crate) async fn codes_file(&self, vendor: &str, coupon: &str) -> String {
        let response = self.ask_codes(Some(vendor), coupon).await;
        assert_eq!(response.status(), 200);
        let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        String::from_utf8(body.to_vec()).expect("text")
    }

    async fn coupon_version(&self, vendor: &str, id: &str) -> Value {
        let document = "query($id: ID!) { coupon(id: $id) { version } }";
        self.gql(Some(vendor), document, json!({ "id": id })).await.good().data("coupon.version")
    }

    /// Tries to claim a coupon under a key.
    pub(crate) async fn try_claim(&self, token: &str, coupon: &str, key: &str) -> Answer {
        self.gql(Some(token), CLAIM, json!({ "coupon": coupon, "key": key })).await
    }

    /// Claims a coupon; the claim's id and code.
    pub(crate) async fn claim(&self, token: &str, coupon: &str) -> (String, String) {
        let answer = self.try_claim(token, coupon, &format!("claim-{coupon}")).await.good();
        (answer.text("claimCoupon.claim.id"), answer.text("claimCoupon.claim.code"))
    }
}

/// Claims a coupon.
pub(crate) const CLAIM: &str = "mutation($coupon: ID!, $key: String!) {
    claimCoupon(input: { couponId: $coupon, idempotencyKey: $key }) {
        claim { id version status code title validFrom validUntil balance { amount } coupon { left viewerTaken } }
        errors { code message path retryable left limit taken availableAt } } }";

/// Claims a code.
const CLAIM_CODE: &str = "mutation($shop: ID!, $code: String!, $key: String!) {
    claimCode(input: { shopId: $shop, code: $code, idempotencyKey: $key }) {
        claim { id status code title coupon { id title left viewerTaken } }
        errors { code message path retryable retryAfterMs limit taken availableAt } } }";
