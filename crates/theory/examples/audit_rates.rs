//! How often is an audit wrong? On random settings (rules x optimizers x networks x scales 1e-6 to 1e6 x losses x dtypes): right programs that it accuses,
//! and planted faults of 1 % that it misses. `cargo run --release -p realign-theory --example audit_rates -- 10000`; a second number is the first seed;
//! `-- show SEED` prints all of one setting.
#![allow(missing_docs)]

#[path = "../tests/rates/mod.rs"]
mod rates;

use rates::plants::Plant;
use rates::settings::Setting;
use rates::{honest, planted};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Planted faults by kind and margin: found of how many.
const MARGINS: [f64; 5] = [0.0, 1.0, 2.0, 4.0, 10.0];

#[derive(Default)]
struct Tally {
    settings: u64,
    closed: usize,
    silent: usize,
    alarms: Vec<String>,
    shares: Vec<([f64; 2], u64)>,
    found: [[[usize; 2]; MARGINS.len()]; 3],
    wrong: usize,
    missed: Vec<(f64, String)>,
}

fn kind(plant: Plant) -> usize {
    match plant {
        Plant::Backward(_) => 0,
        Plant::Update(_) => 1,
        Plant::Bias(_) => 2,
    }
}

impl Tally {
    fn add(&mut self, seed: u64) {
        let setting = Setting::draw(seed);
        let right = honest(&setting);
        let planted = planted(&setting);
        self.settings += 1;
        self.closed += right.closed;
        self.silent += right.silent;
        self.alarms.extend(right.alarms.iter().map(|a| format!("{a} in {}", setting.describe())));
        self.shares.push((right.shares, seed));
        for p in planted {
            for (i, least) in MARGINS.iter().enumerate() {
                if p.margin > *least {
                    let of = &mut self.found[kind(p.plant)][i];
                    *of = [of[0] + usize::from(p.found), of[1] + 1];
                }
            }
            self.wrong += usize::from(p.wrong);
            if p.margin > 2.0 && !p.found {
                self.missed.push((p.margin, format!("{:?} in {}", p.plant, setting.describe())));
            }
        }
    }

    fn join(&mut self, o: Tally) {
        self.settings += o.settings;
        self.closed += o.closed;
        self.silent += o.silent;
        self.alarms.extend(o.alarms);
        self.shares.extend(o.shares);
        self.wrong += o.wrong;
        self.missed.extend(o.missed);
        for (a, b) in self.found.iter_mut().flatten().zip(o.found.iter().flatten()) {
            *a = [a[0] + b[0], a[1] + b[1]];
        }
    }

    fn print(&mut self) {
        println!(
            "right programs: {} settings, {} streams closed, {} without a statement, {} false alarms",
            self.settings,
            self.closed,
            self.silent,
            self.alarms.len()
        );
        self.alarms.iter().take(20).for_each(|a| println!("  {a}"));
        for (i, name) in ["path", "residual"].iter().enumerate() {
            self.shares.sort_by(|a, b| b.0[i].total_cmp(&a.0[i]));
            let top: Vec<String> =
                self.shares.iter().take(5).map(|s| format!("{:.3} (seed {})", s.0[i], s.1)).collect();
            println!("largest shares of its allowance that the {name} took: {}", top.join(", "));
        }
        println!(
            "planted faults of 1 %: found of those that move the books by more than x times what rounding can"
        );
        for (of, name) in self.found.iter().zip(["backward pass", "update", "bias"]) {
            let line = MARGINS.iter().zip(of).map(|(x, [found, all])| {
                let share = 100.0 * *found as f64 / (*all).max(1) as f64;
                format!("x = {x}: {found} of {all} ({share:.2} %)")
            });
            println!("  {name}: {}", line.collect::<Vec<_>>().join(", "));
        }
        println!("accused elsewhere or by another account: {}", self.wrong);
        self.missed.sort_by(|a, b| b.0.total_cmp(&a.0));
        self.missed.iter().take(12).for_each(|(x, m)| println!("  missed, x = {x:.1}: {m}"));
    }
}

fn main() {
    if let Some(seed) = std::env::args().nth(2).filter(|_| std::env::args().nth(1).as_deref() == Some("show"))
    {
        return rates::show(&Setting::draw(seed.parse().expect("a seed")));
    }
    let number = |i: usize, or: u64| std::env::args().nth(i).map_or(or, |a| a.parse().expect("a number"));
    let (count, first) = (number(1, 1000), number(2, 0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, whole) = (AtomicU64::new(0), Mutex::new(Tally::default()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut own = Tally::default();
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= count {
                        break;
                    }
                    own.add(first + i);
                }
                whole.lock().expect("no thread panics").join(own);
            });
        }
    });
    whole.into_inner().expect("no thread panics").print();
}
