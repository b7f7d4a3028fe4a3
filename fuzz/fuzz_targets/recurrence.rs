//! libFuzzer entry point of the target `recurrence`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tessera_fuzz::recurrence(data));
