//! libFuzzer entry point of the target `coupon_csv`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tessera_fuzz::coupon_csv(data));
