//! Limits per network, account and shop.
//!
//! A [`Rate`] is a bucket that refills: `600:1800` allows 600 at once and refills 1,800 per minute. A [`Window`] counts
//! recent events: `10:15` allows 10 within 15 minutes.

use std::str::FromStr;

use clap::Args;

/// A bucket that refills at a constant rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The size of the bucket, 1–10,000,000.
    pub burst: u32,
    /// The refill per minute, 1–10,000,000.
    pub per_minute: u32,
}

/// A count within a sliding window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The events allowed within the window, 1–1,000.
    pub most: u32,
    /// The window in minutes, 1–1,440.
    pub minutes: u32,
}

/// An invalid limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// The text is not two numbers, or one is out of range.
    #[error("a rate is BURST:PER_MINUTE, both between 1 and 10000000, such as 600:1800")]
    Rate,
    /// The text is not two numbers, or one is out of range.
    #[error("a window is COUNT:MINUTES, with 1 to 1000 within 1 to 1440 minutes, such as 10:15")]
    Window,
    /// With a lower value a deleted guest might still have a valid access token.
    #[error("TESSERA_GUEST_HOURS must be between 2 and 8760")]
    GuestHours,
    /// With zero, sign-ins would fail.
    #[error("TESSERA_PASSWORDS_WAITING must be between 1 and 64")]
    PasswordsWaiting,
}

/// Limits per network, account and shop. An IPv6 client's network is its /64.
#[derive(Args, Clone, Debug)]
pub struct LimitSettings {
    /// Payments and their confirmations per network, `BURST:PER_MINUTE`.
    #[arg(long, global = true, env = "TESSERA_NETWORK_PAY", default_value = "300:1200")]
    pub network_pay: Rate,
    /// Reservations, claims and checkouts per network, `BURST:PER_MINUTE`.
    #[arg(long, global = true, env = "TESSERA_NETWORK_RESERVE", default_value = "600:1800")]
    pub network_reserve: Rate,
    /// Sign-ins, sign-ups, guest sessions and refreshes per network, `BURST:PER_MINUTE`.
    #[arg(long, global = true, env = "TESSERA_NETWORK_SIGN_IN", default_value = "200:300")]
    pub network_sign_in: Rate,
    /// Weight of queries and subscriptions per network, `BURST:PER_MINUTE`.
    #[arg(long, global = true, env = "TESSERA_NETWORK_BROWSE", default_value = "20000:60000")]
    pub network_browse: Rate,
    /// Vendors' mutations per network, `BURST:PER_MINUTE`.
    #[arg(long, global = true, env = "TESSERA_NETWORK_VENDOR", default_value = "2400:6000")]
    pub network_vendor: Rate,
    /// Payments and their confirmations per account, `BURST:PER_MINUTE`.
    #[arg(long, global = true, env = "TESSERA_ACCOUNT_PAY", default_value = "60:120")]
    pub account_pay: Rate,
    /// Reservations, claims and checkouts per account, `BURST:PER_MINUTE`.
    #[arg(long, global = true, env = "TESSERA_ACCOUNT_RESERVE", default_value = "120:300")]
    pub account_reserve: Rate,
    /// Sign-ins, refreshes and changes of the profile per account, `BURST:PER_MINUTE`.
    #[arg(long, global = true, env = "TESSERA_ACCOUNT_SIGN_IN", default_value = "30:60")]
    pub account_sign_in: Rate,
    /// Weight of queries and subscriptions per account, `BURST:PER_MINUTE`.
    #[arg(long, global = true, env = "TESSERA_ACCOUNT_BROWSE", default_value = "6000:18000")]
    pub account_browse: Rate,
    /// Vendors' mutations per account, `BURST:PER_MINUTE`.
    #[arg(long, global = true, env = "TESSERA_ACCOUNT_VENDOR", default_value = "1200:3600")]
    pub account_vendor: Rate,
    /// Calls for a shop by all its members, `BURST:PER_MINUTE`.
    #[arg(long, global = true, env = "TESSERA_SHOP_CALLS", default_value = "3000:9000")]
    pub shop_calls: Rate,
    /// New guests per network, `BURST:PER_MINUTE`.
    #[arg(long, global = true, env = "TESSERA_NETWORK_GUESTS", default_value = "60:60")]
    pub network_guests: Rate,
    /// Wrong passwords per e-mail address and, separately, per device that signed in before, `COUNT:MINUTES`.
    #[arg(long, global = true, env = "TESSERA_PASSWORD_FAILURES", default_value = "10:15")]
    pub password_failures: Window,
    /// Wrong passwords per network, `COUNT:MINUTES`.
    #[arg(long, global = true, env = "TESSERA_NETWORK_PASSWORD_FAILURES", default_value = "100:15")]
    pub network_password_failures: Window,
    /// Wrong coupon codes, access codes and gift-card codes per account, `COUNT:MINUTES`.
    #[arg(long, global = true, env = "TESSERA_CODE_FAILURES", default_value = "10:60")]
    pub code_failures: Window,
    /// Wrong coupon codes, access codes and gift-card codes per network, `COUNT:MINUTES`.
    #[arg(long, global = true, env = "TESSERA_NETWORK_CODE_FAILURES", default_value = "100:60")]
    pub network_code_failures: Window,
    /// Unknown codes from a scanner at a gate or a counter per account, `COUNT:MINUTES`.
    #[arg(long, global = true, env = "TESSERA_SCAN_FAILURES", default_value = "30:1")]
    pub scan_failures: Window,
    /// Unknown codes from scanners at gates and counters per network, `COUNT:MINUTES`.
    #[arg(long, global = true, env = "TESSERA_NETWORK_SCAN_FAILURES", default_value = "60:1")]
    pub network_scan_failures: Window,
    /// Wrong access tokens of orders and wrong tokens of shared claims per network, `COUNT:MINUTES`.
    #[arg(long, global = true, env = "TESSERA_NETWORK_TOKEN_FAILURES", default_value = "60:10")]
    pub network_token_failures: Window,
    /// Declined payments per order and, separately, per account, `COUNT:MINUTES`.
    #[arg(long, global = true, env = "TESSERA_DECLINES", default_value = "5:60")]
    pub declines: Window,
    /// Declined payments per network, `COUNT:MINUTES`. A successful payment from the network allows one more.
    #[arg(long, global = true, env = "TESSERA_NETWORK_DECLINES", default_value = "5:60")]
    pub network_declines: Window,
    /// Claims of one free coupon per network, `COUNT:MINUTES`.
    #[arg(long, global = true, env = "TESSERA_NETWORK_CLAIMS", default_value = "40:60")]
    pub network_claims: Window,
    /// Passwords of one network that may wait to be hashed, 1–64. All networks take turns.
    #[arg(long, global = true, env = "TESSERA_PASSWORDS_WAITING", default_value_t = 16)]
    pub passwords_waiting: usize,
    /// Hours after its last session was refreshed until a guest that owns nothing is deleted, 2–8,760.
    #[arg(long, global = true, env = "TESSERA_GUEST_HOURS", default_value_t = 24)]
    pub guest_hours: u32,
}

