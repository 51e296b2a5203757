//! A two-layer network on small data with its certificate, and the run that follows it.
#![allow(dead_code, missing_docs, reason = "each test binary uses its own part")]

use realign::checkpoint::Checkpoint;
use realign::init::{FeedbackInit, WeightInit};
use realign::optim::{self, Clip};
use realign::probes::{self, Every};
use realign::tensor::{DType, Par};
use realign::train::{BatchSize, Length, Plan, Progress, Row, Setup, Sink, Trainer};
use realign::{loss, model, rules};
use realign_data::{Bundle, Dirs};
use realign_theory::certify::{Certificate, Check, Method, Precision, Situation, UnitRow, certify, check};
use realign_theory::dominance::{Sample, samples};
use toml::Table;

fn table(text: &str) -> Table {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[derive(Default)]
struct Memory(Vec<Row>);

impl Sink for Memory {
    fn rows(&mut self, rows: &[Row]) -> std::io::Result<()> {
        self.0.extend_from_slice(rows);
        Ok(())
    }
    fn checkpoint(&mut self, _: &Checkpoint) -> std::io::Result<()> {
        Ok(())
    }
    fn progress(&mut self, _: &Progress) {}
    fn stop_requested(&self) -> bool {
        false
    }
}

#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) rule: &'static str,
    pub(crate) data: &'static str,
    pub(crate) loss: &'static str,
    pub(crate) hidden: usize,
    pub(crate) bias: bool,
    pub(crate) activation: &'static str,
    pub(crate) weight: &'static str,
    pub(crate) feedback: &'static str,
    pub(crate) lr: f64,
    pub(crate) steps: u64,
    pub(crate) seed: u64,
    pub(crate) dtype: DType,
}

pub(crate) const SEPARABLE: &str =
    "name = 'gaussians'\northogonal = true\nmargin = 0.5\ndim = 6\ntrain_size = 40\ntest_size = 1";

impl Default for Case {
    fn default() -> Self {
        Case {
            rule: "name = 'fa'",
            data: SEPARABLE,
            loss: "logistic",
            hidden: 12,
            bias: false,
            activation: "relu",
            weight: "name = 'class_means'",
            feedback: "name = 'aligned'",
            lr: 0.02,
            steps: 1500,
            seed: 3,
            dtype: DType::F64,
        }
    }
}

impl Case {
    pub(crate) fn data(&self) -> Bundle {
        let config = realign_data::parse_config(table(self.data)).unwrap();
        realign_data::load(&config, self.seed, &Dirs::default()).unwrap()
    }

    pub(crate) fn trainer(&self) -> Trainer {
        let rule = rules::build(table(self.rule)).unwrap();
        let loss = loss::build(table(&format!("name = '{}'", self.loss))).unwrap();
        let data = self.data();
        let outputs = loss.outputs(&data.train).unwrap();
        let inputs = data.train.features_per_example();
        let text = format!(
            "widths = [{inputs}, {}, {outputs}]\nbias = {}\nactivation = '{}'",
            self.hidden, self.bias, self.activation
        );
        let shape = data.train.example_shape;
        let net = model::build(table(&text), shape, outputs, self.dtype, rule.as_ref()).unwrap();
        let probe =
            |name: &str| (Every::Steps(1), probes::build(table(&format!("name = '{name}'"))).unwrap());
        Trainer::new(Setup {
            net,
            rule,
            loss,
            optimizer: optim::build(table("name = 'sgd'")).unwrap(),
            lr: self.lr,
            schedule: optim::schedule(table("name = 'constant'")).unwrap(),
            clip: Clip::None,
            init: WeightInit::parse(Some(table(self.weight)), None).unwrap(),
            feedback: FeedbackInit::parse(table(self.feedback)).unwrap(),
            data,
            plan: Plan {
                length: Length::Steps(self.steps),
                batch: BatchSize::Full,
                checkpoint: Every::Never,
            },
            probes: vec![probe("aligned_units"), probe("decomposition")],
            seed: self.seed,
            par: Par::Seq,
        })
        .unwrap()
    }

    pub(crate) fn method(&self) -> Method {
        Method {
            optimizer: "sgd".into(),
            momentum: 0.0,
            weight_decay: 0.0,
            clipped: false,
            full_batch: true,
            augmented: false,
            feedback_decay: 0.0,
            lr: self.lr,
            steps: self.steps,
            time: self.lr * self.steps as f64,
        }
    }

    pub(crate) fn certificate(&self) -> Certificate {
        self.certificate_with(&self.method())
    }

    pub(crate) fn certificate_with(&self, method: &Method) -> Certificate {
        let t = self.trainer();
        certify(&Situation {
            net: t.net(),
            rule: t.rule(),
            feedback: t.feedback(),
            loss: t.loss(),
            data: &t.data().train,
            method,
            examples: None,
            seed: 0,
            par: Par::Seq,
        })
    }

    /// Trains and returns the check and the samples.
    pub(crate) fn outcome(&self, c: &Certificate) -> (Check, Vec<Sample>) {
        let mut rows = Memory::default();
        self.trainer().run(&mut rows).unwrap();
        let whole = |probe: &str| {
            let rows = rows.0.iter().filter(|r| r.probe == probe && r.layer.is_none());
            rows.map(|r| (r.step, r.name.to_string(), r.value)).collect::<Vec<_>>()
        };
        let (rows, units) = (whole("decomposition"), whole("aligned_units"));
        let found = samples(rows.iter().map(|r| (r.0, r.1.as_str(), r.2)));
        let of = |name: &str| units.iter().filter(|u| u.1 == name).map(|u| u.2).collect::<Vec<_>>();
        let (misaligned, unguarded) = (of("misaligned"), of("unguarded"));
        assert_eq!(misaligned.len() as u64, self.steps + 1, "one row per step");
        let units: Vec<UnitRow> = misaligned
            .into_iter()
            .zip(unguarded)
            .enumerate()
            .map(|(step, (misaligned, unguarded))| UnitRow { step: step as u64, misaligned, unguarded })
            .collect();
        let precise = Precision::of(self.trainer().net(), &self.trainer().data().train, None);
        (check(c, &units, &found, &precise), found)
    }
}
