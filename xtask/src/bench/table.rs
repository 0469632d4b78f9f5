//! Figures, their statistics, and the one table that is printed.

use super::budget::{self, Verdict};
use std::fmt::{self, Write as _};

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Time of one run; the middle value speaks.
    Milliseconds,
    /// A count.
    Number,
    /// Memory.
    Bytes,
}

/// All values of one contestant.
#[derive(Debug)]
pub(super) struct Series {
    /// The contestant.
    pub(super) name: String,
    /// At least one.
    pub(super) values: Vec<f64>,
}

/// One thing measured, of all contestants; ours is the first.
#[derive(Debug)]
pub(super) struct Measure {
    /// What the first column says, and the budgets.
    pub(super) name: String,
    /// What the numbers are.
    pub(super) unit: Unit,
    /// By contestant.
    pub(super) series: Vec<Series>,
}

impl Unit {
    /// The value that stands for all, and is compared.
    fn typical(values: &[f64]) -> f64 {
        median(values)
    }

    fn text(self, value: f64) -> String {
        match self {
            Self::Milliseconds => format!("{value:.2} ms"),
            Self::Number => format!("{value:.0}"),
            Self::Bytes => format!("{:.2} MiB", value / f64::from(1 << 20)),
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

/// The measures as a table; displaying it prints it.
#[derive(Debug)]
pub(super) struct Table<'a>(pub(super) &'a [Measure]);

impl Table<'_> {
    /// How many first targets are missed.
    pub(super) fn missed(&self) -> usize {
        let verdicts = self.0.iter().flat_map(|measure| {
            let ours = measure.series.first().map(|ours| Unit::typical(&ours.values));
            measure.series.iter().skip(1).filter_map(move |peer| {
                let budget = budget::find(&measure.name, &peer.name)?;
                Some(budget.judge(ours? / Unit::typical(&peer.values)))
            })
        });
        verdicts.filter(|verdict| *verdict == Verdict::Missed).count()
    }

    /// What is over its limit, a line each.
    pub(super) fn over(&self) -> Vec<String> {
        let over = self.0.iter().filter_map(|measure| {
            let (limit, ours) = (budget::limit(&measure.name)?, measure.series.first()?);
            let ours = Unit::typical(&ours.values);
            (ours > limit).then(|| {
                let percent = (ours / limit - 1.0) * 100.0;
                let [ours, limit] = [ours, limit].map(|value| measure.unit.text(value));
                format!("{}: {ours} are {percent:.1} % more than {limit}", measure.name)
            })
        });
        over.collect()
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{:<20} {:<15} {:>11} {:>11} {:>9}  {:<18} verdict",
            "measure", "who", "min", "median", "ours/peer", "target (goal)"
        )?;
        for measure in self.0 {
            let Some(ours) = measure.series.first().map(|ours| Unit::typical(&ours.values)) else {
                continue;
            };
            for (index, series) in measure.series.iter().enumerate() {
                let typical = Unit::typical(&series.values);
                let least = series.values.iter().copied().fold(f64::INFINITY, f64::min);
                let mut line = format!(
                    "{:<20} {:<15} {:>11} {:>11}",
                    if index == 0 { &measure.name } else { "" },
                    series.name,
                    measure.unit.text(least),
                    measure.unit.text(typical),
                );
                if let Some(limit) = budget::limit(&measure.name).filter(|_| index == 0) {
                    let bound = format!("≤ {}", measure.unit.text(limit));
                    let verdict = if ours > limit { "OVER" } else { "kept" };
                    write!(line, " {:>9}  {bound:<18} {verdict}", "")?;
                }
                if index > 0 {
                    let ratio = ours / typical;
                    write!(line, " {ratio:>9.3}")?;
                    if let Some(budget) = budget::find(&measure.name, &series.name) {
                        let bounds = format!("≤ {:.2} (≤ {:.2})", budget.first_target, budget.goal);
                        let verdict = match budget.judge(ratio) {
                            Verdict::Goal => "goal",
                            Verdict::FirstTarget => "first target",
                            Verdict::Missed => "MISSED",
                        };
                        write!(line, "  {bounds:<18} {verdict}")?;
                    }
                }
                writeln!(formatter, "{line}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(ours: &[f64], peer: &[f64]) -> Measure {
        let series = |name: &str, values: &[f64]| Series {
            name: name.to_owned(),
            values: values.to_vec(),
        };
        Measure {
            name: "exec".to_owned(),
            unit: Unit::Milliseconds,
            series: vec![series("tierce", ours), series("docker", peer)],
        }
    }

    #[test]
    fn the_middle_value_is_compared_and_judged() {
        let measures = [measure(&[10.0, 30.0, 20.0], &[100.0, 100.0])];
        let table = Table(&measures);
        let text = table.to_string();
        assert!(text.contains("10.00 ms    20.00 ms"), "{text}");
        assert!(text.contains("0.200  ≤ 0.25 (≤ 0.12)    first target"), "{text}");
        assert_eq!(table.missed(), 0);
        assert_eq!(Table(&[measure(&[50.0], &[100.0])]).missed(), 1);
    }

    #[test]
    fn what_is_over_its_limit_is_named() {
        let counted = |value: f64| Measure {
            name: "run calls".to_owned(),
            unit: Unit::Number,
            series: vec![Series {
                name: "tierce-runtime".to_owned(),
                values: vec![value],
            }],
        };
        assert_eq!(Table(&[counted(1.0)]).over(), Vec::<String>::new());
        let over = Table(&[counted(1e9)]).over();
        assert!(
            over.len() == 1 && over[0].starts_with("run calls: 1000000000 are "),
            "{over:?}"
        );
    }

    #[test]
    fn a_median_of_two_lies_between_them() {
        assert!((median(&[1.0, 2.0]) - 1.5).abs() < f64::EPSILON);
        assert!(median(&[]).is_nan());
    }
}
