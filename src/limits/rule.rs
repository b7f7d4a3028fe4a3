//! The rules: what is limited, per which subject, and by which setting.

use std::net::IpAddr;

use uuid::Uuid;

use super::lane::Lane;
use crate::config::{LimitSettings, Rate, Window};

/// A rule. Its name is in log lines and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Operations of a lane per network.
    Network(Lane),
    /// Operations of a lane per account.
    Account(Lane),
    /// Calls for a shop by all its members.
    Shop,
    /// New guests per network.
    Guests,
    /// Wrong passwords per e-mail address.
    Passwords,
    /// Wrong passwords per device that signed in before.
    DevicePasswords,
    /// Wrong passwords in `changePassword` per account.
    OwnPasswords,
    /// Wrong passwords per network.
    NetworkPasswords,
    /// Wrong coupon codes per account.
    Codes,
    /// Wrong coupon codes per network.
    NetworkCodes,
    /// Unknown codes at a gate or counter per account.
    Scans,
    /// Unknown codes at a gate or counter per network.
    NetworkScans,
    /// Wrong access tokens of orders and of shared claims per network.
    NetworkTokens,
    /// Declined payments per order.
    OrderDeclines,
    /// Declined payments per account.
    AccountDeclines,
    /// Declined payments per network.
    NetworkDeclines,
    /// Claims of one free coupon per network.
    NetworkClaims,
}

/// The limit of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A bucket that refills.
    Rate(Rate),
    /// A count within a window.
    Window(Window),
}

/// The subject of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A network.
    Network(IpAddr),
    /// An account, a shop, an order or a device.
    Id(Uuid),
    /// A coupon, for one network.
    Pair(IpAddr, Uuid),
    /// The digest of a text.
    Digest([u8; 16]),
    /// Several subjects that share a bucket, because there are too many.
    Slot(u16),
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 25] = [
        Self::Network(Lane::Pay),
        Self::Network(Lane::Reserve),
        Self::Network(Lane::SignIn),
        Self::Network(Lane::Browse),
        Self::Network(Lane::Vendor),
        Self::Account(Lane::Pay),
        Self::Account(Lane::Reserve),
        Self::Account(Lane::SignIn),
        Self::Account(Lane::Browse),
        Self::Account(Lane::Vendor),
        Self::Shop,
        Self::Guests,
        Self::Passwords,
        Self::DevicePasswords,
        Self::OwnPasswords,
        Self::NetworkPasswords,
        Self::Codes,
        Self::NetworkCodes,
        Self::Scans,
        Self::NetworkScans,
        Self::NetworkTokens,
        Self::OrderDeclines,
        Self::AccountDeclines,
        Self::NetworkDeclines,
        Self::NetworkClaims,
    ];

    /// Returns the rule's name for log lines and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Network(Lane::Pay) => "network_pay",
            Self::Network(Lane::Reserve) => "network_reserve",
            Self::Network(Lane::SignIn) => "network_sign_in",
            Self::Network(Lane::Browse) => "network_browse",
            Self::Network(Lane::Vendor) => "network_vendor",
            Self::Account(Lane::Pay) => "account_pay",
            Self::Account(Lane::Reserve) => "account_reserve",
            Self::Account(Lane::SignIn) => "account_sign_in",
            Self::Account(Lane::Browse) => "account_browse",
            Self::Account(Lane::Vendor) => "account_vendor",
            Self::Shop => "shop_calls",
            Self::Guests => "network_guests",
            Self::Passwords => "password_failures",
            Self::DevicePasswords => "device_password_failures",
            Self::OwnPasswords => "own_password_failures",
            Self::NetworkPasswords => "network_password_failures",
            Self::Codes => "code_failures",
            Self::NetworkCodes => "network_code_failures",
            Self::Scans => "scan_failures",
            Self::NetworkScans => "network_scan_failures",
            Self::NetworkTokens => "network_token_failures",
            Self::OrderDeclines => "order_declines",
            Self::AccountDeclines => "account_declines",
            Self::NetworkDeclines => "network_declines",
            Self::NetworkClaims => "network_claims",
        }
    }

    /// Returns the rule's index in [`Rule::ALL`].
    pub(super) fn index(self) -> usize {
        match self {
            Self::Network(lane) => lane.index(),
            Self::Account(lane) => Lane::ALL.len() + lane.index(),
            Self::Shop => 10,
            Self::Guests => 11,
            Self::Passwords => 12,
            Self::DevicePasswords => 13,
            Self::OwnPasswords => 14,
            Self::NetworkPasswords => 15,
            Self::Codes => 16,
            Self::NetworkCodes => 17,
            Self::Scans => 18,
            Self::NetworkScans => 19,
            Self::NetworkTokens => 20,
            Self::OrderDeclines => 21,
            Self::AccountDeclines => 22,
            Self::NetworkDeclines => 23,
            Self::NetworkClaims => 24,
        }
    }

    /// Returns the limit by the settings.
    pub fn bound(self, settings: &LimitSettings) -> Bound {
        match self {
            Self::Network(Lane::Pay) => Bound::Rate(settings.network_pay),
            Self::Network(Lane::Reserve) => Bound::Rate(settings.network_reserve),
            Self::Network(Lane::SignIn) => Bound::Rate(settings.network_sign_in),
            Self::Network(Lane::Browse) => Bound::Rate(settings.network_browse),
            Self::Network(Lane::Vendor) => Bound::Rate(settings.network_vendor),
            Self::Account(Lane::Pay) => Bound::Rate(settings.account_pay),
            Self::Account(Lane::Reserve) => Bound::Rate(settings.account_reserve),
            Self::Account(Lane::SignIn) => Bound::Rate(settings.account_sign_in),
            Self::Account(Lane::Browse) => Bound::Rate(settings.account_browse),
            Self::Account(Lane::Vendor) => Bound::Rate(settings.account_vendor),
            Self::Shop => Bound::Rate(settings.shop_calls),
            Self::Guests => Bound::Rate(settings.network_guests),
            Self::Passwords | Self::DevicePasswords | Self::OwnPasswords => {
                Bound::Window(settings.password_failures)
            }
            Self::NetworkPasswords => Bound::Window(settings.network_password_failures),
            Self::Codes => Bound::Window(settings.code_failures),
            Self::NetworkCodes => Bound::Window(settings.network_code_failures),
            Self::Scans => Bound::Window(settings.scan_failures),
            Self::NetworkScans => Bound::Window(settings.network_scan_failures),
            Self::NetworkTokens => Bound::Window(settings.network_token_failures),
            Self::OrderDeclines | Self::AccountDeclines => Bound::Window(settings.declines),
            Self::NetworkDeclines => Bound::Window(settings.network_declines),
            Self::NetworkClaims => Bound::Window(settings.network_claims),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_its_own_index_and_name() {
        for (place, rule) in Rule::ALL.iter().enumerate() {
            assert_eq!(rule.index(), place, "{rule:?}");
            assert!(Rule::ALL.iter().all(|other| other == rule || other.name() != rule.name()), "{rule:?}");
        }
    }
}
