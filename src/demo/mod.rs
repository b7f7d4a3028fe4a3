//! Demo data: fills an empty database with shops, venues, events and some orders to try everything on.
//!
//! All of it is made by the functions behind the API, as the people who may sign in: no rule is passed by. The first step
//! is the operator's sign-up, and an e-mail address is one account's only: of two servers that start at once on one
//! database, one fills it. Filling is not one transaction. If it is cut off, the next start finds an account and leaves
//! everything as it is; whoever wants the rest empties the database and starts again.
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

/// Who may sign in, and as what.
pub const SIGN_INS: [(&str, &str); 5] = [
    (VENDOR, "owns the three shops"),
    (SELLER, "sells for Playhouse am Fluss"),
    (SCANNER, "checks tickets in at Playhouse am Fluss"),
    (BUYER, "has two tickets"),
    (OPERATOR, "keeps the categories"),
];
/// Their password.
pub const PASSWORD: &str = "tessera-demo";

/// Fills the database if there is no account in it yet; says whether it did.
pub async fn fill(app: &App) -> FaultResult<bool> {
    if row::Entity::find().one(app.store.read()).await?.is_some() {
        return Ok(false);
    }
    // Race: whoever fills the same database at the same time has the operator already, and does the rest.
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

/// Whether the database was filled with demo data.
pub async fn is_there(app: &App) -> FaultResult<bool> {
    is_in(&app.store).await
}

/// Whether a database has one of the demo's accounts.
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

/// What the business made. It has no reason to refuse demo data, so a refusal is a bug of theirs.
fn made<T, R: fmt::Debug>(outcome: Result<T, R>) -> FaultResult<T> {
    outcome.map_err(|error| match error {
        Error::Refused(refusal) => Fault::internal(format!("demo data were refused: {refusal:?}")),
        Error::Fault(fault) => fault,
    })
}
