//! What share of its allowance every account takes, over units and steps of a run.

use realign::probes::{Probe, Rows, View};
use realign::train::Journal;
use realign_theory::ledger::books::step_of_unit;
use std::sync::{Arc, Mutex};

/// The largest shares of path and residual so far.
#[derive(Clone, Default)]
pub struct Shares(Arc<Mutex<[f64; 2]>>);

impl Shares {
    pub fn largest(&self) -> [f64; 2] {
        *self.0.lock().unwrap()
    }
}

impl Probe for Shares {
    fn name(&self) -> &'static str {
        "shares"
    }
    fn wants_journal(&self, _: bool) -> bool {
        true
    }
    fn record(&mut self, _: u64, journal: &Journal) {
        let mut largest = self.0.lock().unwrap();
        for stream in journal.streams().iter().filter(|s| journal.law(s).is_ok()) {
            for a in (0..stream.units).map(|k| step_of_unit(journal, stream, k).accounts) {
                let share = |x: f64, of: f64| if x == 0.0 { 0.0 } else { x.abs() / of };
                let path = if stream.homogeneous { share(a.path, a.path_allowance) } else { 0.0 };
                let found = [path, share(a.residual, a.allowance)];
                if (a.path + a.residual).is_finite() {
                    largest.iter_mut().zip(found).for_each(|(l, f)| *l = l.max(f));
                }
            }
        }
    }
    fn observe(&mut self, _: &mut View<'_>, _: &mut Rows) {}
}
