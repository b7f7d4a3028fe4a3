//! What each role may do in its shop.
//!
//! Invariant: pure and synchronous.

use entity::shop::ShopRole;

/// Something that a member may or may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// Change the shop's members.
    Members,
    /// Publish and change what the shop sells.
    Manage,
    /// See sales, refund orders.
    Sell,
    /// See what the shop has not published yet.
    Look,
    /// Check tickets in.
    Scan,
}

/// Whether the role has the power.
pub fn has(role: ShopRole, power: Power) -> bool {
    match role {
        ShopRole::Owner => true,
        ShopRole::Manager => power != Power::Members,
        ShopRole::Seller => matches!(power, Power::Sell | Power::Look | Power::Scan),
        ShopRole::Scanner => matches!(power, Power::Look | Power::Scan),
    }
}
