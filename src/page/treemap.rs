//! Sizes to rectangles whose areas are in their proportion, each as near to a square as can
//! be: the squarified treemap of Bruls, Huizing and van Wijk (2000). Pure.

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Rect {
    fn shorter_side(self) -> f64 {
        self.width.min(self.height)
    }

    /// The rectangle without a margin on each side, and with room for a title.
    pub(super) fn inner(self, margin: f64, title: f64) -> Self {
        Self {
            x: self.x + margin,
            y: self.y + margin + title,
            width: (self.width - 2.0 * margin).max(0.0),
            height: (self.height - 2.0 * margin - title).max(0.0),
        }
    }
}

/// A rectangle for each of `sizes`, which are sorted, the largest first. What has no size
/// has no area.
pub(super) fn layout(sizes: &[u64], within: Rect) -> Vec<Rect> {
    #[expect(clippy::cast_precision_loss, reason = "no layer has 2^52 bytes")]
    let sizes: Vec<f64> = sizes.iter().map(|size| *size as f64).collect();
    let total: f64 = sizes.iter().sum();
    let area = within.width * within.height;
    let scale = if total > 0.0 { area / total } else { 0.0 };
    let areas: Vec<f64> = sizes.iter().map(|size| size * scale).collect();
    let (mut rects, mut left, mut from) = (Vec::new(), within, 0);
    while from < areas.len() {
        let to = row_end(&areas, from, left.shorter_side());
        left = place(&areas[from..to], left, &mut rects);
        from = to;
    }
    rects
}

/// A row grows as long as its rectangles become squarer.
fn row_end(areas: &[f64], from: usize, side: f64) -> usize {
    let mut to = from + 1;
    while to < areas.len() && worst(&areas[from..=to], side) <= worst(&areas[from..to], side) {
        to += 1;
    }
    to
}

/// The worst proportion of sides in a row along `side`.
fn worst(row: &[f64], side: f64) -> f64 {
    let sum: f64 = row.iter().sum();
    let largest = row.iter().copied().fold(0.0, f64::max);
    let smallest = row.iter().copied().fold(f64::INFINITY, f64::min);
    if sum <= 0.0 || smallest <= 0.0 || side <= 0.0 {
        return f64::INFINITY;
    }
    let square = side * side / (sum * sum);
    (square * largest).max(1.0 / (square * smallest))
}

/// Puts a row along the shorter side, and gives what is left.
fn place(row: &[f64], left: Rect, rects: &mut Vec<Rect>) -> Rect {
    let sum: f64 = row.iter().sum();
    let side = left.shorter_side();
    let thickness = if side > 0.0 { sum / side } else { 0.0 };
    let is_column = left.width >= left.height;
    let mut offset = 0.0;
    for area in row {
        let length = if thickness > 0.0 { area / thickness } else { 0.0 };
        rects.push(if is_column {
            Rect { x: left.x, y: left.y + offset, width: thickness, height: length }
        } else {
            Rect { x: left.x + offset, y: left.y, width: length, height: thickness }
        });
        offset += length;
    }
    if is_column {
        Rect { x: left.x + thickness, width: (left.width - thickness).max(0.0), ..left }
    } else {
        Rect { y: left.y + thickness, height: (left.height - thickness).max(0.0), ..left }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Rect = Rect { x: 0.0, y: 0.0, width: 600.0, height: 400.0 };

    /// The example of the paper: 6, 6, 4, 3, 2, 2, 1 in 6 by 4.
    #[test]
    fn areas_are_in_proportion_and_fill_the_whole() {
        let sizes = [6, 6, 4, 3, 2, 2, 1];
        let rects = layout(&sizes, WITHIN);
        let area = |rect: &Rect| rect.width * rect.height;
        for (size, rect) in [6.0, 6.0, 4.0, 3.0, 2.0, 2.0, 1.0].iter().zip(&rects) {
            assert!((area(rect) - 10_000.0 * size).abs() < 1e-6, "{size}: {rect:?}");
        }
        assert_eq!((rects[0].width.round(), rects[0].height.round()), (300.0, 200.0));
        for (at, one) in rects.iter().enumerate() {
            assert!(one.x + one.width <= 600.0 + 1e-6 && one.y + one.height <= 400.0 + 1e-6, "{one:?}");
            for two in &rects[at + 1..] {
                let apart = one.x + one.width <= two.x + 1e-6
                    || two.x + two.width <= one.x + 1e-6
                    || one.y + one.height <= two.y + 1e-6
                    || two.y + two.height <= one.y + 1e-6;
                assert!(apart, "{one:?} and {two:?}");
            }
        }
    }

    #[test]
    fn what_has_no_size_has_no_area_and_is_still_there() {
        assert_eq!(layout(&[], WITHIN), []);
        for sizes in [&[0, 0][..], &[5, 0], &[1]] {
            let rects = layout(sizes, WITHIN);
            assert_eq!(rects.len(), sizes.len());
            assert!(rects.iter().all(|rect| rect.width.is_finite() && rect.height.is_finite()), "{rects:?}");
        }
    }
}
