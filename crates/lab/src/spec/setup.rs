//! From a resolved spec to everything a trainer needs.

use super::{RunSpec, SpecError};
use crate::LabError;
use realign::init::{FeedbackInit, WeightInit};
use realign::train::{BatchSize, Every, Length, Plan, Setup};
use realign::{ConfigError, loss, model, optim, rules};
use realign_data::{DataError, Dirs};
use realign_tensor::{DType, Par};
use realign_theory::probes;
use toml::{Table, Value};

type Probes = Vec<(Every, Box<dyn realign::probes::Probe>)>;

impl RunSpec {
    /// Loads the data and builds every part; checks what only the data can tell (widths at both ends, batch size).
    ///
    /// # Errors
    /// If the data cannot be had, or do not fit the spec; then with line and key.
    pub fn setup(&self, dirs: &Dirs, par: Par) -> Result<Setup, LabError> {
        let config = realign_data::parse_config(self.section("data")).map_err(|e| self.data_error(&e))?;
        let data = realign_data::load(&config, self.seed(), dirs).map_err(|e| match e {
            DataError::Config(e) => LabError::Spec(self.data_error(&e)),
            other => LabError::Data(other),
        })?;
        let rule = self.part("rule", rules::build)?;
        let loss = self.part("loss", loss::build)?;
        let outputs = loss.outputs(&data.train).map_err(|e| self.fault("loss", e))?;
        let dtype = if self.text_at("train.dtype") == "f64" { DType::F64 } else { DType::F32 };
        let shape = data.train.example_shape;
        let net = model::build(self.section("network"), shape, outputs, dtype, &*rule)
            .map_err(|e| self.fault("network", e))?;

        let mut optimizer = self.section("optimizer");
        let schedule = optimizer.remove("schedule").and_then(as_table);
        let schedule =
            schedule.unwrap_or_else(|| Table::from_iter([("name".to_owned(), Value::from("constant"))]));
        let clip = optimizer.remove("clip");
        let lr = optimizer.remove("lr").and_then(|v| v.as_float()).unwrap_or(0.0);
        let clip = match clip {
            Some(v) => optim::Clip::parse(&v).map_err(|e| self.fault("optimizer.clip", e))?,
            None => optim::Clip::default(),
        };
        let init = self.section("init");
        let part = |key: &str| init.get(key).cloned().and_then(as_table);
        let plan = self.plan(data.train.len())?;
        let optimizer = optim::build(optimizer).map_err(|e| self.fault("optimizer", e))?;
        if let Some(flow) = optimizer.form().flow {
            flow.check(&net, &plan, clip).map_err(|e| self.fault("", e))?;
        }
        Ok(Setup {
            net,
            rule,
            loss,
            optimizer,
            lr,
            schedule: optim::schedule(schedule).map_err(|e| self.fault("optimizer.schedule", e))?,
            clip,
            init: WeightInit::parse(part("weight"), part("bias")).map_err(|e| self.fault("init", e))?,
            feedback: FeedbackInit::parse(part("feedback").unwrap_or_default())
                .map_err(|e| self.fault("init.feedback", e))?,
            data,
            plan,
            probes: self.probes()?,
            seed: self.seed(),
            par,
        })
    }

    fn plan(&self, examples: usize) -> Result<Plan, SpecError> {
        let count = |key: &str| self.get(key).and_then(Value::as_integer).and_then(|i| u64::try_from(i).ok());
        let length = match (count("train.epochs"), count("train.steps")) {
            (Some(n), _) => Length::Epochs(n),
            (None, n) => Length::Steps(n.unwrap_or(0)),
        };
        let batch = match count("train.batch") {
            None => BatchSize::Full,
            Some(n) if n as usize <= examples => BatchSize::Size(n as usize),
            Some(n) => {
                let message =
                    format!("batch larger than the data: {n} examples a batch, but {examples} to train on");
                return Err(self.fault("train", ConfigError::new("batch", message)));
            }
        };
        Ok(Plan { length, batch, checkpoint: self.cadence("train.checkpoint")? })
    }

    fn probes(&self) -> Result<Probes, SpecError> {
        let list = self.get("probes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let build = |(i, value): (usize, &Value)| {
            let path = format!("probes.{i}");
            let mut table = as_table(value.clone()).unwrap_or_default();
            table.remove("every");
            let probe = probes::build(table).map_err(|e| self.fault(&path, e))?;
            Ok((self.cadence(&format!("{path}.every"))?, probe))
        };
        list.iter().enumerate().map(build).collect()
    }

    fn cadence(&self, key: &str) -> Result<Every, SpecError> {
        self.text_at(key).parse::<Every>().map_err(|e| self.fault(key, ConfigError::new("", e)))
    }

    pub(crate) fn section(&self, key: &str) -> Table {
        self.get(key).cloned().and_then(as_table).unwrap_or_default()
    }

    fn text_at(&self, key: &str) -> &str {
        self.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    fn part<T>(&self, key: &str, build: impl Fn(Table) -> Result<T, ConfigError>) -> Result<T, SpecError> {
        build(self.section(key)).map_err(|e| self.fault(key, e))
    }

    fn fault(&self, path: &str, e: ConfigError) -> SpecError {
        let mut error = self.places.config(path, e);
        error.value = self.get(&error.key).filter(|v| !v.is_table()).map(|v| v.to_string().into());
        error
    }

    fn data_error(&self, e: &realign_data::ConfigError) -> SpecError {
        self.fault("data", ConfigError::new(&e.key, e.message.as_str()))
    }
}

fn as_table(value: Value) -> Option<Table> {
    match value {
        Value::Table(t) => Some(t),
        _ => None,
    }
}
