//! A buyer who reserves, and whether an event admits the buyer.
//!
//! Invariant: pure and synchronous.

use entity::{AccountId, event::BuyerRequirement};

use super::{command::Refusal, hoarding::Source};

/// The data about a caller who reserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account.
    pub buyer: AccountId,
    /// Whether the account belongs to a signed-up user.
    pub registered: bool,
    /// Whether its e-mail address is verified.
    pub verified_email: bool,
    /// Whether the call included a valid solution of a challenge.
    pub proven: bool,
    /// The source of the call; `None` if it is not limited.
    pub source: Option<Source>,
    /// Places that the source reserved recently without buying any.
    pub wasted: u32,
}

impl Caller {
    /// Creates a caller with default data except the account.
    pub fn of(buyer: AccountId) -> Self {
        Self { buyer, registered: false, verified_email: false, proven: false, source: None, wasted: 0 }
    }

    /// Checks the event's requirement for buyers.
    pub(super) fn meets(&self, requirement: BuyerRequirement) -> Result<(), Refusal> {
        match requirement {
            BuyerRequirement::Registered if !self.registered => Err(Refusal::RegistrationRequired),
            BuyerRequirement::VerifiedEmail if !self.verified_email => Err(Refusal::VerifiedEmailRequired),
            BuyerRequirement::ProofOfWork if !self.proven => Err(Refusal::ProofRequired),
            BuyerRequirement::None
            | BuyerRequirement::Registered
            | BuyerRequirement::VerifiedEmail
            | BuyerRequirement::ProofOfWork => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_checked_against_the_caller() {
        let nobody = Caller::of(AccountId(uuid::Uuid::nil()));
        let registered = Caller { registered: true, ..nobody };
        let verified = Caller { verified_email: true, ..registered };
        let proven = Caller { proven: true, ..nobody };
        let cases = [
            (BuyerRequirement::None, [Ok(()), Ok(()), Ok(()), Ok(())]),
            (
                BuyerRequirement::Registered,
                [Err(Refusal::RegistrationRequired), Ok(()), Ok(()), Err(Refusal::RegistrationRequired)],
            ),
            (
                BuyerRequirement::VerifiedEmail,
                [
                    Err(Refusal::VerifiedEmailRequired),
                    Err(Refusal::VerifiedEmailRequired),
                    Ok(()),
                    Err(Refusal::VerifiedEmailRequired),
                ],
            ),
            (
                BuyerRequirement::ProofOfWork,
                [
                    Err(Refusal::ProofRequired),
                    Err(Refusal::ProofRequired),
                    Err(Refusal::ProofRequired),
                    Ok(()),
                ],
            ),
        ];
        for (requirement, expected) in cases {
            let met = [nobody, registered, verified, proven].map(|caller| caller.meets(requirement));
            assert_eq!(met, expected, "{requirement:?}");
        }
    }
}
