//! Why a target had no density at some points: the program's own words, each kind counted once.

use super::EvaluationError;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Evaluations that were rejected, by what was said of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rejections {
    /// What was said, the most frequent first.
    pub reasons: Vec<Reason>,
}

/// One thing that was said of rejected points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The program's words, with file and line where it gives them. Of messages that differ in their numbers alone it
    /// is the first in alphabetical order.
    pub text: String,
    /// How many evaluations ended so.
    pub count: u64,
}

impl Rejections {
    /// How many evaluations were rejected.
    pub fn count(&self) -> u64 {
        self.reasons.iter().map(|reason| reason.count).sum()
    }
}

/// The most frequent reason, with its count where there are others.
impl fmt::Display for Rejections {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.reasons.split_first() else { return Ok(()) };
        formatter.write_str(&first.text)?;
        match others {
            [] => Ok(()),
            [other] => write!(formatter, " ({} times; {} times: {})", first.count, other.count, other.text),
            more => write!(formatter, " ({} times; {} other reasons)", first.count, more.len()),
        }
    }
}

/// Collects rejections from any number of threads. What is collected does not depend on their order.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    /// Counted apart, without a lock: chains that diverge meet these by the thousand.
    not_finite: AtomicU64,
    /// By kind.
    reasons: Mutex<BTreeMap<String, Reason>>,
    defect: Mutex<Option<String>>,
}

impl Recorder {
    pub fn record(&self, error: &EvaluationError) {
        match error {
            EvaluationError::NotFinite => {
                self.not_finite.fetch_add(1, Relaxed);
            }
            EvaluationError::Program(text) => self.count(text),
            EvaluationError::Defect(text) => {
                let mut defect = self.defect.lock().expect("no holder of the lock panics");
                if defect.as_ref().is_none_or(|first| text < first) {
                    *defect = Some(text.clone());
                }
            }
        }
    }

    fn count(&self, text: &str) {
        let mut reasons = self.reasons.lock().expect("no holder of the lock panics");
        let reason = reasons.entry(kind(text)).or_insert_with(|| Reason { text: text.to_owned(), count: 0 });
        reason.count += 1;
        if text < reason.text.as_str() {
            reason.text = text.to_owned();
        }
    }

    pub fn rejections(&self) -> Rejections {
        let mut reasons: Vec<Reason> =
            self.reasons.lock().expect("no holder of the lock panics").values().cloned().collect();
        let not_finite = self.not_finite.load(Relaxed);
        if not_finite > 0 {
            reasons.push(Reason { text: EvaluationError::NotFinite.to_string(), count: not_finite });
        }
        reasons.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.text.cmp(&b.text)));
        Rejections { reasons }
    }

    pub fn defect(&self) -> Option<String> {
        self.defect.lock().expect("no holder of the lock panics").clone()
    }
}

/// A message without its numbers, but for those of the place in the program: at each point other values are wrong.
fn kind(text: &str) -> String {
    let (message, place) = text.rfind("(in ").map_or((text, ""), |place| text.split_at(place));
    let mut kind = String::with_capacity(text.len());
    for word in message.split_inclusive(char::is_whitespace) {
        let value = word.trim_matches(|c: char| c.is_whitespace() || "()[],;:!.".contains(c));
        if value.parse::<f64>().is_ok() {
            kind.push('#');
        } else {
            kind.extend(word.chars().filter(|c| !c.is_ascii_digit()));
        }
    }
    kind + place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_differ_in_their_numbers_are_one_kind() {
        let recorder = Recorder::default();
        let scale = |value: &str, line: u32| {
            let text = format!(
                "normal_lpdf: Scale parameter is {value}, but must be positive! (in 'm.stan', line {line}, column 2)"
            );
            recorder.record(&EvaluationError::Program(text));
        };
        for value in ["-0.25", "-3e-5", "nan", "-inf"] {
            scale(value, 7);
        }
        scale("-0.25", 8);
        let rejections = recorder.rejections();
        let counts: Vec<u64> = rejections.reasons.iter().map(|reason| reason.count).collect();
        assert_eq!((counts, rejections.count()), (vec![4, 1], 5));
        assert!(rejections.reasons[0].text.contains("-0.25") && rejections.reasons[0].text.contains("line 7"));
    }

    #[test]
    fn elements_of_a_vector_are_one_kind_and_other_words_another() {
        assert_eq!(kind("Random variable[3] is nan"), kind("Random variable[12] is 1.5"));
        assert_ne!(kind("Random variable[3] is nan"), kind("Location parameter[3] is nan"));
    }

    #[test]
    fn the_order_does_not_matter_and_defects_are_kept_apart() {
        let errors = [
            EvaluationError::Program("a is 2".into()),
            EvaluationError::NotFinite,
            EvaluationError::Program("a is 1".into()),
            EvaluationError::Defect("index 3 out of range".into()),
        ];
        let [forwards, backwards] = [Recorder::default(), Recorder::default()];
        errors.iter().for_each(|error| forwards.record(error));
        errors.iter().rev().for_each(|error| backwards.record(error));
        assert_eq!(forwards.rejections(), backwards.rejections());
        assert_eq!(
            forwards.rejections().to_string(),
            "a is 1 (2 times; 1 times: the log density or its gradient is not finite)"
        );
        assert_eq!(forwards.defect().as_deref(), Some("index 3 out of range"));
        assert_eq!(Recorder::default().defect(), None);
    }
}