impl LimitSettings {
    /// Refuses values out of range.
    pub fn validate(&self) -> Result<(), LimitError> {
        if !(2..=8_760).contains(&self.guest_hours) {
            return Err(LimitError::GuestHours);
        }
        if !(1..=64).contains(&self.passwords_waiting) {
            return Err(LimitError::PasswordsWaiting);
        }
        Ok(())
    }
}

impl FromStr for Rate {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let (burst, per_minute) = pair(text, 10_000_000, 10_000_000).ok_or(LimitError::Rate)?;
        Ok(Self { burst, per_minute })
    }
}

impl FromStr for Window {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let (most, minutes) = pair(text, 1_000, 1_440).ok_or(LimitError::Window)?;
        Ok(Self { most, minutes })
    }
}

/// Parses two numbers from 1 to their maximum, with a colon between them.
fn pair(text: &str, first_max: u32, second_max: u32) -> Option<(u32, u32)> {
    let (first, second) = text.split_once(':')?;
    let within = |text: &str, most: u32| text.parse().ok().filter(|number| (1..=most).contains(number));
    Some((within(first, first_max)?, within(second, second_max)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_two_numbers_in_range() {
        assert_eq!("600:1800".parse(), Ok(Rate { burst: 600, per_minute: 1_800 }));
        assert_eq!("10:15".parse(), Ok(Window { most: 10, minutes: 15 }));
        for text in
            ["", "600", "600:", ":1", "0:1", "1:0", "-1:1", "1:1:1", "1 : 1", "10000001:1", "1:10000001"]
        {
            assert_eq!(text.parse::<Rate>(), Err(LimitError::Rate), "{text}");
        }
        for text in ["", "10", "0:1", "1:0", "1001:1", "1:1441"] {
            assert_eq!(text.parse::<Window>(), Err(LimitError::Window), "{text}");
        }
    }
}
