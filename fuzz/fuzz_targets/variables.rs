//! libFuzzer entry point of the target `variables`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tessera_fuzz::variables(data));
