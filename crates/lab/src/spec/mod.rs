/*!
A spec: one TOML file, overridden from the command line, expanded into runs.

Who wins when a key is given more than once, strongest first: the command line (single values and axes alike), an axis
of `[grid]`, a tuned value, `[per_rule.<rule>]` for runs of that rule, the sections of the file, defaults. A single value on the
command line removes the grid axis of the same key. Every run's table is resolved, which checks each key and fills in each default;
a run's id is the first 10 hex digits of the SHA-256 of that text, so equal runs have equal ids whatever file
they came from.
*/

mod draft;
mod grid;
mod keys;
mod overrides;
mod places;
mod resolve;
mod setup;
mod syntax;
mod tune;

pub use keys::PLAIN as PLAIN_KEYS;
pub use overrides::key_value;
pub use places::{Place, SpecError};

pub use tune::{Choice, Metric, Tune};

use draft::Draft;
use places::{Places, lookup};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;
use toml::{Table, Value};

/// A whole experiment: the runs of one file and its overrides.
#[derive(Clone, Debug)]
pub struct Spec {
    name: String,
    runs: Vec<RunSpec>,
    draft: Arc<Draft>,
}

/// One run: a resolved spec without a grid.
#[derive(Clone, Debug)]
pub struct RunSpec {
    table: Table,
    text: String,
    id: String,
    axes: Vec<(String, Value)>,
    label: String,
    overrides: Vec<String>,
    places: Places,
}

impl Spec {
    /// Reads a spec file, applies overrides and expands the grid. Every run is checked before any can start.
    ///
    /// # Errors
    /// With file, line and key (or the override) for anything that cannot be used.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Spec, SpecError> {
        let text = std::fs::read_to_string(path).map_err(|e| SpecError {
            file: path.to_path_buf(),
            place: Place::File,
            key: String::new(),
            value: None,
            message: format!("cannot read the spec: {e}"),
        })?;
        Spec::parse(&text, path, overrides)
    }

    /// As [`Spec::load`], from a text; `file` only appears in messages.
    ///
    /// # Errors
    /// As [`Spec::load`].
    pub fn parse(text: &str, file: &Path, overrides: &[String]) -> Result<Spec, SpecError> {
        let draft = Draft::parse(text, file, overrides)?;
        let runs = draft.expand(&[], &[])?;
        draft.check_tuning(&runs)?;
        if let Some(tune) = &draft.tune {
            // A value that cannot be used must be told before the first run, not after hours of others.
            draft.tuning(&tune.axes)?;
        }
        Ok(Spec::of(runs, draft))
    }

    fn of(runs: Vec<RunSpec>, draft: Draft) -> Spec {
        let name = runs.first().map(|r| r.name().to_owned()).unwrap_or_default();
        Spec { name, runs, draft: Arc::new(draft) }
    }

    /// Whether it is a folder of runs rather than a single one.
    pub fn is_sweep(&self) -> bool {
        self.runs.len() > 1 || self.tune().is_some()
    }

    /// What is to be tuned before the runs are made, if anything.
    pub fn tune(&self) -> Option<&Tune> {
        self.draft.tune.as_ref()
    }

    /// The runs that compare `axes` (as [`Tune::axes`], perhaps longer): every run of the spec but on the seeds of
    /// `[tune]`, once for every combination of values.
    ///
    /// # Errors
    /// If a value cannot be used in a run.
    pub fn tuning_runs(&self, axes: &[(String, Vec<Value>)]) -> Result<Vec<RunSpec>, SpecError> {
        self.draft.tuning(axes)
    }

    /// The same experiment with tuned values in place of `[tune]`; they hold for runs of their rule as those of
    /// `[per_rule]` do, and win over them.
    ///
    /// # Errors
    /// If a value cannot be used in a run.
    pub fn with_choices(&self, choices: &[Choice]) -> Result<Spec, SpecError> {
        let runs = self.draft.expand(&[], choices)?;
        Ok(Spec::of(runs, self.draft.untuned()))
    }

    /// Name of the experiment.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The runs, grid expanded, the last axis fastest; at least one.
    pub fn runs(&self) -> Vec<RunSpec> {
        self.runs.clone()
    }
}

impl RunSpec {
    fn new(
        tree: &Table,
        places: Places,
        axes: Vec<(String, Value)>,
        overrides: &[String],
    ) -> Result<RunSpec, SpecError> {
        let table = resolve::resolve(tree, &places).map_err(|mut e| {
            // `activation = "rellu"` is short for a table; the key to name is the one that was written.
            if let Some((above, "name")) = e.key.rsplit_once('.')
                && lookup(tree, above).is_some_and(Value::is_str)
            {
                e.key = above.to_owned();
            }
            // `widths=784,10` is a grid of two widths to the program, and one list to its user.
            if let (Place::Override(text), true) = (&e.place, axes.iter().any(|(path, _)| *path == e.key))
                && e.message.starts_with("expected a list")
                && let Some((key, value)) = text.split_once('=')
            {
                e.message += &format!(" (a comma list makes a grid; one list is {key}=[{value}])");
            }
            e.value = lookup(tree, &e.key).filter(|v| !v.is_table()).map(|v| v.to_string().into());
            e
        })?;
        let text = toml::to_string(&table).map_err(|e| places.error("", e.to_string()))?;
        let id = Sha256::digest(text.as_bytes()).iter().take(5).map(|b| format!("{b:02x}")).collect();
        let words: Vec<String> = axes.iter().map(|(path, v)| format!("{path}={}", shown(v))).collect();
        let label = words.join(" ");
        Ok(RunSpec { table, text, id, axes, label, overrides: overrides.to_vec(), places })
    }

    /// First 10 hex digits of the SHA-256 of the resolved spec.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The resolved spec: every default filled in, keys in alphabetical order, no grid.
    pub fn to_toml(&self) -> &str {
        &self.text
    }

    /// Name of the experiment.
    pub fn name(&self) -> &str {
        self.table["name"].as_str().unwrap_or_default()
    }

    /// The values of this run's grid axes, as `rule.name=fa seed=0`; empty without a grid.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The same as keys and values.
    pub fn axes(&self) -> &[(String, Value)] {
        &self.axes
    }

    /// The resolved spec as a table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Registry word of the rule.
    pub fn rule(&self) -> &str {
        rule_name(&self.table).unwrap_or_default()
    }

    /// The run's seed.
    pub fn seed(&self) -> u64 {
        self.table["seed"].as_integer().and_then(|i| u64::try_from(i).ok()).unwrap_or(0)
    }

    /// The value at a dotted key of the resolved spec.
    pub fn get(&self, key: &str) -> Option<&Value> {
        lookup(&self.table, key)
    }

    /// The overrides it was loaded with, as given.
    pub fn overrides(&self) -> &[String] {
        &self.overrides
    }

    /// `<name>-<id>`: the run's folder in a folder of runs.
    pub fn folder(&self) -> String {
        format!("{}-{}", self.name(), self.id)
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn rule_name(tree: &Table) -> Option<&str> {
    match tree.get("rule")? {
        Value::String(s) => Some(s),
        Value::Table(t) => t.get("name")?.as_str(),
        _ => None,
    }
}
