//! The permissions of each role in a shop, and the members that a shop needs.
//!
//! Invariant: pure and synchronous.

use entity::shop::ShopRole;

use super::Refusal;

/// The maximum number of members of a shop.
pub const MEMBERS_MAX: usize = 200;

/// A permission of a shop's members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// Add, change and remove members.
    Members,
    /// Publish and change what the shop sells.
    Manage,
    /// See sales and refund orders.
    Sell,
    /// See unpublished data of the shop.
    Look,
    /// Check tickets in.
    Scan,
}

/// Returns whether the role has the permission.
pub fn has(role: ShopRole, power: Power) -> bool {
    match role {
        ShopRole::Owner => true,
        ShopRole::Manager => power != Power::Members,
        ShopRole::Seller => matches!(power, Power::Sell | Power::Look | Power::Scan),
        ShopRole::Scanner => matches!(power, Power::Look | Power::Scan),
    }
}

/// Checks whether a shop may have members with exactly these roles: at least one owner, and at most [`MEMBERS_MAX`]
/// members.
pub fn staffed(roles: impl Iterator<Item = ShopRole>) -> Result<(), Refusal> {
    let (members, owners) = roles
        .fold((0, 0), |(members, owners), role| (members + 1, owners + usize::from(role == ShopRole::Owner)));
    match (members, owners) {
        (_, 0) => Err(Refusal::LastOwner),
        (members, _) if members > MEMBERS_MAX => Err(Refusal::TooManyMembers),
        (_, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_have_their_powers_and_no_others() {
        use Power::{Look, Manage, Members, Scan, Sell};
        for (role, powers) in [
            (ShopRole::Owner, vec![Members, Manage, Sell, Look, Scan]),
            (ShopRole::Manager, vec![Manage, Sell, Look, Scan]),
            (ShopRole::Seller, vec![Sell, Look, Scan]),
            (ShopRole::Scanner, vec![Look, Scan]),
        ] {
            for power in [Members, Manage, Sell, Look, Scan] {
                assert_eq!(has(role, power), powers.contains(&power), "{role:?} {power:?}");
            }
        }
    }

    #[test]
    fn a_shop_has_an_owner_and_not_too_many_members() {
        use ShopRole::{Manager, Owner, Scanner, Seller};
        for (roles, verdict) in [
            (vec![], Err(Refusal::LastOwner)),
            (vec![Manager, Seller, Scanner], Err(Refusal::LastOwner)),
            (vec![Owner], Ok(())),
            (vec![Owner, Owner, Manager], Ok(())),
            ([vec![Owner], vec![Scanner; 199]].concat(), Ok(())),
            ([vec![Owner], vec![Scanner; 200]].concat(), Err(Refusal::TooManyMembers)),
        ] {
            assert_eq!(staffed(roles.into_iter()), verdict);
        }
    }
}
