//! libFuzzer entry point of the target `guard`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tessera_fuzz::guard(data));
