//! JSON and numbers by chance, the same in every run.

use std::fmt::Write as _;

/// Values by chance: alike often enough for vectors, matrices and data frames to come up.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// Marsaglia's xorshift.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// The text of a value, on one line.
    pub(crate) fn json(&mut self) -> String {
        let mut text = String::new();
        self.value(&mut text, 4);
        text
    }

    /// One of `0..n`.
    fn below(&mut self, n: u64) -> u64 {
        self.bits() % n
    }

    fn value(&mut self, text: &mut String, depth: u64) {
        match self.below(if depth == 0 { 1 } else { 6 }) {
            0 => {
                let kind = self.below(6);
                self.scalar(text, kind);
            }
            1 => self.vector(text),
            2 => self.rows(text),
            3 => self.records(text, depth),
            4 => self.items(text, depth),
            _ => self.object(text, depth),
        }
    }

    fn scalar(&mut self, text: &mut String, kind: u64) {
        match kind {
            0 => text.push_str("null"),
            1 => text.push_str(if self.below(2) == 0 { "true" } else { "false" }),
            2 => {
                let number = self.below(2_000_000);
                let _ = write!(text, "{}", i64::try_from(number).unwrap() - 1_000_000);
            }
            3 => {
                let (whole, digits) = (self.below(1000), self.below(100_000) + 1);
                let _ = write!(text, "{whole}.{digits}");
            }
            4 => {
                let (digits, exponent) = (self.below(100_000) + 1, self.below(40));
                let _ = write!(text, "{digits}e{}", i64::try_from(exponent).unwrap() - 20);
            }
            _ => {
                let word = ["a", "bc", "", "ü", "true", "1", "\\n", "\\u00e9"]
                    [usize::try_from(self.below(8)).unwrap()];
                let _ = write!(text, "\"{word}\"");
            }
        }
    }

    fn list(&mut self, text: &mut String, n: u64, mut item: impl FnMut(&mut Self, &mut String)) {
        text.push('[');
        for at in 0..n {
            if at > 0 {
                text.push(',');
            }
            item(self, text);
        }
        text.push(']');
    }

    /// Scalars, mostly of one kind.
    fn vector(&mut self, text: &mut String) {
        let (n, kind) = (self.below(4), self.below(6));
        self.list(text, n, |chance, text| {
            let kind = if chance.below(8) == 0 { chance.below(6) } else { kind };
            chance.scalar(text, kind);
        });
    }

    /// Vectors, mostly of one length.
    fn rows(&mut self, text: &mut String) {
        let (n, width, kind) = (self.below(4), self.below(3), self.below(6));
        self.list(text, n, |chance, text| {
            let width = if chance.below(8) == 0 { chance.below(3) } else { width };
            chance.list(text, width, |chance, text| chance.scalar(text, kind));
        });
    }

    /// Objects, mostly with the same keys.
    fn records(&mut self, text: &mut String, depth: u64) {
        let n = self.below(4);
        self.list(text, n, |chance, text| match chance.below(8) {
            0 => text.push_str("null"),
            1 => chance.object(text, depth - 1),
            _ => {
                text.push_str("{\"a\":");
                let kind = chance.below(6);
                chance.scalar(text, kind);
                text.push_str(",\"b\":");
                chance.value(text, depth - 1);
                text.push('}');
            }
        });
    }

    fn items(&mut self, text: &mut String, depth: u64) {
        let n = self.below(4);
        self.list(text, n, |chance, text| chance.value(text, depth - 1));
    }

    fn object(&mut self, text: &mut String, depth: u64) {
        text.push('{');
        for at in 0..self.below(4) {
            let _ = write!(
                text,
                "{}\"{}\":",
                if at > 0 { "," } else { "" },
                ["a", "b", "key c", "ü"][usize::try_from(at).unwrap()]
            );
            self.value(text, depth.saturating_sub(1));
        }
        text.push('}');
    }
}
