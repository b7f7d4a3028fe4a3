//! Random numbers with a seed: the same seed always gives the same sequence.

/// A small generator (`splitmix64`). Its quality is sufficient for tests, and it is the same on all platforms.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Creates the generator of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % (end.max(1) as u64)).expect("below a usize")
    }

    /// Returns true with this probability, in percent.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Returns a random element.
    pub(crate) fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Returns `count` distinct numbers below `end`.
    pub(crate) fn some_below(&mut self, end: usize, count: usize) -> Vec<u32> {
        let mut chosen = Vec::with_capacity(count);
        while chosen.len() < count.min(end) {
            let number = u32::try_from(self.below(end)).expect("small");
            if !chosen.contains(&number) {
                chosen.push(number);
            }
        }
        chosen
    }
}
