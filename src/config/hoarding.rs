//! Settings against hoarding: limits of unpaid places.

use clap::Args;

use super::ConfigError;

/// Limits of unpaid places. Calls within the process are not limited.
#[derive(Args, Clone, Debug)]
pub struct HoardingSettings {
    /// Unpaid places of an event that a network (an IPv4 address or an IPv6 /64) may always have, 1 to 1000000.
    #[arg(long, global = true, env = "TESSERA_UNPAID_PLACES_PER_NETWORK", default_value_t = 40)]
    pub unpaid_places_per_network: u32,
    /// Percentage of an event's places that a network may have unpaid, if that is more, 0 to 100.
    #[arg(long, global = true, env = "TESSERA_UNPAID_PERCENT_PER_NETWORK", default_value_t = 2)]
    pub unpaid_percent_per_network: u32,
    /// Percentage of unpaid places of an event from which each network may have only as many as two buyers, 1 to 100.
    /// 100 is no limit.
    #[arg(long, global = true, env = "TESSERA_UNPAID_PERCENT", default_value_t = 85)]
    pub unpaid_percent: u32,
    /// Places that a network reserved without buying any, after which its reservations last half as long; after twice
    /// as many, a quarter; and so on. 0 is never.
    #[arg(long, global = true, env = "TESSERA_WASTED_PLACES", default_value_t = 16)]
    pub wasted_places: u32,
    /// Least seconds of such a reservation, 60 to 1200.
    #[arg(long, global = true, env = "TESSERA_SHORTEST_RESERVATION_SECONDS", default_value_t = 120)]
    pub shortest_reservation_seconds: u32,
    /// Seconds that a payment may keep places beyond the event's `reservationSecondsMax`, 0 to 900. Then the payment is
    /// cancelled at the provider, and the places are free.
    #[arg(long, global = true, env = "TESSERA_PAYMENT_GRACE_SECONDS", default_value_t = 120)]
    pub payment_grace_seconds: u32,
}

impl HoardingSettings {
    /// Refuses values out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let ranges = [
            ("TESSERA_UNPAID_PLACES_PER_NETWORK", 1..=1_000_000, self.unpaid_places_per_network),
            ("TESSERA_UNPAID_PERCENT_PER_NETWORK", 0..=100, self.unpaid_percent_per_network),
            ("TESSERA_UNPAID_PERCENT", 1..=100, self.unpaid_percent),
            ("TESSERA_WASTED_PLACES", 0..=1_000_000, self.wasted_places),
            ("TESSERA_SHORTEST_RESERVATION_SECONDS", 60..=1_200, self.shortest_reservation_seconds),
            ("TESSERA_PAYMENT_GRACE_SECONDS", 0..=900, self.payment_grace_seconds),
        ];
        match ranges.into_iter().find(|(_, range, value)| !range.contains(value)) {
            Some((name, range, _)) => {
                Err(ConfigError::Range { name, least: *range.start(), most: *range.end() })
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_refused_by_name() {
        let good = HoardingSettings {
            unpaid_places_per_network: 40,
            unpaid_percent_per_network: 2,
            unpaid_percent: 85,
            wasted_places: 16,
            shortest_reservation_seconds: 120,
            payment_grace_seconds: 120,
        };
        assert_eq!(good.validate(), Ok(()));
        let bad = HoardingSettings { unpaid_percent: 0, ..good.clone() };
        let error = bad.validate().expect_err("out of range").to_string();
        assert_eq!(error, "TESSERA_UNPAID_PERCENT must be between 1 and 100");
        assert!(HoardingSettings { payment_grace_seconds: 901, ..good.clone() }.validate().is_err());
        assert!(HoardingSettings { shortest_reservation_seconds: 59, ..good }.validate().is_err());
    }
}
