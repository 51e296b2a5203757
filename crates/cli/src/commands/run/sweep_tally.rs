//! How far a sweep is: runs ended, failed and diverged, and when it may be over.

use realign_lab::Status;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Counts of a sweep.
pub(super) struct Tally {
    many: usize,
    ended: usize,
    failed: usize,
    diverged: usize,
    begun: Instant,
    /// Runs this process has made itself since it began.
    made: f64,
    /// Share of each run at work that is done, and that was done when it was taken up.
    working: HashMap<String, [f64; 2]>,
}

impl Tally {
    pub(super) fn new(many: usize) -> Tally {
        let begun = Instant::now();
        Tally { many, ended: 0, failed: 0, diverged: 0, begun, made: 0.0, working: HashMap::new() }
    }

    pub(super) fn many(&self) -> usize {
        self.many
    }

    pub(super) fn ended(&self) -> usize {
        self.ended
    }

    pub(super) fn started(&mut self, id: &str) {
        self.working.insert(id.to_owned(), [0.0, f64::NAN]);
    }

    pub(super) fn progress(&mut self, id: &str, step: u64, steps: u64) {
        if let Some([share, first]) = self.working.get_mut(id) {
            *share = step as f64 / steps.max(1) as f64;
            if first.is_nan() {
                *first = *share;
            }
        }
    }

    pub(super) fn finished(&mut self, id: &str, status: Status) {
        let working = self.working.remove(id);
        if status.is_final() {
            self.ended += 1;
            self.diverged += usize::from(status == Status::Diverged);
            // What was only read took no time and says nothing about the rest.
            self.made += working.map_or(0.0, |[_, first]| 1.0 - if first.is_nan() { 0.0 } else { first });
        }
    }

    pub(super) fn failed(&mut self, id: &str) {
        self.working.remove(id);
        self.ended += 1;
        self.failed += 1;
    }

    /// Time left if it goes on as it has gone.
    pub(super) fn eta(&self) -> Option<Duration> {
        let at_work: f64 =
            self.working.values().filter(|w| !w[1].is_nan()).map(|[now, first]| now - first).sum();
        let ahead: f64 = self.working.values().map(|w| 1.0 - w[0]).sum();
        let waiting = self.many.saturating_sub(self.ended + self.working.len()) as f64;
        let done = self.made + at_work;
        (done > 0.0).then(|| self.begun.elapsed().mul_f64(((waiting + ahead) / done).min(1e9)))
    }

    pub(super) fn text(&self) -> String {
        let mut parts = vec![];
        if self.failed > 0 {
            parts.push(format!("{} failed", self.failed));
        }
        if self.diverged > 0 {
            parts.push(format!("{} diverged", self.diverged));
        }
        if self.ended < self.many {
            parts.push(self.eta().map_or("eta -".into(), |t| format!("eta {}", length(t))));
        } else {
            parts.push(format!("after {}", length(self.begun.elapsed())));
        }
        parts.join(", ")
    }
}

fn length(time: Duration) -> String {
    match time.as_secs() {
        s @ 0..100 => format!("{s} s"),
        s @ 100..6_000 => format!("{} min", s.div_ceil(60)),
        s => format!("{:.1} h", s as f64 / 3_600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_time_left() {
        let mut t = Tally::new(8);
        assert_eq!(t.eta(), None);
        t.finished("read", Status::Done);
        assert_eq!((t.ended(), t.eta()), (1, None), "a run that was only read says nothing about time");
        t.started("a");
        t.progress("a", 1, 2);
        t.started("b");
        t.failed("b");
        t.finished("a", Status::Diverged);
        assert_eq!((t.ended(), t.failed, t.diverged), (3, 1, 1));
        t.begun = Instant::now() - Duration::from_secs(10);
        // Half a run took 10 s (it was resumed in its middle), five are left.
        let eta = t.eta().unwrap().as_secs_f64();
        assert!((eta - 100.0).abs() < 1.0, "{eta}");
        assert!(t.text().starts_with("1 failed, 1 diverged, eta"), "{}", t.text());
    }
}
