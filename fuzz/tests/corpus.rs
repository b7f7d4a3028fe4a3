//! Replays the seed corpus, so that an input that failed once fails every test run until it is fixed.

use std::{fs, path::Path};

use tessera_fuzz::TARGETS;

/// The number of mutations of one input.
const MUTATIONS: usize = 64;

/// Returns the next number of a fixed sequence (xorshift), so that a failure is reproducible.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state & 0xffff_ffff).expect("32 bits fit")
}

#[test]
fn every_seed_and_its_mutations_keep_the_properties() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in TARGETS {
        let mut seeds = 0;
        for entry in fs::read_dir(corpus.join(name)).expect("every target has a corpus") {
            let path = entry.expect("an entry").path();
            let seed = fs::read(&path).expect("a readable seed");
            target(&seed);
            let mut state = 0x9e37_79b9_7f4a_7c15;
            for _ in 0..MUTATIONS {
                let mut input = seed.clone();
                input.truncate(next(&mut state) % (seed.len() + 1));
                if !input.is_empty() {
                    let place = next(&mut state) % input.len();
                    input[place] ^= 1 << (next(&mut state) % 8);
                }
                target(&input);
            }
            seeds += 1;
        }
        assert!(seeds > 0, "{name} has no seeds");
    }
}
