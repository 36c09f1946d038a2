//! Numbers as R's `as.character()` spells them, which is how they join strings in one
//! vector.

/// At most 15 significant digits, and the shorter of fixed and scientific notation.
pub fn number_as_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{:.14e}", number.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let n_digits = i32::try_from(mantissa.len() - usize::from(mantissa.contains('.'))).unwrap_or(15);

    let n_decimals = (n_digits - exponent - 1).max(0);
    let fixed_width = exponent.max(0) + 1 + if n_decimals > 0 { n_decimals + 1 } else { 0 };
    let scientific_width =
        i32::try_from(mantissa.len()).unwrap_or(16) + if exponent.abs() >= 100 { 5 } else { 4 };
    let sign = if number < 0.0 { "-" } else { "" };
    if fixed_width <= scientific_width {
        let n_decimals = usize::try_from(n_decimals).unwrap_or_default();
        format!("{sign}{:.n_decimals$}", number.abs())
    } else {
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        format!("{sign}{mantissa}e{exponent_sign}{:02}", exponent.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As printed by R 4.5.0.
    #[test]
    fn numbers_are_spelt_as_r_does_it() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (0.1, "0.1"),
            (1.0 / 3.0, "0.333333333333333"),
            (100_000.0, "1e+05"),
            (123_456.0, "123456"),
            (0.000_1, "1e-04"),
            (0.000_12, "0.00012"),
            (1e-300, "1e-300"),
            (1.5e100, "1.5e+100"),
            (f64::INFINITY, "Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ];
        for (number, text) in cases {
            assert_eq!(number_as_text(number), text);
        }
    }
}
