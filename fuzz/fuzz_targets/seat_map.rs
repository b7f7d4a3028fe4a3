//! libFuzzer entry point of the target `seat_map`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tessera_fuzz::seat_map(data));
