//! Lanes: classes of operations with separate limits, so that a flood in one lane does not affect the others.

/// A class of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Payments and the mutations that follow from them.
    Pay,
    /// Reservations, claims and checkouts.
    Reserve,
    /// Sign-ins, sign-ups, guests, sessions and profiles.
    SignIn,
    /// Queries and subscriptions.
    Browse,
    /// Mutations by members of shops and by operators.
    Vendor,
}

/// The cost of an operation in each lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charges([u32; 5]);

impl Lane {
    /// All lanes.
    pub const ALL: [Self; 5] = [Self::Pay, Self::Reserve, Self::SignIn, Self::Browse, Self::Vendor];

    /// Returns the lane's index in [`Lane::ALL`].
    pub(super) fn index(self) -> usize {
        match self {
            Self::Pay => 0,
            Self::Reserve => 1,
            Self::SignIn => 2,
            Self::Browse => 3,
            Self::Vendor => 4,
        }
    }

    /// Returns the lane of a mutation's root field. Fields that are not listed are in the vendors' lane.
    pub fn of_mutation(field: &str) -> Self {
        match field {
            "cancelOrder" | "cancelPayment" | "confirmPayment" | "payOrder" | "refundOrder" => Self::Pay,
            "acceptClaim" | "checkout" | "claimCode" | "claimCoupon" | "extendReservation"
            | "releaseClaim" | "releaseReservation" | "reserveCoupon" | "reserveSeats" | "shareClaim" => {
                Self::Reserve
            }
            "changePassword" | "createGuestSession" | "refreshSession" | "signIn" | "signOut" | "signUp"
            | "updateProfile" => Self::SignIn,
            _ => Self::Vendor,
        }
    }
}

impl Charges {
    /// Returns a charge of `cost` in one lane.
    pub fn of(lane: Lane, cost: u32) -> Self {
        let mut charges = Self::default();
        charges.add(lane, cost);
        charges
    }

    /// Adds `cost` in a lane.
    pub fn add(&mut self, lane: Lane, cost: u32) {
        if let Some(sum) = self.0.get_mut(lane.index()) {
            *sum = sum.saturating_add(cost);
        }
    }

    /// Returns the lanes with a cost of at least 1.
    pub fn each(&self) -> impl Iterator<Item = (Lane, u32)> {
        Lane::ALL.into_iter().zip(self.0).filter(|(_, cost)| *cost > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_add_up_by_lane() {
        let mut charges = Charges::of(Lane::SignIn, 1);
        charges.add(Lane::SignIn, 9);
        charges.add(Lane::Pay, u32::MAX);
        charges.add(Lane::Pay, 1);
        assert_eq!(charges.each().collect::<Vec<_>>(), [(Lane::Pay, u32::MAX), (Lane::SignIn, 10)]);
    }
}
