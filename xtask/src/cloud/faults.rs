//! What goes wrong on the way to AWS, now and then, and the same way for the same seed.

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    /// 429, as beyond the limit.
    Throttled,
    /// 500, and nothing was done.
    Failed,
    /// The connection ends, and nothing was done.
    LostBefore,
    /// The connection ends, but it was done.
    LostAfter,
}

/// How many of a hundred requests go wrong.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    pub percent: u32,
    pub seed: u32,
}

impl Weather {
    pub const FAIR: Self = Self { percent: 0, seed: 0 };

    /// The fate of the next request.
    pub(super) fn next(&mut self) -> Fate {
        let drawn = self.draw() % 100;
        if drawn >= self.percent {
            return Fate::Answered;
        }
        match self.draw() % 4 {
            0 => Fate::Throttled,
            1 => Fate::Failed,
            2 => Fate::LostBefore,
            _ => Fate::LostAfter,
        }
    }

    /// Numerical Recipes' generator: chance enough, and the same everywhere.
    fn draw(&mut self) -> u32 {
        self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.seed >> 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_go_wrong_as_asked_for_in_every_way() {
        let mut weather = Weather { percent: 30, seed: 7 };
        let fates: Vec<Fate> = (0..1000).map(|_| weather.next()).collect();
        let n_wrong = fates.iter().filter(|fate| **fate != Fate::Answered).count();
        assert!((250..350).contains(&n_wrong), "{n_wrong}");
        for fate in [Fate::Throttled, Fate::Failed, Fate::LostBefore, Fate::LostAfter] {
            assert!(fates.contains(&fate), "{fate:?}");
        }
        assert!((0..100).all(|_| Weather::FAIR.clone().next() == Fate::Answered));
    }
}
