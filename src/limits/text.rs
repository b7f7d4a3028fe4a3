//! Lengths of texts, in Unicode characters. The slices enforce them, and the API publishes them.

/// A name or title of a shop, a category, a venue, an event, a tier, a product, a coupon, an account or a recipient.
pub const NAME: usize = 200;
/// A description of an event, a product or a coupon, and a coupon's small print.
pub const DESCRIPTION: usize = 10_000;
/// A description of a shop.
pub const SHOP_DESCRIPTION: usize = 5_000;
/// A street address.
pub const ADDRESS: usize = 400;
/// The reason of a refund.
pub const REASON: usize = 500;
/// The shortest idempotency key.
pub const KEY_MIN: usize = 8;
/// The longest idempotency key.
pub const KEY_MAX: usize = 255;
