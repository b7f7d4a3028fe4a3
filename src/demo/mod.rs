//! Demo data: fills an empty database with shops, venues, events and orders.
//!
//! All data are created by the functions behind the API as the demo's accounts, so all rules apply. The first step is
//! the sign-up of the operator. E-mail addresses are unique, so if two servers start with one database, only one fills
//! it. Filling is not one transaction. If it is interrupted, the next start finds an account and changes nothing. To
//! fill the database completely, empty it and start again.
//!
//! Layout: `houses` (categories, shops, venues), `shows` and `programme` (events), `sales` (orders).

mod houses;
mod programme;
mod sales;
mod shows;

use std::fmt;

use entity::account as row;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::{
    account::{self, Refusal, Session, SignUp},
    app::App,
    auth::Viewer,
    error::{Error, Fault, FaultResult, Result},
    store::Store,
};

const OPERATOR: &str = "operator@tessera.example";
const VENDOR: &str = "vendor@tessera.example";
const SELLER: &str = "seller@tessera.example";
const SCANNER: &str = "scanner@tessera.example";
const BUYER: &str = "buyer@tessera.example";

/// The e-mail addresses of the demo's accounts, and what each may do.
pub const SIGN_INS: [(&str, &str); 5] = [
    (VENDOR, "owns the three shops"),
    (SELLER, "sells for Playhouse am Fluss"),
    (SCANNER, "checks tickets in at Playhouse am Fluss"),
    (BUYER, "has two tickets"),
    (OPERATOR, "maintains the categories"),
];
/// The password of all demo accounts.
pub const PASSWORD: &str = "tessera-demo";

/// Fills the database if it has no accounts. Returns whether it did.
pub async fn fill(app: &App) -> FaultResult<bool> {
    if row::Entity::find().one(app.store.read()).await?.is_some() {
        return Ok(false);
    }
    // Race: if another server is filling the database, it has created the operator and will create the rest.
    let operator = match sign_up(app, OPERATOR, "Demo Operator").await {
        Err(Error::Refused(Refusal::EmailTaken)) => return Ok(false),
        session => made(session)?,
    };
    let operator = Session { account: account::make_operator(app, OPERATOR).await?, ..operator }.viewer();
    let vendor = made(sign_up(app, VENDOR, "Demo Vendor").await)?.viewer();
    made(sign_up(app, SELLER, "Demo Seller").await)?;
    made(sign_up(app, SCANNER, "Demo Scanner").await)?;
    let buyer = made(sign_up(app, BUYER, "Demo Buyer").await)?.viewer();
    houses::plant_categories(app, &operator).await?;
    let houses = houses::build(app, &vendor).await?;
    programme::put_on(app, &vendor, &houses).await?;
    sales::sell(app, &buyer).await?;
    Ok(true)
}

/// Returns whether the application's database has demo accounts.
pub async fn is_there(app: &App) -> FaultResult<bool> {
    is_in(&app.store).await
}

/// Returns whether a database has one of the demo's accounts.
pub(crate) async fn is_in(store: &Store) -> FaultResult<bool> {
    let emails = SIGN_INS.map(|(email, _)| email);
    let account = row::Entity::find().filter(row::Column::Email.is_in(emails)).one(store.read()).await?;
    Ok(account.is_some())
}

async fn sign_up(app: &App, email: &str, name: &str) -> Result<Session, Refusal> {
    let input =
        SignUp { email: email.to_owned(), password: PASSWORD.to_owned(), name: name.to_owned(), phone: None };
    account::sign_up(app, &Viewer::ANONYMOUS, input).await
}

/// Converts a result. Demo data follow all rules, so a refusal is a bug.
fn made<T, R: fmt::Debug>(outcome: Result<T, R>) -> FaultResult<T> {
    outcome.map_err(|error| match error {
        Error::Refused(refusal) => Fault::internal(format!("demo data were refused: {refusal:?}")),
        Error::Fault(fault) => fault,
    })
}
