//! Durations as the event line has them: seconds as the shortest decimal that reads back.

/// The decimals of a nanosecond.
const DECIMALS: usize = 9;

/// The nanoseconds of a second.
const NANOS: u64 = 10_u64.pow(DECIMALS as u32);

/// Mantissas below this have at most 15 digits. No two decimals of so few digits are nearest to one float.
const MANTISSA_END: u64 = 10_u64.pow(15);

/// Appends a number of seconds as [`f64`]'s `Display` prints it. Whole nanoseconds below 10^6 seconds, which is what
/// programs report, are printed without formatting: 15 digits are the shortest text of the float that is nearest to
/// them.
pub fn print(seconds: f64, out: &mut Vec<u8>) {
    // Rounds, and saturates for what is too large or not a number.
    let mantissa = (seconds * NANOS as f64 + 0.5) as u64;
    // The quotient of two exact floats is the nearest to the decimal. The bits, because -0.0 is printed with its sign.
    let nearest = mantissa as f64 / NANOS as f64;
    if mantissa >= MANTISSA_END || nearest.to_bits() != seconds.to_bits() {
        print_any(seconds, out);
        return;
    }
    let (whole, mut fraction) = (mantissa / NANOS, mantissa % NANOS);
    // 6 digits, the point and 9 decimals.
    let mut text = [0; 16];
    let mut from = text.len();
    if fraction > 0 {
        let mut left = DECIMALS;
        while fraction.is_multiple_of(1000) {
            fraction /= 1000;
            left -= 3;
        }
        while fraction.is_multiple_of(10) {
            fraction /= 10;
            left -= 1;
        }
        for _ in 0..left {
            from -= 1;
            text[from] = b'0' + (fraction % 10) as u8;
            fraction /= 10;
        }
        from -= 1;
        text[from] = b'.';
    }
    let mut rest = whole;
    loop {
        from -= 1;
        text[from] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&text[from..]);
}

#[cold]
fn print_any(seconds: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(seconds.to_string().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn printed(seconds: f64) -> String {
        let mut out = Vec::new();
        print(seconds, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn prints_the_shortest_decimal() {
        for (seconds, text) in [
            (0.0, "0"),
            (0.04, "0.04"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e-9, "0.000000001"),
            (1e-10, "0.0000000001"),
            (1.5, "1.5"),
            (60.0, "60"),
            (999_999.999_999_999, "999999.999999999"),
            (1_000_000.5, "1000000.5"),
            (1e12, "1000000000000"),
            (-0.0, "-0"),
            (-1.5, "-1.5"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(printed(seconds), text);
        }
    }

    proptest! {
        #[test]
        fn prints_decimals_as_the_standard_library(mantissa in 0u64..2_000_000_000_000_000_000, scale in 0i32..25) {
            let seconds: f64 = format!("{mantissa}e-{scale}").parse().expect("a number");
            prop_assert_eq!(printed(seconds), seconds.to_string());
            // Numbers of few digits have zeros to leave out.
            let few = (mantissa % 1000) as f64 / 10_f64.powi(scale % 12);
            prop_assert_eq!(printed(few), few.to_string());
        }

        #[test]
        fn prints_any_float_as_the_standard_library(bits in any::<u64>(), ulps in 0u64..3, nanos in 0u64..2_000_000_000_000_000) {
            let any = f64::from_bits(bits);
            prop_assert_eq!(printed(any), any.to_string());
            let near = f64::from_bits((nanos as f64 / 1e9).to_bits() + ulps);
            prop_assert_eq!(printed(near), near.to_string());
        }
    }
}
