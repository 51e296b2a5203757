//! How often an audit is wrong, measured on random settings: right programs that it accuses, and planted faults of 1 % that it misses.
//! Shared by a test (a fixed sample) and the example `audit_rates` (as many as one likes).
#![allow(dead_code, unreachable_pub, missing_docs)] // each user takes its own part

#[path = "../../../core/tests/common/mod.rs"]
pub mod common;
pub mod judge;
pub mod plants;
pub mod settings;
pub mod shares;

use common::Memory;
use judge::Judge;
use plants::Plant;
use realign::probes::{Every, Probe};
use realign::tensor::Rng;
use realign::train::{Setup, Trainer};
use realign_theory::ledger::{Audit, Verdict};
use settings::Setting;
use shares::Shares;

/// The ledger at every step and the probes of this program.
fn audit(mut setup: Setup, probe: Box<dyn Probe>) -> Audit {
    let every: Every = "1 step".parse().unwrap();
    let ledger = "name = \"ledger\"\nunits = \"never\"".parse().unwrap();
    setup.probes = vec![(every, realign_theory::probes::build(ledger).unwrap()), (every, probe)];
    let mut memory = Memory::default();
    Trainer::new(setup).unwrap().run(&mut memory).unwrap();
    Audit::from_rows(&memory.rows)
}

/// What the audit says of a right program.
pub struct Honest {
    /// The streams whose books do not close: a false alarm each.
    pub alarms: Vec<String>,
    /// Streams with a statement, and streams without (rounding, overflow, no law).
    pub closed: usize,
    pub silent: usize,
    /// Largest shares of their allowances that path and residual took, over units and steps.
    pub shares: [f64; 2],
}

pub fn honest(setting: &Setting) -> Honest {
    let shares = Shares::default();
    let audit = audit(setting.setup(), Box::new(shares.clone()));
    let mut out = Honest { alarms: vec![], closed: 0, silent: 0, shares: shares.largest() };
    for l in &audit.layers {
        match &l.verdict {
            Verdict::Closed => out.closed += 1,
            Verdict::Open { .. } => out.alarms.push(format!("layer {}: {:?}", l.layer, l.verdict)),
            _ => out.silent += 1,
        }
    }
    out
}

/// What came of a planted fault.
pub struct Planted {
    pub plant: Plant,
    /// How far it moves the books beyond what rounding can, by the judge: the largest ratio over steps and units.
    pub margin: f64,
    /// Whether the audit names a stream that the faulty layer belongs to, with the right account.
    pub found: bool,
    /// Whether it accuses another stream, or with another account.
    pub wrong: bool,
}

/// Plants a fault of each kind that the network of the setting has a place for.
pub fn planted(setting: &Setting) -> Vec<Planted> {
    let mut rng = Rng::new(setting.seed).child("plants");
    let setup = setting.setup();
    let plants = plants::draw(&setup.net, setup.rule.as_ref(), &mut rng);
    plants.into_iter().map(|plant| try_plant(setting, plant)).collect()
}

/// All that the audit says of a setting, right and with each fault.
pub fn show(setting: &Setting) {
    println!("{}\n{:#?}", setting.describe(), audit(setting.setup(), Box::new(Shares::default())).layers);
    for p in planted(setting) {
        let mut setup = setting.setup();
        p.plant.put(&mut setup);
        let found = audit(setup, Box::new(Shares::default())).layers;
        println!("{:?}, margin {:e}, found {}: {found:#?}", p.plant, p.margin, p.found);
    }
}

fn try_plant(setting: &Setting, plant: Plant) -> Planted {
    let mut setup = setting.setup();
    let streams = plant.streams(&setup.net);
    plant.put(&mut setup);
    let judge = Judge::new(plant);
    let audit = audit(setup, Box::new(judge.clone()));
    let (mut found, mut wrong) = (false, false);
    for l in &audit.layers {
        if let Verdict::Open { account, .. } = l.verdict {
            let right = streams.contains(&l.layer) && account == plant.account();
            (found, wrong) = (found || right, wrong || !right);
        }
    }
    Planted { plant, margin: judge.margin(), found, wrong }
}
