//! Intervals of 95 % confidence.

use howdah_proto::event::Interval;

/// The 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;
/// Halvings of an interval of length 1 that leave nothing of it in f64.
const HALVINGS: u32 = 60;

/// The score interval of a share (Wilson 1927, "Probable inference, the law of succession, and statistical inference");
/// none of nothing.
pub(super) fn wilson(part: u64, whole: u64) -> Option<Interval> {
    if whole == 0 {
        return None;
    }
    let (n, share) = (whole as f64, part as f64 / whole as f64);
    let scale = 1.0 + Z * Z / n;
    let middle = (share + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    // At its ends the interval is exactly 0 or 1, which rounding would miss.
    let low = if part == 0 { 0.0 } else { (middle - half).max(0.0) };
    let high = if part == whole { 1.0 } else { (middle + half).min(1.0) };
    Some(Interval { low, high })
}

/// The interval of F1, which is 2 x / (1 + x) where x is the share of the hits among all samples of the class or predicted
/// as it: both ends of the interval of x go the same way.
pub(super) fn f1(hits: u64, samples: u64, predicted: u64) -> Option<Interval> {
    let of = |share: f64| 2.0 * share / (1.0 + share);
    let share = wilson(hits, samples + predicted - hits)?;
    Some(Interval { low: of(share.low), high: of(share.high) })
}

/// The interval of the mean of independent shares, from their own intervals (Zou and Donner 2008, "Construction of
/// confidence limits about effect measures: a general approach", equation 4).
pub(super) fn mean_of_shares(shares: &[(f64, Interval)]) -> Option<Interval> {
    if shares.is_empty() {
        return None;
    }
    let count = shares.len() as f64;
    let mean = shares.iter().map(|(share, _)| share).sum::<f64>() / count;
    let off = |end: fn(&Interval) -> f64| {
        let squares = shares.iter().map(|(share, interval)| (share - end(interval)).powi(2));
        squares.sum::<f64>().sqrt() / count
    };
    let (below, above) = (off(|interval| interval.low), off(|interval| interval.high));
    Some(Interval { low: (mean - below).max(0.0), high: (mean + above).min(1.0) })
}

/// The interval of a mean of numbers that are not negative, by the normal distribution; none of fewer than two.
pub(super) fn mean(sum: f64, squares: f64, count: u64) -> Option<Interval> {
    if count < 2 {
        return None;
    }
    let n = count as f64;
    let variance = ((squares - sum * sum / n) / (n - 1.0)).max(0.0);
    let half = Z * (variance / n).sqrt();
    Some(Interval { low: (sum / n - half).max(0.0), high: sum / n + half })
}

/// The score interval of an area under a ROC curve over so many positives and negatives (Newcombe 2006, "Confidence
/// intervals for an effect size measure based on the Mann-Whitney statistic. Part 2", method 5), with the variance of
/// Hanley and McNeil 1982. Unlike that of a plain standard error it stays between 0 and 1, and is no point if the curve is
/// perfect.
pub(super) fn area(area: f64, positives: u64, negatives: u64) -> Option<Interval> {
    if positives == 0 || negatives == 0 {
        return None;
    }
    let (m, n) = (positives as f64, negatives as f64);
    let others = f64::midpoint(m, n) - 1.0;
    let deviation = |at: f64| {
        let spread = 1.0 + others * ((1.0 - at) / (2.0 - at) + at / (1.0 + at));
        (at * (1.0 - at) * spread / (m * n)).max(0.0).sqrt()
    };
    // Halves what lies between a point that is outside the interval and one that is in it.
    let end = |mut outside: f64, mut inside: f64| {
        for _ in 0..HALVINGS {
            let at = f64::midpoint(outside, inside);
            if (area - at).abs() > Z * deviation(at) { outside = at } else { inside = at }
        }
        inside
    };
    let low = if area == 0.0 { 0.0 } else { end(0.0, area) };
    let high = if area == 1.0 { 1.0 } else { end(1.0, area) };
    Some(Interval { low, high })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_near(interval: Option<Interval>, low: f64, high: f64) {
        let Interval { low: l, high: h } = interval.unwrap();
        assert!((l - low).abs() < 1e-9 && (h - high).abs() < 1e-9, "{l} {h}");
    }

    #[test]
    fn the_interval_of_a_share_is_that_of_the_literature() {
        // Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
        let Interval { low, high } = wilson(81, 263).unwrap();
        assert!((low - 0.2553).abs() < 5e-5 && (high - 0.3662).abs() < 5e-5, "{low} {high}");
        assert_near(wilson(0, 10), 0.0, 0.277_532_799_862_9);
        assert_near(wilson(10, 10), 0.722_467_200_137_1, 1.0);
        assert_eq!(wilson(0, 0), None);
    }

    #[test]
    fn the_interval_of_an_area_solves_its_equation() {
        // Roots found by scipy.optimize.brentq 1.17.1.
        assert_near(area(0.8125, 4, 8), 0.453_690_132_279_5, 0.952_946_167_570_9);
        assert_near(area(1.0, 5, 7), 0.682_789_748_174_4, 1.0);
        assert_eq!(area(0.5, 0, 3), None);
        let (narrow, wide) = (area(0.8, 1000, 1000).unwrap(), area(0.8, 10, 10).unwrap());
        assert!(wide.low < narrow.low && narrow.low < 0.8 && 0.8 < narrow.high && narrow.high < wide.high);
        assert!((area(0.3, 4, 9).unwrap().low - (1.0 - area(0.7, 9, 4).unwrap().high)).abs() < 1e-12);
    }

    #[test]
    fn means_have_intervals_around_them() {
        assert_eq!((mean(1.0, 1.0, 1), mean_of_shares(&[])), (None, None));
        assert_near(mean(4.0, 8.0, 4), 0.0, 1.0 + Z * (4f64 / 3.0 / 4.0).sqrt());
        let share = (0.5, Interval { low: 0.3, high: 0.8 });
        assert_near(mean_of_shares(&[share; 4]), 0.5 - 0.1, 0.5 + 0.15);
        assert_near(mean_of_shares(&[share]), 0.3, 0.8);
    }
}
