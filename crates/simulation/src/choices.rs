//! Where every decision of a run comes from, so that a run can be had again.

/// Decides whatever the real system leaves open: what comes next, and what goes wrong.
///
/// Zero is always the plain choice: the oldest record next, and nothing goes wrong. That is what makes
/// failures shrink: a list of choices gets simpler by getting shorter and smaller.
#[derive(Debug, Clone)]
pub struct Choices {
    source: Source,
    made: Vec<u16>,
}

#[derive(Debug, Clone)]
enum Source {
    /// `SplitMix64`: written out, since a seed must mean the same for ever.
    Seed(u64),
    /// The same, behind a first choice.
    After(u16, u64),
    /// Choices made before; zeros behind their end.
    List(Vec<u16>),
}

impl Choices {
    /// Those that a seed stands for.
    pub fn of_seed(seed: u64) -> Self {
        Self { source: Source::Seed(seed), made: Vec::new() }
    }

    /// Those of a list, and the plain ones behind its end.
    pub fn of_list(list: &[u16]) -> Self {
        Self { source: Source::List(list.to_vec()), made: Vec::new() }
    }

    /// Those that a seed stands for, but with this one first.
    pub fn of_seed_after(first: u16, seed: u64) -> Self {
        Self { source: Source::After(first, seed), made: Vec::new() }
    }

    /// The plain ones.
    pub fn plain() -> Self {
        Self::of_list(&[])
    }

    /// One of the numbers below `count`, or 0 where there are none.
    pub fn pick(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).unwrap_or(u64::MAX).max(1);
        let raw = match &mut self.source {
            Source::After(first, _) if self.made.is_empty() => (*first).into(),
            Source::Seed(state) | Source::After(_, state) => next(state),
            Source::List(list) => list.get(self.made.len()).copied().unwrap_or(0).into(),
        };
        let choice = u16::try_from(raw % count).unwrap_or(u16::MAX);
        self.made.push(choice);
        choice.into()
    }

    /// Whether something happens that happens once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.pick(times) + 1 == times
    }

    /// All choices made so far.
    pub fn made(&self) -> &[u16] {
        &self.made
    }
}

fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
